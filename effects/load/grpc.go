package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A server commonly takes a hundred calls at once on a connection.
const (
	callsEach = 100
	maxConns  = 64
)

// describeWithin is how long the server may take to describe its method.
const describeWithin = 10 * time.Second

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

// NewGRPC makes the sender of a gRPC call. Where no descriptors are given it asks the
// server, within ctx.
func NewGRPC(ctx context.Context, g *GRPC, slots int, opt Options) (Sender, error) {
	creds := insecure.NewCredentials()
	if g.TLS {
		config := opt.TLS.Clone()
		if config == nil {
			config = new(tls.Config)
		}
		creds = credentials.NewTLS(config)
	}
	s := &grpcSender{method: "/" + strings.TrimPrefix(g.Method, "/"), metadata: metadata.New(g.Metadata), expect: g.Expect}
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
	var err error
	if s.request, err = s.encode(ctx, g, opt.Descriptors); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// encode encodes the request as its method's input.
func (s *grpcSender) encode(ctx context.Context, g *GRPC, known *protoregistry.Files) (raw, error) {
	if strings.TrimSpace(g.Message) == "" || strings.TrimSpace(g.Message) == "{}" {
		return raw{}, nil // empty in every type: nobody needs to be asked
	}
	m, err := s.describe(ctx, g, known)
	if err != nil {
		return nil, err
	}
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return nil, fmt.Errorf("method %s streams; expected a unary one", g.Method)
	}
	msg := dynamicpb.NewMessage(m.Input())
	if err := protojson.Unmarshal([]byte(g.Message), msg); err != nil {
		return nil, fmt.Errorf("message: it is no %s: %w", m.Input().FullName(), err)
	}
	return proto.Marshal(msg)
}

// describe finds the method, in the descriptors given, in those that are known where
// they have its service, or by the server's reflection.
func (s *grpcSender) describe(ctx context.Context, g *GRPC, known *protoregistry.Files) (protoreflect.MethodDescriptor, error) {
	service, method, _ := strings.Cut(strings.TrimPrefix(s.method, "/"), "/")
	var found protoreflect.Descriptor
	var err error
	if len(g.Descriptors) > 0 {
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(g.Descriptors, &set); err != nil {
			return nil, fmt.Errorf("descriptors: expected a FileDescriptorSet: %w", err)
		}
		files, err := protodesc.NewFiles(&set)
		if err != nil {
			return nil, fmt.Errorf("descriptors: %w", err)
		}
		if found, err = files.FindDescriptorByName(protoreflect.FullName(service)); err != nil {
			return nil, fmt.Errorf("descriptors: no service %s: %w", service, err)
		}
	} else if here, unknown := known.FindDescriptorByName(protoreflect.FullName(service)); unknown == nil {
		found = here
	} else {
		ctx, cancel := context.WithTimeout(ctx, describeWithin)
		defer cancel()
		client := grpcreflect.NewClientAuto(ctx, decoding{s.conns[0]})
		defer client.Reset()
		if found, err = client.AsResolver().FindDescriptorByName(protoreflect.FullName(service)); err != nil {
			return nil, fmt.Errorf("the server does not describe %s (name its descriptors in the environment, or turn its reflection on): %w", service, err)
		}
	}
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("method: %s is no service", service)
	}
	m := sd.Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return nil, fmt.Errorf("method: service %s has no %s", service, method)
	}
	return m, nil
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

// decoding is a connection whose calls are encoded and decoded, for reflection.
type decoding struct{ *grpc.ClientConn }

func (d decoding) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return d.ClientConn.NewStream(ctx, desc, method, append(opts, grpc.ForceCodec(protoCodec{}), grpc.MaxCallRecvMsgSize(math.MaxInt32/64))...)
}

// protoCodec is protobuf's.
type protoCodec struct{}

func (protoCodec) Marshal(v any) ([]byte, error) { return proto.Marshal(v.(proto.Message)) }
func (protoCodec) Unmarshal(data []byte, v any) error {
	return proto.Unmarshal(data, v.(proto.Message))
}
func (protoCodec) Name() string { return "proto" }
