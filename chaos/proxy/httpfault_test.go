package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"starquake/chaos"
)

// What an HTTP client sees of each fault that is not only for HTTP, and of those that
// change what goes by.

// one sends a request and returns what comes until the connection ends.
func one(t testing.TB, addr string) (string, error) {
	t.Helper()
	c := dialRaw(t, addr)
	send(t, c, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	return readEnd(c)
}

func TestRequestEndings(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	for _, protocol := range []string{"http", "auto"} {
		for _, test := range []struct {
			kind  string
			args  map[string]any
			after time.Duration
			want  error
			text  string
		}{
			{"reset", nil, 0, syscall.ECONNRESET, ""},
			{"timeout", map[string]any{"after": "30ms"}, 30 * time.Millisecond, io.EOF, ""},
			{"connection_error", map[string]any{"kind": "tcp_reset"}, 0, syscall.ECONNRESET, ""},
			{"connection_error", map[string]any{"kind": "tcp_close"}, 0, io.EOF, ""},
			{"connection_error", map[string]any{"kind": "http_503"}, 0, io.EOF, "HTTP/1.1 503"},
		} {
			p := startProxy(t, protocol, upstream)
			a := apply(t, p, "x", test.kind, test.args)
			a.Stats()
			start := time.Now()
			got, err := one(t, p.Addr())
			if err != test.want || !strings.HasPrefix(got, test.text) || test.text == "" && got != "" {
				t.Errorf("%s %s %v: got %q, %v; want %v", protocol, test.kind, test.args, got, err, test.want)
			}
			if took := time.Since(start); took < test.after {
				t.Errorf("%s %s: ended after %v", protocol, test.kind, took)
			}
			if s := a.Remove(); s.Seen != 1 || s.Hit != 1 {
				t.Errorf("%s %s: stats %+v", protocol, test.kind, s)
			}
			if got, err := one(t, p.Addr()); err != io.EOF || !strings.HasSuffix(got, "ok") {
				t.Errorf("%s %s removed: got %q, %v", protocol, test.kind, got, err)
			}
		}
	}
}

// A connection fault with a match acts on the requests that fit, and only on those.
func TestConnectionFaultMatches(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "reset", map[string]any{"match": map[string]any{"path": "/bad", "headers": map[string]any{"x-who": "me*"}, "source": []any{"127.0.0.0/8"}}})
	client := newClient(t)
	for path, want := range map[string]bool{"/good": true, "/bad": false} {
		req, err := http.NewRequest("POST", "http://"+p.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Who", "me too")
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		if !want && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v, want a reset", path, err)
		}
	}
	get(t, client, "http://"+p.Addr()+"/bad") // without the header
	if s := a.Stats(); s.Hit != 1 || s.Seen != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestRequestHangs(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "blackhole", nil)
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	staysSilent(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+p.Addr(), nil)
		_, err := newClient(t).Do(req)
		gaveUp <- err
	}()
	eventually(t, "both hang", func() bool { return a.Stats().Hit == 2 })
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	eventually(t, "it is forgotten", func() bool { return p.ActiveConns() == 1 })
	a.Remove()
	if resp, body := readResponse(t, bufio.NewReader(c), "GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

// A long delay is not served to a client that has left.
func TestDelayedClientLeaves(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	for _, direction := range []string{"request", "response"} {
		p := startProxy(t, "http", upstream)
		a := apply(t, p, "x", "latency", map[string]any{"delay": "1h", "direction": direction})
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		eventually(t, "it is held", func() bool {
			for _, conn := range p.openConns() {
				conn.mu.Lock()
				held := direction == "request" || !conn.heldUntil.IsZero()
				conn.mu.Unlock()
				if held && a.Stats().Hit == 1 {
					return true
				}
			}
			return false
		})
		c.Close()
		eventually(t, direction+": a client that left is forgotten", func() bool { return p.ActiveConns() == 0 })
	}
}

// Connection faults act on an answer that is on its way.
func TestMidwayFaults(t *testing.T) {
	rest := make(chan struct{})
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-rest
		io.WriteString(w, "after")
	})
	for _, test := range []struct {
		kind string
		want error
	}{{"partition", nil}, {"reset", syscall.ECONNRESET}} {
		p := startProxy(t, "http", upstream)
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		r := bufio.NewReader(c)
		for {
			if line, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			} else if line == "\r\n" {
				break
			}
		}
		readFull(t, r, "first")
		a := apply(t, p, "x", test.kind, nil)
		rest <- struct{}{}
		eventually(t, "it is hit", func() bool { return a.Stats().Hit == 1 })
		if test.want == nil {
			staysSilent(t, c)
			a.Remove()
			readFull(t, r, "after")
			continue
		}
		if _, err := io.ReadAll(r); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.kind, err, test.want)
		}
	}
}

