package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"starquake/chaos"
)

// What a client of a stream sees of each connection fault.

// readEnd reads until the connection ends and says how it did.
func readEnd(c *net.TCPConn) (string, error) {
	if c == nil { // it was reset as it connected
		return "", syscall.ECONNRESET
	}
	all, err := io.ReadAll(c)
	switch {
	case err == nil:
		return string(all), io.EOF
	case errors.Is(err, syscall.ECONNRESET):
		return string(all), syscall.ECONNRESET
	}
	return string(all), err
}

// dialReset dials what may reset the connection at once. A client comes to know of that
// when it connects, or at its first byte: it returns nil for the former.
func dialReset(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// ping sends one byte through an echo server and back.
func ping(t testing.TB, c net.Conn) {
	t.Helper()
	send(t, c, "p")
	readFull(t, c, "p")
}

// staysSilent fails if anything comes within a time that is long for loopback.
func staysSilent(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Fatalf("read %d bytes, %v; want a connection that hangs", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
}

func TestStreamEndings(t *testing.T) {
	upstream := startTCP(t, echo)
	for _, protocol := range []string{"tcp", "auto"} {
		for _, test := range []struct {
			kind  string
			args  map[string]any
			after time.Duration
			want  error
		}{
			{"reset", nil, 0, syscall.ECONNRESET},
			{"reset", map[string]any{"after": "30ms"}, 30 * time.Millisecond, syscall.ECONNRESET},
			{"timeout", map[string]any{"after": "0"}, 0, io.EOF},
			{"timeout", map[string]any{"after": "30ms"}, 30 * time.Millisecond, io.EOF},
		} {
			for _, open := range []bool{false, true} {
				name := fmt.Sprint(protocol, " ", test.kind, " ", test.args, " open ", open)
				p := startProxy(t, protocol, upstream)
				var c *net.TCPConn
				var a *Applied
				start := time.Now()
				if open {
					c = dialRaw(t, p.Addr())
					ping(t, c)
					start = time.Now()
					a = apply(t, p, "x", test.kind, test.args)
				} else {
					a = apply(t, p, "x", test.kind, test.args)
					c = dialReset(t, p.Addr())
					if protocol == "auto" && c != nil {
						// It may have been reset already.
						_, _ = io.WriteString(c, "\x00hello")
					}
				}
				got, err := readEnd(c)
				if test.kind == "timeout" && got != "" || err != test.want {
					t.Errorf("%s: got %q, %v, want %v", name, got, err, test.want)
				}
				if took := time.Since(start); took < test.after-time.Millisecond {
					t.Errorf("%s: ended after %v, want %v", name, took, test.after)
				}
				if s := a.Stats(); s.Seen != 1 || s.Hit != 1 {
					t.Errorf("%s: stats %+v, want 1 seen and hit", name, s)
				}
			}
		}
	}
}

// A client that sends all the time gets the end of a timeout too, and as a FIN.
func TestTimeoutUnderTraffic(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	c := dialRaw(t, p.Addr())
	ping(t, c)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := io.WriteString(c, "more"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	apply(t, p, "x", "timeout", map[string]any{"after": "40ms"})
	if _, err := readEnd(c); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	close(stop)
	<-ended
}

func TestHangs(t *testing.T) {
	upstream := startTCP(t, echo)
	for _, kind := range []string{"blackhole", "partition"} {
		for _, protocol := range []string{"tcp", "auto"} {
			p := startProxy(t, protocol, upstream)
			open := dialRaw(t, p.Addr())
			ping(t, open)
			a := apply(t, p, "x", kind, nil)
			fresh := dialRaw(t, p.Addr())
			for _, c := range []*net.TCPConn{open, fresh} {
				send(t, c, "held")
				staysSilent(t, c)
			}
			a.Remove()
			for _, c := range []*net.TCPConn{open, fresh} {
				readFull(t, c, "held")
			}
			if s := a.Stats(); s.Seen != 2 || s.Hit != 2 {
				t.Errorf("%s %s: stats %+v, want 2 seen and hit", kind, protocol, s)
			}
		}
	}
}

// Nothing is kept for a client that leaves while it hangs.
func TestHangingClientLeaves(t *testing.T) {
	upstream := startTCP(t, echo)
	for _, protocol := range []string{"tcp", "auto", "http"} {
		for _, reset := range []bool{false, true} {
			p := startProxy(t, protocol, upstream)
			a := apply(t, p, "x", "blackhole", nil)
			c := dialRaw(t, p.Addr())
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			eventually(t, "it hangs", func() bool { return a.Stats().Hit == 1 })
			if reset {
				_ = c.SetLinger(0)
			}
			c.Close()
			eventually(t, fmt.Sprint(protocol, " forgets a client that left, reset ", reset), func() bool { return p.ActiveConns() == 0 })
		}
	}
}

// A client that ends its side as soon as nothing holds it any more has not left.
func TestFreedClientEnds(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	for i := range 100 {
		hole := apply(t, p, "hole", "blackhole", nil)
		c := dialRaw(t, p.Addr())
		send(t, c, "hello")
		eventually(t, "it is held", func() bool { return hole.Stats().Hit == 1 })
		hole.Remove()
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Fatalf("connection %d: got %q, %v", i, got, err)
		}
		c.Close()
	}
}

// A client that leaves while it hangs has left, also if the fault goes off right behind it.
func TestLeavingClientIsFreed(t *testing.T) {
	var heard atomic.Int64
	p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		heard.Add(n)
	}))
	for i := range 100 {
		hole := apply(t, p, "hole", "blackhole", nil)
		c := dialRaw(t, p.Addr())
		send(t, c, "hello")
		eventually(t, "it is held", func() bool { return isHeld(p) })
		c.Close()
		hole.Remove()
		eventually(t, "it is forgotten", func() bool { return p.ActiveConns() == 0 })
		if n := heard.Load(); n != 0 {
			t.Fatalf("connection %d: the upstream has heard %d bytes", i, n)
		}
	}
}

