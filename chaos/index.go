package chaos

import (
	"bytes"
	"math/bits"
)

// Index tells of a list of matchers which ones a request may fit, so that of many that
// are on a target only few have to be asked. It is a filter: those it names may not
// fit, those it leaves out do not. It has no state and may be shared.
//
// It goes by the first segment of the path and by the host, where a pattern shows what
// they must be, and by the names of header fields: that is how rules of one target
// mostly differ.
type Index struct {
	all        Set
	segments   map[string]Set // by the first segment: those that need it
	anySegment Set            // those that do not need a certain one
	hosts      map[string]Set // likewise, in small letters
	anyHost    Set
	fields     map[uint64]Set // by the nameBit of a header field: those that need it
	useful     bool           // there is anything to go by
}

// Set is a set of places in a list.
type Set []uint64

// First returns the first place that is not before from, or -1.
func (s Set) First(from int) int {
	for i := from / 64; i < len(s); i++ {
		word := s[i]
		if i == from/64 {
			word &= ^uint64(0) << (from % 64)
		}
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

func (s Set) add(i int) { s[i/64] |= 1 << (i % 64) }

// indexFrom is how many matchers there must be for asking the index to pay.
const indexFrom = 4

// NewIndex makes the index of a list of matchers, some of which may be nil: they fit
// nothing.
func NewIndex(matchers []*Matcher) *Index {
	fresh := func() Set { return make(Set, (len(matchers)+63)/64) }
	x := &Index{all: fresh(), anySegment: fresh(), anyHost: fresh(), segments: map[string]Set{}, hosts: map[string]Set{}, fields: map[uint64]Set{}}
	for i, m := range matchers {
		if m == nil {
			continue
		}
		x.all.add(i)
		put := func(into map[string]Set, others Set, key string, needed bool) {
			if !needed {
				others.add(i)
				return
			}
			if into[key] == nil {
				into[key] = fresh()
			}
			into[key].add(i)
		}
		segment, needed := m.path.segment()
		put(x.segments, x.anySegment, segment, needed)
		host, needed := m.exactHost()
		put(x.hosts, x.anyHost, host, needed)
		if len(m.headers) > 0 {
			bit := m.headers[0].bit
			if x.fields[bit] == nil {
				x.fields[bit] = fresh()
			}
			x.fields[bit].add(i)
		}
	}
	x.useful = len(matchers) >= indexFrom && len(x.hosts)+len(x.segments)+len(x.fields) > 0
	return x
}

// May returns the places of the matchers that req may fit. The set is valid until buf,
// which may be nil, is used again; it is not to be changed.
func (x *Index) May(req *Request, buf Set) Set {
	if !x.useful {
		return x.all
	}
	buf = append(buf[:0], x.anySegment...)
	if segment, ok := firstSegment(req.Path()); ok {
		for i, word := range x.segments[string(segment)] {
			buf[i] |= word
		}
	}
	x.narrowByHost(req, buf)
	x.narrowByFields(req, buf)
	return buf
}

// narrowByHost takes those out of s that need another host.
func (x *Index) narrowByHost(req *Request, s Set) {
	if len(x.hosts) == 0 {
		return
	}
	var text [64]byte
	host, ok := lowerASCII(text[:0], req.host(false))
	if !ok {
		return
	}
	fits := x.hosts[string(host)]
	for i := range s {
		word := x.anyHost[i]
		if fits != nil {
			word |= fits[i]
		}
		s[i] &= word
	}
}

// narrowByFields takes those out of s that need a header field which is not there.
func (x *Index) narrowByFields(req *Request, s Set) {
	for bit, who := range x.fields {
		for i := range s {
			if s[i]&who[i] != 0 && req.fieldNames()&bit == 0 {
				s[i] &^= who[i]
			}
		}
	}
}

// segment returns what the first segment of any path that fits is, if it must be one.
func (p *textPattern) segment() (segment string, needed bool) {
	text, whole := p.prefix, false
	if p.form == textExact || p.form == textUnder {
		text, whole = p.text, true
	}
	first, ok := firstSegment(text)
	if p.form == textAny || p.fold || !ok || len(text) == 0 || !whole && len(first)+1 == len(text) {
		return "", false
	}
	return string(first), true
}

// firstSegment returns the first segment of a path that begins with a slash.
func firstSegment(path []byte) ([]byte, bool) {
	if len(path) == 0 || path[0] != '/' {
		return nil, false
	}
	path = path[1:]
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		path = path[:i]
	}
	return path, true
}

// exactHost returns the only host that fits, in small letters, if there is only one.
func (c *Matcher) exactHost() (host string, ok bool) {
	if c.host.form != textExact || c.hostPort {
		return "", false
	}
	lower, ok := lowerASCII(make([]byte, 0, len(c.host.text)), c.host.text)
	return string(lower), ok && len(lower) <= 64
}

// lowerASCII appends b in small letters to into, as far as there is room. It returns
// false if there is not, or b has letters of other alphabets.
func lowerASCII(into, b []byte) ([]byte, bool) {
	if len(b) > cap(into)-len(into) {
		return nil, false
	}
	for _, c := range b {
		if c >= 0x80 {
			return nil, false
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		into = append(into, c)
	}
	return into, true
}