// A request that is under way both ways meets a fault that goes on meanwhile once.
func TestMidwayOnce(t *testing.T) {
	begun := make(chan struct{}, 1)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	})
	p := startProxy(t, "http", upstream)
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	for n := range uint64(3) {
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
		<-begun
		a := apply(t, p, fmt.Sprint(n), "bandwidth", map[string]any{"rate": 1 << 20})
		send(t, c, "56789")
		readResponse(t, r, "POST")
		if s := a.Stats(); s.Seen != 1 || s.Hit != 1 || s.Asked == 0 {
			t.Errorf("of one request: %+v", s)
		}
	}
}

// A fault that is lifted and put on again goes on with the request that it had hit, which
// counts once.
func TestMidwayRestored(t *testing.T) {
	half, rest := make(chan struct{}, 1), make(chan struct{})
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		half <- struct{}{}
		<-rest
		_, _ = io.WriteString(w, "after")
	})
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "bandwidth", map[string]any{"rate": 1 << 20})
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-half
	a.Lift()
	a.Restore()
	close(rest)
	readResponse(t, bufio.NewReader(c), "GET")
	if s := a.Stats(); s.Seen != 1 || s.Hit != 1 {
		t.Errorf("of one request: %+v", s)
	}
}

// A fault that is lifted to begin with touches nothing, connections that are open included.
func TestBeginsLifted(t *testing.T) {
	p := startProxy(t, "http", startHTTP(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	f, err := chaos.New("refuse", map[string]any{"open_connections": "close"})
	if err != nil {
		t.Fatal(err)
	}
	c := dialRaw(t, p.Addr())
	br := bufio.NewReader(c)
	get := func() {
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		readResponse(t, br, "GET")
	}
	get()
	a, err := p.ApplyFrom(f, "x", 1, Start{Paused: true, Lifted: true})
	if err != nil {
		t.Fatal(err)
	}
	get()
	if paused, lifted := a.Held(); !paused || !lifted {
		t.Errorf("paused %v, lifted %v", paused, lifted)
	}
	a.Restore()
	if _, err := br.ReadByte(); err == nil {
		t.Error("restored it has not closed the connection")
	}
}

// A bandwidth that goes on slows a download that the kernel relays.
func TestMidwayBandwidth(t *testing.T) {
	const size = 64 << 20
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		io.Copy(w, io.LimitReader(newNoise(), size))
	})
	p := startProxy(t, "http", upstream)
	resp, err := newClient(t).Get("http://" + p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, 4<<20); err != nil {
		t.Fatal(err)
	}
	a := apply(t, p, "x", "bandwidth", map[string]any{"rate": 1 << 20})
	go io.CopyN(io.Discard, resp.Body, 40<<20)
	eventually(t, "it is hit", func() bool { return a.Stats().Asked > 50*time.Millisecond })
	a.Remove()
	eventually(t, "it goes on at full speed", func() bool { return p.Window(windowSeconds*time.Second).BytesOut > 40<<20 })
}

func TestPartialResponse(t *testing.T) {
	body := strings.Repeat("0123456789", 100)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, body)
	})
	for _, test := range []struct {
		kind string
		args map[string]any
		most int
	}{{"partial_response", map[string]any{"fraction": 0.3}, 300}, {"partial_response", map[string]any{"fraction": 0}, 0},
		{"corrupt", map[string]any{"kind": "truncate"}, 500}} {
		p := startProxy(t, "http", upstream)
		a := apply(t, p, "x", test.kind, test.args)
		client := newClient(t)
		for _, path := range []string{"/plain", "/chunked"} {
			resp, err := client.Get("http://" + p.Addr() + path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) > test.most+8 || path == "/plain" && (len(got) != test.most || resp.ContentLength != 1000) {
				t.Errorf("%s %s: got %d of %d bytes, %v", test.kind, path, len(got), resp.ContentLength, err)
			}
			if !strings.HasPrefix(body, string(got)) {
				t.Errorf("%s %s: got %q", test.kind, path, got)
			}
		}
		if resp, err := client.Head("http://" + p.Addr() + "/plain"); err != nil || resp.StatusCode != 200 {
			t.Errorf("HEAD: %v", err)
		}
		if s := a.Stats(); s.Dropped == 0 {
			t.Errorf("%s: stats %+v", test.kind, s)
		}
	}
}

