package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"starquake/chaos/proxy/ws"
	"strings"
	"sync"
	"testing"
	"time"
)

// never is longer than any test takes.
const never = time.Hour

// answerPaths answers each request with its path and a body. before is called before the
// n-th is read.
func answerPaths(c net.Conn, size int, before func(n int)) {
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		before(n)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		body := req.URL.Path + strings.Repeat(".", size)
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return
		}
	}
}

func startPaths(t testing.TB) string {
	return startTCP(t, func(c net.Conn) { answerPaths(c, 0, func(int) {}) })
}

// startRechecking is startProxy with waits that end after so long.
func startRechecking(t testing.TB, upstream string, recheck time.Duration) *Proxy {
	t.Helper()
	return startPrepared(t, "http", upstream, func(p *Proxy) { p.recheck = recheck })
}

// dialUsed opens a connection that has had requests, so that the next is carried.
func dialUsed(t testing.TB, p *Proxy) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	for range 3 {
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		readResponse(t, r, "GET")
	}
	return c, r
}

// Requests and responses for which there is no room go on when there is.
func TestCarriedInParts(t *testing.T) {
	gate := make(chan struct{})
	upstream := startTCP(t, func(c net.Conn) {
		_ = c.(*net.TCPConn).SetReadBuffer(32 << 10)
		answerPaths(c, 7000, func(n int) {
			if n == 2 {
				<-gate
			}
		})
	})
	p := startProxy(t, "http", upstream)
	client := dialRaw(t, p.Addr())
	r := bufio.NewReader(client)
	ask := func(i int) {
		if _, err := fmt.Fprintf(client, "POST /%d HTTP/1.1\r\nHost: a\r\nX: %s\r\nContent-Length: 3\r\n\r\nabc", i, strings.Repeat("x", 3000)); err != nil {
			t.Error(err)
		}
	}
	answered := func(i int) {
		resp, body := readResponse(t, r, "POST")
		if want := fmt.Sprintf("/%d", i) + strings.Repeat(".", 7000); resp.StatusCode != 200 || body != want {
			t.Fatalf("response %d is %d %.10q… of %d bytes", i, resp.StatusCode, body, len(body))
		}
	}
	for i := range 2 {
		ask(i)
		answered(i)
	}
	c := cramp(t, p)
	const n = 60
	go func() {
		for i := 2; i < n; i++ {
			ask(i)
		}
	}()
	eventually(t, "requests wait for room", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.pending) > 1
	})
	close(gate)
	for i := 2; i < n; i++ {
		answered(i)
	}
	// The client may have the last answer before that is counted.
	requests := func() uint64 { return p.Window(windowSeconds * time.Second).Requests }
	eventually(t, "all are counted", func() bool { return requests() >= n })
	if got := requests(); got != n {
		t.Errorf("%d requests are counted, want %d", got, n)
	}
}

// cramp leaves the sockets of the only connection of p hardly any room, and returns it.
func cramp(t *testing.T, p *Proxy) *conn {
	t.Helper()
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if len(p.conns) != 1 {
		t.Fatalf("%d connections", len(p.conns))
	}
	for c := range p.conns {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, side := range []side{c.client, c.upstream()} {
			if err := side.(*net.TCPConn).SetWriteBuffer(1); err != nil { // the least there is
				t.Error(err)
			}
		}
		return c
	}
	return nil
}

