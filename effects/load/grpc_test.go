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
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
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
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Stop()
		<-served
	}()
	options := func(method string) Options {
		opt := testOptions()
		opt.Method = &Method{healthpb.File_grpc_health_v1_health_proto.Services().ByName("Health").Methods().ByName(protoreflect.Name(method)), dynamicpb.NewTypes(new(protoregistry.Files))}
		return opt
	}

	const method = "grpc.health.v1.Health/Check"
	tests := []struct {
		name   string
		grpc   GRPC
		status string
		ok     bool
	}{
		{"message", GRPC{Method: method, Message: `{"service": "shop"}`}, "OK", true},
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
			sender, err := NewGRPC(spec.GRPC, spec.Slots(), options("Check"))
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

	// What cannot be sent is an error, and nothing of it is kept open.
	for name, test := range map[string]struct {
		message string
		opt     Options
	}{
		"no such field": {`{"shop": 1}`, options("Check")},
		"no JSON":       {`{"shop"`, options("Check")},
		"no method":     {`{"service": "shop"}`, testOptions()},
	} {
		t.Run(name, func(t *testing.T) {
			if sender, err := NewGRPC(&GRPC{Addr: l.Addr().String(), Method: method, Message: test.message}, 1, test.opt); err == nil {
				sender.Close()
				t.Error("no error")
			}
		})
	}
}
