package effects

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"starquake/internal/porttest"
)

// shopSet describes a service that is made for these tests: nothing knows it but by
// descriptors.
func shopSet(t testing.TB) []byte {
	t.Helper()
	text, number := descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64
	field := func(name string, n int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &n, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), JsonName: &name}
	}
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("shop.proto"), Package: proto.String("shop.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Order"), Field: []*descriptorpb.FieldDescriptorProto{field("item", 1, text), field("count", 2, number)}},
			{Name: proto.String("Receipt"), Field: []*descriptorpb.FieldDescriptorProto{field("text", 1, text), field("total", 2, number)}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Shop"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Buy"), InputType: proto.String(".shop.v1.Order"), OutputType: proto.String(".shop.v1.Receipt")},
			{Name: proto.String("Watch"), InputType: proto.String(".shop.v1.Order"), OutputType: proto.String(".shop.v1.Receipt"), ServerStreaming: proto.Bool(true)},
		}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// shop is a server of that service. What it does depends on the item.
type shop struct {
	order, receipt protoreflect.MessageDescriptor
}

func (s *shop) buy(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	order := dynamicpb.NewMessage(s.order)
	if err := decode(order); err != nil {
		return nil, err
	}
	item := order.Get(s.order.Fields().ByName("item")).String()
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-shop", "open", "x-blob-bin", "\x00"))
	md, _ := metadata.FromIncomingContext(ctx)
	switch item {
	case "nothing":
		return nil, status.Error(codes.NotFound, "no such item")
	case "down":
		return nil, status.Error(codes.Unavailable, "closed for today")
	case "never":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	receipt := dynamicpb.NewMessage(s.receipt)
	text := item + " for " + strings.Join(md.Get("customer"), "")
	if item == "huge" {
		text = strings.Repeat("x", 2*DefaultMaxBody)
	}
	receipt.Set(s.receipt.Fields().ByName("text"), protoreflect.ValueOfString(text))
	receipt.Set(s.receipt.Fields().ByName("total"), protoreflect.ValueOfInt64(3*order.Get(s.order.Fields().ByName("count")).Int()))
	return receipt, nil
}

// shopServer serves it, with health, with reflection if asked.
func shopServer(t *testing.T, reflects bool, opts ...grpc.ServerOption) string {
	t.Helper()
	files, err := ReadDescriptors(shopSet(t))
	if err != nil {
		t.Fatal(err)
	}
	find := func(name protoreflect.FullName) protoreflect.MessageDescriptor {
		d, err := files.FindDescriptorByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return d.(protoreflect.MessageDescriptor)
	}
	srv := &shop{find("shop.v1.Order"), find("shop.v1.Receipt")}
	s := grpc.NewServer(opts...)
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "shop.v1.Shop", HandlerType: (*any)(nil), Metadata: "shop.proto",
		Methods: []grpc.MethodDesc{{MethodName: "Buy", Handler: srv.buy}}}, srv)
	h := health.NewServer()
	h.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(s, h)
	if reflects {
		reflectionpb.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{Services: s, DescriptorResolver: files}))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

