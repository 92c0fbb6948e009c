package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// starter is startProxy, or that and a fault that no client may see but for its time.
type starter func(t testing.TB, protocol, upstream string) *Proxy

// calmAndSlow runs a test without a fault, and with delays on all requests and answers.
func calmAndSlow(t *testing.T, test func(*testing.T, starter)) {
	t.Run("calm", func(t *testing.T) { test(t, startProxy) })
	t.Run("slow", func(t *testing.T) {
		test(t, func(t testing.TB, protocol, upstream string) *Proxy {
			p := startProxy(t, protocol, upstream)
			if err := p.Supports("latency"); err == nil {
				apply(t, p, "slow", "latency", map[string]any{"delay": "1ms", "direction": "both"})
			}
			return p
		})
	})
}

func TestHTTPRelays(t *testing.T) { calmAndSlow(t, walkHTTPRelays) }

func walkHTTPRelays(t *testing.T, start starter) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
		if r.URL.Path == "/chunked" {
			w.Header().Set("Trailer", "X-End")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		w.Write(body)
		if r.URL.Path == "/chunked" {
			w.Header().Set("X-End", "yes")
		}
	})
	for _, protocol := range Protocols() {
		p := start(t, protocol, upstream)
		client := oneConnection(t, newClient(t), "http", p.Addr())
		for _, size := range []int{0, 1, 1000, 40_000, 3 << 20} {
			for _, path := range []string{"/plain", "/chunked"} {
				sent := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
				for _, reader := range []io.Reader{bytes.NewReader(sent), io.MultiReader(bytes.NewReader(sent))} { // the latter is sent chunked
					req, err := http.NewRequest("POST", "http://"+p.Addr()+path, reader)
					if err != nil {
						t.Fatal(err)
					}
					resp, err := client.Do(req)
					if err != nil {
						t.Fatalf("%s %s of %d: %v", protocol, path, size, err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || !bytes.Equal(got, sent) || resp.Header.Get("X-Sum") != fmt.Sprintf("%x", sha256.Sum256(sent)) {
						t.Fatalf("%s %s of %d: got %d bytes, %v", protocol, path, size, len(got), err)
					}
					if path == "/chunked" && resp.Trailer.Get("X-End") != "yes" {
						t.Errorf("%s: the trailer is lost", protocol)
					}
				}
			}
		}
		if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
			t.Errorf("%s: %d connections for requests in turn, want 1", protocol, n)
		}
	}
}

func TestHTTPErrorAnswers(t *testing.T) {
	var called atomic.Int64
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { called.Add(1); fmt.Fprint(w, "fine") })
	p := startProxy(t, "http", upstream)
	client := oneConnection(t, newClient(t), "http", p.Addr())
	url := "http://" + p.Addr() + "/"

	a := apply(t, p, "e", "http_error", map[string]any{"codes": 503, "body": "sorry", "headers": map[string]any{"Retry-After": "7"}})
	for range 3 {
		resp, err := client.Post(url, "text/plain", strings.NewReader("a body that is drained"))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 503 || string(body) != "sorry" || resp.Header.Get("Retry-After") != "7" || resp.ContentLength != 5 {
			t.Fatalf("got %d %q %v", resp.StatusCode, body, resp.Header)
		}
	}
	resp, err := client.Head(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("HEAD got %d", resp.StatusCode)
	}
	if stats := a.Remove(); stats.Seen != 4 || stats.Hit != 4 {
		t.Errorf("stats %+v, want 4 seen and hit", stats)
	}
	if again := a.Remove(); again.Hit != 4 {
		t.Errorf("the second Remove returned %+v", again)
	}
	if called.Load() != 0 {
		t.Errorf("the upstream was called %d times", called.Load())
	}
	if status, body := get(t, client, url); status != 200 || body != "fine" {
		t.Errorf("after Remove: %d %q", status, body)
	}
	// A client may have its answer before that is counted.
	eventually(t, "all are counted", func() bool { return p.Window(windowSeconds*time.Second).Requests == 5 })
	w := p.Window(windowSeconds * time.Second)
	if w.Connections != 1 || w.Requests != 5 || w.Status[5] != 4 || w.Status[2] != 1 || w.Faulted.Count != 4 || w.Clean.Count != 1 {
		t.Errorf("window %+v: want 1 connection that was kept, 5 requests", w)
	}
}

