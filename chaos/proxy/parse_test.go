package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for text, want := range map[string]head{
		"GET /a HTTP/1.1\r\nHost: x\r\n\r\n":                                               {minor: 1, length: -1, host: true},
		"GET /a HTTP/1.0\r\n\r\n":                                                          {minor: 0, length: -1, close: true},
		"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n":                                {minor: 0, length: -1, saidKeep: true},
		"POST /a HTTP/1.1\r\nContent-Length:  12 \r\nConnection: x, CLOSE\r\n\r\n":         {minor: 1, length: 12, close: true, saidClose: true},
		"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n":                     {minor: 1, length: -1, chunked: true, encoded: true},
		"GET /a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n": {minor: 1, length: -1, upgrade: true, hasUpgrade: true, saidUpgrade: true, saidKeep: true},
		"GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n":                                    {minor: 1, length: -1, hasUpgrade: true},
		"PUT /a HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n":                                  {minor: 1, length: -1, expect: true},
	} {
		h, err := parseRequest([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if string(h.target) != "/a" || h.size != len(text) {
			t.Errorf("%q: target %q, size %d", text, h.target, h.size)
		}
		method, _, _ := strings.Cut(text, " ")
		if string(h.method) != method {
			t.Errorf("%q: method %q", text, h.method)
		}
		h.method, h.target, h.size = nil, nil, 0
		if !equalHeads(h, want) {
			t.Errorf("%q:\n got %+v\nwant %+v", text, h, want)
		}
	}
}

func equalHeads(a, b head) bool {
	return a.minor == b.minor && a.length == b.length && a.chunked == b.chunked && a.close == b.close && a.upgrade == b.upgrade &&
		a.encoded == b.encoded && a.expect == b.expect && a.host == b.host && a.status == b.status && a.saidKeep == b.saidKeep
}

func TestHeadEnd(t *testing.T) {
	const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody"
	for seen := range len(text) {
		for upTo := seen; upTo <= len(text); upTo++ {
			want := 0
			if upTo >= len(text)-4 {
				want = len(text) - 4
			}
			if seen <= len(text)-5 { // a caller stops at the end
				if got := headEnd([]byte(text[:upTo]), seen); got != want {
					t.Fatalf("headEnd of %d bytes after %d is %d, want %d", upTo, seen, got, want)
				}
			}
		}
	}
}

// What the parser takes, net/http takes too, and frames it alike: a difference would
// be a way to smuggle.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		h, err := parseRequest(b[:n])
		if err != nil || !h.host && h.minor == 1 {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(b[:n]), strings.NewReader("0\r\n\r\n"))))
		if err != nil {
			return // it refuses more: targets, hosts
		}
		chunked := len(req.TransferEncoding) > 0 && req.TransferEncoding[0] == "chunked"
		if chunked != h.chunked || !chunked && req.ContentLength != max(h.length, 0) {
			t.Errorf("%q: length %d, chunked %v; net/http has %d, %v", b[:n], h.length, h.chunked, req.ContentLength, chunked)
		}
		if req.Method != string(h.method) {
			t.Errorf("%q: method %q; net/http has %q", b[:n], h.method, req.Method)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := headEnd(b, 0)
		if n == 0 {
			return
		}
		h, err := parseResponse(b[:n])
		if err != nil {
			return
		}
		if h.status < 100 || h.status > 999 || h.chunked && h.length >= 0 {
			t.Errorf("%q: %+v", b[:n], h)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:n])), nil)
		if err == nil && resp.StatusCode != h.status {
			t.Errorf("%q: status %d; net/http has %d", b[:n], h.status, resp.StatusCode)
		}
	})
}

// feedAll feeds b in pieces of the given size, and returns what belongs to the body.
func feedAll(b []byte, piece int) (n int, done bool, err error) {
	var c chunkReader
	for n < len(b) && !done && err == nil {
		var k int
		k, done, err = c.feed(b[n:min(n+piece, len(b))], nil)
		n += k
	}
	return n, done, err
}

// However a body is cut into pieces its end is the same; and what is taken for whole
// net/http's reader takes for whole too, with the same end.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nrest", "1;a=b\r\nx\r\n0\r\nA: b\r\n\r\n", "A\r\n0123456789\r\n0\r\n\r\n", "5\r\nhel", "1 \r\nx\r\n"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		n, done, err := feedAll(b, len(b)+1)
		n2, done2, err2 := feedAll(b, max(1, piece%64))
		if n != n2 || done != done2 || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %d %v %v at once, %d %v %v in pieces", b, n, done, err, n2, done2, err2)
		}
		if !done || len(b) > 4000 {
			return
		}
		// Its reader stops before the trailers: they are the request reader's.
		rest := bufio.NewReader(bytes.NewReader(b[:n]))
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(rest)); err != nil {
			t.Errorf("%q: net/http says %v", b[:n], err)
		}
		if left, _ := io.ReadAll(rest); !bytes.HasSuffix(left, []byte("\r\n")) {
			t.Errorf("%q: net/http leaves %q for the trailers", b[:n], left)
		}
	})
}
