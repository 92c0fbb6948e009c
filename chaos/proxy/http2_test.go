package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"starquake/chaos"
	"starquake/chaos/proxy/h2/h2test"
)

// startGRPCProxy opens a proxy of the protocol before a gRPC server, and a client of it.
func startGRPCProxy(t testing.TB, protocol string, g *h2test.Service) (*Proxy, *grpc.ClientConn, context.Context) {
	addr, _ := h2test.StartGRPC(t, g)
	p := startProxy(t, protocol, addr)
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	t.Cleanup(cancel)
	return p, h2test.DialGRPC(t, p.Addr()), ctx
}

// Each kind that can be done on gRPC, as the client sees it; before and after, calls go
// through, on the same connection.
func TestGRPCFaults(t *testing.T) {
	for _, test := range []struct {
		kind string
		args map[string]any
		want codes.Code
		text string
		// spares is how many calls go through before.
		spares int
	}{
		{kind: "grpc_error", args: map[string]any{"codes": "NOT_FOUND"}, want: codes.NotFound, text: "NOT_FOUND: injected by a fault of kind grpc_error"},
		{kind: "grpc_error", args: map[string]any{"codes": 8, "message": "no more, 100 %"}, want: codes.ResourceExhausted, text: "no more, 100 %"},
		{kind: "grpc_error", args: map[string]any{"codes": 14, "match": map[string]any{"grpc_method": "test.Echo/Unary"}}, want: codes.Unavailable},
		{kind: "grpc_error", args: map[string]any{"codes": 14, "match": map[string]any{"path": "/other"}}, want: codes.OK},
		{kind: "http_error", args: map[string]any{"codes": 503}, want: codes.Unavailable, text: "injected by a fault of kind http_error"},
		{kind: "http_error", args: map[string]any{"codes": 429, "body": "slow down"}, want: codes.ResourceExhausted, text: "slow down"},
		{kind: "http_error", args: map[string]any{"codes": 500}, want: codes.Internal},
		{kind: "http_error", args: map[string]any{"codes": 504}, want: codes.DeadlineExceeded},
		{kind: "connection_error", args: map[string]any{"kind": "http_503"}, want: codes.Unavailable},
		{kind: "connection_error", args: map[string]any{"kind": "tcp_reset"}, want: codes.Internal},
		{kind: "reset", args: map[string]any{}, want: codes.Internal},
		{kind: "timeout", args: map[string]any{"after": "5ms"}, want: codes.Internal},
		{kind: "rate_limit", args: map[string]any{"rate": 0.001, "burst": 2}, want: codes.ResourceExhausted, spares: 2},
		{kind: "grpc_abort", args: map[string]any{"after_messages": 1}, want: codes.Unavailable, text: "injected by a fault of kind grpc_abort"},
		{kind: "grpc_abort", args: map[string]any{"after_messages": 0, "code": "DATA_LOSS"}, want: codes.DataLoss},
		{kind: "grpc_abort", args: map[string]any{"after_messages": 1, "direction": "request", "code": "ABORTED"}, want: codes.Aborted},
		{kind: "grpc_abort", args: map[string]any{"after_messages": 1, "how": "reset", "code": "CANCELLED"}, want: codes.Canceled},
		{kind: "grpc_abort", args: map[string]any{"after_messages": 2}, want: codes.OK},
		{kind: "latency", args: map[string]any{"delay": "3ms", "direction": "both"}, want: codes.OK},
		{kind: "packet_loss", args: map[string]any{"percent": 0.001}, want: codes.OK},
		{kind: "slicer", args: map[string]any{"average": 7, "variation": 0, "delay": "10us"}, want: codes.OK},
		{kind: "bandwidth", args: map[string]any{"rate": "10MB/s"}, want: codes.OK},
		{kind: "bulkhead", args: map[string]any{}, want: codes.OK},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p, c, ctx := startGRPCProxy(t, "auto", &h2test.Service{})
			call := func() error {
				body := strings.Repeat("hello", 100)
				got, err := h2test.Unary(ctx, c, body)
				if err == nil && got != body {
					t.Errorf("got %d bytes, want those sent", len(got))
				}
				return err
			}
			if err := call(); err != nil {
				t.Fatal(err)
			}
			a := apply(t, p, "x", test.kind, test.args)
			for range test.spares {
				if err := call(); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 {
				if st := status.Convert(call()); st.Code() != test.want || !strings.Contains(st.Message(), test.text) {
					t.Fatalf("got %v %q, want %v %q", st.Code(), st.Message(), test.want, test.text)
				}
			}
			if s := a.Remove(); s.Hit > s.Seen || test.want != codes.OK && s.Hit != 10 || s.Inapplicable != 0 {
				t.Errorf("stats %+v", s)
			}
			if err := call(); err != nil {
				t.Errorf("after Remove: %v", err)
			}
			if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

// A call that hangs goes on when the fault goes; others, that it does not fit, do not
// hang. The delays of several faults add up.
func TestGRPCHolds(t *testing.T) {
	for _, kind := range []string{"blackhole", "latency"} {
		t.Run(kind, func(t *testing.T) {
			p, c, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
			args := map[string]any{"match": map[string]any{"headers": map[string]any{"slow": "yes"}}}
			if kind == "latency" {
				args["delay"], args["direction"] = "1h", "request"
			}
			a := apply(t, p, "x", kind, args)
			const held = 10
			results := make(chan error, held)
			slow := metadata.AppendToOutgoingContext(ctx, "slow", "yes")
			for range held {
				go func() {
					_, err := h2test.Unary(slow, c, "hello")
					results <- err
				}()
			}
			eventually(t, "the calls are held", func() bool { return a.Stats().Hit == held })
			for range 50 {
				if _, err := h2test.Unary(ctx, c, "hello"); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err := <-results:
				t.Fatalf("a held call came back: %v", err)
			default:
			}
			a.Lift()
			for range held {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			if s := a.Stats(); kind == "latency" && s.Released != held {
				t.Errorf("stats %+v, want %d released", s, held)
			}
		})
	}
	t.Run("sum", func(t *testing.T) {
		p, c, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
		a := apply(t, p, "a", "latency", map[string]any{"delay": "20ms", "direction": "both"})
		b := apply(t, p, "b", "latency", map[string]any{"delay": "15ms"})
		start := time.Now()
		if _, err := h2test.Unary(ctx, c, "hello"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 55*time.Millisecond {
			t.Errorf("it took %v, want 20 ms there, 35 ms back", took)
		}
		if s := a.Stats(); s.Asked != 40*time.Millisecond || s.Achieved < s.Asked {
			t.Errorf("stats %+v", s)
		}
		if s := b.Stats(); s.Asked != 15*time.Millisecond {
			t.Errorf("stats %+v", s)
		}
	})
}

// Connection faults act on streams that are open when they go on.
func TestGRPCOpenStreams(t *testing.T) {
	p, c, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
	s := h2test.Bidi(ctx, t, c)
	h2test.Send(t, s, "one")
	h2test.Receive(t, s)

	hole := apply(t, p, "hole", "blackhole", nil)
	eventually(t, "the stream meets it", func() bool { return hole.Stats().Hit == 1 })
	h2test.Send(t, s, "two")
	answered := make(chan string, 1)
	go func() { answered <- h2test.Receive(t, s) }()
	hole.Remove()
	if got := <-answered; got != "two" {
		t.Errorf("got %q", got)
	}
	slow := apply(t, p, "slow", "bandwidth", map[string]any{"rate": "1MB/s", "direction": "response"})
	eventually(t, "the stream meets it", func() bool { return slow.Stats().Hit == 1 })
	start := time.Now()
	h2test.Send(t, s, strings.Repeat("x", 300_000))
	h2test.Receive(t, s)
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("300 kB at 1 MB/s took %v", took)
	}
	apply(t, p, "reset", "reset", nil)
	if err := s.RecvMsg(new(h2test.Message)); status.Code(err) != codes.Internal {
		t.Errorf("after the reset: %v", err)
	}
}

func TestGRPCBulkhead(t *testing.T) {
	g := &h2test.Service{Started: make(chan string, 10), Release: make(chan struct{})}
	p, c, ctx := startGRPCProxy(t, "grpc", g)
	a := apply(t, p, "x", "bulkhead", map[string]any{"max_concurrent": 1, "queue": 1, "queue_timeout": "1h"})
	results := make(chan error, 2)
	call := func() {
		_, err := h2test.Unary(ctx, c, "wait")
		results <- err
	}
	go call()
	<-g.Started // it has the place
	go call()
	eventually(t, "one is queued", func() bool { return a.Stats().Seen == 2 })
	if _, err := h2test.Unary(ctx, c, "wait"); status.Code(err) != codes.Unavailable {
		t.Errorf("with the queue full: %v", err)
	}
	close(g.Release)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	a.Remove()

	g.Release = make(chan struct{})
	short := apply(t, p, "y", "bulkhead", map[string]any{"max_concurrent": 1, "queue": 1, "queue_timeout": "5ms"})
	<-g.Started // of the call that was queued
	go call()
	<-g.Started
	if _, err := h2test.Unary(ctx, c, "wait"); status.Code(err) != codes.Unavailable {
		t.Errorf("after waiting too long: %v", err)
	}
	left, cancel := context.WithCancel(ctx) // who leaves the queue takes no place
	cancel()
	_, _ = h2test.Unary(left, c, "wait")
	close(g.Release)
	if err := <-results; err != nil {
		t.Error(err)
	}
	if _, err := h2test.Unary(ctx, c, "hello"); err != nil {
		t.Errorf("with the place free: %v", err)
	}
	short.Remove()
}

func TestGRPCCircuitBreaker(t *testing.T) {
	p, c, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
	apply(t, p, "x", "circuit_breaker", map[string]any{"failure_threshold": 3, "timeout": "1h"})
	// NOT_FOUND is the caller's fault and opens nothing; INTERNAL is the server's.
	for range 5 {
		if _, err := h2test.Unary(ctx, c, "fail"); status.Code(err) != codes.NotFound {
			t.Fatal(err)
		}
	}
	e := apply(t, p, "e", "grpc_error", map[string]any{"codes": "INTERNAL"})
	for range 3 {
		if _, err := h2test.Unary(ctx, c, "hello"); status.Code(err) != codes.Internal {
			t.Fatal(err)
		}
	}
	e.Remove()
	if _, err := h2test.Unary(ctx, c, "hello"); status.Code(err) != codes.Unavailable {
		t.Errorf("with the breaker open: %v", err)
	}
}

// What plain HTTP/2 sees of the faults for HTTP.
func TestHTTP2Faults(t *testing.T) {
	upstream := h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"path":%q,"size":%d,"given":%q}`, r.URL.Path, len(body), r.Header.Get("Given"))
	})
	const plain = `{"path":"/a","size":5,"given":""}`
	for _, test := range []struct {
		kind   string
		args   map[string]any
		status int    // 0 for an error
		body   string // with "*" for one that differs from plain and has its length
		broken bool   // reading the body fails
		header string // "name: value" of the answer
	}{
		{kind: "http_error", args: map[string]any{"codes": 503, "body": "sorry", "headers": map[string]any{"Retry-After": "7"}}, status: 503, body: "sorry", header: "Retry-After: 7"},
		{kind: "http_error", args: map[string]any{"codes": 204}, status: 204},
		{kind: "rate_limit", args: map[string]any{"rate": 0.001, "burst": 1}, status: 429, body: "429 Too Many Requests: injected by a fault of kind rate_limit\n"},
		{kind: "connection_error", args: map[string]any{"kind": "tcp_reset"}},
		{kind: "reset", args: nil},
		{kind: "partial_response", args: map[string]any{"fraction": 0.5}, status: 200, body: plain[:len(plain)/2], broken: true},
		{kind: "limit_data", args: map[string]any{"bytes": 4}, status: 200, body: plain[:4], broken: true},
		{kind: "corrupt", args: map[string]any{"kind": "bit_flip"}, status: 200, body: "*"},
		{kind: "corrupt", args: map[string]any{"kind": "random_bytes"}, status: 200, body: "*"},
		{kind: "rewrite", args: map[string]any{"status": 418, "headers": map[string]any{"X-New": "n"}}, status: 418, body: plain, header: "X-New: n"},
		{kind: "rewrite", args: map[string]any{"body": "other", "remove_headers": "Content-Type"}, status: 200, body: "other"},
		{kind: "rewrite", args: map[string]any{"direction": "request", "headers": map[string]any{"Given": "this"}}, status: 200, body: `{"path":"/a","size":5,"given":"this"}`},
		{kind: "rewrite", args: map[string]any{"direction": "request", "body": "longer than it was"}, status: 200, body: `{"path":"/a","size":18,"given":""}`},
		{kind: "grpc_error", args: map[string]any{"codes": 14}, status: 200, body: plain},
	} {
		t.Run(test.kind, func(t *testing.T) {
			p := startProxy(t, "auto", upstream)
			client := oneConnection(t, h2test.NewHTTP2Client(t), "http", p.Addr())
			post := func() (int, string, http.Header, error) {
				resp, err := client.Post("http://"+p.Addr()+"/a", "text/plain", strings.NewReader("hello"))
				if err != nil {
					return 0, "", nil, err
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				return resp.StatusCode, string(body), resp.Header, err
			}
			a := apply(t, p, "x", test.kind, test.args)
			if test.kind == "rate_limit" {
				post()
			}
			for range 3 {
				code, body, header, err := post()
				if code != test.status || code != 0 && (err != nil) != test.broken {
					t.Fatalf("got %d, %v; want %d", code, err, test.status)
				}
				if test.body == "*" && (body == plain || len(body) != len(plain)) || test.body != "*" && body != test.body {
					t.Fatalf("got body %q, want %q", body, test.body)
				}
				if name, value, ok := strings.Cut(test.header, ": "); ok && header.Get(name) != value {
					t.Errorf("got header %v, want %s", header, test.header)
				}
			}
			a.Remove()
			if code, body, _, err := post(); code != 200 || body != plain || err != nil {
				t.Errorf("after Remove: %d, %q, %v", code, body, err)
			}
			if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
				t.Errorf("%d connections, want 1", n)
			}
		})
	}
}

// The throughput of a body is that of the fault, within 2 %.
func TestHTTP2Bandwidth(t *testing.T) {
	const size = 500_000
	upstream := h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, size))
	})
	p := startProxy(t, "http", upstream)
	client := h2test.NewHTTP2Client(t)
	apply(t, p, "x", "bandwidth", map[string]any{"rate": "1MB/s"})
	start := time.Now()
	if _, body := get(t, client, "http://"+p.Addr()+"/"); len(body) != size {
		t.Fatalf("got %d bytes", len(body))
	}
	// A machine under load may be slower, but the fault never faster.
	if took := time.Since(start); took < size*time.Microsecond*95/100 {
		t.Errorf("%d bytes at 1 MB/s took %v", size, took)
	}
}

func TestHTTP2Close(t *testing.T) {
	g := &h2test.Service{Started: make(chan string, 1), Release: make(chan struct{})}
	addr, _ := h2test.StartGRPC(t, g)
	p, err := Listen(t.Context(), Config{Listen: "127.0.0.1:0", Upstream: addr, Protocol: "grpc"})
	if err != nil {
		t.Fatal(err)
	}
	c := h2test.DialGRPC(t, p.Addr())
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), generous)
	defer cancel()
	go func() {
		_, err := h2test.Unary(ctx, c, "wait")
		result <- err
	}()
	<-g.Started
	closed := make(chan error, 1)
	go func() { closed <- p.Close(ctx) }()
	close(g.Release)
	if err := <-result; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Of the same seed the same calls are hit.
func TestHTTP2SameSeedSameHits(t *testing.T) {
	hits := func() (hit []bool) {
		p, c, ctx := startGRPCProxy(t, "grpc", &h2test.Service{})
		apply(t, p, "x", "grpc_error", map[string]any{"codes": 14, "probability": 0.3})
		for range 100 {
			_, err := h2test.Unary(ctx, c, "hello")
			hit = append(hit, err != nil)
		}
		return hit
	}
	if first, second := hits(), hits(); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("first %v, second %v", first, second)
	}
}

func TestGRPCStatusOfWatchers(t *testing.T) {
	for code, want := range map[int]chaos.Outcome{0: chaos.Succeeded, 1: chaos.Succeeded, 2: chaos.Failed, 3: chaos.Succeeded, 4: chaos.Failed, 5: chaos.Succeeded,
		7: chaos.Succeeded, 8: chaos.Succeeded, 12: chaos.Succeeded, 13: chaos.Failed, 14: chaos.Failed, 15: chaos.Failed, 16: chaos.Succeeded, 99: chaos.Succeeded} {
		if got := outcome(grpcStatus(code)); code != 0 && got != want {
			t.Errorf("code %d: %v, want %v", code, got, want)
		}
	}
}
