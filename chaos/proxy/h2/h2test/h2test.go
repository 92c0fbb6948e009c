// Package h2test has the servers and clients of HTTP/2 and gRPC that tests of the data
// plane speak to. It is for tests alone, and knows nothing of the data plane.
package h2test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Message is what the service's methods take and give.
type Message = wrapperspb.BytesValue

// Service is a gRPC service that answers with what it gets: /test.Echo/Unary, Bidi, and
// Sum, which answers all messages with their length.
type Service struct {
	// Started gets a word for each call that asks to wait, Ended the error of its context
	// when it no longer does, unless it is nil. It waits for Release or the call's end.
	Started chan string
	Release chan struct{}
	Ended   chan error
}

func (g *Service) unary(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(Message)
	if err := dec(in); err != nil {
		return nil, err
	}
	return g.answer(ctx, in)
}

// answer does what the first bytes of a request ask for.
func (g *Service) answer(ctx context.Context, in *Message) (*Message, error) {
	switch string(in.Value) {
	case "fail":
		return nil, status.Error(codes.NotFound, "100 % not there")
	case "wait":
		g.Started <- "wait"
		select {
		case <-ctx.Done():
		case <-g.Release:
		}
		if g.Ended != nil {
			g.Ended <- ctx.Err()
		}
		return in, ctx.Err()
	case "meta":
		md, _ := metadata.FromIncomingContext(ctx)
		grpc.SetHeader(ctx, metadata.Pairs("got", fmt.Sprint(md["given"])))
		grpc.SetTrailer(ctx, metadata.Pairs("late", "yes"))
	}
	return in, nil
}

// stream answers each message, with as many as the metadata "times" says.
func (g *Service) stream(_ any, ss grpc.ServerStream) error {
	times := 1
	if md, _ := metadata.FromIncomingContext(ss.Context()); len(md["times"]) > 0 {
		times, _ = strconv.Atoi(md["times"][0])
	}
	for {
		in := new(Message)
		if err := ss.RecvMsg(in); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		out, err := g.answer(ss.Context(), in)
		if err != nil {
			return err
		}
		for range times {
			if err := ss.SendMsg(out); err != nil {
				return err
			}
		}
	}
}

// sum answers all messages with their length.
func (g *Service) sum(_ any, ss grpc.ServerStream) error {
	total := 0
	for {
		in := new(Message)
		if err := ss.RecvMsg(in); err == io.EOF {
			return ss.SendMsg(&Message{Value: []byte(strconv.Itoa(total))})
		} else if err != nil {
			return err
		}
		total += len(in.Value)
	}
}

func (g *Service) desc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "test.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: g.unary}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Bidi", Handler: g.stream, ClientStreams: true, ServerStreams: true},
			{StreamName: "Sum", Handler: g.sum, ClientStreams: true},
		},
	}
}

// StartGRPC serves g until the test ends.
func StartGRPC(t testing.TB, g *Service, options ...grpc.ServerOption) (string, *grpc.Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	s.RegisterService(g.desc(), g)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return l.Addr().String(), s
}

// DialGRPC makes a client that ends with the test.
func DialGRPC(t testing.TB, addr string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, Plain(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256<<20)))
	c, err := grpc.NewClient("passthrough:///"+addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Plain is what a client without TLS is made with.
func Plain() grpc.DialOption { return grpc.WithTransportCredentials(insecure.NewCredentials()) }

// Unary calls the method of that name.
func Unary(ctx context.Context, c *grpc.ClientConn, body string, options ...grpc.CallOption) (string, error) {
	out := new(Message)
	err := c.Invoke(ctx, "/test.Echo/Unary", &Message{Value: []byte(body)}, out, options...)
	return string(out.Value), err
}

// Bidi begins a stream of the method of that name.
func Bidi(ctx context.Context, t testing.TB, c *grpc.ClientConn) grpc.ClientStream {
	t.Helper()
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/test.Echo/Bidi")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Send sends a message on a stream.
func Send(t testing.TB, s grpc.ClientStream, body string) {
	t.Helper()
	if err := s.SendMsg(&Message{Value: []byte(body)}); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// Receive returns the next message of a stream.
func Receive(t testing.TB, s grpc.ClientStream) string {
	t.Helper()
	out := new(Message)
	if err := s.RecvMsg(out); err != nil {
		t.Fatalf("receive: %v", err)
	}
	return string(out.Value)
}

// StartHTTP2 serves HTTP/2 without TLS until the test ends.
func StartHTTP2(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); wg.Wait() })
	return l.Addr().String()
}

// NewHTTP2Client makes a client that speaks HTTP/2 without TLS.
func NewHTTP2Client(t testing.TB) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
