//go:build unix

package proxy

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestReserve: a connection that would take a descriptor of the reserve is reset, and
// nothing is left of it.
func TestReserve(t *testing.T) {
	p, err := Prepare(Config{Name: "p", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	p.keep = 0 // all are of the reserve
	if err := p.Up(t.Context(), "127.0.0.1:0", "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", p.Addr())
	if err == nil { // else it has heard of the reset by now
		defer client.Close()
		_ = client.SetDeadline(time.Now().Add(time.Minute))
		_, err = client.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it is not reset: %v", err)
	}
	if n := p.ActiveConns(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestKeepUpTo(t *testing.T) {
	if keep := keepUpTo(); keep < 16 {
		t.Errorf("connections are kept up to descriptor %d", keep)
	}
}
