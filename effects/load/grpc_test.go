package load

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		calls.Add(1)
		return next(ctx, req)
	}))
	checks := health.NewServer()
	checks.SetServingStatus("shop", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, checks)
	reflection.Register(server)
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Stop()
		<-served
	}()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(healthpb.File_grpc_health_v1_health_proto)}})
	if err != nil {
		t.Fatal(err)
	}

	const method = "grpc.health.v1.Health/Check"
	tests := []struct {
		name   string
		grpc   GRPC
		status string
		ok     bool
	}{
		{"reflection", GRPC{Method: method, Message: `{"service": "shop"}`}, "OK", true},
		{"descriptors", GRPC{Method: method, Message: `{"service": "shop"}`, Descriptors: set}, "OK", true},
		{"empty message", GRPC{Method: method}, "OK", true},
		{"unknown service", GRPC{Method: method, Message: `{"service": "bakery"}`}, "NOT_FOUND", false},
		{"expected code", GRPC{Method: method, Message: `{"service": "bakery"}`, Expect: []string{"NotFound"}}, "NOT_FOUND", true},
		{"unknown method", GRPC{Method: "grpc.health.v1.Health/Cure"}, "UNIMPLEMENTED", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.grpc.Addr = l.Addr().String()
			spec := Spec{GRPC: &test.grpc, Rate: constant(200), Duration: 500 * time.Millisecond}
			if err := spec.Validate(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			sender, err := NewGRPC(ctx, spec.GRPC, spec.Slots(), testOptions())
			if err != nil {
				t.Fatal(err)
			}
			before := calls.Load()
			f := New(spec, sender).Run(ctx)
			// A machine that is too busy does not send all.
			sent, errors := f.Requests, f.Requests
			if test.ok {
				errors = 0
			}
			if sent == 0 || sent+f.Dropped != 100 || f.Errors != errors || f.ByStatus[test.status] != sent {
				t.Errorf("got %+v; expected 100 × %s, %d errors", f, test.status, errors)
			}
			if n := calls.Load() - before; n != sent && test.status != "UNIMPLEMENTED" {
				t.Errorf("the server had %d calls of %d", n, sent)
			}
		})
	}

	for name, g := range map[string]GRPC{
		"no such field":  {Method: method, Message: `{"shop": 1}`},
		"no such method": {Method: "grpc.health.v1.Health/Cure", Message: `{"service": "shop"}`},
		"no service":     {Method: "no.Such/Thing", Message: `{"service": "shop"}`},
		"a stream":       {Method: "grpc.health.v1.Health/Watch", Message: `{"service": "shop"}`},
		"no descriptors": {Method: method, Message: `{"service": "shop"}`, Descriptors: []byte("\xff\xff")},
	} {
		t.Run(name, func(t *testing.T) {
			g.Addr = l.Addr().String()
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			if sender, err := NewGRPC(ctx, &g, 1, testOptions()); err == nil {
				sender.Close()
				t.Error("no error")
			}
		})
	}
}
