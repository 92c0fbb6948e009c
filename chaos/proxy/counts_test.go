package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
	"starquake/chaos/proxy/ws"
)

// What a target's figures count.

// countedConn counts what is written to a connection.
type countedConn struct {
	*net.TCPConn
	n *atomic.Uint64
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.n.Add(uint64(n))
	return n, err
}

// ReadFrom keeps bodies from going past Write.
func (c countedConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// countedClient returns a client of one connection, and the number of bytes that it has sent.
func countedClient(t testing.TB, p *Proxy, http2 bool) (*http.Client, *atomic.Uint64) {
	t.Helper()
	n := new(atomic.Uint64)
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return countedConn{dialRaw(t, p.Addr()), n}, nil
	}}
	if http2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	return oneConnection(t, &http.Client{Transport: tr}, "http", p.Addr()), n
}

// inEqualsSent waits until the window has as many bytes that came as a client has sent. Those
// of a request may be counted after its answer.
func inEqualsSent(t testing.TB, what string, p *Proxy, sent *atomic.Uint64) {
	t.Helper()
	in := func() uint64 { return p.Window(windowSeconds * time.Second).BytesIn }
	for end := time.Now().Add(generous); in() != sent.Load(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: the window has %d bytes in, and the client has sent %d", what, in(), sent.Load())
		}
	}
}

// Bytes in are those that clients have sent: whoever answers, and whatever of them the
// upstream gets.
func TestBytesInAreWhatClientsSend(t *testing.T) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // one that is cut short is answered too
		fmt.Fprint(w, "ok")
	}
	faults := []struct {
		kind string
		args map[string]any
	}{
		{"", nil},
		{"http_error", map[string]any{"codes": 503}},
		{"rewrite", map[string]any{"direction": "request", "headers": map[string]any{"X-Long": strings.Repeat("x", 500)}}},
		{"latency", map[string]any{"delay": "1ms", "direction": "both"}},
		{"rate_limit", map[string]any{"rate": 0.001, "burst": 1}},
		{"limit_data", map[string]any{"bytes": 300, "direction": "request"}},
		{"connection_error", map[string]any{"kind": "tcp_close"}},
		{"reset", nil},
	}
	for name, protocol := range map[string]string{"http": "http", "http of auto": "auto", "h2": "http", "h2 of auto": "auto"} {
		t.Run(name, func(t *testing.T) {
			upstream := startHTTP(t, serve)
			if strings.HasPrefix(name, "h2") {
				upstream = h2test.StartHTTP2(t, serve)
			}
			for _, f := range faults {
				p := startProxy(t, protocol, upstream)
				if f.kind != "" {
					apply(t, p, "x", f.kind, f.args)
				}
				client, sent := countedClient(t, p, strings.HasPrefix(name, "h2"))
				for _, body := range []io.Reader{nil, strings.NewReader(strings.Repeat("b", 10_000)), io.MultiReader(strings.NewReader("chunked"))} {
					resp, err := client.Post("http://"+p.Addr()+"/path", "text/plain", body)
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					if err != nil {
						break // its connection has ended
					}
				}
				inEqualsSent(t, f.kind, p, sent)
			}
		})
	}
}

// Of a body that the answer does not wait for what is thrown away has come too.
func TestBytesInOfWhatIsThrownAway(t *testing.T) {
	p := startProxy(t, "http", "127.0.0.1:1")
	apply(t, p, "e", "http_error", map[string]any{"codes": 503})
	var sent atomic.Uint64
	c := countedConn{dialRaw(t, p.Addr()), &sent}
	send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
	r := bufio.NewReader(c)
	readResponse(t, r, "POST")
	send(t, c, strings.Repeat("b", 100_000))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	inEqualsSent(t, "a body that is thrown away", p, &sent)
}

// A message of a WebSocket that is left out, changed or doubled has come once, as it was.
func TestBytesInOfMessages(t *testing.T) {
	for _, f := range []struct {
		kind string
		args map[string]any
	}{
		{"ws_delay", map[string]any{"delay": "1ms", "match": map[string]any{"path": "/other"}}},
		{"ws_drop", map[string]any{"direction": "request"}},
		{"ws_corrupt", map[string]any{"direction": "request", "kind": "truncate"}},
		{"ws_duplicate", map[string]any{"direction": "request"}},
		{"ws_close", map[string]any{"codes": 1011}},
	} {
		p := startProxy(t, "ws", startTCP(t, new(gates).serveSocket))
		var sent atomic.Uint64
		c := countedConn{dialRaw(t, p.Addr()), &sent}
		// The first message comes before the answer.
		send(t, c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+maskedFrame(ws.Text, "hello"))
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		apply(t, p, "x", f.kind, f.args)
		for range 3 {
			send(t, c, maskedFrame(ws.Text, "hello"))
		}
		inEqualsSent(t, f.kind, p, &sent)
	}
}

// Bytes out are those that a client has got, the head included with which what it speaks
// changes.
func TestBytesOutHaveTheAgreement(t *testing.T) {
	upstream := startEchoUpgrade(t)
	for _, protocol := range []string{"http", "auto", "ws"} {
		for _, what := range []string{"echo", "websocket"} {
			p := startProxy(t, protocol, upstream)
			c := dialRaw(t, p.Addr())
			send(t, c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "+what+"\r\n\r\n")
			send(t, c, maskedFrame(ws.Text, "hello"))
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") {
				t.Fatalf("%s over %s: got %q, %v", what, protocol, got, err)
			}
			out := func() int { return int(p.Window(windowSeconds * time.Second).BytesOut) }
			eventually(t, fmt.Sprintf("%s over %s: %d bytes out are counted", what, protocol, len(got)), func() bool { return out() == len(got) })
		}
	}
}

