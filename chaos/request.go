package chaos

import (
	"bytes"
	"net/netip"
	"net/url"
)

// Request is what a Matcher looks at. An engine fills in what it has, without copying;
// the slices are only read. It belongs to one request and must not be shared.
type Request struct {
	Method []byte
	// Target is that of the request line, in any of its forms, or :path of HTTP/2.
	Target []byte
	// Host is that of the field Host or :authority; if it is nil, the one in Target.
	Host []byte
	// HeaderLines are the lines of an HTTP/1 head after the request line, each ended
	// by CR LF. Of HTTP/2 it is nil and Header has the fields.
	HeaderLines []byte
	Header      []Field
	// Source is the address of the client.
	Source netip.Addr
	// ContentLength is 0 without a body. It says nothing if Chunked is set.
	ContentLength int64
	// Chunked says that there is a body whose length is not announced.
	Chunked bool
	// GRPC says that it is a gRPC call, whose method is its path.
	GRPC bool
	// Operations are those of a GraphQL request: one, or those of a batch. An engine
	// reads them from the body only for a Matcher that NeedsGraphQL.
	Operations []Operation

	// What was found out so far, since all rules of a target ask the same.
	path  []byte     // of Target, nil if nobody asked
	query []byte     // likewise
	coded bool       // whether query has "%" or "+"
	plain netip.Addr // plainAddr(Source), likewise
	names uint64     // nameBit of all fields, or 0
	// first is where in HeaderLines a field of the name firstName first stands, and
	// end where the search for more can end.
	firstName  []byte
	first, end int
}

// Field is a field of a head. The names of HTTP/2 are in small letters.
type Field struct{ Name, Value []byte }

// Operation is an operation of GraphQL.
type Operation struct {
	// Type is "query", "mutation" or "subscription"; empty if it is not known, as of a
	// persisted one.
	Type []byte
	// Name may be empty.
	Name []byte
}

// Path returns the decoded path of Target.
func (r *Request) Path() []byte {
	if r.path == nil {
		r.path = requestPath(r.Target)
	}
	return r.path
}

// Query returns the query of Target, as it stands there.
func (r *Request) Query() []byte { return requestQuery(r.Target) }

// Value returns the value of the first field of a name, which is in small letters, or nil.
func (r *Request) Value(name string) []byte {
	for i := range r.Header {
		if isName(r.Header[i].Name, []byte(name)) {
			return r.Header[i].Value
		}
	}
	for at := 0; at < len(r.HeaderLines); {
		line := firstLine(r.HeaderLines[at:])
		if n := len(name); len(line) > n && line[n] == ':' && isName(line[:n], []byte(name)) {
			return trimBlanks(line[n+1:])
		}
		at += len(line) + 1
	}
	return nil
}

// requestPath returns the decoded path of a request target: "/a?b", "http://h/a" or "*".
func requestPath(target []byte) []byte {
	_, target = splitTarget(target)
	if len(target) == 0 || target[0] == '?' {
		return []byte("/")
	}
	if i := bytes.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	if bytes.IndexByte(target, '%') >= 0 {
		if path, err := url.PathUnescape(string(target)); err == nil {
			return []byte(path)
		}
	}
	return target
}

// splitTarget takes scheme and host off a target in absolute form.
func splitTarget(target []byte) (host, rest []byte) {
	if len(target) == 0 || target[0] == '/' {
		return nil, target
	}
	i := bytes.Index(target, []byte("://"))
	if i <= 0 {
		return nil, target
	}
	target = target[i+3:]
	end := bytes.IndexAny(target, "/?")
	if end < 0 {
		end = len(target)
	}
	return target[:end], target[end:]
}

// host returns the host, with its port only if withPort.
func (r *Request) host(withPort bool) []byte {
	host := r.Host
	if host == nil {
		host, _ = splitTarget(r.Target)
	}
	if withPort {
		return host
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		return host[:i]
	}
	return host
}

