package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"starquake/chaos/proxy/ws"
)

// startSocketBytes answers a request for WebSocket and then sends every byte back.
func startSocketBytes(t testing.TB) string {
	return startTCP(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
		io.Copy(c, r)
	})
}

// dialSocketBytes opens a WebSocket whose frames the test writes itself.
func dialSocketBytes(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c := dialRaw(t, addr)
	send(t, c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
	readFull(t, c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
	return c
}

// frame writes a frame in any form.
func frame(op ws.Opcode, fin bool, payload string) string {
	return string(ws.Head{Op: op, Fin: fin, Length: int64(len(payload))}.Append(nil)) + payload
}

func maskedFrame(op ws.Opcode, payload string) string {
	key := [4]byte{7, 77, 177, 27}
	b := []byte(payload)
	ws.Mask(key, 0, b)
	return string(ws.Head{Op: op, Fin: true, Masked: true, Key: key, Length: int64(len(payload))}.Append(nil)) + string(b)
}

// someFrames are messages in fragments, with control frames between them.
func someFrames(rnd *rand.Rand) string {
	var b strings.Builder
	for range 3 {
		payload := strings.Repeat(string(rune('a'+rnd.IntN(26))), rnd.IntN(3)*rnd.IntN(200))
		op := ws.Text
		for part := range 1 + rnd.IntN(3) {
			fin := part == 2 || rnd.IntN(2) == 0
			b.WriteString(frame(op, fin, payload))
			if op = ws.Continuation; fin {
				break
			}
			if rnd.IntN(3) == 0 {
				b.WriteString(frame(ws.Ping, true, "p"))
			}
		}
	}
	return b.String()
}

// Bytes that are no different for a fault stay what they are, in the frames that they
// came in, while faults come and go, however they are cut, and when they are no frames.
func TestWebSocketBytes(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := startProxy(t, "ws", startSocketBytes(t))
			c := dialSocketBytes(t, p.Addr())
			rnd := rand.New(rand.NewPCG(seed, 1))
			var text string
			for range 40 {
				text += someFrames(rnd)
			}
			if seed%2 == 1 {
				text += "\x08\x00no frame at all" // which ends the looking
			}
			got := make(chan string, 1)
			go func() {
				b := make([]byte, len(text))
				n, _ := io.ReadFull(c, b)
				got <- string(b[:n])
			}()
			var on *Applied
			for rest := text; len(rest) > 0; {
				switch rnd.IntN(8) {
				case 0:
					if on == nil {
						on = apply(t, p, "x", "ws_delay", map[string]any{"delay": 0, "probability": 0.5})
					}
				case 1:
					if on != nil {
						on.Remove()
						on = nil
					}
				}
				n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(400)))
				send(t, c, rest[:n])
				rest = rest[n:]
			}
			if b := <-got; b != text {
				t.Errorf("%d bytes became %d others", len(text), len(b))
			}
		})
	}
}

// What faults make of frames, byte for byte: of messages in fragments, with control
// frames between, and masked ones.
func TestWebSocketFrames(t *testing.T) {
	for _, test := range []struct {
		kind       string
		args       map[string]any
		sent, want string
	}{
		{"ws_drop", nil, frame(ws.Text, false, "ab") + frame(ws.Ping, true, "p") + frame(ws.Continuation, true, "cd") + frame(ws.Pong, true, ""),
			frame(ws.Ping, true, "p") + frame(ws.Pong, true, "")},
		{"ws_duplicate", nil, frame(ws.Text, false, "ab") + frame(ws.Ping, true, "p") + maskedFrame(ws.Continuation, "cd"),
			frame(ws.Text, false, "ab") + frame(ws.Ping, true, "p") + maskedFrame(ws.Continuation, "cd") + frame(ws.Text, false, "ab") + maskedFrame(ws.Continuation, "cd")},
		{"ws_corrupt", map[string]any{"kind": "truncate"}, frame(ws.Text, false, "abcd") + maskedFrame(ws.Continuation, "efghi") + frame(ws.Binary, true, ""),
			frame(ws.Text, false, "ab") + maskedFrame(ws.Continuation, "ef") + frame(ws.Binary, true, "")},
	} {
		for _, step := range []int{1, 3, 1 << 20} {
			t.Run(fmt.Sprint(test.kind, step), func(t *testing.T) {
				p := startProxy(t, "ws", startSocketBytes(t))
				args := map[string]any{"direction": "request"}
				maps.Copy(args, test.args)
				apply(t, p, "x", test.kind, args)
				c := dialSocketBytes(t, p.Addr())
				sendSteps(t, c, test.sent, step)
				readFull(t, c, test.want)
				send(t, c, frame(ws.Ping, true, "end"))
				readFull(t, c, frame(ws.Ping, true, "end"))
			})
		}
	}
}

func sendSteps(t *testing.T, c net.Conn, text string, step int) {
	t.Helper()
	for len(text) > 0 {
		n := min(step, len(text))
		send(t, c, text[:n])
		text = text[n:]
	}
}

