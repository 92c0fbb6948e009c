package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// However a response is changed, one response comes of it, which net/http reads as it
// is meant, and nothing is left over that could pass for another.
func FuzzChange(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
		"HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nto the end",
		"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n",
	} {
		f.Add([]byte(s), 200, "body", "x-name")
	}
	f.Fuzz(func(t *testing.T, raw []byte, status int, content, name string) {
		n := headEnd(raw, 0)
		if n == 0 || !isToken([]byte(name)) || strings.EqualFold(name, "content-length") || strings.EqualFold(name, "transfer-encoding") ||
			strings.EqualFold(name, "connection") || strings.EqualFold(name, "trailer") {
			return
		}
		h, err := parseResponse(raw[:n])
		if err != nil || h.status < 200 {
			return
		}
		status = 200 + max(0, status)%400
		in := &reader{p: new(Proxy), buf: bytes.Clone(raw), w: len(raw)}
		y := responseBody(&h, false)
		edits := []edit{{head: func(m *message) {
			m.remove("X")
			m.set(name, "value")
		}, body: func(m *message) {
			m.setStatus(status)
			m.body = []byte(content)
		}}}
		if err := applyEdits(in, &h, &y, edits, toClient, false, func() error { return io.EOF }); err != nil {
			return // the response was broken
		}
		r := bufio.NewReader(bytes.NewReader(in.bytes()))
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return // net/http refuses more of what was there before
		}
		got, err := io.ReadAll(resp.Body)
		want := content
		if bodiless(status) {
			want = ""
		}
		if err != nil || string(got) != want || resp.StatusCode != status || resp.Header.Get(name) != "value" {
			t.Errorf("%q became %q: %d %q, %v", raw, in.bytes(), resp.StatusCode, got, err)
		}
		if fed, err := y.feed(in.bytes()[h.size:]); err != nil || !y.done || fed != len(want) {
			t.Errorf("%q became %q, of whose content %d bytes are taken, %v", raw, in.bytes(), fed, err)
		}
	})
}