// source returns the client's address without what tells equal addresses apart.
func (r *Request) source() netip.Addr {
	if !r.plain.IsValid() {
		r.plain = plainAddr(r.Source)
	}
	return r.plain
}

// plainAddr makes an IPv4 address of one that is mapped to IPv6, and takes off the zone.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// fitsHeader reports whether a field of that name has a value that fits.
func (r *Request) fitsHeader(want *namedPattern) bool {
	if r.fieldNames()&want.bit == 0 {
		return false
	}
	for i := range r.Header {
		if isName(r.Header[i].Name, want.name) && want.pattern.fits(r.Header[i].Value) {
			return true
		}
	}
	at := r.first
	if !bytes.Equal(r.firstName, want.name) {
		at = 0
		r.firstName, r.first, r.end = want.name, len(r.HeaderLines), len(r.HeaderLines)
	}
	last := at
	for at < r.end {
		line := firstLine(r.HeaderLines[at:])
		// Most lines are told apart by where their name would end.
		if n := len(want.name); len(line) > n && line[n] == ':' && isName(line[:n], want.name) {
			r.first, last = min(r.first, at), at+len(line)
			if want.pattern.fits(trimBlanks(line[n+1:])) {
				return true
			}
		}
		at += len(line) + 1
	}
	r.end = last // all of them have been seen
	return false
}

// trimBlanks takes blanks off both ends, and the CR off the end. bytes.Trim takes three
// times as long.
func trimBlanks(b []byte) []byte {
	blank := func(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && blank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// fieldNames returns the nameBit of all fields, and the highest bit besides.
func (r *Request) fieldNames() uint64 {
	if r.names == 0 {
		r.names = r.nameBits()
	}
	return r.names
}

// nameBits finds fieldNames.
func (r *Request) nameBits() uint64 {
	bits := uint64(1 << 63)
	for i := range r.Header {
		bits |= nameBit(r.Header[i].Name)
	}
	for at := 0; at < len(r.HeaderLines); {
		line := firstLine(r.HeaderLines[at:])
		if colon := bytes.IndexByte(line, ':'); colon >= 0 {
			bits |= nameBit(line[:colon])
		}
		at += len(line) + 1
	}
	return bits
}

// nameBit returns one of 64 bits for the name of a field, whatever its letters' case.
func nameBit(name []byte) uint64 {
	if len(name) == 0 {
		return 1
	}
	first, last := name[0]|0x20, name[len(name)-1]|0x20
	return 1 << ((uint(len(name))*7 + uint(first)*3 + uint(last)) % 63)
}

// firstLine returns b up to its first line feed, without it.
func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i]
	}
	return b
}

// isName compares without regard to case; lower is in small letters.
func isName(b, lower []byte) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// fitsQuery reports whether a parameter of that name has a value that fits.
func (r *Request) fitsQuery(want *namedPattern) bool {
	if r.query == nil {
		r.query = requestQuery(r.Target)
		r.coded = bytes.IndexByte(r.query, '%') >= 0 || bytes.IndexByte(r.query, '+') >= 0
	}
	for at := 0; at < len(r.query); {
		pair := r.query[at:]
		if i := bytes.IndexByte(pair, '&'); i >= 0 {
			pair = pair[:i]
		}
		at += len(pair) + 1
		name, value := pair, pair[len(pair):]
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			name, value = pair[:i], pair[i+1:]
		}
		if r.coded {
			name, value = unescape(name), unescape(value)
		}
		if bytes.Equal(name, want.name) && want.pattern.fits(value) {
			return true
		}
	}
	return false
}

// requestQuery returns the query of a request target, which is never nil.
func requestQuery(target []byte) []byte {
	begin := bytes.IndexByte(target, '?')
	if begin < 0 {
		return []byte{}
	}
	query := target[begin+1:]
	if end := bytes.IndexByte(query, '#'); end >= 0 {
		query = query[:end]
	}
	return query
}

// unescape decodes a part of a query, or returns it as it is if it cannot be decoded.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b
	}
	if s, err := url.QueryUnescape(string(b)); err == nil {
		return []byte(s)
	}
	return b
}
