package proxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inPipes is how many pipes of a proxy hold bytes.
func inPipes(p *Proxy) int {
	p.pipes.mu.Lock()
	defer p.pipes.mu.Unlock()
	return p.pipes.open
}

// hashNoise hashes the first bytes of newNoise.
func hashNoise(n int64) string {
	h := sha256.New()
	_, _ = io.Copy(h, io.LimitReader(newNoise(), n))
	return fmt.Sprintf("%d %x", n, h.Sum(nil))
}

// hashAll hashes what comes from c.
func hashAll(c io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, c)
	if err != nil {
		return fmt.Sprint(n, err)
	}
	return fmt.Sprintf("%d %x", n, h.Sum(nil))
}

// startHash returns an upstream that answers with the hash of what it gets.
func startHash(t testing.TB) string {
	return startTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, hashAll(c)) })
}

// sendHeld sends noise until some of it is held in pipes, and returns how much it was.
func sendHeld(t testing.TB, p *Proxy, c net.Conn) (sent int64) {
	t.Helper()
	noise := newNoise()
	for sent < 2<<20 || inPipes(p) == 0 {
		n, err := io.CopyN(c, noise, 1<<20)
		if sent += n; err != nil {
			t.Fatal(err)
		}
		if sent > lineMost/2 {
			t.Fatal("nothing is held in pipes")
		}
	}
	return sent
}

// noneLeft waits until nothing is held any more.
func noneLeft(t testing.TB, p *Proxy) {
	t.Helper()
	eventually(t, "nothing is held", func() bool { return inPipes(p) == 0 && p.queued.Load() == 0 })
}

// hear reads until the end.
func hearAll(t testing.TB, c net.Conn) string {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // a lot for a machine that is busy
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// Bytes held in pipes leave at once and in order when the fault goes off, and after them
// what comes then, and the end; all are counted as delayed.
func TestPipesReleased(t *testing.T) {
	for _, endsFirst := range []bool{false, true} {
		p := startProxy(t, "tcp", startHash(t))
		slow := apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": "request"})
		c := dialRaw(t, p.Addr())
		sent := sendHeld(t, p, c)
		eventually(t, "all is held", func() bool { return slow.Stats().Delayed == uint64(sent) })
		if endsFirst {
			c.CloseWrite()
		}
		stats := slow.Remove()
		if stats.Achieved != 0 {
			t.Errorf("stats %+v: a delay that was never served counts", stats)
		}
		if !endsFirst {
			send(t, c, "more")
			c.CloseWrite()
		}
		want := hashNoise(sent)
		if !endsFirst {
			h := sha256.New()
			_, _ = io.Copy(h, io.LimitReader(newNoise(), sent))
			_, _ = io.WriteString(h, "more")
			want = fmt.Sprintf("%d %x", sent+4, h.Sum(nil))
		}
		if got := hearAll(t, c); got != want {
			t.Errorf("ends first %v: got %s, want %s", endsFirst, got, want)
		}
		noneLeft(t, p)
		if slow.Stats().Released == 0 {
			t.Error("no chunk counts as released")
		}
	}
}

// A delay that goes on and off while the bytes come, with a jitter: they stay what they are.
func TestPipesKeepBytes(t *testing.T) {
	times := 300
	if testing.Short() {
		times = 30
	}
	p := startProxy(t, "tcp", startHash(t))
	c := dialRaw(t, p.Addr())
	var stop atomic.Bool
	sent := make(chan int64)
	go func() {
		noise, total := newNoise(), int64(0)
		for !stop.Load() {
			n, err := io.CopyN(c, noise, 64<<10)
			if total += n; err != nil {
				t.Error(err)
				break
			}
		}
		c.CloseWrite()
		sent <- total
	}()
	used := 0
	for n := range times {
		a, err := p.Apply(mustFault(t, "latency", map[string]any{"delay": "4ms", "jitter_percent": 90, "direction": "both"}), "slow", uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(6 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if inPipes(p) > 0 {
				used++
				break
			}
		}
		time.Sleep(time.Duration(n%3) * time.Millisecond)
		a.Remove()
		time.Sleep(time.Duration(n%4) * time.Millisecond)
	}
	stop.Store(true)
	want := hashNoise(<-sent)
	if got := hearAll(t, c); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if used == 0 {
		t.Error("no pipe was ever used")
	}
	t.Logf("%s; pipes were seen %d of %d times", want, used, times)
	noneLeft(t, p)
}

// Chunks whose delays differ stay in order.
func TestPipesKeepOrder(t *testing.T) {
	p := startProxy(t, "tcp", startHash(t))
	apply(t, p, "slow", "latency", map[string]any{"delay": "50ms", "jitter_percent": 100, "direction": "request"})
	c := dialRaw(t, p.Addr())
	noise, sent := newNoise(), int64(0)
	for used := false; sent < 32<<20 || !used; used = used || inPipes(p) > 0 {
		n, err := io.CopyN(c, noise, 1<<20)
		if sent += n; err != nil {
			t.Fatal(err)
		}
	}
	c.CloseWrite()
	if got, want := hearAll(t, c), hashNoise(sent); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	noneLeft(t, p)
}

// What is held in pipes meets the faults that are on when it leaves.
func TestPipesMeetOtherFaults(t *testing.T) {
	for _, test := range []struct {
		kind   string
		params map[string]any
		want   func(sent int64) string
	}{
		{"slicer", map[string]any{"average": 50_000, "direction": "request"}, hashNoise},
		{"bandwidth", map[string]any{"rate": 200 << 20, "direction": "request"}, hashNoise},
		{"packet_loss", map[string]any{"percent": 1}, hashNoise},
		{"limit_data", map[string]any{"bytes": 100_000, "direction": "request"}, func(int64) string { return hashNoise(100_000) }},
	} {
		heard := make(chan string, 1)
		p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) { heard <- hashAll(c) }))
		slow := apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": "request"})
		c := dialRaw(t, p.Addr())
		sent := sendHeld(t, p, c)
		c.CloseWrite()
		eventually(t, "all is held", func() bool { return slow.Stats().Delayed == uint64(sent) })
		apply(t, p, "other", test.kind, test.params)
		slow.Remove()
		if got, want := <-heard, test.want(sent); got != want {
			t.Errorf("%s: got %s, want %s", test.kind, got, want)
		}
		noneLeft(t, p)
	}
}

