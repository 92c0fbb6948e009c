package h2

import (
	"io"
	"net"
	"testing"
	"time"
)

// listenRaw accepts one connection, which the test serves by hand.
func listenRaw(t *testing.T) (addr string, accept func() *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String(), func() *net.TCPConn {
		t.Helper()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c.(*net.TCPConn)
	}
}

// dialRaw is a client that has sent its preface, its SETTINGS and one request.
func dialRaw(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	writeRaw(t, c, []byte(Preface+noSettings), frame(frameHeaders, flagEndHeaders|flagEndStream, 1, requestBlock()))
	return c.(*net.TCPConn)
}

func writeRaw(t *testing.T, c net.Conn, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if _, err := c.Write(f); err != nil {
			t.Fatal(err)
		}
	}
}

// readTo reads frames up to the first of a kind, and returns the kinds of those before.
func readTo(t *testing.T, c net.Conn, kind uint8) (before []uint8) {
	t.Helper()
	for {
		b := make([]byte, headLen)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatalf("before a frame of type %d: %v", kind, err)
		}
		h := parseHead(b)
		if _, err := io.ReadFull(c, make([]byte, h.length)); err != nil {
			t.Fatal(err)
		}
		if h.kind == kind {
			return before
		}
		before = append(before, h.kind)
	}
}

// reset closes as a system does for who has not read all that came.
func reset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if err := c.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func readPreface(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.ReadFull(c, make([]byte, len(Preface))); err != nil {
		t.Fatal(err)
	}
}

var (
	answer200 = frame(frameHeaders, flagEndHeaders|flagEndStream, 1, headerBlock(Field{Name: ":status", Value: "200"}))
	goAwayAll = appendGoAway(nil, 1, NoError, "")
)

// called starts a relay over which a call is under way, of which the test is both sides.
func called(t *testing.T, hooks Hooks) (relays *testRelays, client, up *net.TCPConn) {
	t.Helper()
	addr, accept := listenRaw(t)
	relays = relayTo(t, addr, hooks)
	client = dialRaw(t, relays.addr)
	up = accept()
	readPreface(t, up)
	readTo(t, up, frameHeaders)
	return relays, client, up
}

// A client that has its answer and closes is no error, also if it had not read the GOAWAY
// behind it and its system sends a RST; the upstream is not sent one.
func TestClientLeavesWithReset(t *testing.T) {
	relays, client, up := called(t, planner{})
	writeRaw(t, up, []byte(noSettings), answer200)
	readTo(t, client, frameHeaders)
	reset(t, client)
	if _, err := io.Copy(io.Discard, up); err != nil {
		t.Errorf("the upstream: %v", err)
	}
	if errs := relays.ended(1); errs[0] != nil {
		t.Errorf("the relay ended with %v", errs[0])
	}
}

// A client that resets what is under way is an error, and the upstream is sent a RST.
func TestClientResetsCall(t *testing.T) {
	relays, client, up := called(t, planner{})
	reset(t, client)
	if _, err := io.Copy(io.Discard, up); err == nil {
		t.Error("the upstream got no RST")
	}
	if errs := relays.ended(1); errs[0] == nil {
		t.Error("the relay ended without an error")
	}
}

// An upstream that has answered, said GOAWAY and closes takes nothing from the client,
// also if its system sends a RST: the answer that is held comes, and then the end.
func TestUpstreamLeavesWithReset(t *testing.T) {
	hold := newAfter(time.Hour)
	relays, client, up := called(t, planner{request: func(_ *Request, plan *Plan) { plan.Hold[ToClient] = hold }})
	writeRaw(t, up, []byte(noSettings), answer200, goAwayAll)
	readTo(t, client, frameGoAway)
	reset(t, up)
	r := relays.relays()[0]
	until(t, "the relay sees the reset", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.sinks[toUpstream].shut
	})
	close(hold.over)
	r.Kick()
	readTo(t, client, frameHeaders)
	if n, err := io.Copy(io.Discard, client); n != 0 || err != nil {
		t.Errorf("behind the answer: %d bytes, %v", n, err)
	}
	if errs := relays.ended(1); errs[0] != nil {
		t.Errorf("the relay ended with %v", errs[0])
	}
}

// An upstream that resets what it has not answered is an error, and the client is sent a RST.
func TestUpstreamResetsCall(t *testing.T) {
	relays, client, up := called(t, planner{})
	writeRaw(t, up, []byte(noSettings), goAwayAll)
	readTo(t, client, frameGoAway)
	reset(t, up)
	if _, err := io.Copy(io.Discard, client); err == nil {
		t.Error("the client got no RST")
	}
	if errs := relays.ended(1); errs[0] == nil {
		t.Error("the relay ended without an error")
	}
}

// A client that has not been sent the end of its last answer is not at rest, though the stream
// is over: who ends the connection then would cut it.
func TestAtRest(t *testing.T) {
	client, far := net.Pipe() // each write waits for a read
	defer far.Close()
	defer client.Close()
	r := New(Config{Client: client})
	if !r.AtRest() {
		t.Error("a connection on which nothing has been is not at rest")
	}
	s, last := &r.sinks[toClient], frame(frameData, flagEndStream, 1, nil)
	r.mu.Lock()
	s.corked = false
	s.pass(last)
	r.mu.Unlock()
	if r.AtRest() {
		t.Error("at rest before the last frame was written")
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flush(s)
	}()
	if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if r.AtRest() {
		t.Error("at rest while the last frame is written")
	}
	if _, err := io.ReadFull(far, make([]byte, len(last)-1)); err != nil {
		t.Fatal(err)
	}
	<-written
	if !r.AtRest() {
		t.Error("not at rest when all is written")
	}
}

// Who drains a relay does not wait for a client that reads nothing: it has others to drain,
// and may give this one up.
func TestDrainDoesNotWait(t *testing.T) {
	client, far := net.Pipe() // each write waits for a read
	defer far.Close()
	up, server := net.Pipe()
	defer server.Close()
	r := New(Config{Client: client, Upstream: up})
	r.ways[toClient].begun, r.sinks[toClient].corked = true, false
	released := make(chan struct{})
	go func() {
		defer close(released)
		r.release()
	}()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.Drain()
	}()
	select {
	case <-drained:
	case <-time.After(patience):
		t.Error("Drain waits until the client reads")
	}
	if r.AtRest() {
		t.Error("at rest before the client has been sent the GOAWAY")
	}
	readTo(t, far, frameGoAway)
	<-drained
	until(t, "its rest", r.AtRest)
	r.end(nil)
	<-released
}