// figures waits until so many requests are counted, and compares how many of them are.
func figures(t testing.TB, what string, p *Proxy, clean, faulted uint64) {
	t.Helper()
	window := func() (uint64, uint64) {
		w := p.Window(windowSeconds * time.Second)
		return w.Clean.Count, w.Faulted.Count
	}
	eventually(t, what+": all are counted", func() bool { c, f := window(); return c+f >= clean+faulted })
	if c, f := window(); c != clean || f != faulted {
		t.Errorf("%s: %d clean and %d faulted, want %d and %d", what, c, f, clean, faulted)
	}
}

// A request is faulted that was under way when a fault went on that held, slowed or ended its
// connection, or its stream; the one before and the one after are not.
func TestFaultsTouchWhatIsUnderWay(t *testing.T) {
	for _, name := range []string{"http", "h2"} {
		for _, f := range []struct {
			kind string
			args map[string]any
			ends bool // the connection, or the stream
		}{
			{"blackhole", nil, false},
			{"partition", nil, false},
			{"blackhole", map[string]any{"direction": "response"}, false},
			{"refuse", map[string]any{"open_connections": "freeze"}, false},
			{"packet_loss", map[string]any{"percent": 100}, false},
			{"timeout", map[string]any{"after": "1ms"}, true},
			{"reset", nil, true},
			{"partition", map[string]any{"open_connections": "close"}, true},
			{"blackhole", map[string]any{"open_connections": "reset"}, true},
			{"limit_data", map[string]any{"bytes": 1}, true},
		} {
			t.Run(fmt.Sprint(name, " ", f.kind, " ", f.args), func(t *testing.T) {
				t.Parallel()
				asked, rest := make(chan struct{}), make(chan struct{})
				serve := func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/slow" {
						close(asked)
						<-rest
					}
					fmt.Fprint(w, "some answer")
				}
				upstream := startHTTP(t, serve)
				if name == "h2" {
					upstream = h2test.StartHTTP2(t, serve)
				}
				p := startProxy(t, "http", upstream)
				client, _ := countedClient(t, p, name == "h2")
				url := "http://" + p.Addr()
				get(t, client, url)
				figures(t, "before", p, 1, 0)

				answered := make(chan error, 1)
				go func() {
					resp, err := client.Get(url + "/slow")
					if err == nil {
						_, err = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
					answered <- err
				}()
				<-asked
				a := apply(t, p, "x", f.kind, f.args)
				close(rest)
				if !f.ends {
					eventually(t, "it is hit", func() bool { return a.Stats().Hit > 0 })
					a.Remove()
				}
				if err := <-answered; (err != nil) != f.ends {
					t.Fatalf("the client got %v", err)
				}
				figures(t, "after", p, 1, 1)
				a.Remove()
				if name == "h2" || !f.ends {
					get(t, client, url)
					figures(t, "without it", p, 2, 1)
				}
			})
		}
	}
}

// A fault that ends a connection touches all requests that are under way over it, also those
// that it has not hit.
func TestEndsTouchAllUnderWay(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	var asked atomic.Int64
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); r.URL.Path == "/hang" {
			<-hang
		}
	})
	for after := 100 * time.Millisecond; ; after *= 4 {
		p := startProxy(t, "http", upstream)
		c := dialRaw(t, p.Addr())
		asked.Store(0)
		apply(t, p, "x", "reset", map[string]any{"after": after.String(), "match": map[string]any{"path": "/hit"}})
		send(t, c, "GET /hit HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := io.ReadAll(c); err == nil {
			t.Error("the connection is not reset")
		}
		if n := asked.Load(); n < 2 && after < generous/4 {
			continue // a busy machine needs longer until they are under way
		} else if n != 2 {
			t.Errorf("the upstream was asked %d times, want the first and the second", n)
		}
		figures(t, "all three", p, 0, 3)
		return
	}
}

// An end that is held back is part of the answer that it ends; the answers before are not
// touched.
func TestSlowCloseTouchesWhatItEnds(t *testing.T) {
	const delay = 50 * time.Millisecond
	for _, test := range []struct {
		answer         string
		clean, faulted uint64
	}{
		{"HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, 1},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nall", 1, 0},
	} {
		p := startProxy(t, "http", startTCP(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, test.answer)
			}
		}))
		apply(t, p, "x", "slow_close", map[string]any{"delay": delay.String(), "direction": "response"})
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got, err := io.ReadAll(c); err != nil && !errors.Is(err, io.EOF) || len(got) == 0 {
			t.Errorf("got %q, %v", got, err)
		}
		figures(t, test.answer, p, test.clean, test.faulted)
		if w := p.Window(windowSeconds * time.Second); test.faulted > 0 && w.Faulted.MaxMS < float64(delay.Milliseconds()) {
			t.Errorf("it took %v ms, less than its end was held back", w.Faulted.MaxMS)
		}
	}
}

// What truncating leaves out of messages is counted as dropped, as it is of other bytes.
func TestTruncatedMessagesAreCounted(t *testing.T) {
	for name, mode := range modes() {
		p := startProxy(t, "ws", startSocketEcho(t, mode))
		c, ctx := dialSocket(t, p, mode)
		a := apply(t, p, "x", "ws_corrupt", map[string]any{"kind": "truncate", "direction": "request"})
		text := strings.Repeat("abcdefgh", 8)
		say(t, ctx, c, text)
		_, b, err := c.Read(ctx)
		if s := a.Remove(); err != nil || len(b)+int(s.Dropped) != len(text) {
			t.Errorf("%s: of %d bytes %d came (%v), and %+v", name, len(text), len(b), err, s)
		}
		say(t, ctx, c, text)
		hear(t, ctx, c, text)
	}
}