// So do frames, whether faults look at each or not, while others come and go.
func TestFramesCarriedInParts(t *testing.T) {
	for _, looks := range []bool{false, true} {
		p := startProxy(t, "ws", startSocketBytes(t))
		if looks {
			apply(t, p, "looks", "ws_drop", map[string]any{"probability": 0})
		}
		c := dialSocketBytes(t, p.Addr())
		if err := c.SetReadBuffer(32 << 10); err != nil {
			t.Fatal(err)
		}
		cramp(t, p)
		text := func(i int) string { return frame(ws.Text, true, fmt.Sprint(i, strings.Repeat("y", i*7%4000))) }
		const n = 400
		go func() {
			for i := range n {
				if _, err := io.WriteString(c, text(i)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		eventually(t, "much waits for room", func() bool { return p.Window(windowSeconds*time.Second).BytesOut > 30_000 })
		for i := range n {
			if i%50 == 25 {
				apply(t, p, fmt.Sprint("slow", i), "latency", map[string]any{"delay": "1ms"}).Remove()
			}
			readFull(t, c, text(i))
		}
	}
}

// The end of a side is seen when it comes, also together with a message.
func TestEndBehindAMessage(t *testing.T) {
	last := make(chan net.Conn, 1)
	upstream := startAnswering(t, func(c net.Conn, req *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if req.URL.Path == "/end" {
			last <- c
			return false // which closes it
		}
		return true
	})
	p := startRechecking(t, upstream, never)
	for _, client := range []bool{true, false} {
		for range 100 {
			c, r := dialUsed(t, p)
			if client {
				send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				c.CloseWrite()
			} else {
				send(t, c, "GET /end HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			if resp, body := readResponse(t, r, "GET"); resp.StatusCode != 200 || body != "ok" {
				t.Fatalf("got %d %q", resp.StatusCode, body)
			}
			if !client {
				<-last
			}
			if n, err := r.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("client ends %v: after its last response the client reads %d, %v", client, n, err)
			}
			c.Close()
		}
	}
	eventually(t, "all connections are over", func() bool { return p.ActiveConns() == 0 })
}

// A reset that comes together with a request is seen after a while, though nothing else
// happens on the connection.
func TestResetBehindARequest(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}
	})
	p := startRechecking(t, upstream, 10*time.Millisecond)
	for range 50 {
		c, _ := dialUsed(t, p)
		_ = c.SetLinger(0)
		send(t, c, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
		c.Close()
	}
	eventually(t, "nobody waits for answers for clients that have left", func() bool { return p.ActiveConns() == 0 })
}

// A connection that rests for long after many requests, and longer than a wait is left
// alone, goes on.
func TestRestsBetweenRequests(t *testing.T) {
	p := startRechecking(t, startPaths(t), time.Millisecond)
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	for i := range 100 {
		send(t, c, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		if resp, body := readResponse(t, r, "GET"); resp.StatusCode != 200 || body != fmt.Sprint("/", i) {
			t.Fatalf("request %d: got %d %q", i, resp.StatusCode, body)
		}
		if i%10 == 0 {
			time.Sleep(3 * time.Millisecond) // some waits end, it does not matter which
		}
	}
}

// Connections that carry things on are cut, closed and reset from outside, by faults and by
// the end of the proxy, without anyone's waiting for anyone.
func TestCutWhileCarrying(t *testing.T) {
	upstream := startPaths(t)
	for round := range 20 {
		p, err := Listen(t.Context(), Config{Name: "test", Listen: "127.0.0.1:0", Upstream: upstream, Protocol: "http"})
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for {
					c, err := net.Dial("tcp", p.Addr())
					if err != nil {
						return // the proxy is gone
					}
					r := bufio.NewReader(c)
					for i := 0; ; i++ {
						path := fmt.Sprintf("/%d", i)
						if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path); err != nil {
							break
						}
						resp, err := http.ReadResponse(r, nil)
						if err != nil {
							break
						}
						body, err := io.ReadAll(resp.Body)
						if err != nil {
							break
						}
						if resp.StatusCode == 200 && string(body) != path {
							t.Errorf("asked for %s, got %q", path, body)
						}
					}
					c.Close()
				}
			})
		}
		for i, kind := range []string{"reset", "http_error", "blackhole", "latency"} {
			args := map[string]any{}
			switch kind {
			case "http_error":
				args["codes"] = 503
			case "latency":
				args["delay"] = "1ms"
			}
			a := apply(t, p, fmt.Sprint(kind, i), kind, args)
			eventually(t, kind+" hits", func() bool { return a.Stats().Hit >= 5 })
			a.Remove()
		}
		ctx, cancel := context.WithCancel(t.Context())
		if round%2 == 0 {
			cancel() // none is waited for
		}
		if err := p.Close(ctx); err != nil && round%2 > 0 {
			t.Error(err)
		}
		cancel()
		clients.Wait()
	}
}