// isHeld reports whether a client of the proxy is held for longer.
func isHeld(p *Proxy) bool {
	for _, c := range p.openConns() {
		c.mu.Lock()
		held := c.held != nil
		c.mu.Unlock()
		if held {
			return true
		}
	}
	return false
}

func TestOpenConnections(t *testing.T) {
	upstream := startTCP(t, echo)
	for _, kind := range []string{"blackhole", "partition", "refuse"} {
		for _, do := range []openConnections{openKeep, openReset, openClose, openFreeze} {
			p := startProxy(t, "tcp", upstream)
			c := dialRaw(t, p.Addr())
			ping(t, c)
			a := apply(t, p, "x", kind, map[string]any{"open_connections": string(do)})
			switch do {
			case openKeep:
				ping(t, c)
			case openReset:
				if _, err := readEnd(c); err != syscall.ECONNRESET {
					t.Errorf("%s reset: %v", kind, err)
				}
			case openClose:
				if _, err := readEnd(c); err != io.EOF {
					t.Errorf("%s close: %v", kind, err)
				}
			case openFreeze:
				send(t, c, "f")
				staysSilent(t, c)
				a.Remove()
				readFull(t, c, "f")
			}
		}
	}
}

// The same of connections whose requests are parsed, and which wait for the next.
func TestOpenConnectionsHTTP(t *testing.T) {
	upstream := startTCP(t, benchAnswers)
	for _, protocol := range []string{"http", "auto"} {
		for do, want := range map[openConnections]error{openReset: syscall.ECONNRESET, openClose: io.EOF} {
			p := startProxy(t, protocol, upstream)
			c := dialRaw(t, p.Addr())
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
			a := apply(t, p, "x", "blackhole", map[string]any{"open_connections": string(do)})
			if _, err := readEnd(c); err != want {
				t.Errorf("%s %s: %v, want %v", protocol, do, err, want)
			}
			if s := a.Stats(); s.Seen != 1 || s.Hit != 1 {
				t.Errorf("%s %s: stats %+v", protocol, do, s)
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	open := dialRaw(t, p.Addr())
	ping(t, open)
	for range 3 {
		a := apply(t, p, "x", "refuse", nil)
		also := apply(t, p, "y", "refuse", nil)
		if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("connected: %v, %v; want ECONNREFUSED", c, err)
		}
		if l, err := net.Listen("tcp", p.Addr()); err == nil {
			l.Close()
			t.Fatal("somebody else could listen on the address meanwhile")
		}
		ping(t, open)
		a.Lift()
		if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("connected: %v, %v; the other fault is still on", c, err)
		}
		also.Remove()
		ping(t, dialRaw(t, p.Addr()))
		if s := a.Remove(); s.Seen != 0 || s.Hit != 0 {
			t.Errorf("stats %+v, want none: nobody sees who is refused", s)
		}
	}
	ping(t, open)
}

// A proxy that refuses can be closed.
func TestCloseWhileRefusing(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	apply(t, p, "x", "refuse", nil)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A refusal that not all meet is a reset: who is met is known only after accepting.
func TestRefuseSome(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	a := apply(t, p, "x", "refuse", map[string]any{"probability": 0.5})
	reset := uint64(0)
	for range 40 {
		c := dialReset(t, p.Addr())
		if c == nil {
			reset++
			continue
		}
		_, werr := io.WriteString(c, "p")
		if _, rerr := io.ReadFull(c, make([]byte, 1)); werr != nil || rerr != nil {
			reset++
		}
		c.Close()
	}
	if s := a.Stats(); s.Hit != reset || reset == 0 || reset == 40 || s.Seen != 40 {
		t.Errorf("%d of 40 were reset; stats %+v", reset, s)
	}
}

func TestPulse(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	apply(t, p, "x", "refuse", map[string]any{"pulse": map[string]any{"on": "20ms", "off": "20ms"}})
	var refused, accepted bool
	eventually(t, "it refuses and accepts in turn", func() bool {
		c, err := net.Dial("tcp", p.Addr())
		if err == nil {
			accepted = true
			c.Close()
		}
		refused = refused || errors.Is(err, syscall.ECONNREFUSED)
		return refused && accepted
	})
	q := startProxy(t, "tcp", startTCP(t, echo))
	apply(t, q, "x", "blackhole", map[string]any{"pulse": map[string]any{"on": "20ms", "off": "20ms"}})
	c := dialRaw(t, q.Addr())
	for range 20 {
		ping(t, c) // each is let through in the next pause
	}
}

func TestMaxConnections(t *testing.T) {
	for _, protocol := range []string{"tcp", "http"} {
		p := startProxy(t, protocol, startTCP(t, benchAnswers))
		a := apply(t, p, "many", "max_connections", map[string]any{"n": 5})
		apply(t, p, "few", "max_connections", map[string]any{"n": 2}) // the lowest holds
		request := func(c net.Conn) {
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
		}
		first, second := dialRaw(t, p.Addr()), dialRaw(t, p.Addr())
		request(first)
		request(second)
		third := dialReset(t, p.Addr())
		if got, err := readEnd(third); got != "" || err != syscall.ECONNRESET {
			t.Errorf("%s: the third got %q, %v", protocol, got, err)
		}
		request(first)
		second.Close()
		eventually(t, "there is room again", func() bool { return p.ActiveConns() == 1 })
		request(dialRaw(t, p.Addr()))
		if s := a.Stats(); s.Hit != 0 {
			t.Errorf("%s: stats %+v", protocol, s)
		}
	}
}

func TestSlowClose(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) { io.WriteString(c, "bye") })
	p := startProxy(t, "tcp", upstream)
	apply(t, p, "x", "slow_close", map[string]any{"delay": "200ms"})
	start := time.Now() // the upstream ends its side later than this, and maybe before its word is read here
	c := dialRaw(t, p.Addr())
	readFull(t, c, "bye")
	if got, err := readEnd(c); got != "" || err != io.EOF {
		t.Errorf("got %q, %v", got, err)
	}
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("the end came after %v, want 200ms", took)
	}
}