func TestCorruptBodies(t *testing.T) {
	body := strings.Repeat("0123456789", 10_000)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Same", fmt.Sprint(string(got) == body, len(got)))
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, body)
	})
	for _, direction := range []string{"request", "response"} {
		for _, kind := range []string{"bit_flip", "random_bytes"} {
			p := startProxy(t, "http", upstream)
			apply(t, p, "x", "corrupt", map[string]any{"kind": kind, "direction": direction})
			for _, path := range []string{"/plain", "/chunked"} {
				for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} {
					resp, err := newClient(t).Post("http://"+p.Addr()+path, "text/plain", reader)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || len(got) != len(body) || (string(got) == body) != (direction == "request") {
						t.Errorf("%s %s %s: got %d bytes, %v, same %v", direction, kind, path, len(got), err, string(got) == body)
					}
					if want := fmt.Sprint(direction != "request", len(body)); resp.Header.Get("X-Same") != want {
						t.Errorf("%s %s %s: the server got %s, want %s", direction, kind, path, resp.Header.Get("X-Same"), want)
					}
				}
			}
		}
	}
}

func TestRewrite(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Header.Get("X-New")+"|"+r.Header.Get("X-Old")+"|"+string(body)+"|"+r.Header.Get("Accept-Encoding"))
		w.Header().Set("X-Drop", "1")
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(204)
		case "/chunked":
			io.WriteString(w, `{"price":`)
			w.(http.Flusher).Flush()
			io.WriteString(w, `7,"name":"x"}`)
		default:
			io.WriteString(w, `{"price":7,"name":"x"}`)
		}
	})
	for _, test := range []struct {
		name, path string
		args       map[string]any
		status     int
		body       string
		check      func(h http.Header) bool
	}{
		{"status", "/", map[string]any{"status": 418}, 418, `{"price":7,"name":"x"}`, nil},
		{"headers", "/", map[string]any{"headers": map[string]any{"X-A": "b", "x-seen": "no"}, "remove_headers": []any{"X-DROP"}}, 200, `{"price":7,"name":"x"}`,
			func(h http.Header) bool { return h.Get("X-A") == "b" && h.Get("X-Seen") == "no" && h["X-Drop"] == nil }},
		{"body", "/", map[string]any{"body": "short"}, 200, "short", nil},
		{"body chunked", "/chunked", map[string]any{"body": "short"}, 200, "short", nil},
		{"patch", "/", map[string]any{"json_patch": []any{map[string]any{"op": "replace", "path": "/price", "value": 0}}}, 200, `{"price":0,"name":"x"}`,
			func(h http.Header) bool { return strings.HasSuffix(h.Get("X-Seen"), "|") }},
		{"patch chunked", "/chunked", map[string]any{"json_patch": []any{map[string]any{"op": "remove", "path": "/name"}}}, 200, `{"price":7}`, nil},
		{"a patch that does not fit", "/", map[string]any{"json_patch": []any{map[string]any{"op": "remove", "path": "/none"}}}, 200, `{"price":7,"name":"x"}`, nil},
		{"to no content", "/", map[string]any{"status": 204}, 204, "", nil},
		{"from no content", "/empty", map[string]any{"status": 200}, 200, "", nil},
		{"from no content with a body", "/empty", map[string]any{"status": 200, "body": "now"}, 200, "now", nil},
		{"request", "/", map[string]any{"direction": "request", "headers": map[string]any{"X-New": "n"}, "remove_headers": []any{"x-old"}, "body": "other"}, 200, `{"price":7,"name":"x"}`,
			func(h http.Header) bool { return strings.HasPrefix(h.Get("X-Seen"), "n||other|") }},
	} {
		p := startProxy(t, "http", upstream)
		client := oneConnection(t, newClient(t), "http", p.Addr())
		a := apply(t, p, "x", "rewrite", test.args)
		for _, method := range []string{"POST", "GET", "HEAD", "PUT"} {
			var sent io.Reader
			if method == "POST" {
				sent = strings.NewReader("sent")
			} else if method == "PUT" {
				sent = io.MultiReader(strings.NewReader("sent")) // chunked
			}
			req, err := http.NewRequest(method, "http://"+p.Addr()+test.path, sent)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Old", "o")
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s %s: %v", test.name, method, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := test.body
			if method == "HEAD" {
				want = ""
			}
			if resp.StatusCode != test.status && !(method == "HEAD" && (bodiless(test.status) || resp.StatusCode == 204)) || sortedJSON(string(body)) != sortedJSON(want) || err != nil {
				t.Errorf("%s %s: got %d %q, %v; want %d %q", test.name, method, resp.StatusCode, body, err, test.status, want)
			}
			if test.check != nil && method != "HEAD" && !test.check(resp.Header) {
				t.Errorf("%s %s: headers %v", test.name, method, resp.Header)
			}
		}
		if s := a.Stats(); s.Hit != 4 {
			t.Errorf("%s: stats %+v", test.name, s)
		}
		if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
			t.Errorf("%s: %d connections, want one that is kept", test.name, n)
		}
	}
}

