package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startEchoUpgrade answers an upgrade and then echoes.
func startEchoUpgrade(t testing.TB) string {
	return startTCP(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, r)
	})
}

const upgradeRequest = "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

// What a connection has been upgraded to meets the faults of streams, by the request
// that it began with.
func TestFaultsOfTunnels(t *testing.T) {
	upstream := startEchoUpgrade(t)
	for path, meets := range map[string]bool{"/room": true, "/other": false} {
		p := startProxy(t, "http", upstream)
		c := dialRaw(t, p.Addr())
		send(t, c, upgradeRequest)
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
			t.Fatalf("got %v, %v", resp, err)
		}
		ping(t, c)
		match := map[string]any{"path": path}
		hang := apply(t, p, "hang", "partition", map[string]any{"match": match})
		if !meets {
			ping(t, c)
			continue
		}
		send(t, c, "h")
		staysSilent(t, c)
		hang.Remove()
		readFull(t, c, "h")
		slow := apply(t, p, "slow", "latency", map[string]any{"delay": "20ms", "match": match})
		start := time.Now()
		ping(t, c)
		if took := time.Since(start); took < 19*time.Millisecond {
			t.Errorf("a byte took %v, want 20ms", took)
		}
		slow.Remove()
		apply(t, p, "end", "reset", map[string]any{"match": match})
		if _, err := readEnd(c); err != syscall.ECONNRESET {
			t.Errorf("got %v, want a reset", err)
		}
	}
}

// An upstream that breaks off in different ways, and what the client sees of it.
func TestUpstreamBreaksOff(t *testing.T) {
	for _, test := range []struct {
		name  string
		serve func(c *net.TCPConn, has <-chan struct{}) // has: the client has what was sent
		want  string
		err   error
	}{
		{"reset in the middle of a body", func(c *net.TCPConn, has <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
			<-has
			_ = c.SetLinger(0)
		}, "half ", syscall.ECONNRESET},
		{"end in the middle of a body", func(c *net.TCPConn, has <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ")
			<-has
		}, "half ", io.EOF},
		{"half closed, and a late answer", func(c *net.TCPConn, has <-chan struct{}) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhalf ")
			<-has
			io.WriteString(c, "done")
			_ = c.CloseWrite()
			io.Copy(io.Discard, c)
		}, "half done", io.EOF},
	} {
		has := make(chan struct{})
		upstream := startTCP(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			if _, err := http.ReadRequest(r); err == nil {
				test.serve(c.(*net.TCPConn), has)
			}
		})
		p := startProxy(t, "http", upstream)
		c := dialRaw(t, p.Addr())
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, got); err != nil {
			t.Fatal(err)
		}
		close(has)
		rest, err := io.ReadAll(r)
		if err == nil {
			err = io.EOF
		}
		if string(got)+string(rest) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: got %q, %v; want %q, %v", test.name, string(got)+string(rest), err, test.want, test.err)
		}
	}
}

// The FIN of an HTTP connection is held back too.
func TestSlowCloseHTTP(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	p := startProxy(t, "http", upstream)
	a := apply(t, p, "x", "slow_close", map[string]any{"delay": "60ms"})
	start := time.Now()
	if got, err := one(t, p.Addr()); err != io.EOF || !strings.HasSuffix(got, "ok") {
		t.Errorf("got %q, %v", got, err)
	}
	if took := time.Since(start); took < 59*time.Millisecond {
		t.Errorf("the end came after %v", took)
	}
	if s := a.Stats(); s.Hit != 1 {
		t.Errorf("stats %+v", s)
	}
}
