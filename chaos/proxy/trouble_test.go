package proxy

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// trouble stands between a proxy and its upstream, and ends each connection after so many
// bytes of what the upstream says.
type trouble struct {
	upstream string
	after    int64 // bytes; negative for never
	how      string
	wait     time.Duration // before a connection is accepted, and before its first answer
	said     atomic.Int64  // how much has passed
}

func (x *trouble) serve(c net.Conn) {
	up, err := net.Dial("tcp", x.upstream)
	if err != nil {
		return
	}
	defer up.Close()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, _ = io.Copy(up, c)
		_ = up.(*net.TCPConn).CloseWrite()
	}()
	time.Sleep(x.wait)
	from := io.Reader(up)
	if x.after >= 0 {
		from = io.LimitReader(up, x.after)
	}
	n, _ := io.Copy(c, from)
	x.said.Add(n)
	if x.after < 0 || n < x.after {
		return // they have ended
	}
	switch x.how {
	case "half-close": // and it reads on
		_ = c.(*net.TCPConn).CloseWrite()
		<-asked
	case "reset":
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// askThrough asks once over a connection of its own, and says what the client sees.
func (p *speaker) askThrough(t *testing.T, q *Proxy, word string) string {
	t.Helper()
	c := p.dial(t.Context(), q.Addr(), nil)
	defer c.close()
	return put(word, func() *client { return c }).answered()
}

// An upstream that breaks off at any byte of what it says, in any way: the client sees the
// whole answer or an error, never a part that looks whole, and never nothing for ever; the
// figures tell; and nothing is left behind.
func TestUpstreamBreaksOffAnywhere(t *testing.T) {
	for _, p := range speakers() {
		for _, word := range []string{"all", "chunks"} {
			if word == "chunks" && p.name != "http" {
				continue // where the answer's length is not announced, and trailers come
			}
			t.Run(p.name+" "+word, func(t *testing.T) {
				t.Parallel()
				upstream := p.start(t, new(gates))
				whole := &trouble{upstream: upstream, after: -1}
				if how := p.askThrough(t, startProxy(t, p.declared, startTCP(t, whole.serve)), word); how != "ok" {
					t.Fatalf("without trouble a client sees %q", how)
				}
				eventually(t, "all is said", func() bool { return whole.said.Load() > 0 })
				total := whole.said.Load()
				points := []int64{0, 1, 12, total / 8, total / 4, total - 600, total - 100, total - 20, total - 8, total - 3, total - 1}
				for _, how := range []string{"close", "half-close", "reset"} {
					for _, after := range points {
						x := &trouble{upstream: upstream, after: after, how: how}
						q := startProxy(t, p.declared, startTCP(t, x.serve))
						saw := p.askThrough(t, q, word)
						name := fmt.Sprintf("%s after %d of %d bytes", how, after, total)
						// The last frames of HTTP/2 are of no answer: its client may have had it all.
						late := p.http2 && after > total-60
						if !slices.Contains([]string{"502", "reset", "eof", "stream"}, saw) && !(late && saw == "ok") {
							t.Errorf("%s: a client sees %q", name, saw)
						}
						eventually(t, name+" leaves nothing", func() bool { return q.ActiveConns() == 0 })
						w := q.Window(windowSeconds * time.Second)
						if failed := w.Status[0] + w.Status[5]; p.name == "http" && (w.Requests != 1 || failed != 1) || p.http2 && w.Status[2] != 0 && saw != "ok" || w.Status[5] > 0 != (saw == "502") {
							t.Errorf("%s, where a client sees %q: %+v", name, saw, w.Status)
						}
					}
				}
			})
		}
	}
}

// An upstream that is slow to accept or to answer is waited for, and one that is not there
// is told of as soon as that is known, in the words of the protocol.
func TestUpstreamSlowOrDown(t *testing.T) {
	down := map[string][]string{"tcp": {"eof", "reset"}, "http": {"502"}, "h2": {"eof", "reset"}, "grpc": {"eof", "reset"}, "ws": {"502"}, "graphql": {"502"}}
	for _, p := range speakers() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		x := &trouble{upstream: p.start(t, new(gates)), after: -1, wait: 10 * time.Millisecond}
		q := startProxy(t, p.declared, l.Addr().String())
		c := p.dial
		asked := put("all", func() *client { return c(t.Context(), q.Addr(), nil) })
		time.Sleep(x.wait) // nobody accepts
		go func() {
			if c, err := l.Accept(); err == nil {
				defer c.Close()
				x.serve(c)
			}
		}()
		if how := asked.answered(); how != "ok" {
			t.Errorf("%s: from a slow upstream comes %q", p.name, how)
		}
		q = startProxy(t, p.declared, "127.0.0.1:1")
		if how := p.askThrough(t, q, "all"); !slices.Contains(down[p.name], how) {
			t.Errorf("%s: of one that is down a client sees %q", p.name, how)
		}
		eventually(t, "nobody is left", func() bool { return q.ActiveConns() == 0 })
		if w := q.Window(windowSeconds * time.Second); w.Connections != 1 || (w.Status[5] == 1) != (down[p.name][0] == "502") {
			t.Errorf("%s: of one that is down the figures are %+v", p.name, w)
		}
	}
}

// saysTooMuch is an upstream that sends two answers for each request.
func saysTooMuch(t *testing.T) string {
	return startTCP(t, func(c net.Conn) {
		buf := make([]byte, 1024)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			_, _ = io.WriteString(c, okAnswer+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}
	})
}

// What an upstream sends beyond what it has announced is nobody's answer, least of all that
// of the next request.
func TestUpstreamSaysTooMuch(t *testing.T) {
	p := startProxy(t, "http", saysTooMuch(t))
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	readFull(t, c, okAnswer)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // the connection may have ended
	if rest, _ := io.ReadAll(c); len(rest) > 0 {
		t.Errorf("then came %q", rest)
	}
}

// The same where the next request is sent before all of the first's answer has come: of an
// answer the proxy has read all there is when its first byte comes.
func TestUpstreamSaysTooMuchToWhoAsksAgain(t *testing.T) {
	p := startProxy(t, "http", saysTooMuch(t))
	apply(t, p, "slow", "slicer", map[string]any{"average": 8, "delay": "50ms"})
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	readFull(t, c, okAnswer[:1])
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	rest, _ := io.ReadAll(c)
	if string(rest) != okAnswer[1:] {
		t.Errorf("then came %q", rest)
	}
}
