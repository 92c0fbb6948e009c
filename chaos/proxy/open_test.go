package proxy

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
)

// What becomes of connections that are open when a fault goes on, as docs/http.md says.

// A fault that ends connections ends one that waits between two requests with the next of
// them, and one that has no next request, a WebSocket, at once.
func TestEndsOfIdleConnections(t *testing.T) {
	upstream := startTCP(t, benchAnswers)
	sockets := startTCP(t, new(gates).serveSocket)
	for kind, args := range map[string]map[string]any{"reset": nil, "timeout": {"after": "1ms"}} {
		for _, protocol := range []string{"http", "auto"} {
			p := startProxy(t, protocol, upstream)
			c := dialRaw(t, p.Addr())
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			readFull(t, c, benchResponse)
			a := apply(t, p, "x", kind, args)
			staysSilent(t, c)
			if s := a.Stats(); s.Seen != 0 {
				t.Errorf("%s over %s: an idle connection has met it: %+v", kind, protocol, s)
			}
			send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got, err := io.ReadAll(c); len(got) > 0 || kind == "reset" && !errors.Is(err, syscall.ECONNRESET) || kind != "reset" && err != nil {
				t.Errorf("%s over %s: the next request got %q, %v", kind, protocol, got, err)
			}
		}
		p := startProxy(t, "auto", sockets)
		c := dialRaw(t, p.Addr())
		send(t, c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(resp, err)
		}
		apply(t, p, "x", kind, args)
		if _, err := io.ReadAll(c); (kind == "reset") != errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s of a WebSocket: %v", kind, err)
		}
	}
}

// A gRPC stream that is open has no more to do with a latency: the next call has.
func TestLatencyLeavesOpenStreams(t *testing.T) {
	p, client, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
	s := h2test.Bidi(ctx, t, client)
	h2test.Send(t, s, "before")
	h2test.Receive(t, s)
	a := apply(t, p, "x", "latency", map[string]any{"delay": "1h", "direction": "both"})
	for range 3 {
		h2test.Send(t, s, "after") // it would hang
		h2test.Receive(t, s)
	}
	if s := a.Remove(); s.Seen != 0 || s.Asked != 0 {
		t.Errorf("stats %+v", s)
	}
}

// What limit_data counts on HTTP is one answer: over HTTP/1 with its head, over HTTP/2 its
// body. How many have passed over the connection before does not matter.
func TestLimitDataCountsAnswers(t *testing.T) {
	const size = 1000
	serve := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) }
	for _, test := range []struct {
		name   string
		limit  int
		passes bool
	}{
		{"http", size + 1, false}, // the head is too much
		{"http", size + 500, true},
		{"h2", size + 1, true},
		{"h2", size - 1, false},
	} {
		upstream := startHTTP(t, serve)
		if test.name == "h2" {
			upstream = h2test.StartHTTP2(t, serve)
		}
		p := startProxy(t, "http", upstream)
		client, _ := countedClient(t, p, test.name == "h2")
		apply(t, p, "x", "limit_data", map[string]any{"bytes": test.limit})
		for range 5 {
			resp, err := client.Get("http://" + p.Addr())
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if (err == nil) != test.passes {
				t.Errorf("%s: %d bytes with a limit of %d: %v", test.name, size, test.limit, err)
			}
			if err != nil {
				break
			}
		}
		if w := p.Window(windowSeconds * time.Second); w.Connections != 1 {
			t.Errorf("%s: %d connections, want 1", test.name, w.Connections)
		}
	}
}