func TestStreamBytes(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 640) // 10 KiB
	upstream := startTCP(t, func(c net.Conn) { io.WriteString(c, content) })
	for _, test := range []struct {
		kind  string
		args  map[string]any
		least time.Duration
		check func(got string, s chaos.Stats) bool
	}{
		{"limit_data", map[string]any{"bytes": 4000}, 0, func(got string, s chaos.Stats) bool { return got == content[:4000] && s.Dropped > 0 }},
		{"limit_data", map[string]any{"bytes": 0}, 0, func(got string, s chaos.Stats) bool { return got == "" }},
		{"limit_data", map[string]any{"bytes": 20000}, 0, func(got string, s chaos.Stats) bool { return got == content }},
		{"corrupt", map[string]any{"kind": "bit_flip"}, 0, func(got string, s chaos.Stats) bool { return got != content && len(got) == len(content) }},
		{"corrupt", map[string]any{"kind": "random_bytes"}, 0, func(got string, s chaos.Stats) bool { return got != content && len(got) == len(content) }},
		{"corrupt", map[string]any{"kind": "random_bytes", "direction": "request"}, 0, func(got string, s chaos.Stats) bool { return got == content }},
		{"corrupt", map[string]any{"kind": "truncate"}, 0, func(got string, s chaos.Stats) bool { return len(got) < len(content) && s.Dropped > 0 }},
		{"slicer", map[string]any{"average": 1024, "delay": "5ms"}, 40 * time.Millisecond, func(got string, s chaos.Stats) bool { return got == content }},
		{"bandwidth", map[string]any{"rate": 100 << 10}, 80 * time.Millisecond, func(got string, s chaos.Stats) bool { return got == content }},
		{"bandwidth", map[string]any{"rate": 100 << 10, "per": "target"}, 80 * time.Millisecond, func(got string, s chaos.Stats) bool { return got == content }},
		{"bandwidth", map[string]any{"rate": 1 << 30}, 0, func(got string, s chaos.Stats) bool { return got == content }},
		{"packet_loss", map[string]any{"percent": 0}, 0, func(got string, s chaos.Stats) bool { return got == content }},
	} {
		p := startProxy(t, "tcp", upstream)
		a := apply(t, p, "x", test.kind, test.args)
		start := time.Now()
		c := dialRaw(t, p.Addr())
		got, err := readEnd(c)
		if err != io.EOF || !test.check(got, a.Stats()) {
			t.Errorf("%s %v: got %d bytes, %v, stats %+v", test.kind, test.args, len(got), err, a.Stats())
		}
		if took := time.Since(start); took < test.least {
			t.Errorf("%s %v: took %v, want %v", test.kind, test.args, took, test.least)
		}
	}
}

