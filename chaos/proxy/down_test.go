package proxy

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"starquake/internal/porttest"
)

// TestDownAndUp takes a proxy down and up again: its address is free meanwhile, open
// connections end, and what is on it is what it was.
func TestDownAndUp(t *testing.T) {
	p := startAt(t, porttest.Free(t), "tcp", startTCP(t, echo), func(*Proxy) {})
	addr := p.Addr()
	a := apply(t, p, "x", "latency", map[string]any{"delay": "1ms"})
	c := dialRaw(t, addr)
	ping(t, c)
	p.Down()
	p.Down() // which changes nothing
	if _, err := readEnd(c); err != io.EOF {
		t.Errorf("the open connection: %v", err)
	}
	if c, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled %v, %v", c, err)
	}
	other, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	if err := p.Up(t.Context(), addr, p.Upstream()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("up on a taken address: %v", err)
	}
	other.Close()
	if err := p.Up(t.Context(), addr, startTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, "another") })); err != nil {
		t.Fatal(err)
	}
	if err := p.Up(t.Context(), addr, p.Upstream()); err == nil || !strings.Contains(err.Error(), "is up") {
		t.Errorf("up twice: %v", err)
	}
	readFull(t, dialRaw(t, addr), "another")
	if s := a.Stats(); s.Hit != 2 {
		t.Errorf("stats %+v, want both connections", s)
	}
}

// A fault that refuses connections refuses them when the proxy comes up.
func TestUpRefusing(t *testing.T) {
	p := startAt(t, porttest.Free(t), "tcp", startTCP(t, echo), func(*Proxy) {})
	p.Down()
	a := apply(t, p, "x", "refuse", nil)
	if err := p.Up(t.Context(), p.Addr(), p.Upstream()); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled: %v", err)
	}
	p.Down()
	a.Remove()
	if err := p.Up(t.Context(), p.Addr(), p.Upstream()); err != nil {
		t.Fatal(err)
	}
	ping(t, dialRaw(t, p.Addr()))
}

// A proxy that is closed stays so.
func TestUpClosed(t *testing.T) {
	p, err := Prepare(Config{Name: "p", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Addr() != "127.0.0.1:0" || p.Close(t.Context()) != nil {
		t.Error(p.Addr())
	}
	p.Down()
	if err := p.Up(t.Context(), "127.0.0.1:0", "127.0.0.1:1"); !errors.Is(err, ErrClosed) {
		t.Errorf("up: %v", err)
	}
}
