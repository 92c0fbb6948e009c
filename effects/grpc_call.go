package effects

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"starquake/effects/load"
	"starquake/units"
)

// ReadDescriptors reads a set of file descriptors, as `protoc --include_imports
// --descriptor_set_out` and `buf build` write it.
func ReadDescriptors(text []byte) (*protoregistry.Files, error) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(text, &set); err != nil || len(set.File) == 0 {
		return nil, errors.New("it is no set of file descriptors; make one with protoc --include_imports --descriptor_set_out=FILE")
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("the file descriptors do not fit together: %w", err)
	}
	return files, nil
}

// invoke makes the connection, finds out what the messages are, and calls.
func (e *Effects) invoke(ctx context.Context, args *GRPCArgs, answer *GRPCAnswer) error {
	if err := args.validate(); err != nil {
		return err
	}
	if err := e.client.network.checkAddress(args.Addr); err != nil {
		return err
	}
	if err := e.client.fits(len(args.Message)); err != nil {
		return err
	}
	timeout := cmp.Or(args.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "no complete answer within %s", units.FormatDuration(timeout)))
	defer cancel()
	var met dialError
	conn, err := e.client.grpcConn(ctx, args, &met)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(args.Metadata))
	method, types, closeTypes, err := e.findMethod(ctx, conn, args.Method)
	defer closeTypes()
	var header, trailer metadata.MD
	if err == nil {
		err = call(ctx, conn, method, types, args, answer, grpc.Header(&header), grpc.Trailer(&trailer))
		answer.Metadata = joinMetadata(header, trailer)
	}
	return statusOf(ctx, err, &met, answer)
}

// sameDeadline is how much before its deadline a call's server may say that it has passed.
const sameDeadline = 20 * time.Millisecond

// statusOf puts the status of a call that failed into answer. It returns an error
// where it was not the server that gave the status.
func statusOf(ctx context.Context, err error, met *dialError, answer *GRPCAnswer) error {
	st, ok := status.FromError(err)
	if err != nil && !ok {
		return overdue(ctx, err)
	}
	answer.Code, answer.Detail = load.CodeName(st.Code()), st.Message()
	if deadline, ok := ctx.Deadline(); ok && st.Code() == codes.DeadlineExceeded && time.Until(deadline) < sameDeadline {
		<-ctx.Done() // the server knows the deadline, and was the first to see that it has passed
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return overdue(ctx, err)
	case st.Code() == codes.Unavailable && met.get() != nil:
		return met.get()
	case st.Code() == codes.Unavailable && strings.Contains(st.Message(), "handshake"):
		return problem(CodeTLS, "%s", st.Message())
	}
	return nil
}

// call calls a method whose messages are known.
func call(ctx context.Context, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, types *dynamicpb.Types, args *GRPCArgs, answer *GRPCAnswer, opts ...grpc.CallOption) error {
	request, reply := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if !isNull(args.Message) {
		if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal(args.Message, request); err != nil {
			text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "proto:"), "\u00a0", " ") // its writer varies the blanks
			return problem(CodeInvalid, "the message is no %s: %s", method.Input().FullName(), strings.TrimSpace(text))
		}
	}
	path := fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
	if err := conn.Invoke(ctx, path, request, reply, opts...); err != nil {
		return err
	}
	text, err := protojson.MarshalOptions{Resolver: types}.Marshal(reply)
	if err != nil {
		return problem(CodeFailed, "the answer of %s has no JSON form: %v", path, err)
	}
	if len(text) > DefaultMaxBody {
		return problem(CodeFailed, "the answer of %s is larger than %d bytes as JSON", path, DefaultMaxBody)
	}
	answer.Message, err = compact(text)
	return err
}

