package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// message is a request or response that faults change.
type message struct {
	start []byte   // the first line
	lines [][]byte // header lines, without those of framing if the content is there
	// body is the content, where whole is set.
	body  []byte
	whole bool
}

// edit changes messages. Of head and body one may be nil. Body is for what needs the
// content, which is buffered for it, up to maxEdit: longer messages pass without.
type edit struct {
	by         *active
	head, body func(m *message)
	// replaces: whatever the content is, body puts another in its place. It need not be
	// buffered then, and may be of any length.
	replaces bool
	// wants, if it is set, says from the head whether the content is wanted at all.
	wants func(m *message) bool
	// missed, if it is set along with body, is called if the message passes without its
	// content having been there.
	missed func()
}

// maxEdit bounds what is buffered of a message's content.
const maxEdit = 1 << 20

// maxMessage bounds its bytes, whose framing a hostile peer may make long.
const maxMessage = 2 * maxEdit

// set puts a field in place of those of its name.
func (m *message) set(name, value string) {
	m.remove(name)
	m.lines = append(m.lines, []byte(name+": "+value))
}

// remove takes all fields of a name out.
func (m *message) remove(name string) {
	kept := m.lines[:0]
	for _, line := range m.lines {
		if !isField(line, name) {
			kept = append(kept, line)
		}
	}
	m.lines = kept
}

// has reports whether there is a field of a name.
func (m *message) has(name string) bool {
	for _, line := range m.lines {
		if isField(line, name) {
			return true
		}
	}
	return false
}

func isField(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}

// setStatus changes the status of a response.
func (m *message) setStatus(status int) {
	text := http.StatusText(status)
	if text == "" {
		text = "Status"
	}
	m.start = []byte("HTTP/1.1 " + strconv.Itoa(status) + " " + text)
}

// status returns that of a response, or 0.
func (m *message) status() int {
	status, err := strconv.Atoi(string(m.start[len("HTTP/1.1 "):][:3]))
	if err != nil {
		return 0
	}
	return status
}

// removeFraming takes the fields out that say how the content is sent.
func (m *message) removeFraming() {
	m.remove("Content-Length")
	m.remove("Transfer-Encoding")
	m.remove("Trailer")
}

// parse reads a head, which is one that the parsers of head.go take.
func (m *message) parse(head []byte) {
	for line := range bytes.SplitSeq(bytes.TrimSuffix(head, []byte("\r\n\r\n")), []byte("\r\n")) {
		if m.start == nil {
			m.start = bytes.Clone(line)
		} else {
			m.lines = append(m.lines, bytes.Clone(line))
		}
	}
}

// encode writes the message, or its head if its content is not there, and returns the
// size of its head too.
func (m *message) encode(way direction) (size int, text []byte) {
	if way == toClient && m.whole && bodiless(m.status()) {
		m.whole, m.body = false, nil
	}
	var b bytes.Buffer
	b.Write(m.start)
	b.WriteString("\r\n")
	for _, line := range m.lines {
		b.Write(line)
		b.WriteString("\r\n")
	}
	if m.whole && (way == toClient || len(m.body) > 0) {
		b.WriteString("Content-Length: " + strconv.Itoa(len(m.body)) + "\r\n")
	}
	b.WriteString("\r\n")
	size = b.Len()
	b.Write(m.body)
	return size, b.Bytes()
}

// change applies the edits and cuts of v for a way to the message at the front of in,
// whose head is h and whose body y is at its beginning; afterwards they are those of
// the changed one. fill reads more of it.
// headOnly says that it is the response to a HEAD.
func (c *conn) change(in *reader, h *head, y *body, v *verdict, way direction, headOnly bool, fill func() error) error {
	if edits := v.edits[way]; len(edits) > 0 {
		if err := applyEdits(in, h, y, edits, way, headOnly, fill); err != nil {
			return err
		}
	}
	return v.cut(in, h, y, way, fill)
}

