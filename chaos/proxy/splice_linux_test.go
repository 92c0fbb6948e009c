package proxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What one connection could not be sent never reaches another.
func TestSpliceLeavesNoRest(t *testing.T) {
	for range 10 { // a pool may lose what is put into it
		from, src := tcpPair(t)
		dst, deaf := tcpPair(t)
		go io.Copy(from, strings.NewReader(strings.Repeat("mine ", 4<<20))) // more than the sockets hold
		eventually(t, "dst is full", func() bool {
			if err := dst.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err := spliceN(dst, src, spliceUnit, new(rush))
			if err != nil && !isTimeout(err) {
				t.Fatal(err)
			}
			return err != nil
		})
		for _, c := range []net.Conn{from, src, dst, deaf} {
			c.Close()
		}

		from, src = tcpPair(t)
		dst, reader := tcpPair(t)
		send(t, from, "yours")
		from.CloseWrite()
		if n, err := spliceN(dst, src, spliceUnit, new(rush)); n != 5 || err != io.EOF {
			t.Fatalf("relayed %d bytes, %v", n, err)
		}
		dst.CloseWrite()
		if got, err := io.ReadAll(reader); string(got) != "yours" || err != nil {
			t.Fatalf("got %.40q, %v", got, err)
		}
		for _, c := range []net.Conn{from, src, dst, reader} {
			c.Close()
		}
	}
}

// A stream that was in a rush is not once it only says a little: its relay then sleeps between
// two messages, and takes no processor from others.
func TestSpliceSeesRushEnd(t *testing.T) {
	from, src := tcpPair(t)
	dst, reader := tcpPair(t)
	for _, c := range []net.Conn{from, src, dst, reader} {
		defer c.Close()
	}
	r := rush{lead: rushLead, last: time.Now()}
	time.Sleep(2 * rushLead)
	send(t, from, "a little")
	from.CloseWrite()
	if n, err := spliceN(dst, src, spliceUnit, &r); n != 8 || err != io.EOF {
		t.Fatalf("relayed %d bytes, %v", n, err)
	}
	if r.on() {
		t.Errorf("it is still %v ahead", r.lead)
	}
}

// A fault that goes on after those of a body have been looked at, and before the kernel is left
// with the rest, is met: the rest may be long.
func TestSpliceBodySeesFault(t *testing.T) {
	from, src := tcpPair(t)
	dst, reader := tcpPair(t)
	for _, c := range []net.Conn{from, src, dst, reader} {
		defer c.Close()
	}
	p := startProxy(t, "http", startTCP(t, echo))
	c := &conn{p: p}
	send(t, from, "the rest")
	from.CloseWrite()
	met := p.faults.Load().gen
	apply(t, p, "slow", "bandwidth", map[string]any{"rate": 1 << 20})
	y := &body{left: 1 << 20}
	if err := c.spliceBody(dst, src, y, toClient, met); err != nil || y.left != 1<<20 {
		t.Errorf("%v, %d bytes are left", err, y.left)
	}
	if err := c.spliceBody(dst, src, y, toClient, p.faults.Load().gen); err != io.EOF || y.left != 1<<20-8 {
		t.Errorf("%v, %d bytes are left", err, y.left)
	}
}

// Only one relay at a time lets others run: another does not wait for it.
func TestSpliceSoonIsOne(t *testing.T) {
	from, src := tcpPair(t)
	defer from.Close()
	defer src.Close()
	tube := tubes.Get().(*tube)
	defer tube.leave()
	yields.Lock()
	defer yields.Unlock()
	if err := onSocket(src, "splice", func(fd int) error {
		if n, err := spliceSoon(fd, tube.w, pipeSize); n > 0 || err != unix.EAGAIN {
			t.Errorf("moved %d bytes, %v", n, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Where no descriptors are left for a pipe it is relayed through memory.
func TestSpliceWithoutPipe(t *testing.T) {
	from, src := tcpPair(t)
	dst, reader := tcpPair(t)
	for _, c := range []net.Conn{from, src, dst, reader} {
		defer c.Close()
	}
	const size = 8 << 20
	go func() {
		_, _ = io.Copy(from, io.LimitReader(newNoise(), size))
		from.CloseWrite()
	}()
	heard := make(chan string, 1)
	go func() { heard <- hashAll(reader) }()

	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	var idle []*tube
	for some := tubes.Get().(*tube); some != nil; some = tubes.Get().(*tube) {
		idle = append(idle, some)
	}
	n, err := spliceN(dst, src, 2*size, new(rush))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	for _, some := range idle {
		some.leave()
	}
	dst.CloseWrite()
	if got := <-heard; n != size || err != io.EOF || got != hashNoise(size) {
		t.Errorf("relayed %d bytes, %v: %s", n, err, got)
	}
}

// A connection whose other end reads nothing any more ends all the same.
func TestSpliceStuckEnds(t *testing.T) {
	for what, end := range map[string]func(p *Proxy) error{
		"close":      func(p *Proxy) error { return p.Close(t.Context()) },
		"disconnect": func(p *Proxy) error { _, err := p.Disconnect("rst", nil); return err },
		"fault":      func(p *Proxy) error { apply(t, p, "cut", "reset", nil); return nil },
	} {
		p := startProxy(t, "tcp", startTCP(t, func(net.Conn) { <-t.Context().Done() }))
		c := dialRaw(t, p.Addr())
		b := make([]byte, 1<<20)
		for err := error(nil); !isTimeout(err); {
			if err := c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if _, err = c.Write(b); err != nil && !isTimeout(err) {
				t.Fatal(err)
			}
		}
		if err := end(p); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		eventually(t, "it has ended after "+what, func() bool { return p.ActiveConns() == 0 })
	}
}

// On this host little is on its way; what leaves it has the buffer that Linux chooses.
func TestNear(t *testing.T) {
	c, peer := tcpPair(t)
	defer c.Close()
	defer peer.Close()
	eventually(t, "its buffer is small", func() bool { // a machine that is busy may have taken long to connect them
		send(t, c, "x")
		near(c)
		var n int
		if err := onSocket(c, "look", func(fd int) (err error) {
			n, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n == 2*nearBuffer // Linux counts what it needs itself
	})
	for _, e := range []struct {
		here, there string
		want        bool
	}{
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", true},
		{"10.0.0.7", "10.0.0.7", true},
		{"::ffff:10.0.0.7", "10.0.0.7", true},
		{"10.0.0.7", "10.0.0.8", false},
		{"fe80::1", "fe80::2", false},
	} {
		if got := withinHost(net.ParseIP(e.here), net.ParseIP(e.there)); got != e.want {
			t.Errorf("from %s to %s: %v", e.here, e.there, got)
		}
	}
}
