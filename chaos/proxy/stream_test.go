package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStreamRelaysAndKeepsHalfClose(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		all, _ := io.ReadAll(c) // until the client has ended its side
		c.Write(bytes.ToUpper(all))
	})
	for _, protocol := range []string{"tcp", "auto"} {
		for _, delayed := range []bool{false, true} {
			p := startProxy(t, protocol, upstream)
			if delayed {
				apply(t, p, "slow", "latency", map[string]any{"delay": "5ms", "direction": "both"})
			}
			c := dialRaw(t, p.Addr())
			send(t, c, "hello, upstream")
			c.CloseWrite()
			got, err := io.ReadAll(c)
			if string(got) != "HELLO, UPSTREAM" || err != nil {
				t.Errorf("%s, delayed %v: got %q, %v", protocol, delayed, got, err)
			}
		}
	}
}

// In "auto" a server may speak first, and then what the client says is no HTTP.
func TestAutoServerSpeaksFirst(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		io.WriteString(c, "220 ready\r\n")
		io.Copy(c, c)
	})
	p := startProxy(t, "auto", upstream)
	e := apply(t, p, "e", "http_error", map[string]any{"codes": 500})
	c := dialRaw(t, p.Addr())
	readFull(t, c, "220 ready\r\n")
	send(t, c, "GET / HTTP/1.1\r\n\r\n")
	readFull(t, c, "GET / HTTP/1.1\r\n\r\n")
	if s := e.Stats(); s.Inapplicable != 1 || s.Seen != 0 {
		t.Errorf("stats %+v, want 1 inapplicable", s)
	}
}

func TestAutoOtherProtocols(t *testing.T) {
	upstream := startTCP(t, echo)
	for _, text := range []string{"PRI * HTTP/1.0\r\n\r\n", "\x16\x03\x01\x00", "EHLO x\r\n", "GET key\r\n", "GE"} {
		p := startProxy(t, "auto", upstream)
		e := apply(t, p, "e", "http_error", map[string]any{"codes": 500})
		m := apply(t, p, "m", "latency", map[string]any{"delay": "1h", "match": map[string]any{"path": "/x"}})
		c := dialRaw(t, p.Addr())
		send(t, c, text)
		readFull(t, c, text)
		if e.Stats().Inapplicable != 1 || m.Stats().Inapplicable != 1 {
			t.Errorf("%q: inapplicable %d and %d, want 1", text, e.Stats().Inapplicable, m.Stats().Inapplicable)
		}
	}
}

// A server of HTTP/2 that speaks first does not make its connection a stream: the
// client decides. One that says nothing gets what the server has said after a while.
func TestAutoServerSettingsFirst(t *testing.T) {
	settings := "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	upstream := startTCP(t, func(c net.Conn) {
		io.WriteString(c, settings)
		io.Copy(io.Discard, c)
	})
	for first, want := range map[string]int32{preface: speaksHTTP2, "EHLO\r\n": speaksStream, "": speaksStream} {
		p := startProxy(t, "auto", upstream)
		c := dialRaw(t, p.Addr())
		eventually(t, "the server has spoken", func() bool {
			conns := p.openConns()
			if len(conns) == 0 {
				return false
			}
			conns[0].mu.Lock()
			defer conns[0].mu.Unlock()
			return conns[0].upstream() != nil
		})
		conn := p.openConns()[0]
		send(t, c, first)
		eventually(t, "it is decided", func() bool { return conn.speaks.Load() != undecided })
		if got := conn.speaks.Load(); got != want {
			t.Errorf("after %q it speaks %d, want %d", first, got, want)
		}
		if want == speaksStream {
			readFull(t, c, settings)
		}
	}
}

func TestLooksLike(t *testing.T) {
	for text, want := range map[string]int32{
		"G": undecided, "GET": undecided, "GET ": undecided, "GET /": speaksHTTP, "OPTIONS *": speaksHTTP,
		"GET http://a/": speaksHTTP, "CONNECT a:1": speaksHTTP, "get /": speaksStream, "GET x": speaksStream,
		"PRI * HTTP/2.0": undecided, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": speaksHTTP2, "PRIX": speaksStream,
		"\x16": undecided, "\x16\x03\x01": speaksTLS, "\x16\x04": speaksStream, "FETCH": speaksStream, "GETX /": speaksStream,
		"BREW /pot HTTP/1.1": speaksStream, "BREW /pot HTTP/1.1\r\n": speaksHTTP, "BREW /pot HTTP/1.0\r\nHost: a": speaksHTTP, "get x HTTP/1.1\r\n": speaksHTTP,
		"SETUP rtsp://a RTSP/1.0\r\n": speaksStream, "BREW /pot HTTP/3.0\r\n": speaksStream, "BR=W / HTTP/1.1\r\n": speaksStream,
		"SAY  HTTP/1.1\r\n": speaksStream, "SAY HTTP/1.1\r\n": speaksStream, "SAY\r\nA / HTTP/1.1\r\n": speaksStream,
	} {
		if got := looksLike([]byte(text)); got != want {
			t.Errorf("looksLike(%q) is %d, want %d", text, got, want)
		}
	}
}

