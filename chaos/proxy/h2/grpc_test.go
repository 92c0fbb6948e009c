package h2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starquake/chaos/proxy/h2/h2test"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestUnary(t *testing.T) {
	ctx := testContext(t)
	addr, _ := h2test.StartGRPC(t, &h2test.Service{})
	relays := relayTo(t, addr, planner{})
	c := h2test.DialGRPC(t, relays.addr)
	for i := range 100 {
		body := fmt.Sprint("hello ", i)
		if got, err := h2test.Unary(ctx, c, body); err != nil || got != body {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	var header, trailer metadata.MD
	mctx := metadata.AppendToOutgoingContext(ctx, "given", "thing")
	if _, err := h2test.Unary(mctx, c, "meta", grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if header.Get("got")[0] != "[thing]" || trailer.Get("late")[0] != "yes" {
		t.Errorf("header %v, trailer %v", header, trailer)
	}
	_, err := h2test.Unary(ctx, c, "fail")
	if st := status.Convert(err); st.Code() != codes.NotFound || st.Message() != "100 % not there" {
		t.Errorf("got %v", err)
	}
	if n := len(relays.relays()); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	until(t, "the end of all streams", func() bool { return relays.relays()[0].Streams() == 0 })
	if r := relays.relays()[0]; r.altered {
		t.Error("nothing happened, and yet the relay counts as altered")
	}
}

func TestStreams(t *testing.T) {
	ctx := testContext(t)
	addr, _ := h2test.StartGRPC(t, &h2test.Service{})
	c := h2test.DialGRPC(t, relayTo(t, addr, planner{}).addr)

	s := h2test.Bidi(metadata.AppendToOutgoingContext(ctx, "times", "3"), t, c)
	for i := range 50 {
		h2test.Send(t, s, fmt.Sprint(i))
		for range 3 {
			if got := h2test.Receive(t, s); got != fmt.Sprint(i) {
				t.Fatalf("got %q, want %d", got, i)
			}
		}
	}
	s.CloseSend()
	if err := s.RecvMsg(new(h2test.Message)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}

	sum, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/test.Echo/Sum")
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		h2test.Send(t, sum, "0123456789")
	}
	sum.CloseSend()
	if got := h2test.Receive(t, sum); got != "10000" {
		t.Errorf("sum %s", got)
	}
}

func TestCancelAndDeadline(t *testing.T) {
	g := &h2test.Service{Started: make(chan string, 20), Ended: make(chan error, 20)}
	addr, _ := h2test.StartGRPC(t, g)
	relays := relayTo(t, addr, planner{})
	c := h2test.DialGRPC(t, relays.addr)

	ctx, cancel := context.WithCancel(testContext(t))
	go func() { <-g.Started; cancel() }()
	if _, err := h2test.Unary(ctx, c, "wait"); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	if err := <-g.Ended; err != context.Canceled {
		t.Errorf("the server saw %v", err)
	}
	// A busy machine needs longer until the call is at the server.
	for in := 50 * time.Millisecond; len(g.Started) == 0 && in < patience; in *= 2 {
		ctx, cancel = context.WithTimeout(testContext(t), in)
		if _, err := h2test.Unary(ctx, c, "wait"); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("deadline: %v", err)
		}
		cancel()
	}
	<-g.Ended
	if _, err := h2test.Unary(testContext(t), c, "still"); err != nil {
		t.Error(err)
	}
	until(t, "the end of all streams", func() bool { return relays.relays()[0].Streams() == 0 })
}

// 100 MB each way through the smallest windows.
func TestBigMessages(t *testing.T) {
	ctx := testContext(t)
	addr, _ := h2test.StartGRPC(t, &h2test.Service{}, grpc.MaxRecvMsgSize(256<<20), grpc.MaxSendMsgSize(256<<20),
		grpc.StaticStreamWindowSize(64<<10), grpc.StaticConnWindowSize(64<<10))
	c := h2test.DialGRPC(t, relayTo(t, addr, planner{}).addr, grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	body := bytes.Repeat([]byte("0123456789abcdef"), 100<<20/16)
	out := new(h2test.Message)
	if err := c.Invoke(ctx, "/test.Echo/Unary", &h2test.Message{Value: body}, out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Value, body) {
		t.Errorf("got %d bytes, expected those sent", len(out.Value))
	}
}

func TestGracefulStop(t *testing.T) {
	ctx := testContext(t)
	g := &h2test.Service{Started: make(chan string, 1), Release: make(chan struct{})}
	addr, server := h2test.StartGRPC(t, g)
	relays := relayTo(t, addr, planner{})
	c := h2test.DialGRPC(t, relays.addr)
	result := make(chan error, 1)
	go func() {
		_, err := h2test.Unary(ctx, c, "wait")
		result <- err
	}()
	<-g.Started
	stopped := make(chan struct{})
	go func() { server.GracefulStop(); close(stopped) }()
	// The client learns of the GOAWAY, and the call that runs is still answered.
	until(t, "the listener's end", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(g.Release)
	if err := <-result; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	<-stopped
	if errs := relays.ended(1); errs[0] != nil {
		t.Errorf("the relay ended with %v", errs[0])
	}
}
