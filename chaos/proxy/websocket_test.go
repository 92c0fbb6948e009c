package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// startSocketEcho opens a WebSocket server that sends every message back, and returns
// its address. It ends a connection as its client does.
func startSocketEcho(t testing.TB, mode websocket.CompressionMode) string {
	t.Helper()
	return startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, CompressionThreshold: 16, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, b); err != nil {
				return
			}
		}
	})
}

// dialSocket opens a WebSocket through the proxy, that ends with the test.
func dialSocket(t testing.TB, p *Proxy, mode websocket.CompressionMode) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	tr := new(http.Transport)
	c, _, err := websocket.Dial(ctx, "ws://"+p.Addr()+"/room", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, CompressionMode: mode, CompressionThreshold: 16})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	c.SetReadLimit(-1)
	t.Cleanup(func() {
		c.CloseNow()
		tr.CloseIdleConnections()
		cancel()
	})
	return c, ctx
}

func say(t testing.TB, ctx context.Context, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, ctx context.Context, c *websocket.Conn, want string) {
	t.Helper()
	if _, b, err := c.Read(ctx); err != nil || string(b) != want {
		t.Fatalf("got %.80q, %v; want %.80q", b, err, want)
	}
}

// modes are what peers may agree on about compression.
func modes() map[string]websocket.CompressionMode {
	return map[string]websocket.CompressionMode{
		"plain": websocket.CompressionDisabled, "forgets": websocket.CompressionNoContextTakeover, "remembers": websocket.CompressionContextTakeover,
	}
}

// Without faults, and with one that comes and goes, messages of any size pass as they
// are, also compressed, in fragments and with pings between, and so do close codes.
func TestWebSocketPasses(t *testing.T) {
	for name, mode := range modes() {
		for _, protocol := range []string{"auto", "ws", "http"} {
			t.Run(name+" "+protocol, func(t *testing.T) {
				p := startProxy(t, protocol, startSocketEcho(t, mode))
				c, ctx := dialSocket(t, p, mode)
				for i, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
					if i == 4 && protocol != "http" {
						a := apply(t, p, "x", "latency", map[string]any{"delay": "1ms", "direction": "both"})
						defer func() {
							if s := a.Stats(); s.Hit < 4 {
								t.Errorf("stats %+v", s)
							}
						}()
					}
					text := strings.Repeat("ab c", size/4+1)[:size]
					done := make(chan error, 1)
					go func() {
						w, err := c.Writer(ctx, websocket.MessageText)
						for rest := text; err == nil && len(rest) > 0; {
							n := max(1, len(rest)/2)
							_, err = io.WriteString(w, rest[:n])
							rest = rest[n:]
						}
						if err == nil {
							err = w.Close()
						}
						done <- err
					}()
					hear(t, ctx, c, text)
					if err := <-done; err != nil {
						t.Fatal(err)
					}
				}
				alive := c.CloseRead(ctx)
				if err := c.Ping(ctx); err != nil {
					t.Error(err)
				}
				if err := c.Close(4321, "done"); err != nil {
					t.Errorf("closing: %v", err)
				}
				<-alive.Done()
			})
		}
	}
}

// A server's own close code and reason come to the client.
func TestWebSocketServerCloses(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_ = c.Close(4009, "conflict")
		}
	})
	c, ctx := dialSocket(t, startProxy(t, "ws", upstream), websocket.CompressionDisabled)
	_, _, err := c.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4009 || closed.Reason != "conflict" {
		t.Errorf("got %v", err)
	}
}