func TestGRPCCall(t *testing.T) {
	addr := shopServer(t, true)
	files, err := ReadDescriptors(shopSet(t))
	if err != nil {
		t.Fatal(err)
	}
	bare := shopServer(t, false)
	reflecting, described := newEffects(t, open(), Options{}), newEffects(t, open(), Options{Descriptors: files})
	for _, test := range []struct {
		name            string
		e               *Effects
		args            GRPCArgs
		code, message   string
		detail, failing string
	}{
		{name: "by reflection", e: reflecting, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"item":"tea","count":"2"}`), Metadata: map[string]string{"customer": "ann"}},
			code: "OK", message: `{"text":"tea for ann","total":"6"}`},
		{name: "by descriptors", e: described, args: GRPCArgs{Addr: bare, Message: json.RawMessage(`{"item":"tea"}`)}, code: "OK", message: `{"text":"tea for "}`},
		{name: "a status", e: reflecting, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"item":"nothing"}`)}, code: "NOT_FOUND", detail: "no such item"},
		{name: "unavailable as it says itself", e: described, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"item":"down"}`)}, code: "UNAVAILABLE", detail: "closed for today"},
		{name: "too late", e: described, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"item":"never"}`), Timeout: 50 * time.Millisecond}, code: "DEADLINE_EXCEEDED", failing: CodeTimeout},
		{name: "too large", e: described, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"item":"huge"}`)}, code: "UNAVAILABLE", failing: CodeFailed},
		{name: "no such field", e: described, args: GRPCArgs{Addr: addr, Message: json.RawMessage(`{"itme":"tea"}`)}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "no reflection", e: reflecting, args: GRPCArgs{Addr: bare}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "no such method", e: reflecting, args: GRPCArgs{Addr: addr, Method: "shop.v1.Shop/Sell"}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "no such service", e: reflecting, args: GRPCArgs{Addr: addr, Method: "shop.v1.Bank/Buy"}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "a stream", e: described, args: GRPCArgs{Addr: addr, Method: "shop.v1.Shop/Watch"}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "no method", e: described, args: GRPCArgs{Addr: addr, Method: "Buy"}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "nobody there", e: described, args: GRPCArgs{Addr: porttest.Refused}, code: "UNAVAILABLE", failing: CodeRefused},
		{name: "nobody there to reflect", e: reflecting, args: GRPCArgs{Addr: porttest.Refused}, code: "UNAVAILABLE", failing: CodeRefused},
		{name: "metadata address", e: described, args: GRPCArgs{Addr: "169.254.169.254:80"}, code: "UNAVAILABLE", failing: CodeDenied},
		{name: "bad metadata", e: described, args: GRPCArgs{Addr: addr, Metadata: map[string]string{"grpc-timeout": "1S"}}, code: "UNAVAILABLE", failing: CodeInvalid},
		{name: "dies", e: described, args: GRPCArgs{Addr: dying(t)}, code: "UNAVAILABLE"},
		{name: "silent", e: described, args: GRPCArgs{Addr: silent(t), Timeout: 50 * time.Millisecond}, code: "DEADLINE_EXCEEDED", failing: CodeTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.args.Method == "" {
				test.args.Method = "shop.v1.Shop/Buy"
			}
			if test.args.Timeout == 0 {
				test.args.Timeout = soon
			}
			got := mustPerform[GRPCAnswer](t, test.e, KindGRPC, test.args)
			if got.Code != test.code || string(got.Message) != test.message || codeIn(got.Error) != test.failing {
				t.Errorf("%s %.100s %q: %v, want %s %s, failing %q", got.Code, got.Message, got.Detail, got.Error, test.code, test.message, test.failing)
			}
			if test.detail != "" && got.Detail != test.detail {
				t.Errorf("detail %q, want %q", got.Detail, test.detail)
			}
			if test.code == "OK" && got.Metadata["x-shop"] != "open" || got.Metadata["x-blob-bin"] != "" {
				t.Errorf("metadata %v", got.Metadata)
			}
		})
	}
}

func TestGRPCHealth(t *testing.T) {
	cert := httptest.NewTLSServer(nil)
	defer cert.Close()
	plain, secure := shopServer(t, false), shopServer(t, false, grpc.Creds(credentials.NewServerTLSFromCert(&cert.TLS.Certificates[0])))
	e := newEffects(t, open(), Options{})
	for _, test := range []struct {
		name  string
		probe GRPCProbe
		value any
		says  string
	}{
		{"serving", GRPCProbe{Addr: plain}, GRPCServing, ""},
		{"not serving", GRPCProbe{Addr: plain, Service: "sick"}, "NOT_SERVING", "status NOT_SERVING, expected SERVING"},
		{"unknown service", GRPCProbe{Addr: plain, Service: "else"}, nil, "no health of the service \"else\""},
		{"over TLS", GRPCProbe{Addr: secure, TLS: &TLSArgs{Insecure: true}}, GRPCServing, ""},
		{"a certificate of nobody", GRPCProbe{Addr: secure, TLS: &TLSArgs{}}, nil, "tls: "},
		{"nobody there", GRPCProbe{Addr: porttest.Refused}, nil, "refused: "},
	} {
		test.probe.Kind, test.probe.Timeout = "grpc", soon
		r := mustPerform[Reading](t, e, KindProbe, test.probe)
		if r.Value != test.value || r.OK != (test.says == "") || !strings.Contains(r.Error, test.says) {
			t.Errorf("%s: %+v, want %v and %q", test.name, r, test.value, test.says)
		}
	}
}

// TestBoundedConn wants a connection to end that sends without end.
func TestBoundedConn(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	go func() { defer far.Close(); _, _ = far.Write(make([]byte, 100)) }()
	c := &boundedConn{Conn: near, left: 10}
	buf := make([]byte, 100)
	if n, err := c.Read(buf); n != 10 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if n, err := c.Read(buf); n != 0 || err == nil {
		t.Errorf("read %d more, %v", n, err)
	}
}

func FuzzReadDescriptors(f *testing.F) {
	f.Add(shopSet(f))
	f.Fuzz(func(t *testing.T, text []byte) {
		if files, err := ReadDescriptors(text); (files == nil) == (err == nil) {
			t.Errorf("%v and %v", files, err)
		}
	})
}