// An upstream that resets together with its answer: who asks next is told at once.
func TestResetBehindAResponse(t *testing.T) {
	upstream := startAnswering(t, func(c net.Conn, req *http.Request) bool {
		last := req.URL.Path == "/last"
		if last {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		return !last
	})
	p := startRechecking(t, upstream, never)
	for range 60 {
		c, r := dialUsed(t, p)
		send(t, c, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := http.ReadResponse(r, nil); err != nil {
			continue // the reset was seen first
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the client is not told that the upstream has gone")
		}
	}
}

// Empty lines behind a request are no other request: the connection is not busy.
func TestEmptyLinesBehindARequest(t *testing.T) {
	p := startProxy(t, "http", startPaths(t))
	c := dialRaw(t, p.Addr())
	send(t, c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n")
	readResponse(t, bufio.NewReader(c), "GET")
	eventually(t, "it rests", func() bool { return p.openConns()[0].atRest() })
}

// Nor is the rest of a request that a limit has cut off, of which nobody gets any more.
func TestCutRequestIsDone(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	upstream := startTCP(t, func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			<-hang
		}
	})
	p := startProxy(t, "http", upstream)
	apply(t, p, "few", "limit_data", map[string]any{"bytes": 100, "direction": "request"})
	c := dialRaw(t, p.Addr())
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"+strings.Repeat("x", 5000))
	readResponse(t, bufio.NewReader(c), "POST")
	eventually(t, "it rests", func() bool {
		conns := p.openConns()
		return len(conns) == 0 || conns[0].atRest()
	})
}

// An idle connection holds no buffer, not even by what is left of its last request.
func TestIdleHoldsNoBuffer(t *testing.T) {
	for _, faults := range []bool{false, true} {
		p := startProxy(t, "http", startPaths(t))
		if faults {
			apply(t, p, "e", "http_error", map[string]any{"codes": 503, "match": map[string]any{"path": "/nobody"}})
		}
		var ask []func()
		for range 200 {
			c := dialRaw(t, p.Addr())
			r := bufio.NewReaderSize(c, 512)
			ask = append(ask, func() {
				send(t, c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
				readResponse(t, r, "GET")
			})
		}
		for range 4 {
			for _, a := range ask {
				a()
			}
		}
		heap := func() int {
			debug.FreeOSMemory()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before := heap()
		for _, a := range ask {
			a()
			runtime.GC() // twice: pools are emptied, and who holds on to a buffer has one of his own
			runtime.GC()
		}
		if more := (heap() - before) / len(ask); more > bufferSize/4 {
			t.Errorf("faults %v: a connection holds %d bytes more than before its last request", faults, more)
		}
	}
}

// A fault that is on when Apply returns meets the next request of a connection that has
// long been waiting.
func TestFaultMeetsTheNextRequest(t *testing.T) {
	p := startProxy(t, "http", startPaths(t))
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	ask := func(want int) {
		t.Helper()
		send(t, c, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if resp, _ := readResponse(t, r, "GET"); resp.StatusCode != want {
			t.Fatalf("got %d, want %d", resp.StatusCode, want)
		}
	}
	for i := range 300 {
		for range 3 {
			ask(200)
		}
		a := apply(t, p, fmt.Sprint("e", i), "http_error", map[string]any{"codes": 503})
		ask(503)
		if s := a.Remove(); s.Hit != 1 || s.Seen != 1 {
			t.Fatalf("%+v, want 1 seen and hit", s)
		}
	}
}