// A lost chunk comes later, and whole.
func TestPacketLoss(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, echo))
	a := apply(t, p, "x", "packet_loss", map[string]any{"percent": 15})
	c := dialRaw(t, p.Addr())
	for range 10 { // twenty chunks, whose draws are always the same
		ping(t, c)
	}
	if s := a.Stats(); s.Asked < 200*time.Millisecond || s.Asked%(200*time.Millisecond) != 0 || s.Delayed == 0 || s.Seen != 1 {
		t.Errorf("stats %+v, want time-outs of 200ms", s)
	}
}

// At 100 % loss nothing passes, until the fault is gone.
func TestPacketLossOfAll(t *testing.T) {
	for _, protocol := range []string{"tcp", "http"} {
		p := startProxy(t, protocol, startTCP(t, benchAnswers))
		a := apply(t, p, "x", "packet_loss", map[string]any{"percent": 100})
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		staysSilent(t, c)
		a.Remove()
		readFull(t, c, benchResponse)
	}
}

// Of two bandwidths the lower holds.
func TestLowestBandwidth(t *testing.T) {
	p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) { c.Write(make([]byte, 20<<10)) }))
	apply(t, p, "fast", "bandwidth", map[string]any{"rate": 10 << 20})
	apply(t, p, "slow", "bandwidth", map[string]any{"rate": 100 << 10})
	start := time.Now()
	got, err := readEnd(dialRaw(t, p.Addr()))
	if took := time.Since(start); len(got) != 20<<10 || err != io.EOF || took < 170*time.Millisecond {
		t.Errorf("got %d bytes, %v, after %v", len(got), err, took)
	}
}

// Faults that come while a bulk stream is relayed by the kernel act at once.
func TestFaultsDuringBulk(t *testing.T) {
	forever := startTCP(t, func(c net.Conn) { io.Copy(c, newNoise()) })
	for _, kind := range []string{"reset", "blackhole", "timeout"} {
		p := startProxy(t, "tcp", forever)
		c := dialRaw(t, p.Addr())
		if _, err := io.CopyN(io.Discard, c, 4<<20); err != nil {
			t.Fatal(err)
		}
		var args map[string]any
		if kind == "timeout" {
			args = map[string]any{"after": 0}
		}
		a := apply(t, p, "x", kind, args)
		if kind == "blackhole" {
			drained := make(chan struct{})
			go func() {
				io.Copy(io.Discard, c)
				close(drained)
			}()
			w := p.Window(windowSeconds * time.Second).BytesOut
			eventually(t, "it stands still", func() bool {
				before := w
				w = p.Window(windowSeconds * time.Second).BytesOut
				time.Sleep(20 * time.Millisecond)
				return before == w && p.Window(windowSeconds*time.Second).BytesOut == w
			})
			a.Remove()
			eventually(t, "it goes on", func() bool { return p.Window(windowSeconds*time.Second).BytesOut > w })
			c.Close()
			<-drained
			continue
		}
		_, err := io.Copy(io.Discard, c)
		if kind == "reset" && !errors.Is(err, syscall.ECONNRESET) || kind == "timeout" && err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// benchAnswers answers each read with a small response.
func benchAnswers(c net.Conn) {
	buf, answer := make([]byte, 4096), []byte(benchResponse)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

const benchResponse = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n\r\nhello from the other side, ok\n"