func TestHTTPErrorOfALargeBodyCloses(t *testing.T) {
	p := startProxy(t, "http", "127.0.0.1:1")
	apply(t, p, "e", "http_error", map[string]any{"codes": 418})
	c := dialRaw(t, p.Addr())
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nxxx")
	resp, _ := readResponse(t, bufio.NewReader(c), "POST")
	if resp.StatusCode != 418 || !resp.Close {
		t.Errorf("got %d, close %v; want 418 and close", resp.StatusCode, resp.Close)
	}
}

func TestMatch(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	p := startProxy(t, "auto", upstream)
	client := newClient(t)
	a := apply(t, p, "e", "http_error", map[string]any{"codes": 500,
		"match": map[string]any{"method": "get", "path": "/api/*/orders/**", "after": 1, "every": 2}})
	var got []int
	for _, path := range []string{"/api/1/orders/a", "/other", "/api/1/orders/b", "/api/2/orders", "/api/3/orders/x/y?q=1", "/api/1/2/orders/a", "/api/%31/orders/z"} {
		status, _ := get(t, client, "http://"+p.Addr()+path)
		got = append(got, status)
	}
	if want := []int{200, 200, 200, 500, 200, 200, 500}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s := a.Stats(); s.Seen != 5 || s.Hit != 2 {
		t.Errorf("stats %+v, want 5 seen, 2 hit", s)
	}
}

func TestLatency(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "http", upstream)
	client := newClient(t)
	for _, test := range []struct {
		name string
		args []map[string]any
		want time.Duration
	}{
		{"response", []map[string]any{{"delay": "30ms"}}, 30 * time.Millisecond},
		{"request", []map[string]any{{"delay": "30ms", "direction": "request"}}, 30 * time.Millisecond},
		{"both", []map[string]any{{"delay": "30ms", "direction": "both"}}, 60 * time.Millisecond},
		{"two add up", []map[string]any{{"delay": "30ms"}, {"delay": "20ms"}, {"delay": "10ms", "direction": "request"}}, 60 * time.Millisecond},
	} {
		var on []*Applied
		for i, args := range test.args {
			on = append(on, apply(t, p, fmt.Sprint(i), "latency", args))
		}
		start := time.Now()
		get(t, client, "http://"+p.Addr()+"/")
		if took := time.Since(start); took < test.want {
			t.Errorf("%s: took %v, want %v or more", test.name, took, test.want)
		}
		for _, a := range on {
			s := a.Remove()
			if s.Hit != 1 || s.Achieved < s.Asked-soon*2 || s.Asked == 0 || s.Released != 0 {
				t.Errorf("%s: stats %+v", test.name, s)
			}
		}
	}
}

func TestHeldRequestsAreReleased(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	client := newClient(t)
	for _, direction := range []string{"request", "response"} {
		for name, release := range map[string]func(*Applied){
			"remove": func(a *Applied) { a.Remove() },
			"lift":   (*Applied).Lift,
		} {
			p := startProxy(t, "auto", upstream)
			a := apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": direction})
			b := apply(t, p, "other", "latency", map[string]any{"delay": "1ms", "direction": direction})
			done := make(chan int)
			go func() {
				status, _ := get(t, client, "http://"+p.Addr()+"/")
				done <- status
			}()
			eventually(t, "the request is held", func() bool { return b.Stats().Hit == 1 })
			release(a)
			select {
			case status := <-done:
				if status != 200 {
					t.Errorf("%s %s: got %d", direction, name, status)
				}
			case <-time.After(generous):
				t.Fatalf("%s %s: the request is still held", direction, name)
			}
			eventually(t, "it is counted as released", func() bool { return a.Stats().Released == 1 && b.Stats().Released == 0 })
		}
	}
}

func TestCloseReleasesAndDrains(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "slow", "latency", map[string]any{"delay": "10h"})
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "the request is held", func() bool { return a.Stats().Hit == 1 })
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if resp, body := readResponse(t, bufio.NewReader(c), "GET"); resp.StatusCode != 200 || body != "ok" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func TestLiftAndRestore(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	p := startProxy(t, "http", upstream)
	client := newClient(t)
	url := "http://" + p.Addr() + "/"
	a := apply(t, p, "old", "http_error", map[string]any{"codes": 501})
	apply(t, p, "new", "http_error", map[string]any{"codes": 502})
	for _, step := range []struct {
		do   func()
		want int
	}{{func() {}, 501}, {a.Lift, 502}, {a.Lift, 502}, {a.Pause, 502}, {a.Restore, 501}, {a.Resume, 501}, {func() { a.Remove() }, 502}, {a.Restore, 502}} {
		step.do()
		if status, _ := get(t, client, url); status != step.want {
			t.Errorf("got %d, want %d", status, step.want)
		}
	}
}