func applyEdits(in *reader, h *head, y *body, edits []edit, way direction, headOnly bool, fill func() error) error {
	var m message
	raw := h.size
	m.parse(in.bytes()[:h.size])
	if headOnly {
	} else if first := firstForContent(edits, &m); first != nil && first.replaces {
		if err := skipMessage(in, h, *y, fill); err != nil {
			return err
		}
		m.whole, raw = true, 0
	} else if first != nil {
		content, size, err := peekBody(in, h, *y, fill)
		if err != nil {
			return err
		}
		if size > 0 {
			m.body, m.whole, raw = content, true, size
		}
	} else if way == toClient && bodiless(h.status) {
		m.whole = true // with another status it needs a length
	}
	if m.whole {
		m.removeFraming()
	}
	m.apply(edits)
	size, text := m.encode(way)
	in.replace(raw, text)
	return reparse(in.bytes()[:size], h, y, way, headOnly)
}

// apply lets edits change the message.
func (m *message) apply(edits []edit) {
	for i := range edits {
		e := &edits[i]
		if e.head != nil {
			e.head(m)
		}
		switch {
		case e.body == nil:
		case m.whole:
			e.body(m)
		case e.missed != nil:
			e.missed()
		}
	}
}

// firstForContent returns the first of edits that wants the content of a message, or nil.
func firstForContent(edits []edit, m *message) *edit {
	i := slices.IndexFunc(edits, func(e edit) bool { return e.body != nil && (e.wants == nil || e.wants(m)) })
	if i < 0 {
		return nil
	}
	return &edits[i]
}

// reparse reads the head of a changed message.
func reparse(text []byte, h *head, y *body, way direction, headOnly bool) (err error) {
	if way == toUpstream {
		*h, err = parseRequest(text)
		*y = newBody(h)
		return err
	}
	*h, err = parseResponse(text)
	*y = responseBody(h, headOnly)
	return err
}

// skipMessage takes the whole message off in, and keeps nothing of it.
func skipMessage(in *reader, h *head, y body, fill func() error) error {
	if y.chunks != nil {
		y.chunks = new(chunkReader)
	}
	for in.take(h.size); ; {
		n, err := y.feed(in.bytes())
		if err != nil {
			return err
		}
		in.take(n)
		if y.done {
			return nil
		}
		if err := fill(); err != nil {
			if y.left < 0 && errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// peekBody reads the whole message into in and returns its content and its size with
// the head. The size is 0 if there is too much of it.
func peekBody(in *reader, h *head, y body, fill func() error) (content []byte, size int, err error) {
	y.content = func(b []byte) { content = append(content, b...) }
	if y.chunks != nil {
		y.chunks = new(chunkReader)
	}
	for size = h.size; ; {
		n, err := y.feed(in.bytes()[size:])
		if err != nil {
			return nil, 0, err
		}
		size += n
		if len(content) > maxEdit || size > maxMessage {
			return nil, 0, nil
		}
		if y.done {
			return content, size, nil
		}
		if err := fill(); err != nil {
			if y.left < 0 && errors.Is(err, io.EOF) {
				return content, size, nil
			}
			return nil, 0, err
		}
	}
}

// cut limits how much of a body passes. Of one whose length is not announced it has to
// be known how long it is: it is buffered, and of a long one a part of what is passes.
func (v *verdict) cut(in *reader, h *head, y *body, way direction, fill func() error) error {
	if len(v.cuts[way]) == 0 || y.done {
		return nil
	}
	total, exact := y.left, y.chunks == nil && y.left >= 0
	if !exact {
		_, size, err := peekBody(in, h, *y, fill)
		if err != nil {
			return err
		}
		if size == 0 {
			size = len(in.bytes())
		}
		total = int64(size - h.size)
		if way == toUpstream { // the reader may have moved what the head is made of
			if *h, err = parseRequest(in.bytes()[:h.size]); err != nil {
				return err
			}
		}
	}
	now := time.Now()
	for _, c := range v.cuts[way] {
		if elapsed, on := c.by.state(now); on {
			l := &limit{by: c.by}
			l.left.Store(int64(h.size) + c.keep(total, elapsed))
			v.flows[way].limits = append(v.flows[way].limits, l)
		}
	}
	return nil
}