// A request whose method nobody knows meets the faults of requests all the same.
func TestAutoTakesAnyMethod(t *testing.T) {
	p := startProxy(t, "auto", startTCP(t, echo))
	a := apply(t, p, "x", "http_error", map[string]any{"codes": 418})
	c := dialRaw(t, p.Addr())
	send(t, c, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n")
	readFull(t, c, "HTTP/1.1 418 ")
	if s := a.Stats(); s.Hit != 1 || s.Inapplicable != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestStreamUpstreamDown(t *testing.T) {
	for _, protocol := range []string{"tcp", "auto"} {
		p := startProxy(t, protocol, "127.0.0.1:1")
		c := dialRaw(t, p.Addr())
		if protocol == "auto" {
			send(t, c, "EHLO\r\n")
		}
		got, err := io.ReadAll(c)
		if len(got) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: got %q, %v; want a closed connection", protocol, got, err)
		}
	}
}

// A silent client whose upstream is down is not left waiting for a greeting.
func TestAutoSilentClientUpstreamDown(t *testing.T) {
	p := startProxy(t, "auto", "127.0.0.1:1")
	c := dialRaw(t, p.Addr())
	if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
		t.Errorf("got %q, %v; want a closed connection", got, err)
	}
}

func TestStreamLatencyPerChunk(t *testing.T) {
	upstream := startTCP(t, echo)
	p := startProxy(t, "tcp", upstream)
	c := dialRaw(t, p.Addr())
	send(t, c, "a")
	readFull(t, c, "a")
	for _, test := range []struct {
		args map[string]any
		want time.Duration
	}{
		{map[string]any{"delay": "20ms"}, 20 * time.Millisecond},
		{map[string]any{"delay": "20ms", "direction": "request"}, 20 * time.Millisecond},
		{map[string]any{"delay": "20ms", "direction": "both"}, 40 * time.Millisecond},
	} {
		a := apply(t, p, "slow", "latency", test.args)
		start := time.Now()
		send(t, c, "b")
		readFull(t, c, "b")
		if took := time.Since(start); took < test.want {
			t.Errorf("%v: took %v", test.args, took)
		}
		if s := a.Remove(); s.Seen != 1 || s.Hit != 1 {
			t.Errorf("%v: stats %+v, want one connection", test.args, s)
		}
	}
}

// With jitter, chunks stay in order; with a constant delay many are on their way at
// once: 200 chunks at 500 ms would take 100 s one after the other.
func TestStreamLatencyOrderAndThroughput(t *testing.T) {
	upstream := startTCP(t, echo)
	p := startProxy(t, "tcp", upstream)
	apply(t, p, "slow", "latency", map[string]any{"delay": "500ms", "jitter_percent": 90})
	c := dialRaw(t, p.Addr())
	var sent strings.Builder
	go func() {
		for i := range 200 {
			io.WriteString(c, strings.Repeat(string(rune('a'+i%26)), 2000))
		}
	}()
	for i := range 200 {
		sent.WriteString(strings.Repeat(string(rune('a'+i%26)), 2000))
	}
	start := time.Now()
	readFull(t, c, sent.String())
	if took := time.Since(start); took > 90*time.Second {
		t.Errorf("took %v: chunks are held one after the other", took)
	}
}

func TestStreamReleased(t *testing.T) {
	upstream := startTCP(t, echo)
	p := startProxy(t, "tcp", upstream)
	slow := apply(t, p, "slow", "latency", map[string]any{"delay": "10h"})
	also := apply(t, p, "also", "latency", map[string]any{"delay": "10h"})
	c := dialRaw(t, p.Addr())
	send(t, c, "held back")
	eventually(t, "a chunk is held", func() bool { return p.queued.Load() > 0 })
	slow.Remove()
	also.Lift()
	readFull(t, c, "held back")
	eventually(t, "the line is empty", func() bool { return p.queued.Load() == 0 })
	if slow.Stats().Released != 1 || also.Stats().Released != 1 {
		t.Errorf("released %d and %d, want 1", slow.Stats().Released, also.Stats().Released)
	}
}