// sortedJSON makes objects of two fields comparable.
func sortedJSON(s string) string {
	if s == `{"name":"x","price":0}` {
		return `{"price":0,"name":"x"}`
	}
	return s
}

func TestRateLimit(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "rate_limit", map[string]any{"rate": 0.001, "burst": 2})
	later := apply(t, p, "y", "latency", map[string]any{"delay": "1ms"})
	client := newClient(t)
	start := time.Now()
	for i, want := range []int{200, 200, 429, 429} {
		resp, err := client.Get("http://" + p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("request %d got %d, want %d", i, resp.StatusCode, want)
		}
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); want == 429 && (err != nil || n < 999-int(time.Since(start).Seconds()) || n > 1000) {
			t.Errorf("Retry-After is %q, want what is left of 1000", resp.Header.Get("Retry-After"))
		}
	}
	if s := a.Stats(); s.Seen != 4 || s.Hit != 2 {
		t.Errorf("stats %+v", s)
	}
	if s := later.Stats(); s.Seen != 2 {
		t.Errorf("a later fault has met %d requests, want the 2 that were let through", s.Seen)
	}
}

func TestCircuitBreaker(t *testing.T) {
	var fails atomic.Bool
	var calls atomic.Int64
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if fails.Load() {
			w.WriteHeader(500)
		}
	})
	p := startProxy(t, "http", upstream)
	client := newClient(t)
	status := func() int {
		s, _ := get(t, client, "http://"+p.Addr())
		return s
	}
	breaker := func(timeout string) *Applied {
		return apply(t, p, "b", "circuit_breaker", map[string]any{"failure_threshold": 3, "success_threshold": 1, "timeout": timeout, "min_requests": 1000})
	}
	fail := func(want int) {
		t.Helper()
		for range 3 {
			if got := status(); got != want {
				t.Fatalf("got %d while it is closed, want %d", got, want)
			}
		}
	}
	opens := func(b *Applied, why string) {
		t.Helper()
		if got := status(); got != 503 {
			t.Fatalf("got %d, want the open circuit's 503: %s", got, why)
		}
		if s := b.Remove(); s.Hit != 1 || s.Seen != 4 {
			t.Errorf("%s: stats %+v, want 1 of 4 hit", why, s)
		}
	}
	fails.Store(true)
	b := breaker("1h") // on a busy machine a shorter one is over by the fourth request
	fail(500)
	opens(b, "the upstream fails")
	if n := calls.Load(); n != 3 {
		t.Errorf("the upstream was called %d times, want 3", n)
	}
	b = breaker("50ms")
	fail(500)
	fails.Store(false)
	eventually(t, "it closes again", func() bool { return status() == 200 })
	fails.Store(true)
	fail(500) // it takes as many failures as at first
	b.Remove()
	fails.Store(false)
	// What other faults inject counts too.
	b = breaker("1h")
	e := apply(t, p, "e", "http_error", map[string]any{"codes": 502})
	fail(502)
	opens(b, "failures are injected")
	e.Remove()
	// An upstream that gives no answer is a failure.
	down := startProxy(t, "http", "127.0.0.1:1")
	apply(t, down, "b", "circuit_breaker", map[string]any{"failure_threshold": 2})
	for _, want := range []int{502, 502, 503} {
		if got, _ := get(t, client, "http://"+down.Addr()); got != want {
			t.Errorf("without an upstream: got %d, want %d", got, want)
		}
	}
}

