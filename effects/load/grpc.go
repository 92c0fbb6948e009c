package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A server commonly takes a hundred calls at once on a connection.
const (
	callsEach = 100
	maxConns  = 64
)

// grpcSender makes a unary call. The request is encoded once, answers are not decoded.
type grpcSender struct {
	conns    []*grpc.ClientConn
	next     atomic.Uint64
	method   string
	request  raw
	metadata metadata.MD
	expect   []string
	ctx      context.Context // of all calls
	cancel   context.CancelFunc
}

// Method is what a gRPC method takes.
type Method struct {
	Descriptor protoreflect.MethodDescriptor
	Types      *dynamicpb.Types // of messages within messages
}

// NeedsMethod reports whether the request is encoded by what its method takes: one that is
// empty is so in every type.
func (g *GRPC) NeedsMethod() bool {
	text := strings.TrimSpace(g.Message)
	return text != "" && text != "{}"
}

// Encode encodes a request in protobuf's JSON form.
func (m *Method) Encode(message string) ([]byte, error) {
	msg := dynamicpb.NewMessage(m.Descriptor.Input())
	if err := (protojson.UnmarshalOptions{Resolver: m.Types}).Unmarshal([]byte(message), msg); err != nil {
		text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "proto:"), "\u00a0", " ") // its writer varies the blanks
		return nil, fmt.Errorf("the message is no %s: %s", m.Descriptor.Input().FullName(), strings.TrimSpace(text))
	}
	return proto.Marshal(msg)
}

// NewGRPC makes the sender of a gRPC call. Where it needs a method the options have it.
func NewGRPC(g *GRPC, slots int, opt Options) (Sender, error) {
	creds := insecure.NewCredentials()
	if g.TLS {
		config := opt.TLS.Clone()
		if config == nil {
			config = new(tls.Config)
		}
		creds = credentials.NewTLS(config)
	}
	s := &grpcSender{method: "/" + strings.TrimPrefix(g.Method, "/"), metadata: metadata.New(g.Metadata), expect: g.Expect}
	if g.NeedsMethod() {
		if opt.Method == nil {
			return nil, fmt.Errorf("it is not known what %s takes", g.Method)
		}
		var err error
		if s.request, err = opt.Method.Encode(g.Message); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if len(s.expect) == 0 {
		s.expect = []string{codes.OK.String()}
	}
	for range min(max(slots/callsEach, 1), maxConns) {
		conn, err := grpc.NewClient("passthrough:///"+g.Addr,
			grpc.WithTransportCredentials(creds), grpc.WithDisableRetry(), grpc.WithUserAgent("starquake"), grpc.WithNoProxy(),
			grpc.WithContextDialer(func(_ context.Context, addr string) (net.Conn, error) { return opt.Dial(addr) }),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(maxResponse)))
		if err != nil {
			s.Close()
			return nil, err
		}
		s.conns = append(s.conns, conn)
	}
	return s, nil
}

// Send implements Sender.
func (s *grpcSender) Send(deadline time.Time) Outcome {
	ctx, cancel := context.WithDeadline(metadata.NewOutgoingContext(s.ctx, s.metadata), deadline)
	defer cancel()
	conn := s.conns[s.next.Add(1)%uint64(len(s.conns))]
	var answer raw
	code := status.Code(conn.Invoke(ctx, s.method, s.request, &answer))
	return Outcome{Status: CodeName(code), OK: slices.Contains(s.expect, code.String())}
}

// Close implements Sender.
func (s *grpcSender) Close() {
	s.cancel()
	for _, conn := range s.conns {
		conn.Close()
	}
}

// CodeName is a gRPC code as the specification spells it.
func CodeName(c codes.Code) string {
	names := []string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return "UNKNOWN"
}

// Code reads the name of a gRPC code, as it or any upper- and lower-case form of it.
func Code(name string) (string, bool) {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		if strings.EqualFold(strings.ReplaceAll(name, "_", ""), c.String()) {
			return c.String(), true
		}
	}
	return "", false
}

// raw is a message that is encoded already.
type raw []byte

// rawCodec hands encoded messages through. Of answers it keeps nothing.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) {
	if m, ok := v.(raw); ok {
		return m, nil
	}
	return nil, fmt.Errorf("a %T is no encoded message", v)
}

func (rawCodec) Unmarshal(data []byte, v any) error { return nil }

func (rawCodec) Name() string { return "proto" }