// findMethod finds out what a method takes and gives. What it found by reflection is
// valid until closed, which the caller does whatever the error.
func (e *Effects) findMethod(ctx context.Context, conn *grpc.ClientConn, name string) (protoreflect.MethodDescriptor, *dynamicpb.Types, func(), error) {
	nothing := func() {}
	service, member, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !protoreflect.FullName(service).IsValid() || !protoreflect.Name(member).IsValid() {
		return nil, nil, nothing, problem(CodeInvalid, "%q is no method; write \"package.Service/Method\"", name)
	}
	if e.opts.Descriptors != nil {
		if found, err := e.opts.Descriptors.FindDescriptorByName(protoreflect.FullName(service)); err == nil {
			method, err := methodOf(found, member)
			return method, dynamicpb.NewTypes(e.opts.Descriptors), nothing, err
		}
	}
	known := new(protoregistry.Files)
	if err := known.RegisterFile(healthpb.File_grpc_health_v1_health_proto); err != nil {
		return nil, nil, nothing, err
	}
	if found, err := known.FindDescriptorByName(protoreflect.FullName(service)); err == nil {
		method, err := methodOf(found, member)
		return method, dynamicpb.NewTypes(known), nothing, err
	}
	reflection := grpcreflect.NewClientAuto(ctx, conn)
	file, err := reflection.FileContainingSymbol(protoreflect.FullName(service))
	if err != nil {
		return nil, nil, reflection.Reset, noReflection(service, err)
	}
	var found protoreflect.Descriptor
	for i := range file.Services().Len() {
		if s := file.Services().Get(i); s.FullName() == protoreflect.FullName(service) {
			found = s
		}
	}
	types := new(protoregistry.Files)
	registerAll(types, file, map[string]bool{})
	method, err := methodOf(found, member)
	return method, dynamicpb.NewTypes(types), reflection.Reset, err
}

// noReflection says what can be done where a server does not describe a service. A
// connection that failed stays what it was.
func noReflection(service string, err error) error {
	if code := status.Code(err); code != codes.Unimplemented && code != codes.Unknown && code != codes.NotFound {
		return err
	}
	if grpcreflect.IsElementNotFoundError(err) {
		return problem(CodeInvalid, "the server does not know the service %s, as its reflection says", service)
	}
	return problem(CodeInvalid, "what %s takes is not known: the server has no reflection (%v); name a descriptor set under descriptors in the environment's file", service, err)
}

// registerAll registers a file and all that it imports, for messages within messages.
func registerAll(types *protoregistry.Files, file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		if imported := file.Imports().Get(i).FileDescriptor; !imported.IsPlaceholder() {
			registerAll(types, imported, seen)
		}
	}
	_ = types.RegisterFile(file) // of two that claim one name the first is kept
}

// methodOf finds a unary method in a service.
func methodOf(found protoreflect.Descriptor, member string) (protoreflect.MethodDescriptor, error) {
	service, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, problem(CodeInvalid, "there is no service of that name")
	}
	method := service.Methods().ByName(protoreflect.Name(member))
	if method == nil {
		var known []string
		for i := range service.Methods().Len() {
			known = append(known, string(service.Methods().Get(i).Name()))
		}
		return nil, problem(CodeInvalid, "%s has no method %s; it has %s", service.FullName(), member, excerpt([]byte(strings.Join(known, ", "))))
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, problem(CodeInvalid, "%s is a stream; only methods with one request and one answer can be called", method.FullName())
	}
	return method, nil
}

// dialError is why a connection could not be made, which gRPC tells only as a text.
type dialError struct {
	mu  sync.Mutex
	err error
}

func (d *dialError) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *dialError) get() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// grpcConn makes a connection for one call, under the policy and bounded in what it
// reads. Nothing in it asks again by itself: a call must meet the fault on its way.
func (c *client) grpcConn(call context.Context, args *GRPCArgs, met *dialError) (*grpc.ClientConn, error) {
	return c.grpcConnBy(call, args, met, c.dial)
}

// grpcConnBy is grpcConn with something else that connects.
func (c *client) grpcConnBy(call context.Context, args *GRPCArgs, met *dialError, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if args.TLS != nil {
		conf, err := args.TLS.config(c.tls)
		if err != nil {
			return nil, err
		}
		conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
		secure = credentials.NewTLS(conf)
	}
	return grpc.NewClient("passthrough:///"+args.Addr,
		grpc.WithTransportCredentials(secure),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := dial(probesAs(ctx, call), "tcp", addr)
			met.set(err)
			if err != nil {
				return nil, err
			}
			return &boundedConn{Conn: conn, left: maxGRPC}, nil
		}),
		grpc.WithUserAgent("starquake"), grpc.WithNoProxy(), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithMaxHeaderListSize(64<<10), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(4*DefaultMaxBody)),
	)
}

// boundedConn ends once more was read than anybody should send.
type boundedConn struct {
	net.Conn
	left int64 // gRPC reads on one goroutine
}

// Read implements net.Conn.
func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the server sent more than %d bytes", maxGRPC)
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// joinMetadata gives metadata one value each, without binary ones.
func joinMetadata(parts ...metadata.MD) map[string]string {
	joined := map[string]string{}
	for name, values := range metadata.Join(parts...) {
		if !strings.HasSuffix(name, "-bin") {
			joined[name] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
		}
	}
	if len(joined) == 0 {
		return nil
	}
	return joined
}