func TestPauseHoldsTheClock(t *testing.T) {
	p := startProxy(t, "http", "127.0.0.1:1")
	a := apply(t, p, "x", "latency", map[string]any{"delay": "1ms"})
	a.Pause()
	first := a.clock.Load().elapsed(time.Now())
	if later := a.clock.Load().elapsed(time.Now().Add(time.Hour)); later != first {
		t.Errorf("the clock went from %v to %v in a pause", first, later)
	}
	a.Lift()
	a.Resume()
	if later := a.clock.Load().elapsed(time.Now().Add(time.Hour)); later != first {
		t.Errorf("the clock went from %v to %v while lifted", first, later)
	}
	a.Restore()
	if later := a.clock.Load().elapsed(time.Now().Add(time.Hour)); later < first+time.Hour {
		t.Errorf("the clock stands at %v after Restore", later)
	}
}

func TestPipeliningKeepsOrder(t *testing.T) { calmAndSlow(t, walkPipeliningKeepsOrder) }

func walkPipeliningKeepsOrder(t *testing.T, start starter) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	p := start(t, "auto", upstream)
	apply(t, p, "e", "http_error", map[string]any{"codes": 500, "match": map[string]any{"path": "/bad*"}})
	c := dialRaw(t, p.Addr())
	var text strings.Builder
	const n = 300
	for i := range n {
		path := "/" + fmt.Sprint(i)
		if i%7 == 3 {
			path = "/bad" + fmt.Sprint(i)
		}
		fmt.Fprintf(&text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", path)
	}
	go io.WriteString(c, text.String())
	r := bufio.NewReader(c)
	for i := range n {
		resp, body := readResponse(t, r, "POST")
		if i%7 == 3 {
			if resp.StatusCode != 500 {
				t.Fatalf("response %d is %d %q, want 500", i, resp.StatusCode, body)
			}
		} else if body != "/"+fmt.Sprint(i) {
			t.Fatalf("response %d is %q", i, body)
		}
	}
}

func TestExpectContinue(t *testing.T) { calmAndSlow(t, walkExpectContinue) }

func walkExpectContinue(t *testing.T, start starter) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	p := start(t, "http", upstream)
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	send(t, c, "PUT /yes HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if line, _ := r.ReadString('\n'); !strings.Contains(line, "100") {
		t.Fatalf("got %q, want 100", line)
	}
	r.ReadString('\n')
	send(t, c, "hello")
	if _, body := readResponse(t, r, "PUT"); body != "hello" {
		t.Errorf("got %q", body)
	}
	send(t, c, "PUT /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := readResponse(t, r, "PUT"); resp.StatusCode != 417 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func TestUpgradeAndConnect(t *testing.T) { calmAndSlow(t, walkUpgradeAndConnect) }

func walkUpgradeAndConnect(t *testing.T, start starter) {
	upstream := startTCP(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		if req.Method == "CONNECT" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello")
		} else {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
		}
		io.Copy(c, r)
	})
	p := start(t, "auto", upstream)
	for _, head := range []string{"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"} {
		c := dialRaw(t, p.Addr())
		send(t, c, head+"early")
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, &http.Request{Method: "CONNECT"})
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 101 && resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
		readFull(t, r, "helloearly")
		send(t, c, "GET \x00 not HTTP\n")
		readFull(t, r, "GET \x00 not HTTP\n")
		c.CloseWrite()
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("after the end came %q, %v", rest, err)
		}
	}
}

func TestUpstreamDown(t *testing.T) { calmAndSlow(t, walkUpstreamDown) }

func walkUpstreamDown(t *testing.T, start starter) {
	for _, protocol := range []string{"http", "auto"} {
		p := start(t, protocol, "127.0.0.1:1")
		client := newClient(t)
		for range 2 {
			if status, body := get(t, client, "http://"+p.Addr()+"/"); status != 502 || !strings.Contains(body, "the upstream 127.0.0.1:1 gave no answer: ") {
				t.Errorf("%s: got %d %q", protocol, status, body)
			}
		}
		a := apply(t, p, "e", "http_error", map[string]any{"codes": 500})
		if status, _ := get(t, client, "http://"+p.Addr()+"/"); status != 500 {
			t.Errorf("%s: an injected answer became %d", protocol, status)
		}
		a.Remove()
	}
}