// A black hole holds what has been held in pipes, until it goes.
func TestPipesFreeze(t *testing.T) {
	got := make(chan int, 1000)
	p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) {
		for b := make([]byte, 1<<20); ; {
			n, err := c.Read(b)
			if got <- n; err != nil {
				close(got)
				return
			}
		}
	}))
	slow := apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": "request"})
	c := dialRaw(t, p.Addr())
	sent := sendHeld(t, p, c)
	eventually(t, "all is held", func() bool { return slow.Stats().Delayed == uint64(sent) })
	hole := apply(t, p, "hole", "blackhole", nil)
	slow.Remove()
	select {
	case n := <-got:
		t.Fatalf("%d bytes have passed a black hole", n)
	case <-time.After(20 * time.Millisecond):
	}
	hole.Remove()
	c.CloseWrite()
	total := 0
	for n := range got {
		total += n
	}
	if int64(total) != sent {
		t.Errorf("got %d bytes of %d", total, sent)
	}
	noneLeft(t, p)
}

// Without pipes, or with few, what is held waits in memory.
func TestPipesRunOut(t *testing.T) {
	for _, most := range []int{0, 2} {
		p := startProxy(t, "tcp", startHash(t))
		p.pipes.mu.Lock()
		p.pipes.most = most
		p.pipes.mu.Unlock()
		slow := apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": "request"})
		c := dialRaw(t, p.Addr())
		const sent = 16 << 20
		if _, err := io.CopyN(c, newNoise(), sent); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all is held", func() bool { return slow.Stats().Delayed == sent })
		if n := inPipes(p); n > most {
			t.Errorf("%d pipes are open, at most %d should", n, most)
		}
		slow.Remove()
		c.CloseWrite()
		if got, want := hearAll(t, c), hashNoise(sent); got != want {
			t.Errorf("at most %d: got %s, want %s", most, got, want)
		}
		noneLeft(t, p)
	}
}

// A system that gives no more gets a quarter of them back, and is asked again when all are.
func TestPipesDenied(t *testing.T) {
	p := &pipes{most: 10}
	for range 7 {
		p.add()
	}
	if p.deny(); p.open != 6 || p.most != 4 || p.add() {
		t.Errorf("%d of %d are open, want 6 of 4, and no more", p.open, p.most)
	}
	for range 6 {
		p.remove()
	}
	if p.most != mostPipes() || p.most == 0 {
		t.Errorf("at most %d, want %d", p.most, mostPipes())
	}
	p.add()
	if p.deny(); p.add() {
		t.Error("where there is none at all another is tried")
	}
}

// A socket gives what is worth a pipe, up to what is asked for, and no more than it has.
func TestSiphon(t *testing.T) {
	c, src := connected(t)
	if err := src.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	p := &pipes{most: 1}
	waiting := func() (n int) {
		if err := onSocket(src, "look", func(fd int) (err error) {
			n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	put := func(n int) {
		t.Helper()
		all := waiting() + n
		send(t, c, string(make([]byte, n)))
		eventually(t, "it is there", func() bool { return waiting() == all })
	}
	none := func(what string, most int) {
		t.Helper()
		if held, err := p.siphon(src, most); held != nil || err != nil {
			t.Errorf("%s: got %v, %v", what, held, err)
		}
	}
	put(pipeLeast - 1)
	none("too little", pipeSize)
	put(pipeLeast)
	none("no room", pipeLeast-1)
	held, err := p.siphon(src, pipeLeast)
	if err != nil || held == nil || held.n == 0 || held.n > pipeLeast {
		t.Fatalf("got %+v, %v", held, err)
	}
	put(held.n)
	none("no pipe", pipeSize)
	n := held.n
	if b, err := io.ReadAll(held); len(b) != n || err != nil {
		t.Errorf("read %d bytes of %d, %v", len(b), n, err)
	}
	held.close()
	if p.open != 0 {
		t.Errorf("%d pipes are open", p.open)
	}
}

// Connections that end while bytes are held in pipes leave no descriptor and no goroutine.
func TestPipesLeak(t *testing.T) {
	n := 50
	if v := os.Getenv(leaksVar); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	drop := func(n int) {
		for i := range n {
			delay := "10h"
			if i%2 == 1 {
				delay = "20ms"
			}
			a := apply(t, p, "slow", "latency", map[string]any{"delay": delay, "direction": "request"})
			c := dialRaw(t, p.Addr())
			for noise := make([]byte, 256<<10); inPipes(p) == 0; {
				if _, err := c.Write(noise); err != nil {
					t.Fatal(err)
				}
			}
			if i%2 == 0 {
				_ = c.SetLinger(0)
			}
			c.Close()
			eventually(t, "nobody is left", func() bool { return p.ActiveConns() == 0 })
			noneLeft(t, p)
			a.Remove()
		}
	}
	drop(10)
	files, routines := descriptors(t), runtime.NumGoroutine()
	drop(n)
	eventually(t, "goroutines and descriptors are what they were", func() bool {
		return runtime.NumGoroutine() <= routines+5 && descriptors(t) <= files+5
	})
	t.Logf("%d connections: %d descriptors before, %d after", n, files, descriptors(t))
}
