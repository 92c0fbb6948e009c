package proxy

import (
	"bytes"
	"fmt"
	"net/http"
)

// head is a parsed HTTP/1 head. Its slices alias the bytes that were parsed.
type head struct {
	// Of a request.
	method, target []byte
	host           bool
	hostValue      []byte
	lines          []byte // the header lines, with the empty one
	expect         bool   // Expect: 100-continue

	// Of a response.
	status int

	// Of both.
	minor   int   // 0 or 1 of HTTP/1.x
	length  int64 // Content-Length, -1 without
	chunked bool
	close   bool // no other message follows: Connection: close, or HTTP/1.0 without keep-alive
	upgrade bool // Upgrade, and named in Connection
	size    int  // bytes up to and with the empty line
	encoded bool // there is a Transfer-Encoding

	// What Connection and Upgrade said, before it is put together.
	saidClose, saidKeep, saidUpgrade, hasUpgrade bool
}

// headError is why a head or a body is refused. Of a request it is answered with
// status, of a response with 502.
type headError struct {
	status int
	what   string
}

func (e *headError) Error() string {
	return fmt.Sprintf("%d %s: %s", e.status, http.StatusText(e.status), e.what)
}

func badHead(format string, args ...any) error {
	return &headError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// headEnd returns the length of the head at the front of b, or 0 if its end is not
// there yet. from is how many bytes an earlier call has looked at. A line that ends in a
// bare LF is the end too: what comes behind it, if anything does, cannot make the head one
// that is taken, and a client that writes all its lines so sends no more.
func headEnd(b []byte, from int) int {
	from = max(0, from-3)
	if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
		return from + i + 4
	}
	for i := from; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		if i += n; i == 0 || b[i-1] != '\r' {
			return i + 1
		}
	}
}

// parseRequest reads a request head, which is the whole of b with its empty line.
//
// It refuses what different servers read differently, since that is how requests are
// smuggled: bare CR or LF, folded lines, spaces before a colon, more than one
// Content-Length, Transfer-Encoding or Host, both of the first two, and a
// Transfer-Encoding that does not end in chunked.
func parseRequest(b []byte) (head, error) {
	h := head{length: -1, size: len(b)}
	line, rest, err := cutLine(b)
	if err != nil {
		return h, err
	}
	method, line, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(line, []byte(" "))
	if !ok || !ok2 || !isToken(method) || len(target) == 0 || !visible(target) {
		return h, badHead("the request line is not METHOD TARGET HTTP/1.1")
	}
	h.method, h.target, h.lines = method, target, rest
	if err := h.version(version); err != nil {
		return h, err
	}
	if err := h.fields(rest); err != nil {
		return h, err
	}
	if h.encoded && !h.chunked {
		return h, badHead("Transfer-Encoding of a request must end in chunked")
	}
	return h, nil
}

// parseResponse reads a response head likewise.
func parseResponse(b []byte) (head, error) {
	h := head{length: -1, size: len(b)}
	line, rest, err := cutLine(b)
	if err != nil {
		return h, err
	}
	version, line, ok := bytes.Cut(line, []byte(" "))
	if !ok || len(line) < 3 || len(line) > 3 && line[3] != ' ' {
		return h, badHead("the status line is not HTTP/1.1 CODE REASON")
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return h, badHead("the status %q is not a number", line[:3])
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return h, badHead("the status %q is below 100", line[:3])
	}
	if err := h.version(version); err != nil {
		return h, err
	}
	return h, h.fields(rest)
}

// cutLine splits a line off b, whose lines all end in CR LF.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, badHead("a line does not end in CR LF")
	}
	line = b[:i-1]
	for _, c := range line {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, badHead("a line has the control character %#02x", c)
		}
	}
	return line, b[i+1:], nil
}

func (h *head) version(v []byte) error {
	switch string(v) {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
		h.minor = 0
	default:
		if bytes.HasPrefix(v, []byte("HTTP/")) && len(v) == len("HTTP/1.1") {
			return &headError{http.StatusHTTPVersionNotSupported, fmt.Sprintf("the version %q is not spoken here", v)}
		}
		return badHead("the version is not HTTP/1.1")
	}
	return nil
}

// fields reads the header fields up to the empty line.
func (h *head) fields(b []byte) error {
	for {
		line, rest, err := cutLine(b)
		if err != nil {
			return err
		}
		if b = rest; len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return badHead("a header line is folded")
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !isToken(name) {
			return badHead("a header line is not Name: value")
		}
		if err := h.field(name, bytes.Trim(value, " \t")); err != nil {
			return err
		}
	}
	if len(b) != 0 {
		return badHead("there is an empty line inside the head")
	}
	if h.encoded && h.length >= 0 {
		return badHead("there are both Content-Length and Transfer-Encoding")
	}
	if h.encoded && h.minor == 0 {
		return badHead("there is a Transfer-Encoding in HTTP/1.0")
	}
	h.upgrade = h.hasUpgrade && h.saidUpgrade
	h.close = h.saidClose || h.minor == 0 && !h.saidKeep
	return nil
}

// field looks at one field. Lengths are told apart first, since most are of no interest.
func (h *head) field(name, value []byte) error {
	switch len(name) {
	case len("Host"):
		if isName(name, "host") {
			if h.host {
				return badHead("there is more than one Host")
			}
			h.host, h.hostValue = true, value
		}
	case len("Expect"):
		if isName(name, "expect") && isName(value, "100-continue") {
			h.expect = true
		}
	case len("Upgrade"):
		if isName(name, "upgrade") {
			h.hasUpgrade = true
		}
	case len("Connection"):
		if isName(name, "connection") {
			for item := range bytes.SplitSeq(value, []byte(",")) {
				switch item = bytes.Trim(item, " \t"); {
				case isName(item, "close"):
					h.saidClose = true
				case isName(item, "keep-alive"):
					h.saidKeep = true
				case isName(item, "upgrade"):
					h.saidUpgrade = true
				}
			}
		}
	case len("Content-Length"):
		if isName(name, "content-length") {
			return h.contentLength(value)
		}
	case len("Transfer-Encoding"):
		if isName(name, "transfer-encoding") {
			return h.transferEncoding(value)
		}
	}
	return nil
}

func (h *head) contentLength(value []byte) error {
	if h.length >= 0 {
		return badHead("there is more than one Content-Length")
	}
	if len(value) == 0 || len(value) > 18 { // 18 digits fit an int64
		return badHead("Content-Length %.40q is not a length", value)
	}
	h.length = 0
	for _, c := range value {
		if c < '0' || c > '9' {
			return badHead("Content-Length %.40q is not a length", value)
		}
		h.length = h.length*10 + int64(c-'0')
	}
	return nil
}

func (h *head) transferEncoding(value []byte) error {
	if h.encoded {
		return badHead("there is more than one Transfer-Encoding")
	}
	h.encoded = true
	for item := range bytes.SplitSeq(value, []byte(",")) {
		item = bytes.Trim(item, " \t")
		if h.chunked {
			return badHead("chunked is not the last Transfer-Encoding")
		}
		switch {
		case isName(item, "chunked"):
			h.chunked = true
		case isName(item, "gzip"), isName(item, "deflate"), isName(item, "compress"):
		default:
			return badHead("Transfer-Encoding %.40q is unknown", item)
		}
	}
	return nil
}

// isName compares without regard to case; lower is in small letters.
func isName(b []byte, lower string) bool {
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

// isToken reports whether b is a token of RFC 9110.
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChar(c) {
			return false
		}
	}
	return len(b) > 0
}

func tokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}

func visible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
