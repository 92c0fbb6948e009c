package effects

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"starquake/internal/dnstest"
	"starquake/internal/porttest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve starts a server that is closed with the test.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// serveRaw answers each connection by hand: it reads the head of a request, calls
// answer, and closes. The server ends with the test.
func serveRaw(t *testing.T, answer func(conn *net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			for line := "head"; strings.TrimSpace(line) != "" && err == nil; {
				line, err = r.ReadString('\n')
			}
			if err == nil {
				answer(conn.(*net.TCPConn))
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return "http://" + listener.Addr().String()
}

func TestHTTPAnswers(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			w.Header().Add("X-Many", "one")
			w.Header().Add("X-Many", "two")
			fmt.Fprint(w, "fine")
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.Header.Get("X-Asked"), r.UserAgent(), body)
		case "/binary":
			w.Write([]byte{0xff, 0, 1})
		case "/missing":
			http.NotFound(w, r)
		case "/long":
			io.WriteString(w, strings.Repeat("x", 100))
		case "/umlaut":
			io.WriteString(w, strings.Repeat("ü", 50))
		case "/zip":
			w.Header().Set("X-Accepts", r.Header.Get("Accept-Encoding"))
		case "/there":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		}
	})
	e := newEffects(t, open(), Options{})
	tests := []struct {
		name      string
		args      HTTPArgs
		status    int
		body      string
		truncated bool
		code      string
	}{
		{name: "plain", args: HTTPArgs{URL: "/ok"}, status: 200, body: "fine"},
		{name: "request", args: HTTPArgs{URL: "/echo", Method: "POST", Body: "hi", Headers: map[string]string{"x-asked": "yes", "Host": "shop.test"}},
			status: 201, body: "POST shop.test yes starquake hi"},
		{name: "base64 body", args: HTTPArgs{URL: "/echo", Method: "PUT", BodyBase64: []byte("raw"), Headers: map[string]string{"Host": "h", "User-Agent": "me"}},
			status: 201, body: "PUT h  me raw"},
		{name: "binary", args: HTTPArgs{URL: "/binary"}, status: 200, body: "\xff\x00\x01"},
		{name: "a bad status is an answer", args: HTTPArgs{URL: "/missing"}, status: 404, body: "404 page not found\n"},
		{name: "as long as allowed", args: HTTPArgs{URL: "/long", MaxBody: 100}, status: 200, body: strings.Repeat("x", 100)},
		{name: "longer by one", args: HTTPArgs{URL: "/long", MaxBody: 99}, status: 200, body: strings.Repeat("x", 99), truncated: true},
		{name: "cut in a character", args: HTTPArgs{URL: "/umlaut", MaxBody: 51}, status: 200, body: strings.Repeat("ü", 25), truncated: true},
		{name: "redirect", args: HTTPArgs{URL: "/there"}, status: 200, body: "fine"},
		{name: "redirect as it is", args: HTTPArgs{URL: "/there", NoRedirect: true}, status: 302, body: "<a href=\"/ok\">Found</a>.\n\n"},
		{name: "redirects for ever", args: HTTPArgs{URL: "/round"}, code: CodeFailed},
		{name: "header with a line break", args: HTTPArgs{URL: "/ok", Headers: map[string]string{"X": "a\r\nY: b"}}, code: CodeInvalid},
		{name: "header without a name", args: HTTPArgs{URL: "/ok", Headers: map[string]string{"": "a"}}, code: CodeInvalid},
		{name: "bad method", args: HTTPArgs{URL: "/ok", Method: "GET IT"}, code: CodeInvalid},
		{name: "tunnel", args: HTTPArgs{URL: "/ok", Method: "CONNECT"}, code: CodeInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.args.URL = url + test.args.URL
			got := mustPerform[HTTPAnswer](t, e, KindHTTP, test.args)
			if got.Status != test.status || string(got.Bytes()) != test.body || got.Truncated != test.truncated || codeIn(got.Error) != test.code {
				t.Errorf("status %d, body %q, truncated %v, error %v; want %d, %q, %v, %q",
					got.Status, got.Bytes(), got.Truncated, got.Error, test.status, test.body, test.truncated, test.code)
			}
			if got.Elapsed <= 0 && test.code != CodeInvalid {
				t.Errorf("elapsed %s", got.Elapsed)
			}
		})
	}
	t.Run("headers", func(t *testing.T) {
		got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url + "/ok"})
		if got.Headers["x-many"] != "one, two" {
			t.Errorf("x-many is %q, want %q", got.Headers["x-many"], "one, two")
		}
	})
	t.Run("no compression is asked for", func(t *testing.T) {
		got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url + "/zip"})
		if got.Headers["x-accepts"] != "" {
			t.Errorf("asked for the encoding %q", got.Headers["x-accepts"])
		}
	})
}

