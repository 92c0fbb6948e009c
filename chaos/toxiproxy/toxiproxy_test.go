package toxiproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/chaos/link/linktest"
	"starquake/chaos/toxiproxy"
	"starquake/chaos/toxiproxy/toxiproxytest"
)

// Toxiproxy's own goroutines end when the connections do, some after a test.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"), goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

type args = map[string]any

// shop starts a Toxiproxy with a proxy in front of an echo, which is asked through what through,
// unless that is nil, puts in front of the connection.
func shop(t *testing.T, through func(http.RoundTripper) http.RoundTripper) (*toxiproxytest.Server, *toxiproxy.Proxy) {
	t.Helper()
	s := toxiproxytest.Start(t)
	s.Proxy("shop", echo(t))
	own := new(http.Transport)
	t.Cleanup(own.CloseIdleConnections)
	client := &http.Client{Transport: own}
	if through != nil {
		client.Transport = through(own)
	}
	return s, &toxiproxy.Proxy{Caller: link.Caller{HTTP: client, Base: s.URL}, Name: "shop"}
}

func made(t *testing.T, kind string, a args) chaos.Fault {
	t.Helper()
	f, err := chaos.New(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// echo is a server that says "hello" to whoever sends a byte.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var b [1]byte
				for {
					if _, err := c.Read(b[:]); err != nil {
						return
					}
					if _, err := io.WriteString(c, "hello"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// ask sends a byte and gives the answer, waiting at most so long.
func ask(address string, within time.Duration) (string, time.Duration, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within)) // a TCP connection has deadlines
	began := time.Now()
	if _, err := c.Write([]byte("?")); err != nil {
		return "", 0, err
	}
	var answer [5]byte
	n, err := io.ReadFull(c, answer[:])
	return string(answer[:n]), time.Since(began), err
}

const patience = 2 * time.Minute

func TestFaults(t *testing.T) {
	s := toxiproxytest.Start(t)
	listen := s.Proxy("shop", echo(t))
	p := &toxiproxy.Proxy{Caller: link.Caller{HTTP: http.DefaultClient, Base: s.URL}, Name: "shop"}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	ctx := context.Background()

	hangs := func(_ string, _ time.Duration, err error) bool { return errors.Is(err, errTimeout(err)) }
	for i, tt := range []struct {
		kind   string
		args   args
		toxics string
		within time.Duration
		sees   func(answer string, took time.Duration, err error) bool
	}{
		{"latency", args{"delay": "120ms"}, "latency downstream 1 map[jitter:0 latency:120]", patience,
			func(a string, took time.Duration, err error) bool {
				return a == "hello" && took >= 115*time.Millisecond && err == nil
			}},
		{"latency", args{"between": []any{"100ms", "200ms"}, "direction": "request", "probability": 0.5}, "latency upstream 0.5 map[jitter:50 latency:150]", patience,
			func(a string, _ time.Duration, err error) bool { return a == "hello" && err == nil }},
		{"latency", args{"delay": "60ms", "jitter_percent": 50, "direction": "both"}, "latency upstream 1 map[jitter:30 latency:60]; latency downstream 1 map[jitter:30 latency:60]", patience,
			func(a string, took time.Duration, err error) bool { return a == "hello" && took >= 55*time.Millisecond }},
		{"bandwidth", args{"rate": "20KB/s", "direction": "response"}, "bandwidth downstream 1 map[rate:20]", patience,
			func(a string, _ time.Duration, err error) bool { return a == "hello" }},
		{"blackhole", nil, "timeout upstream 1 map[timeout:0]; timeout downstream 1 map[timeout:0]", 300 * time.Millisecond, hangs},
		{"partition", args{"probability": 0.25}, "timeout upstream 0.25 map[timeout:0]", 300 * time.Millisecond,
			func(a string, _ time.Duration, err error) bool { return a == "hello" || err != nil }},
		{"timeout", args{"after": "80ms"}, "timeout upstream 1 map[timeout:80]; timeout downstream 1 map[timeout:80]", patience,
			func(a string, took time.Duration, err error) bool { return errors.Is(err, io.EOF) && a == "" }},
		{"reset", nil, "reset_peer upstream 1 map[timeout:0]", patience,
			func(a string, _ time.Duration, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"slow_close", args{"delay": "50ms"}, "slow_close upstream 1 map[delay:50]; slow_close downstream 1 map[delay:50]", patience,
			func(a string, _ time.Duration, err error) bool { return a == "hello" }},
		{"slicer", args{"average": 2, "variation": 1, "delay": "1ms"}, "slicer upstream 1 map[average_size:2 delay:1000 size_variation:1]; slicer downstream 1 map[average_size:2 delay:1000 size_variation:1]", patience,
			func(a string, _ time.Duration, err error) bool { return a == "hello" }},
		{"limit_data", args{"bytes": 3}, "limit_data downstream 1 map[bytes:3]", patience,
			func(a string, _ time.Duration, err error) bool { return a == "hel" && err != nil }},
		{"refuse", args{"open_connections": "close"}, "noop upstream 1 map[]", patience,
			func(_ string, _ time.Duration, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
	} {
		t.Run(fmt.Sprint(i, " ", tt.kind), func(t *testing.T) {
			a, err := p.Apply(ctx, made(t, tt.kind, tt.args), "run-0.1-7", 0, link.Hold{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, x := range s.State("shop").Toxics {
				if !strings.HasPrefix(x.Name, "starquake-run-0.1-7-") {
					t.Errorf("the toxic is called %s", x.Name)
				}
				have = append(have, fmt.Sprint(x.Type, " ", x.Stream, " ", x.Toxicity, " ", x.Attributes))
			}
			if got := strings.Join(have, "; "); got != tt.toxics {
				t.Errorf("the proxy has %s, want %s", got, tt.toxics)
			}
			answer, took, err := ask(listen, tt.within)
			// Toxiproxy loses what limit_data lets pass now and then: it is asked again.
			for try := 1; tt.kind == "limit_data" && !tt.sees(answer, took, err) && try < 10; try++ {
				answer, took, err = ask(listen, tt.within)
			}
			if !tt.sees(answer, took, err) {
				t.Errorf("a client saw %q after %s, %v", answer, took, err)
			}
			if err := a.Remove(ctx); err != nil {
				t.Fatal(err)
			}
			if !s.Clean("shop") {
				t.Errorf("something is left: %+v", s.State("shop"))
			}
			if answer, _, err := ask(listen, patience); answer != "hello" {
				t.Errorf("afterwards a client saw %q, %v", answer, err)
			}
		})
	}
}

// errTimeout is err if it says that a deadline has passed.
func errTimeout(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return err
	}
	return errors.New("no time-out")
}

func TestFits(t *testing.T) {
	ramp := args{"ramp": args{"start": "1ms", "end": "9ms", "over": "1s", "shape": "linear"}}
	for _, tt := range []struct {
		kind string
		args args
		want string
	}{
		{"http_error", args{"codes": 500}, "since it does not look into what passes; it can bandwidth, blackhole"},
		{"latency", args{"delay": ramp}, "no ramps"},
		{"latency", args{"delay": "1s", "match": args{"path": "/x"}}, "connections, not requests"},
		{"latency", args{"delay": "1s", "jitter": "1ms", "distribution": "normal"}, "draws evenly"},
		{"latency", args{"delay": "400us"}, "less than a millisecond"},
		{"latency", args{"between": []any{"1ms", "3ms"}, "jitter": "1ms"}, "one draw"},
		{"latency", args{"delay": "1s", "direction": "both", "probability": 0.5}, "each direction alone"},
		{"latency", args{"delay": "1s", "pulse": args{"on": "10ms", "off": "1s"}}, "at least 100ms"},
		{"bandwidth", args{"rate": "100KB/s", "per": "target"}, "each connection for itself"},
		{"bandwidth", args{"rate": 300}, "at least 1KB/s"},
		{"blackhole", args{"open_connections": "reset"}, "freezes"},
		{"timeout", args{"after": 0}, "never close"},
		{"reset", args{"after": "6s"}, "at most 5s"},
		{"reset", args{"probability": 0.5}, "not drawn"},
		{"refuse", nil, `open_connections = "close"`},
		{"refuse", args{"open_connections": "close", "probability": 0.5}, "or none"},
		{"slicer", args{"average": 10, "variation": 10}, "less than the average"},
	} {
		f := made(t, tt.kind, tt.args)
		if err := toxiproxy.Fits(&f); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", f, err, tt.want)
		}
	}
}

// TestPulseAndLift looks at a fault that comes and goes.
func TestPulseAndLift(t *testing.T) {
	s, p := shop(t, nil)
	f := made(t, "latency", args{"delay": "1ms", "pulse": args{"on": "150ms", "off": "150ms"}})
	a, err := p.Apply(context.Background(), f, "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	on := func() bool { return len(s.State("shop").Toxics) == 1 }
	for _, want := range []bool{true, false, true} {
		eventually(t, func() bool { return on() == want })
	}
	a.Lift()
	eventually(t, func() bool { return !on() })
	a.Restore()
	eventually(t, on)
	if err := a.Remove(context.Background()); err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
}

// TestLost looks at a fault that somebody else takes off.
func TestLost(t *testing.T) {
	s, p := shop(t, nil)
	a, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Do(http.MethodPost, "/reset", nil, nil)
	select {
	case err := <-a.Lost():
		if !link.IsLost(err) || !strings.Contains(err.Error(), "is gone") {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("nobody noticed")
	}
	if err := a.Remove(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestRefuseTwice looks at two that disable one proxy: the last one enables it.
func TestRefuseTwice(t *testing.T) {
	s, p := shop(t, nil)
	f := made(t, "refuse", args{"open_connections": "close"})
	ctx := context.Background()
	one, err := p.Apply(ctx, f, "one", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := p.Apply(ctx, f, "two", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	two.Stop() // as if its process had died
	if err := one.Remove(ctx); err != nil || s.State("shop").Enabled {
		t.Errorf("%v; enabled although the other one is on", err)
	}
	if err := p.Undo(ctx, "two"); err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
	// What was disabled by somebody else is none of ours, and stays.
	s.Do(http.MethodPost, "/proxies/shop", args{"enabled": false}, nil)
	if _, err := p.Apply(ctx, f, "three", 0, link.Hold{}, nil); err == nil || !link.IsUntouched(err) || !strings.Contains(err.Error(), "by somebody else") {
		t.Errorf("got %v", err)
	}
	if err := p.Undo(ctx, "three"); err != nil || s.State("shop").Enabled {
		t.Errorf("undoing what was never done: %v, enabled %v", err, s.State("shop").Enabled)
	}
}

// TestRefuseUnmarked looks at a proxy that we have disabled, and whose mark somebody took off
// with all toxics: it is ours to enable all the same, in a pause that lifts faults and at the end.
func TestRefuseUnmarked(t *testing.T) {
	s, p := shop(t, nil)
	f := made(t, "refuse", args{"open_connections": "close"})
	for name, end := range map[string]func(*toxiproxy.Applied){
		"at the end": func(*toxiproxy.Applied) {},
		"lifted": func(a *toxiproxy.Applied) {
			a.Lift()
			eventually(t, func() bool { return s.State("shop").Enabled })
		},
	} {
		a, err := p.Apply(context.Background(), f, "one", 0, link.Hold{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Do(http.MethodDelete, "/proxies/shop/toxics/starquake-one-refuse", nil, nil)
		end(a)
		if err := a.Remove(context.Background()); err != nil || !s.Clean("shop") {
			t.Errorf("%s: %v, %+v", name, err, s.State("shop"))
		}
	}
}

// saysEnabled answers that a proxy was enabled without enabling it, for so many times.
type saysEnabled struct {
	http.RoundTripper
	times int
}

func (s *saysEnabled) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost && req.ContentLength == int64(len(`{"enabled":true}`)) && s.times > 0 {
		s.times--
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
	}
	return s.RoundTripper.RoundTrip(req)
}

// TestEnabledConfirmed: a proxy counts as enabled when Toxiproxy shows it so.
func TestEnabledConfirmed(t *testing.T) {
	s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { return &saysEnabled{own, 2} })
	a, err := p.Apply(context.Background(), made(t, "refuse", args{"open_connections": "close"}), "one", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Remove(context.Background()); err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
}

// notThere answers as what stands before a Toxiproxy that it does not reach, for so many times.
type notThere struct {
	http.RoundTripper
	times int
}

func (n *notThere) RoundTrip(req *http.Request) (*http.Response, error) {
	if n.times > 0 {
		n.times--
		return &http.Response{StatusCode: http.StatusNotFound, Body: io.NopCloser(strings.NewReader("404 page not found")), Request: req}, nil
	}
	return n.RoundTripper.RoundTrip(req)
}

// TestGoneInItsWords: that a proxy is gone, and its faults with it, only Toxiproxy can say.
func TestGoneInItsWords(t *testing.T) {
	before := new(notThere)
	s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { before.RoundTripper = own; return before })
	a, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Stop()
	before.times = 2
	if err := a.Remove(context.Background()); err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
	select {
	case err := <-a.Lost():
		t.Errorf("lost: %v", err)
	default:
	}
	s.Do(http.MethodDelete, "/proxies/shop", nil, nil)
	if err := p.Undo(context.Background(), "r"); err != nil {
		t.Errorf("a proxy that is gone: %v", err)
	}
}

// TestLate: what was given up may go on after nothing of it was found; it does not stay.
func TestLate(t *testing.T) {
	through := new(linktest.Late)
	s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { through.RoundTripper = own; return through })
	through.Next(http.MethodPost, 2)
	if _, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := p.Undo(context.Background(), "r"); err != nil || !through.Arrived() || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
	// The same where it was on, and is to be again.
	a, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Lift()
	eventually(t, func() bool { return s.Clean("shop") })
	through.Next(http.MethodPost, 2)
	a.Restore()
	eventually(t, through.GaveUp)
	if err := a.Remove(context.Background()); err != nil || !through.Arrived() || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
}

// lateDisable gives up the next request that disables a proxy, and has it arrive later.
type lateDisable struct {
	*linktest.Late
	looks int
	armed atomic.Bool
}

func (l *lateDisable) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPost && req.ContentLength == int64(len(`{"enabled":false}`)) && l.armed.CompareAndSwap(true, false) {
		l.Next(http.MethodPost, l.looks)
	}
	return l.Late.RoundTrip(req)
}

// TestLateRefuse: the same where it is the proxy that is disabled late, when our mark is gone.
func TestLateRefuse(t *testing.T) {
	through := &lateDisable{Late: new(linktest.Late), looks: 2}
	s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { through.RoundTripper = own; return through })
	f := made(t, "refuse", args{"open_connections": "close"})
	ctx := context.Background()
	through.armed.Store(true)
	if _, err := p.Apply(ctx, f, "one", 0, link.Hold{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := p.Undo(ctx, "one"); err != nil || !through.Arrived() || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
	// The same where it was on, and is to be again.
	a, err := p.Apply(ctx, f, "two", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Lift()
	eventually(t, func() bool { return s.Clean("shop") })
	through.armed.Store(true)
	a.Restore()
	eventually(t, through.GaveUp)
	if err := a.Remove(ctx); err != nil || !through.Arrived() || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
	// Whoever undoes it knows of it only by its mark.
	s.Do(http.MethodPost, "/proxies/shop/toxics", args{"name": "starquake-three-refuse", "type": "noop"}, nil)
	undone := make(chan error, 1)
	go func() { undone <- p.Undo(ctx, "three") }()
	eventually(t, func() bool { return len(s.State("shop").Toxics) == 0 })
	s.Do(http.MethodPost, "/proxies/shop", args{"enabled": false}, nil)
	if err := <-undone; err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
}

// TestOverdue: what was not answered in time, and was not seen since, may go on at any time; once
// it was seen it cannot any more.
func TestOverdue(t *testing.T) {
	for kind, a := range map[string]args{"latency": {"delay": "1ms"}, "refuse": {"open_connections": "close"}} {
		through := &lateDisable{Late: new(linktest.Late), looks: 100}
		s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { through.RoundTripper = own; return through })
		if kind == "refuse" {
			through.armed.Store(true)
		} else {
			through.Next(http.MethodPost, 5)
		}
		ctx := context.Background()
		_, err := p.Apply(ctx, made(t, kind, a), "r", 0, link.Hold{}, nil)
		var late *link.OverdueError
		if !errors.As(err, &late) {
			t.Fatalf("%s: %v", kind, err)
		}
		if came, err := late.Undo(ctx); err != nil || came {
			t.Errorf("%s: came %v, %v", kind, came, err)
		}
		if kind == "refuse" { // as somebody else would
			s.Do(http.MethodPost, "/proxies/shop", args{"enabled": false}, nil)
		}
		if came, err := late.Undo(ctx); err != nil || !came || kind != "refuse" && !s.Clean("shop") {
			t.Errorf("%s: came %v, %v, %+v", kind, came, err, s.State("shop"))
		}
	}
}

// TestLateLifted: what was given up while the fault was to go on again, and is lifted once more
// before it arrives, is not on until the fault ends.
func TestLateLifted(t *testing.T) {
	through := new(linktest.Late)
	s, p := shop(t, func(own http.RoundTripper) http.RoundTripper { through.RoundTripper = own; return through })
	a, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Lift()
	eventually(t, func() bool { return s.Clean("shop") })
	through.Next(http.MethodPost, 2)
	a.Restore()
	eventually(t, through.GaveUp)
	a.Lift()
	eventually(t, func() bool { return through.Arrived() && s.Clean("shop") })
	if err := a.Remove(context.Background()); err != nil || !s.Clean("shop") {
		t.Errorf("%v, %+v", err, s.State("shop"))
	}
}

// TestLostAtTheEnd: a fault that was gone before it was taken off is lost, however shortly
// before; one that was off by itself then, as a pulse is, is not.
func TestLostAtTheEnd(t *testing.T) {
	s, p := shop(t, nil)
	lost := func(a *toxiproxy.Applied) error {
		select {
		case err := <-a.Lost():
			return err
		default:
			return nil
		}
	}
	a, err := p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Do(http.MethodPost, "/reset", nil, nil)
	if err := a.Remove(context.Background()); err != nil {
		t.Error(err)
	}
	if err := lost(a); !link.IsLost(err) {
		t.Errorf("it was gone, and is told to be %v", err)
	}
	if a, err = p.Apply(context.Background(), made(t, "latency", args{"delay": "1ms"}), "r", 0, link.Hold{}, nil); err != nil {
		t.Fatal(err)
	}
	a.Lift()
	eventually(t, func() bool { return len(s.State("shop").Toxics) == 0 })
	if err := errors.Join(a.Remove(context.Background()), lost(a)); err != nil {
		t.Errorf("lifted: %v", err)
	}
}

// TestUndoUnreachable says what to do by hand.
func TestUndoUnreachable(t *testing.T) {
	p := &toxiproxy.Proxy{Caller: link.Caller{HTTP: new(http.Client), Base: "http://127.0.0.1:1"}, Name: "shop"}
	undo := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return p.Undo(ctx, "run-0-1")
	}
	err := undo(200 * time.Millisecond)
	if errors.Is(err, context.DeadlineExceeded) { // a busy machine needs longer to ask at all
		err = undo(patience / 4)
	}
	if err == nil || !strings.Contains(err.Error(), "curl -X DELETE http://127.0.0.1:1/proxies/shop/toxics/NAME") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