// What each kind does to messages, whatever was agreed on about compression: on a
// connection that is open already when the fault comes, and on one that is not.
func TestWebSocketMessages(t *testing.T) {
	const word = "a message of some length, a message of some length"
	for _, test := range []struct {
		kind  string
		args  map[string]any
		check func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied)
	}{
		{"ws_drop", map[string]any{"direction": "request", "match": map[string]any{"every": 2}}, func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
			for i := range 4 {
				say(t, ctx, c, fmt.Sprint(word, i))
			}
			hear(t, ctx, c, word+"0")
			hear(t, ctx, c, word+"2")
			for a.Stats().Seen < 4 && ctx.Err() == nil { // nobody hears of the fourth
				time.Sleep(time.Millisecond)
			}
			if s := a.Stats(); s.Hit != 2 || s.Seen != 4 || s.Dropped == 0 || s.Inapplicable != 0 {
				t.Errorf("stats %+v", s)
			}
		}},
		{"ws_drop", map[string]any{"direction": "response", "match": map[string]any{"first": 1}}, func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
			for i := range 3 {
				say(t, ctx, c, fmt.Sprint(word, i))
			}
			hear(t, ctx, c, word+"1")
			hear(t, ctx, c, word+"2")
		}},
		{"ws_duplicate", map[string]any{"direction": "response"}, func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
			say(t, ctx, c, word)
			say(t, ctx, c, "b")
			for _, want := range []string{word, word, "b", "b"} {
				hear(t, ctx, c, want)
			}
		}},
		{"ws_delay", map[string]any{"delay": "30ms", "direction": "request"}, func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
			start := time.Now()
			for i := range 3 {
				say(t, ctx, c, fmt.Sprint(word, i))
			}
			for i := range 3 {
				hear(t, ctx, c, fmt.Sprint(word, i))
			}
			if took := time.Since(start); took < 29*time.Millisecond {
				t.Errorf("it took %v, want at least 30ms", took)
			}
			if s := a.Stats(); s.Hit != 3 || s.Asked != 90*time.Millisecond {
				t.Errorf("stats %+v", s)
			}
		}},
		{"ws_corrupt", map[string]any{"kind": "bit_flip"}, wantAltered(word, func(got string) bool { return len(got) == len(word) && got != word })},
		{"corrupt", map[string]any{"kind": "random_bytes"}, wantAltered(word, func(got string) bool { return len(got) == len(word) && got != word })},
		{"ws_corrupt", map[string]any{"kind": "truncate", "direction": "request"}, wantAltered(word, func(got string) bool { return got == word[:len(word)/2] })},
	} {
		for name, mode := range modes() {
			for _, open := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %v %s open %t", test.kind, test.args["kind"], name, open), func(t *testing.T) {
					protocol := "auto"
					if open {
						protocol = "ws" // which sees to it that what comes later can act
					}
					p := startProxy(t, protocol, startSocketEcho(t, mode))
					var c *websocket.Conn
					var ctx context.Context
					if open {
						c, ctx = dialSocket(t, p, mode)
						say(t, ctx, c, word)
						hear(t, ctx, c, word)
					}
					a := apply(t, p, "x", test.kind, test.args)
					if !open {
						c, ctx = dialSocket(t, p, mode)
					}
					test.check(t, ctx, c, a)
					a.Remove()
					say(t, ctx, c, word+" at the end")
					for {
						_, b, err := c.Read(ctx)
						if err != nil {
							t.Fatal(err)
						}
						if string(b) == word+" at the end" {
							break
						}
					}
				})
			}
		}
	}
}

func wantAltered(word string, ok func(got string) bool) func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
	return func(t *testing.T, ctx context.Context, c *websocket.Conn, a *Applied) {
		for range 3 {
			if err := c.Write(ctx, websocket.MessageBinary, []byte(word)); err != nil {
				t.Fatal(err)
			}
			if _, b, err := c.Read(ctx); err != nil || !ok(string(b)) {
				t.Fatalf("got %q, %v", b, err)
			}
		}
		if s := a.Stats(); s.Hit < 3 || s.Inapplicable != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

// On a connection that came before the fault and whose messages refer to each other, as
// an auto target lets them, what would break those that follow is counted and not done.
func TestWebSocketInapplicable(t *testing.T) {
	const word = "a message of some length, a message of some length"
	p := startProxy(t, "auto", startSocketEcho(t, websocket.CompressionContextTakeover))
	c, ctx := dialSocket(t, p, websocket.CompressionContextTakeover)
	say(t, ctx, c, word)
	hear(t, ctx, c, word)
	var all []*Applied
	for _, kind := range []string{"ws_drop", "ws_duplicate", "ws_corrupt"} {
		args := map[string]any{}
		if kind == "ws_corrupt" {
			args["kind"] = "bit_flip"
		}
		all = append(all, apply(t, p, kind, kind, args))
	}
	for range 3 {
		say(t, ctx, c, word)
		hear(t, ctx, c, word)
	}
	for _, a := range all {
		if s := a.Stats(); s.Hit != 0 || s.Inapplicable != 1 {
			t.Errorf("%s: stats %+v", a.ID(), s)
		}
	}
}

// Closes: both sides get the frame, with its code and reason.
func TestWebSocketClose(t *testing.T) {
	for _, test := range []struct {
		kind   string
		args   map[string]any
		echoes int // messages that come back before
		code   websocket.StatusCode
		reason string
	}{
		{"ws_close", map[string]any{"codes": 4001, "reason": "enough"}, 0, 4001, "enough"},
		{"ws_close", map[string]any{"codes": 503, "after_messages": 4}, 2, 1001, ""},
		{"ws_close", map[string]any{"codes": 1011, "match": map[string]any{"after": 2}}, 1, 1011, ""},
		{"rate_limit", map[string]any{"rate": 0.001, "burst": 4}, 3, 1008, "rate limit"},
		{"connection_error", map[string]any{"kind": "http_503", "match": map[string]any{"after": 1}}, 0, 1001, ""},
	} {
		t.Run(test.kind, func(t *testing.T) {
			server := make(chan error, 1)
			upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				for {
					kind, b, err := c.Read(r.Context())
					if err == nil {
						err = c.Write(r.Context(), kind, b)
					}
					if err != nil {
						server <- err
						return
					}
				}
			})
			p := startProxy(t, "ws", upstream)
			a := apply(t, p, "x", test.kind, test.args)
			c, ctx := dialSocket(t, p, websocket.CompressionDisabled)
			var err error
			for i := 0; err == nil; i++ {
				var b []byte
				if err = c.Write(ctx, websocket.MessageText, []byte{byte('a' + i)}); err == nil {
					_, b, err = c.Read(ctx)
				}
				if (err == nil) != (i < test.echoes) {
					t.Fatalf("message %d: %q, %v; want %d to come back", i, b, err, test.echoes)
				}
			}
			for side, err := range map[string]error{"client": err, "server": <-server} {
				var closed websocket.CloseError
				if !errors.As(err, &closed) || closed.Code != test.code || closed.Reason != test.reason {
					t.Errorf("%s got %v, want code %d %q", side, err, test.code, test.reason)
				}
			}
			if s := a.Stats(); s.Hit != 1 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// A connection is closed once, and so counted, also where messages of both ways ask for it
// at the same time.
func TestWebSocketClosesOnce(t *testing.T) {
	say := func(ctx context.Context, c *websocket.Conn) {
		for c.Write(ctx, websocket.MessageText, []byte("a")) == nil {
		}
	}
	hear := func(ctx context.Context, c *websocket.Conn) error {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
		}
	}
	p := startProxy(t, "ws", startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		go say(r.Context(), c)
		_ = hear(r.Context(), c) // until it is closed
	}))
	a := apply(t, p, "x", "ws_close", map[string]any{"codes": 4001, "after_messages": 20})
	const conns = 100
	for range conns {
		c, ctx := dialSocket(t, p, websocket.CompressionDisabled)
		go say(ctx, c)
		if err := hear(ctx, c); websocket.CloseStatus(err) != 4001 {
			t.Errorf("got %v, want code 4001", err)
		}
	}
	if s := a.Stats(); s.Hit != conns {
		t.Errorf("stats %+v, want %d hits", s, conns)
	}
}

