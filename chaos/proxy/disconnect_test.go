package proxy

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"starquake/chaos"
)

// TestDisconnect ends open connections of each protocol, and those alone that a match fits.
func TestDisconnect(t *testing.T) {
	upstream := startTCP(t, benchAnswers)
	for _, protocol := range []string{"tcp", "http", "auto"} {
		for how, want := range map[string]error{"rst": syscall.ECONNRESET, "fin": io.EOF} {
			name := fmt.Sprint(protocol, " ", how)
			p := startProxy(t, protocol, upstream)
			c := dialRaw(t, p.Addr())
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
			if n, err := p.Disconnect(how, &chaos.Match{Source: []string{"10.0.0.0/8"}}); n != 0 || err != nil {
				t.Errorf("%s of others: %d, %v", name, n, err)
			}
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
			if n, err := p.Disconnect(how, &chaos.Match{Source: []string{"127.0.0.0/8"}}); n != 1 || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if _, err := readEnd(c); err != want {
				t.Errorf("%s: the client saw %v, want %v", name, err, want)
			}
			eventually(t, name+" is gone", func() bool { return p.ActiveConns() == 0 })
			c = dialRaw(t, p.Addr())
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
		}
	}
}

func TestDisconnectRefused(t *testing.T) {
	p := startProxy(t, "http", startTCP(t, echo))
	c := dialRaw(t, p.Addr())
	for _, bad := range []struct {
		how   string
		match *chaos.Match
		says  string
	}{
		{"politely", nil, `expected "rst" or "fin"`},
		{"rst", &chaos.Match{Path: "/x"}, "by their source alone"},
		{"rst", &chaos.Match{First: 1}, "by their source alone"},
		{"rst", &chaos.Match{Source: []string{"here"}}, "source"},
	} {
		if n, err := p.Disconnect(bad.how, bad.match); n != 0 || err == nil || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%+v: %d, %v", bad, n, err)
		}
	}
	eventually(t, "the connection is still there", func() bool { return p.ActiveConns() == 1 })
	_ = c
}