// answered is a client that looks at what is there when it is sent an answer.
type answered struct {
	side
	look func()
}

func (a answered) Write(b []byte) (int, error) {
	a.look()
	return len(b), nil
}

// A client that has its answer, and asks again over another connection, meets faults that
// know how the request before ended.
func TestFaultsKnowBeforeTheClientDoes(t *testing.T) {
	for name, answer := range map[string]func(*conn, *pending){
		"of a fault": func(c *conn, r *pending) {
			in := &reader{p: c.p, buf: []byte("GET / HTTP/1.1\r\n\r\n"), w: 18}
			h, err := parseRequest(in.bytes())
			if err != nil {
				t.Fatal(err)
			}
			c.answerRequest(in, &h, r, &r.verdict.answer)
		},
		"in place of the upstream's": func(c *conn, r *pending) {
			c.pending = []pending{*r}
			c.writeFailure(&answer{status: 502}, false)
		},
	} {
		p := startProxy(t, "http", "127.0.0.1:1")
		apply(t, p, "b", "circuit_breaker", map[string]any{"failure_threshold": 1})
		req := &chaos.Request{Method: []byte("GET"), Target: []byte("/")}
		if name == "of a fault" {
			apply(t, p, "e", "http_error", map[string]any{"codes": 502})
		}
		c := &conn{p: p, ctx: t.Context()}
		c.cond.L = &c.mu
		looked := false
		c.client = answered{look: func() {
			looked = true
			if v := p.decide(nil, req); v == nil || v.answer.status != 503 {
				t.Errorf("an answer %s is sent, and the circuit that it opens is closed", name)
			}
		}}
		answer(c, &pending{verdict: p.decide(nil, req)})
		if !looked {
			t.Errorf("no answer %s was sent", name)
		}
	}
}

func TestBulkhead(t *testing.T) {
	release := make(chan struct{})
	var running, most atomic.Int64
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		most.Store(max(most.Load(), running.Add(1)))
		<-release
		running.Add(-1)
	})
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "bulkhead", map[string]any{"max_concurrent": 2, "queue": 1, "queue_timeout": "1h"})
	var wg sync.WaitGroup
	var ok, full atomic.Int64
	ask := func() {
		wg.Go(func() {
			if status, _ := get(t, newClient(t), "http://"+p.Addr()); status == 503 {
				full.Add(1)
			} else {
				ok.Add(1)
			}
		})
	}
	for range 3 {
		ask()
	}
	eventually(t, "two run and one waits", func() bool { return a.Stats().Seen == 3 && running.Load() == 2 })
	ask()
	eventually(t, "the fourth finds it full", func() bool { return full.Load() == 1 })
	release <- struct{}{}
	eventually(t, "the third runs", func() bool { return running.Load() == 2 && ok.Load() == 1 })
	close(release)
	wg.Wait()
	if ok.Load() != 3 || most.Load() != 2 {
		t.Errorf("%d were let in, %d at once", ok.Load(), most.Load())
	}
}