// Connection faults on a WebSocket that is open.
func TestWebSocketConnectionFaults(t *testing.T) {
	open := func(t *testing.T) (*Proxy, *websocket.Conn, context.Context) {
		p := startProxy(t, "ws", startSocketEcho(t, websocket.CompressionDisabled))
		c, ctx := dialSocket(t, p, websocket.CompressionDisabled)
		say(t, ctx, c, "a")
		hear(t, ctx, c, "a")
		return p, c, ctx
	}
	for _, test := range []struct {
		kind string
		args map[string]any
		err  string
	}{
		{"reset", nil, "reset"},
		{"timeout", map[string]any{"after": "20ms"}, "EOF"},
		{"partition", map[string]any{"open_connections": "close"}, "EOF"},
		{"connection_error", map[string]any{"kind": "tcp_close"}, "EOF"},
		{"connection_error", map[string]any{"kind": "tcp_reset"}, "reset"},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p, c, ctx := open(t)
			apply(t, p, "x", test.kind, test.args)
			if test.kind == "connection_error" { // the others act while nothing is said
				_ = c.Write(ctx, websocket.MessageText, []byte("b"))
			}
			if _, b, err := c.Read(ctx); err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %q, %v; want %s", b, err, test.err)
			}
		})
	}
	t.Run("blackhole", func(t *testing.T) {
		p, c, ctx := open(t)
		a := apply(t, p, "x", "blackhole", nil)
		say(t, ctx, c, "b")
		got := make(chan error, 1)
		go func() {
			_, b, err := c.Read(ctx)
			if err == nil && string(b) != "b" {
				err = fmt.Errorf("got %q", b)
			}
			got <- err
		}()
		select {
		case err := <-got:
			t.Fatalf("something came through: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		a.Remove()
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		p, c, ctx := open(t)
		apply(t, p, "slices", "slicer", map[string]any{"average": 100, "variation": 50})
		apply(t, p, "pace", "bandwidth", map[string]any{"rate": "1MB/s", "direction": "response"})
		text := strings.Repeat("x", 50_000)
		start := time.Now()
		say(t, ctx, c, text)
		hear(t, ctx, c, text)
		if took := time.Since(start); took < 25*time.Millisecond {
			t.Errorf("50 kB at 1 MB/s took %v", took)
		}
	})
}

// The same seed hits the same messages.
func TestWebSocketSameSeedSameHits(t *testing.T) {
	var first string
	for range 2 {
		p := startProxy(t, "ws", startSocketEcho(t, websocket.CompressionDisabled))
		apply(t, p, "x", "ws_drop", map[string]any{"direction": "request", "probability": 0.5, "match": map[string]any{"first": 20}})
		c, ctx := dialSocket(t, p, websocket.CompressionDisabled)
		for i := range 20 {
			say(t, ctx, c, fmt.Sprint(i))
		}
		say(t, ctx, c, "end")
		var all bytes.Buffer
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if string(b) == "end" {
				break
			}
			fmt.Fprintf(&all, "%s ", b)
		}
		if first == "" {
			first = all.String()
		}
		if n := strings.Count(first, " "); first != all.String() || n < 3 || n > 17 {
			t.Errorf("got %s, then %s", first, all.String())
		}
	}
}