func TestHTTPFailures(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of clients that do not trust it
	secure.StartTLS()
	t.Cleanup(secure.Close)
	dnstest.Resolve(t, nil) // there is no such name: the name servers of this machine may not be in reach
	tests := []struct {
		name   string
		url    string
		status int // of what came before it failed
		body   string
		code   string
	}{
		{name: "refused", url: "http://" + porttest.Refused, code: CodeRefused},
		{name: "never answers", url: serveRaw(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) }), code: CodeTimeout},
		{name: "stalls in the body", url: serveRaw(t, func(c *net.TCPConn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			io.Copy(io.Discard, c)
		}), status: 200, body: "half", code: CodeTimeout},
		{name: "closes without an answer", url: serveRaw(t, func(*net.TCPConn) {}), code: CodeEOF},
		{name: "resets without an answer", url: serveRaw(t, func(c *net.TCPConn) { c.SetLinger(0) }), code: CodeReset},
		{name: "resets within the body", url: serveRaw(t, func(c *net.TCPConn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
			c.SetLinger(0)
		}), status: 200, code: CodeReset},
		{name: "promises more than comes", url: serveRaw(t, func(c *net.TCPConn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}), status: 200, body: "half", code: CodeEOF},
		{name: "sends more than it promised", url: serveRaw(t, func(c *net.TCPConn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhalf and half")
		}), status: 200, body: "half"},
		{name: "speaks no HTTP", url: serveRaw(t, func(c *net.TCPConn) { fmt.Fprint(c, "SSH-2.0\r\n\r\n") }), code: CodeFailed},
		{name: "unknown certificate", url: secure.URL, code: CodeTLS},
		{name: "no such name", url: "http://no-such-name.invalid/", code: CodeDNS},
		{name: "no host", url: "http:///x", code: CodeInvalid},
		{name: "another scheme", url: "file:///etc/passwd", code: CodeInvalid},
		{name: "no URL", url: "http://[::1", code: CodeInvalid},
	}
	e := newEffects(t, open(), Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := HTTPArgs{URL: test.url, Timeout: soon}
			if test.code == CodeTimeout {
				args.Timeout = 250 * time.Millisecond
			}
			got := mustPerform[HTTPAnswer](t, e, KindHTTP, args)
			for got.Status == 0 && test.status != 0 && test.code == CodeTimeout && args.Timeout < soon { // a busy machine needs longer for what comes before
				args.Timeout *= 2
				got = mustPerform[HTTPAnswer](t, e, KindHTTP, args)
			}
			if got.Status != test.status || got.Body != test.body || codeIn(got.Error) != test.code {
				t.Errorf("status %d, body %q, error %v; want %d, %q, %q", got.Status, got.Body, got.Error, test.status, test.body, test.code)
			}
			if got.Error != nil && test.code != CodeInvalid && strings.Contains(got.Error.Message, "http://") {
				t.Errorf("the message repeats the URL: %s", got.Error.Message)
			}
		})
	}
}

func TestHTTPPlainServerAskedForTLS(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	e := newEffects(t, open(), Options{})
	got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: strings.Replace(url, "http:", "https:", 1)})
	if codeIn(got.Error) != CodeTLS {
		t.Errorf("error %v, want %q", got.Error, CodeTLS)
	}
}

func TestHTTP2StreamReset(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Proto)
		if r.URL.Path == "/reset" {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	e := newEffects(t, open(), Options{TLS: &tls.Config{RootCAs: roots}})
	if got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: s.URL}); got.Body != "HTTP/2.0\n" {
		t.Errorf("body %q, error %v; want HTTP/2.0", got.Body, got.Error)
	}
	if got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: s.URL + "/reset"}); codeIn(got.Error) != CodeReset {
		t.Errorf("error %v, want %q", got.Error, CodeReset)
	}
}

func TestHTTPStopped(t *testing.T) {
	asked := make(chan struct{}, 1)
	url := serveRaw(t, func(c *net.TCPConn) { asked <- struct{}{}; io.Copy(io.Discard, c) })
	e := newEffects(t, open(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := perform[HTTPAnswer](t, ctx, e, KindHTTP, HTTPArgs{URL: url}); code(err) != CodeStopped {
		t.Errorf("error %v, want the code %q", err, CodeStopped)
	}
}

func TestHTTPHugeBodyIsNotRead(t *testing.T) {
	const most = 1 << 40 // nobody waits for that
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(most))
		chunk := make([]byte, 64<<10)
		for range most / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	e := newEffects(t, open(), Options{})
	got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url})
	if len(got.Bytes()) != DefaultMaxBody || !got.Truncated || got.Error != nil {
		t.Errorf("%d bytes, truncated %v, error %v; want %d and truncated", len(got.Bytes()), got.Truncated, got.Error, DefaultMaxBody)
	}
}

// TestHTTPConnections: a connection is kept, unless it is not to be. Of those that may be kept
// one is given up now and then by a busy machine, where a request's answer is there before the
// client knows that it has written all of the request.
func TestHTTPConnections(t *testing.T) {
	const most = 100
	tests := []struct {
		name  string
		idle  time.Duration
		fresh bool
		kept  bool
	}{
		{"kept", soon, false, true},
		{"never kept", -1, false, false},
		{"fresh", soon, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var conns atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }))
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					conns.Add(1)
				}
			}
			s.Start()
			t.Cleanup(s.Close)
			e := newEffects(t, open(), Options{IdleTimeout: test.idle})
			asked := int64(0)
			for asked < 3 || test.kept && conns.Load() == asked && asked < most {
				if got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: s.URL, Fresh: test.fresh}); got.Status != 200 {
					t.Fatalf("status %d, error %v", got.Status, got.Error)
				}
				asked++
			}
			if got := conns.Load(); (got < asked) != test.kept || got > asked {
				t.Errorf("%d connections for %d requests, kept: %v", got, asked, test.kept)
			}
		})
	}
}

func TestHTTPUnknownArgument(t *testing.T) {
	e := newEffects(t, open(), Options{})
	_, err := perform[HTTPAnswer](t, t.Context(), e, KindHTTP, map[string]any{"url": "http://127.0.0.1/", "timeout_ms": 5})
	if code(err) != CodeInvalid || !strings.Contains(err.Error(), "timeout_ms") {
		t.Errorf("error %v, want one with the code %q that names timeout_ms", err, CodeInvalid)
	}
}