func TestUpstreamEndsBadly(t *testing.T) {
	for _, test := range []struct {
		name, response string
		want           int // 0: an error instead of a response
	}{
		{"no answer", "", 502},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", 502},
		{"not HTTP", "hello\r\n\r\n", 502},
		{"both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 502},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab", 502},
		{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", 502},
		{"space before colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", 502},
		{"LF inside a line", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 2\r\n\r\nok", 502},
		{"chunked not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 502},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\nok", 502},
		{"no status", "HTTP/1.1 OK\r\n\r\n", 502},
		{"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0},
		{"bad chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 0},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nhello", 200},
		{"old and short", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200},
		{"truncated", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 0},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n", 0},
	} {
		upstream := startTCP(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, test.response)
			}
		})
		p := startProxy(t, "http", upstream)
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		status := 0
		if err == nil {
			if _, err = io.ReadAll(resp.Body); err == nil {
				status = resp.StatusCode
			}
		}
		if status != test.want {
			t.Errorf("%s: got %d (%v), want %d", test.name, status, err, test.want)
		}
	}
}

// A server may end a connection while its request is held back in front of it: the
// fault must not turn that into an error.
func TestIdleEndDuringDelay(t *testing.T) {
	held := make(chan struct{})
	upstream := startTCP(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			<-held // and ends
		}
	})
	p := startProxy(t, "http", upstream)
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	slow := apply(t, p, "slow", "latency", map[string]any{"delay": "1h", "direction": "request", "match": map[string]any{"path": "/slow"}})
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	answered := func() {
		t.Helper()
		if resp, body := readResponse(t, r, "GET"); resp.StatusCode != 200 || body != "ok" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	}
	answered()
	send(t, c, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "it is held", func() bool { return slow.Stats().Hit == 1 })
	close(held)
	eventually(t, "the server's end is seen", func() bool {
		conn := p.openConns()[0]
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.link.gone
	})
	slow.Remove()
	answered()
}

// So it may when the request has come and is not yet looked at.
func TestIdleEndBeforeDelay(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // and ends
		}
	})
	p := startProxy(t, "http", upstream)
	for range 50 {
		slow := apply(t, p, "slow", "latency", map[string]any{"delay": "1h", "direction": "request", "match": map[string]any{"path": "/slow"}})
		c := dialRaw(t, p.Addr())
		r := bufio.NewReader(c)
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
		answered := func() {
			t.Helper()
			if resp, body := readResponse(t, r, "GET"); resp.StatusCode != 200 || body != "ok" {
				t.Errorf("got %d %q", resp.StatusCode, body)
			}
		}
		answered()
		eventually(t, "the server's end is seen", func() bool {
			conns := p.openConns()
			if len(conns) != 1 {
				return false
			}
			conns[0].mu.Lock()
			defer conns[0].mu.Unlock()
			return conns[0].link != nil && conns[0].link.gone
		})
		slow.Remove()
		answered()
		c.Close()
		eventually(t, "the connection is over", func() bool { return p.ActiveConns() == 0 })
	}
}

func TestSmugglingIsRefused(t *testing.T) { calmAndSlow(t, walkSmugglingIsRefused) }