func TestBulkheadQueueEnds(t *testing.T) {
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	defer close(release)
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "bulkhead", map[string]any{"max_concurrent": 1, "queue": 5, "queue_timeout": "30ms"})
	busy := dialRaw(t, p.Addr())
	send(t, busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived // it has the place
	if status, _ := get(t, newClient(t), "http://"+p.Addr()); status != 503 {
		t.Errorf("after the queue's time-out: %d, want 503", status)
	}
	a.Remove()
	// One that gives up in the queue leaves it, and its connection goes.
	b := apply(t, p, "y", "bulkhead", map[string]any{"max_concurrent": 0, "queue": 1, "queue_timeout": "1h"})
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "it waits", func() bool { return b.Stats().Hit == 1 })
	n := p.ActiveConns()
	c.Close()
	eventually(t, "it has left", func() bool { return p.ActiveConns() == n-1 })
	// And the end of the fault lets those through that wait.
	d := dialRaw(t, p.Addr())
	send(t, d, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	eventually(t, "another waits", func() bool { return b.Stats().Hit == 2 })
	b.Remove()
	release <- struct{}{}
	release <- struct{}{}
	if got, err := readEnd(d); err != io.EOF || !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHTTPBytes(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 640) // 10 KiB
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err == nil && string(got) == body {
			io.WriteString(w, body)
		}
	})
	for _, test := range []struct {
		kind  string
		args  map[string]any
		least time.Duration
		cut   bool
	}{
		{"bandwidth", map[string]any{"rate": 200 << 10}, 80 * time.Millisecond, false},
		{"bandwidth", map[string]any{"rate": 200 << 10, "direction": "response"}, 40 * time.Millisecond, false},
		{"slicer", map[string]any{"average": 2048, "variation": 100, "delay": "5ms"}, 40 * time.Millisecond, false},
		{"limit_data", map[string]any{"bytes": 5000}, 0, true},
		{"packet_loss", map[string]any{"percent": 5}, 0, false},
	} {
		p := startProxy(t, "http", upstream)
		apply(t, p, "x", test.kind, test.args)
		start := time.Now()
		resp, err := newClient(t).Post("http://"+p.Addr(), "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", test.kind, err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if took := time.Since(start); took < test.least {
			t.Errorf("%s %v: took %v, want %v", test.kind, test.args, took, test.least)
		}
		if test.cut {
			if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) >= 5000 || len(got) < 4500 {
				t.Errorf("%s: got %d bytes, %v", test.kind, len(got), err)
			}
		} else if err != nil || string(got) != body {
			t.Errorf("%s: got %d bytes, %v", test.kind, len(got), err)
		}
	}
}

// Half a request body reaches the upstream, which says what it thinks of it.
func TestTruncatedRequest(t *testing.T) {
	seen := make(chan error, 1)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		seen <- err
		w.WriteHeader(400)
	})
	p := startProxy(t, "http", upstream)
	apply(t, p, "x", "corrupt", map[string]any{"kind": "truncate", "direction": "request"})
	resp, err := newClient(t).Post("http://"+p.Addr(), "text/plain", strings.NewReader("0123456789"))
	if err == nil {
		resp.Body.Close()
	}
	if err := <-seen; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the server read %v, want an unexpected EOF", err)
	}
}

// What is known of a request stays so while its body is read to know how long it is, which
// moves it in memory: here a POST that came behind another would become a HEAD, whose
// response has no body.
func TestTruncatedRequestBehindAnother(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	})
	p := startProxy(t, "http", upstream)
	apply(t, p, "x", "corrupt", map[string]any{"kind": "truncate", "direction": "request", "match": map[string]any{"method": "POST"}})
	first := "GET /by/which/the/next/one/is/moved HTTP/1.1\r\nHost: x\r\n\r\n"
	second := "POST / HTTP/1.1\r\nHost: x\r\nX: "
	second += strings.Repeat("x", len(first)-len(second)) + "HEAD\r\nTransfer-Encoding: chunked\r\n\r\n"
	second += fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", 3*bufferSize, make([]byte, 3*bufferSize))
	c := dialRaw(t, p.Addr())
	go func() { _, _ = io.WriteString(c, first+second) }() // not all of it may be taken
	r := bufio.NewReader(c)
	for range 2 {
		if resp, body := readResponse(t, r, "GET"); resp.StatusCode != 200 || body != "hello" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	}
}

// A hit that is written down late takes no later one's place.
func TestHitsLate(t *testing.T) {
	var l hitLog
	late := &Hit{Seq: l.last.Add(1)}
	for range hitsKept {
		l.add(new(Hit))
	}
	l.put(late)
	if hits := l.after(0); len(hits) != hitsKept || hits[len(hits)-1].Seq != hitsKept+1 {
		t.Errorf("%d hits are kept, want %d up to number %d", len(hits), hitsKept, hitsKept+1)
	}
}

