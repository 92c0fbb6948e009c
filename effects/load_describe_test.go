package effects

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"starquake/effects/load"
	"starquake/runtime"
)

// What a method takes is asked once, as a probe, and past the proxies of this process.
func TestLoadDescribe(t *testing.T) {
	files, err := ReadDescriptors(shopSet(t))
	if err != nil {
		t.Fatal(err)
	}
	var e *Effects
	var asked, unmarked atomic.Int64
	reflecting := shopServer(t, true, grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		asked.Add(1)
		return next(srv, stream)
	}))
	describe := func(addr, method, message string) error {
		_, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, KindLoadDescribe, LoadDescribeArgs{load.GRPC{Addr: addr, Method: method, Message: message}})})
		return err
	}
	const buy, tea = "shop.v1.Shop/Buy", `{"item": "tea"}`

	e = newEffects(t, open(), Options{})
	for _, message := range []string{tea, tea, `{"item": "milk", "count": 2}`} {
		if err := describe(reflecting, buy, message); err != nil || asked.Load() != 1 {
			t.Errorf("%s: %v, asked %d times", message, err, asked.Load())
		}
	}
	if err := describe("127.0.0.1:1", "no.Such/Thing", "{}"); err != nil {
		t.Errorf("an empty message needs nobody: %v", err)
	}
	if err := describe("127.0.0.1:1", GRPCHealth, `{"service": "shop"}`); err != nil {
		t.Errorf("the health check is known: %v", err)
	}
	for code, args := range map[string][3]string{
		CodeInvalid: {reflecting, buy, `{"colour": "red"}`},
		CodeRefused: {"127.0.0.1:1", buy, tea},
		CodeDenied:  {"169.254.169.254:80", buy, tea},
	} {
		if err := describe(args[0], args[1], args[2]); err == nil || asProblem(err, "").Code != code {
			t.Errorf("%v: got %v, expected the code %s", args, err, code)
		}
	}

	e = newEffects(t, open(), Options{Descriptors: files})
	if err := describe("127.0.0.1:1", buy, tea); err != nil {
		t.Errorf("descriptors are given: %v", err)
	}

	// Of two proxies one behind the other, and of one that names itself.
	e = newEffects(t, Policy{Network: []string{"127.0.0.1:7", "127.0.0.1:9"}}, Options{})
	at := func(listen string) func(string) bool { return func(addr string) bool { return addr == listen } }
	e.NameRelay(at("127.0.0.1:7"), "localhost:8")
	e.NameRelay(at("localhost:8"), reflecting)
	e.NameRelay(at("127.0.0.1:9"), "127.0.0.1:9")
	if err := describe("127.0.0.1:7", buy, tea); err != nil {
		t.Errorf("through two proxies: %v", err)
	}
	if err := describe("127.0.0.1:9", buy, tea); err == nil {
		t.Error("a proxy that leads to itself has described it")
	}

	// Where it has to go through what counts its hits, these are a probe's.
	e = newEffects(t, open(), Options{})
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	met := make(chan struct{})
	go func() {
		defer close(met)
		conn, err := front.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1)) // its request
		if !e.IsProbe(netip.MustParseAddrPort(conn.RemoteAddr().String())) {
			unmarked.Add(1)
		}
	}()
	if err := describe(front.Addr().String(), buy, tea); err == nil {
		t.Error("a server that hangs up has described it")
	}
	front.Close()
	<-met
	if unmarked.Load() != 0 {
		t.Error("it was not a probe that asked")
	}
}