// After so many messages, with their fragments and what stands between them, both
// sides get a close frame, and nothing of what was sent besides.
func TestWebSocketCloseFrames(t *testing.T) {
	pass := frame(ws.Text, true, "a") + frame(ws.Text, false, "b") + frame(ws.Ping, true, "p") + frame(ws.Continuation, true, "c")
	closed := frame(ws.Close, true, "\x03\xf3r") // 1011
	for _, step := range []int{1, 3, 1 << 20} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			got := make(chan string, 1)
			p := startProxy(t, "ws", startTCP(t, func(c net.Conn) {
				r := bufio.NewReader(c)
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
				b := make([]byte, len(pass)+len(closed)+4) // masked
				n, _ := io.ReadFull(r, b)
				got <- string(b[:n])
				io.WriteString(c, closed)
			}))
			apply(t, p, "x", "ws_close", map[string]any{"codes": 1011, "reason": "r", "after_messages": 2})
			c := dialSocketBytes(t, p.Addr())
			sendSteps(t, c, pass+frame(ws.Text, true, "not this"), step)
			readFull(t, c, closed)
			send(t, c, maskedFrame(ws.Close, "\x03\xf3"))
			if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
				t.Errorf("then came %q, %v", rest, err)
			}
			text := <-got
			rest, ok := strings.CutPrefix(text, pass)
			if !ok {
				t.Fatalf("the upstream got %q, want %q first", text, pass)
			}
			h, n, err := ws.ParseHead([]byte(rest))
			if err != nil || h.Op != ws.Close || !h.Masked {
				t.Fatalf("the upstream got %q: %+v, %v", rest, h, err)
			}
			payload := []byte(rest[n:])
			ws.Mask(h.Key, 0, payload)
			if string(payload) != "\x03\xf3r" {
				t.Errorf("the upstream got the close %q", payload)
			}
		})
	}
}

// A server may end as soon as it has been told to close, without a word: its client is
// told all the same.
func TestWebSocketServerEndsAtClose(t *testing.T) {
	p := startProxy(t, "ws", startTCP(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n")
			_, _, _ = readFrame(r)
		}
	}))
	apply(t, p, "x", "ws_close", map[string]any{"codes": 1011})
	for range 100 { // who is first is open each time
		c := dialSocketBytes(t, p.Addr())
		send(t, c, maskedFrame(ws.Text, "hello"))
		readFull(t, c, frame(ws.Close, true, "\x03\xf3"))
		c.Close()
	}
}

// A close reaches a side that has half a frame when that is whole, and a side that does
// not answer does not keep the connection.
func TestWebSocketCloseWaits(t *testing.T) {
	half := frame(ws.Binary, true, strings.Repeat("x", 1000))
	upstream := startTCP(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.WriteString(c, half[:500])
		for { // it is told before its client
			if head, _, err := readFrame(r); err != nil {
				return
			} else if head.Op == ws.Close {
				break
			}
		}
		io.WriteString(c, half[500:]+"more")
		io.Copy(io.Discard, r) // and never an answer
	})
	p := startProxy(t, "ws", upstream)
	c := dialRaw(t, p.Addr())
	send(t, c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	readFull(t, r, half[:500])
	apply(t, p, "x", "ws_close", map[string]any{"codes": 1001})
	send(t, c, maskedFrame(ws.Text, "hi"))
	readFull(t, r, half[500:]+frame(ws.Close, true, "\x03\xe9"))
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("then came %q, %v", rest, err)
	}
}

// BenchmarkWebSocket sends small messages back and forth over 32 connections: past the
// proxy, through it as bytes, frame by frame, and with a fault that meets each message.
func BenchmarkWebSocket(b *testing.B) {
	for _, bench := range []struct {
		name, protocol, kind string
		args                 map[string]any
	}{
		{"direct", "", "", nil}, {"blind", "http", "", nil}, {"frames", "ws", "", nil},
		{"unmet", "ws", "ws_drop", map[string]any{"match": map[string]any{"path": "/other"}}},
		{"met", "ws", "ws_drop", map[string]any{"probability": 0}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			addr := startSocketBytes(b)
			if bench.protocol != "" {
				p := startProxy(b, bench.protocol, addr)
				if bench.kind != "" {
					apply(b, p, "x", bench.kind, bench.args)
				}
				addr = p.Addr()
			}
			b.SetParallelism(16) // times GOMAXPROCS
			text := []byte(maskedFrame(ws.Text, strings.Repeat("x", 100)))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				c := dialSocketBytes(b, addr)
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				buf := make([]byte, len(text))
				for pb.Next() {
					if _, err := c.Write(text); err != nil {
						b.Error(err)
						return
					}
					if _, err := io.ReadFull(c, buf); err != nil || !bytes.Equal(buf, text) {
						b.Errorf("got %q, %v", buf, err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