func walkSmugglingIsRefused(t *testing.T, start starter) {
	var called atomic.Int64
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { called.Add(1) })
	p := start(t, "http", upstream)
	const get = "GET / HTTP/1.1\r\nHost: a\r\n"
	for name, text := range map[string]string{
		"two lengths":         get + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"list of lengths":     get + "Content-Length: 1, 1\r\n\r\na",
		"signed length":       get + "Content-Length: +1\r\n\r\na",
		"both":                get + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"unknown coding":      get + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunked not last":    get + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
		"two codings":         get + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"no chunked":          get + "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		"chunked in 1.0":      "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded":              get + "X: a\r\n b\r\n\r\n",
		"space before colon":  get + "Content-Length : 1\r\n\r\na",
		"bare LF":             "GET / HTTP/1.1\nHost: a\n\n\r\n\r\n",
		"bare LF throughout":  "GET / HTTP/1.1\nHost: a\n\n",
		"bare LF at the end":  get + "\n",
		"bare CR":             get + "X: a\rb\r\n\r\n",
		"NUL":                 get + "X: a\x00b\r\n\r\n",
		"no colon":            get + "X\r\n\r\n",
		"no name":             get + ": x\r\n\r\n",
		"two hosts":           get + "Host: b\r\n\r\n",
		"two spaces":          "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"space in target":     "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		"bad version":         "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
		"space in front":      " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"bad chunk size":      get + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"chunk too long":      get + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"chunk line ends LF":  get + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
		"huge chunk size":     get + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
		"bad trailer":         get + "Transfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n",
		"chunk extension LF":  get + "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
		"equal lengths":       get + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"negative length":     get + "Content-Length: -1\r\n\r\n",
		"length in hex":       get + "Content-Length: 0x1\r\n\r\na",
		"no length":           get + "Content-Length:\r\n\r\n",
		"huge length":         get + "Content-Length: 99999999999999999999\r\n\r\n",
		"both, hidden":        get + "Content-Length: 5\r\ntransfer-ENCODING:\tchunked\r\n\r\n0\r\n\r\n",
		"chunked twice":       get + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"chunked in quotes":   get + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
		"identity":            get + "Transfer-Encoding: identity\r\n\r\n",
		"tab before colon":    get + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
		"vertical tab":        get + "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
		"folded encoding":     get + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
		"LF inside a line":    get + "X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"first line folded":   "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
		"chunk size in 0x":    get + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		"signed chunk size":   get + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
		"negative chunk size": get + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"no chunk size":       get + "Transfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n",
		"chunk too short":     get + "Transfer-Encoding: chunked\r\n\r\n5\r\nab\r\n0\r\n\r\n",
		"chunk ends in LF":    get + "Transfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
		"folded trailer":      get + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n",
		"space in a trailer":  get + "Transfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n",
		"space in chunk size": get + "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
	} {
		c := dialRaw(t, p.Addr())
		send(t, c, text)
		resp, body := readResponse(t, bufio.NewReader(c), "GET")
		if resp.StatusCode != 400 || !resp.Close || !strings.Contains(body, "the request is refused") {
			t.Errorf("%s: got %d %q", name, resp.StatusCode, body)
		}
	}
	for text, want := range map[string]int{
		"GET / HTTP/2.0\r\n\r\n":                                   505,
		get + "X: " + strings.Repeat("x", defaultMaxHead) + "\r\n": 431,
	} {
		c := dialRaw(t, p.Addr())
		send(t, c, text)
		if resp, _ := readResponse(t, bufio.NewReader(c), "GET"); resp.StatusCode != want {
			t.Errorf("%.30q: got %d, want %d", text, resp.StatusCode, want)
		}
	}
	c := dialRaw(t, start(t, "auto", upstream).Addr())
	send(t, c, "GET / HTTP/1.1\nHost: a\n\n")
	if resp, _ := readResponse(t, bufio.NewReader(c), "GET"); resp.StatusCode != 400 {
		t.Errorf("bare LF throughout, of a target that finds out what is spoken: got %d", resp.StatusCode)
	}
	if called.Load() != 0 {
		t.Errorf("the upstream was called %d times", called.Load())
	}
}

func TestSameSeedSameHits(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	var runs [2]string
	for i := range runs {
		p := startProxy(t, "http", upstream)
		apply(t, p, "e", "http_error", map[string]any{"codes": []any{500, 503}, "probability": 0.4})
		client := newClient(t)
		for range 100 {
			status, _ := get(t, client, "http://"+p.Addr()+"/")
			runs[i] += fmt.Sprint(status, " ")
		}
	}
	if runs[0] != runs[1] || !strings.Contains(runs[0], "500") || !strings.Contains(runs[0], "503") || !strings.Contains(runs[0], "200") {
		t.Errorf("two runs with one seed:\n%s\n%s", runs[0], runs[1])
	}
}

// Faults come and go while requests run; each request gets an answer, and the counts
// add up to what the clients saw.
func TestFaultsUnderLoad(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "auto", upstream)
	client := newClient(t)
	stop := make(chan struct{})
	var errors503 atomic.Int64
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := client.Get("http://" + p.Addr() + "/")
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode == 503 {
					errors503.Add(1)
				}
			}
		})
	}
	var removed []*Applied
	for i := range 50 {
		e := apply(t, p, "e"+fmt.Sprint(i), "http_error", map[string]any{"codes": 503, "probability": 0.5})
		l := apply(t, p, "l"+fmt.Sprint(i), "latency", map[string]any{"delay": "1ms", "direction": "both"})
		eventually(t, "ten requests", func() bool { return e.Stats().Seen >= 10 })
		e.Lift()
		e.Restore()
		l.Remove()
		e.Remove()
		removed = append(removed, e)
	}
	close(stop)
	workers.Wait()
	var hits uint64
	for _, e := range removed {
		hits += e.Stats().Hit
	}
	eventually(t, "all are counted", func() bool { return p.Window(windowSeconds * time.Second).Status[5] == hits })
	if got := errors503.Load(); uint64(got) != hits || p.Window(windowSeconds * time.Second).Status[5] != hits {
		t.Errorf("the clients saw %d errors, the faults hit %d, the window has %d", got, hits, p.Window(windowSeconds * time.Second).Status[5])
	}
}