func TestHits(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	p := startProxy(t, "http", upstream)
	apply(t, p, "slow", "latency", map[string]any{"delay": "2ms"})
	apply(t, p, "bad", "http_error", map[string]any{"codes": 500})
	got := make(chan []Hit)
	go func() {
		hits, err := p.Hits(t.Context(), 0)
		if err != nil {
			t.Error(err)
		}
		got <- hits
	}()
	get(t, newClient(t), "http://"+p.Addr()+"/some/path?q=1")
	first := <-got
	var all []Hit
	eventually(t, "both are logged", func() bool { all, _ = p.Hits(t.Context(), 0); return len(all) == 2 })
	if len(first) == 0 || first[0].Seq != 1 {
		t.Errorf("the reader that waited got %+v", first)
	}
	bad, slow := all[0], all[1]
	if bad.Fault != "bad" || bad.Kind != "http_error" || bad.Request != "GET /some/path?q=1" || bad.Asked != 0 {
		t.Errorf("the error is logged as %+v", bad)
	}
	if slow.Fault != "slow" || slow.Asked != 2*time.Millisecond || slow.Achieved < slow.Asked-soon || slow.Request != bad.Request {
		t.Errorf("the delay is logged as %+v", slow)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if hits, err := p.Hits(ctx, all[1].Seq+1000); err != nil || len(hits) != 2 { // a number that an earlier process gave
		t.Errorf("behind the last: %v, %v", hits, err)
	}
	if hits, err := p.Hits(ctx, all[1].Seq); !errors.Is(err, context.Canceled) || hits != nil {
		t.Errorf("with nothing new: %v, %v", hits, err)
	}
	for i := range 3 * hitsKept {
		p.hits.add(&Hit{N: uint64(i)})
	}
	if late, err := p.Hits(t.Context(), 0); err != nil || len(late) != hitsKept || late[0].Seq != late[len(late)-1].Seq-hitsKept+1 {
		t.Errorf("a late reader got %d hits, %v", len(late), err)
	}
}

// Hop by hop: what a connection is told does not reach the next request, and pipelined
// requests behind a delayed one wait for their turn.
func TestPipelinedBehindDelay(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	p := startProxy(t, "http", upstream)
	apply(t, p, "slow", "latency", map[string]any{"delay": "40ms", "match": map[string]any{"path": "/slow"}})
	apply(t, p, "asked", "latency", map[string]any{"delay": "20ms", "direction": "request", "match": map[string]any{"path": "/late"}})
	apply(t, p, "bad", "http_error", map[string]any{"codes": 500, "match": map[string]any{"path": "/bad"}})
	c := dialRaw(t, p.Addr())
	paths := []string{"/a", "/slow", "/b", "/late", "/bad", "/c", "/slow", "/bad"}
	for _, path := range paths {
		send(t, c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	r := bufio.NewReader(c)
	for _, path := range paths {
		resp, body := readResponse(t, r, "GET")
		if path == "/bad" && resp.StatusCode != 500 || path != "/bad" && body != path {
			t.Errorf("for %s came %d %q", path, resp.StatusCode, body)
		}
	}
}

// A proxy's end does not wait for clients that have their answer and a FIN.
func TestCloseDoesNotWaitForAnswered(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	p := startProxy(t, "http", upstream)
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, body := readResponse(t, bufio.NewReader(c), "GET"); resp.StatusCode != 200 || body != "ok" {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	// The client keeps its side open, as one does that has the connection in a pool.
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close cut a client that had its answer: %v", err)
	}
}

// Interim responses go on as they come, and are no answers.
func TestInterimResponses(t *testing.T) {
	upstream := startAnswering(t, func(c net.Conn, _ *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return true
	})
	p := startProxy(t, "http", upstream)
	apply(t, p, "x", "rewrite", map[string]any{"status": 202})
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	for range 2 {
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		for _, want := range []int{103, 103, 202} {
			if resp, _ := readResponse(t, r, "GET"); resp.StatusCode != want {
				t.Errorf("got %d, want %d", resp.StatusCode, want)
			}
		}
	}
	eventually(t, "both are counted", func() bool { w := p.Window(windowSeconds * time.Second); return w.Requests == 2 && w.Status[2] == 2 })
}