// A reset on one side arrives as a reset on the other.
func TestResetIsPassedOn(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		c.(*net.TCPConn).SetLinger(0)
	})
	p := startProxy(t, "tcp", upstream)
	c := dialRaw(t, p.Addr())
	send(t, c, "x")
	if _, err := io.ReadAll(c); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("got %v, want a reset", err)
	}
}

// The kernel relays a bulk stream; faults that come and go take it back and give it
// again, and no byte is lost or changed.
func TestBulkKeepsItsBytes(t *testing.T) {
	size := int64(256 << 20)
	if testing.Short() {
		size = 48 << 20
	}
	upstream := startTCP(t, func(c net.Conn) {
		io.ReadFull(c, make([]byte, 1))
		io.Copy(c, io.LimitReader(newNoise(), size))
	})
	p := startProxy(t, "tcp", upstream)
	c := dialRaw(t, p.Addr())
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // a lot for a machine that is busy
		t.Fatal(err)
	}
	send(t, c, "x")
	done := make(chan struct{})
	toggled := make(chan int)
	go func() {
		n := 0
		defer func() { toggled <- n }()
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			a, err := p.Apply(mustFault(t, "latency", map[string]any{"delay": "1ms", "jitter": "1ms"}), "slow", uint64(n))
			if err != nil {
				t.Error(err)
				return
			}
			<-time.After(time.Millisecond)
			a.Remove()
			n++
		}
	}()
	want, got := sha256.New(), sha256.New()
	io.Copy(want, io.LimitReader(newNoise(), size))
	n, err := io.Copy(struct{ hash.Hash }{got}, c)
	close(done)
	t.Logf("%d times on and off", <-toggled)
	if n != size || err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("got %d bytes of %d, %v, equal: %v", n, size, err, bytes.Equal(got.Sum(nil), want.Sum(nil)))
	}
	if w := p.Window(windowSeconds * time.Second); w.BytesOut != uint64(size) || w.BytesIn != 1 {
		t.Errorf("the window has %d bytes out and %d in", w.BytesOut, w.BytesIn)
	}
}

// A reset is passed on as one also where it comes while both ways are full: who reads must
// not take what was cut off for all there was.
func TestResetDuringBulk(t *testing.T) {
	for name, slow := range map[string]bool{"untouched": false, "delayed": true} {
		for _, fromClient := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, by the client %v", name, fromClient), func(t *testing.T) {
				ends := make(chan error, 1)
				// Both send without end, and read; the one who resets soon stops reading.
				busy := func(c net.Conn, resets bool) {
					sent := make(chan error, 1)
					go func() {
						_, err := io.Copy(c, newNoise())
						sent <- err
					}()
					if resets {
						io.ReadFull(c, make([]byte, 64<<10))
						c.(*net.TCPConn).SetLinger(0)
						c.Close()
						return
					}
					_, err := io.Copy(io.Discard, c)
					if err == nil { // the system tells either the one or the other
						err = <-sent
					}
					ends <- err
					c.Close()
				}
				p := startProxy(t, "tcp", startTCP(t, func(c net.Conn) { busy(c, !fromClient) }))
				if slow {
					apply(t, p, "slow", "latency", map[string]any{"delay": "1ms", "direction": "both"})
				}
				for range 30 {
					busy(dialRaw(t, p.Addr()), fromClient)
					if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
						t.Fatalf("the other side saw %v, want a reset", err)
					}
				}
			})
		}
	}
}

// newNoise returns the same pseudo-random bytes each time.
func newNoise() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// What is held in delay lines is bounded: a sender that never stops is slowed down.
func TestLineIsBounded(t *testing.T) {
	upstream := startTCP(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	p := startProxy(t, "tcp", upstream)
	apply(t, p, "slow", "latency", map[string]any{"delay": "10h", "direction": "request"})
	c := dialRaw(t, p.Addr())
	go io.Copy(c, newNoise())
	eventually(t, "the line is full", func() bool { return p.queued.Load() >= lineMost })
	if n := p.queued.Load(); n > lineMost+bufferSize+chunkCost {
		t.Errorf("%d bytes wait, at most %d should", n, lineMost)
	}
	c.Close()
}

// Requests that come on a connection of unknown protocol byte by byte are parsed.
func TestAutoByteByByte(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	p := startProxy(t, "auto", upstream)
	c := dialRaw(t, p.Addr())
	c.SetNoDelay(true)
	for _, b := range []byte("GET /slowly HTTP/1.1\r\nHost: a\r\n\r\n") {
		send(t, c, string(rune(b)))
	}
	if _, body := readResponse(t, bufio.NewReader(c), "GET"); body != "/slowly" {
		t.Errorf("got %q", body)
	}
}
