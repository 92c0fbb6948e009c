package mockforge_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/chaos/link/linktest"
	"starquake/chaos/mockforge"
	"starquake/chaos/mockforge/mockforgetest"
	"starquake/internal/memtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type args = map[string]any

func made(t *testing.T, kind string, a args) chaos.Fault {
	t.Helper()
	f, err := chaos.New(kind, a)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// open starts a fake with a configuration and attaches to it.
func open(t *testing.T, config map[string]any) (*mockforgetest.Server, *mockforge.Server) {
	t.Helper()
	l, client := memtest.Listen(t)
	fake := mockforgetest.StartOn(t, "sesame", l)
	if config != nil {
		fake.Set(config)
	}
	c := link.Caller{HTTP: client, Base: fake.URL, Token: "sesame"}
	prior, err := mockforge.Config(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return fake, &mockforge.Server{Caller: c, Prior: prior}
}

func apply(t *testing.T, s *mockforge.Server, f chaos.Fault) *mockforge.Applied {
	t.Helper()
	a, err := s.Apply(context.Background(), f, 0, link.Hold{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func remove(t *testing.T, a *mockforge.Applied) {
	t.Helper()
	if err := a.Remove(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestFaults puts every kind on alone and looks for what says so.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		kind  string
		args  args
		block string
		want  args
	}{
		{"latency", args{"delay": "250ms", "probability": 0.5}, "latency", args{"enabled": true, "fixed_delay_ms": 250., "probability": 0.5}},
		{"latency", args{"between": []any{"100ms", "300ms"}, "jitter_percent": 10}, "latency", args{"random_delay_range_ms": []any{100., 300.}, "jitter_percent": 10.}},
		{"http_error", args{"codes": []any{500, 503}, "probability": 0.25}, "fault_injection", args{"http_errors": []any{500., 503.}, "http_error_probability": 0.25, "connection_errors": false}},
		{"connection_error", args{"kind": "http_503", "probability": 0.5}, "fault_injection", args{"connection_errors": true, "connection_error_probability": 0.5, "http_error_probability": 0.}},
		{"timeout", args{"after": "2s"}, "fault_injection", args{"timeout_errors": true, "timeout_ms": 2000., "timeout_probability": 1.}},
		{"partial_response", nil, "fault_injection", args{"partial_responses": true, "partial_response_probability": 1.}},
		{"corrupt", args{"kind": "bit_flip"}, "fault_injection", args{"payload_corruption": true, "corruption_type": "bit_flip"}},
		{"rate_limit", args{"rate": 5, "burst": 2, "per": "ip"}, "rate_limit", args{"requests_per_second": 5., "burst_size": 2., "per_ip": true, "per_endpoint": false}},
		{"bandwidth", args{"rate": "100KB/s"}, "traffic_shaping", args{"bandwidth_limit_bps": 100000., "packet_loss_percent": 0.}},
		{"packet_loss", args{"percent": 5}, "traffic_shaping", args{"packet_loss_percent": 5.}},
		{"max_connections", args{"n": 3}, "traffic_shaping", args{"max_connections": 3.}},
		{"circuit_breaker", args{"failure_threshold": 3}, "circuit_breaker", args{"failure_threshold": 3., "timeout_ms": 60000.}},
		{"bulkhead", args{"max_concurrent": 7}, "bulkhead", args{"max_concurrent_requests": 7., "max_queue_size": 10.}},
	} {
		fake, s := open(t, nil)
		a := apply(t, s, made(t, tt.kind, tt.args))
		block := fake.Block(tt.block)
		for key, want := range tt.want {
			if diff := cmp.Diff(want, block[key]); diff != "" {
				t.Errorf("%s: %s.%s: %s", tt.kind, tt.block, key, diff)
			}
		}
		if fake.Config()["enabled"] != true {
			t.Errorf("%s: chaos is not enabled", tt.kind)
		}
		remove(t, a)
		if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
			t.Errorf("%s: afterwards: %s", tt.kind, diff)
		}
	}
}

// TestScopes looks at faults of several scopes, and at somebody's own configuration.
func TestScopes(t *testing.T) {
	theirs := mockforgetest.Initial()
	theirs["enabled"] = true
	theirs["bulkhead"] = args{"enabled": true, "max_concurrent_requests": 9., "max_queue_size": 1., "queue_timeout_ms": 10., "of_a_later_version": "x"}
	fake, s := open(t, theirs)
	one := apply(t, s, made(t, "latency", args{"delay": "100ms"}))
	two := apply(t, s, made(t, "latency", args{"delay": "50ms"}))
	errs := apply(t, s, made(t, "http_error", args{"codes": 503}))
	if got := fake.Block("latency")["fixed_delay_ms"]; got != 150. {
		t.Errorf("two delays are %v, want 150", got)
	}
	before := fake.Writes()
	_, err := s.Apply(context.Background(), made(t, "http_error", args{"codes": 500}), 0, link.Hold{}, nil)
	if err == nil || !link.IsUntouched(err) || !strings.Contains(err.Error(), "one fault of kind http_error at a time") || fake.Writes() != before {
		t.Errorf("two errors at once: %v after %d writes", err, fake.Writes()-before)
	}
	remove(t, one)
	if got := fake.Block("latency")["fixed_delay_ms"]; got != 50. {
		t.Errorf("the delay that is left is %v, want 50", got)
	}
	remove(t, two)
	if fake.Block("latency") != nil || fake.Block("fault_injection")["http_error_probability"] != 1. {
		t.Errorf("got %v", fake.Config())
	}
	remove(t, errs)
	if diff := cmp.Diff(theirs, fake.Config()); diff != "" {
		t.Errorf("theirs has not come back: %s", diff)
	}
}

// TestSleeping looks at blocks that are switched off as a whole: they stay so.
func TestSleeping(t *testing.T) {
	theirs := mockforgetest.Initial()
	theirs["rate_limit"] = args{"enabled": true, "requests_per_second": 1., "burst_size": 1., "per_ip": false, "per_endpoint": false}
	fake, s := open(t, theirs)
	a := apply(t, s, made(t, "latency", args{"delay": "100ms"}))
	if fake.Block("rate_limit") != nil {
		t.Errorf("a limit that was off is on: %v", fake.Block("rate_limit"))
	}
	remove(t, a)
	if diff := cmp.Diff(theirs, fake.Config()); diff != "" {
		t.Error(diff)
	}
}

// TestRampPulseLift looks at values that change with the time, which is a bubble's.
func TestRampPulseLift(t *testing.T) { synctest.Test(t, rampPulseLift) }

func rampPulseLift(t *testing.T) {
	fake, s := open(t, nil)
	f := made(t, "latency", args{"delay": args{"ramp": args{"start": "10ms", "end": "500ms", "over": "1s", "shape": "linear"}}})
	a := apply(t, s, f)
	delay := func() float64 { n, _ := fake.Block("latency")["fixed_delay_ms"].(float64); return n }
	if delay() != 10 {
		t.Errorf("it begins with %v", delay())
	}
	eventually(t, func() bool { return delay() > 10 && delay() < 500 })
	eventually(t, func() bool { return delay() == 500 })
	a.Lift()
	eventually(t, func() bool { return fake.Block("latency") == nil })
	a.Restore()
	eventually(t, func() bool { return delay() == 500 })
	remove(t, a)

	f = made(t, "latency", args{"delay": "5ms", "pulse": args{"on": "100ms", "off": "100ms"}})
	a = apply(t, s, f)
	for _, on := range []bool{true, false, true} {
		eventually(t, func() bool { return (delay() == 5) == on })
	}
	remove(t, a)
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
		t.Error(diff)
	}
}

func TestLostAndUndone(t *testing.T) {
	fake, s := open(t, nil)
	a := apply(t, s, made(t, "latency", args{"delay": "5ms"}))
	fake.Set(mockforgetest.Initial())
	select {
	case err := <-a.Lost():
		if !link.IsLost(err) {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("nobody noticed")
	}
	remove(t, a)

	a = apply(t, s, made(t, "latency", args{"delay": "5ms"}))
	a.Stop() // as if its process had died
	if err := mockforge.Undo(context.Background(), s.Caller, s.Prior); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
		t.Error(diff)
	}

	fake.Close()
	s.Caller.Base = "http://127.0.0.1:1"
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := mockforge.Undo(ctx, s.Caller, s.Prior); err == nil || !strings.Contains(err.Error(), "curl -X POST http://127.0.0.1:1/api/chaos/disable") {
		t.Errorf("got %v", err)
	}
}

// again attaches to a fake as another run would.
func again(t *testing.T, s *mockforge.Server) *mockforge.Server {
	t.Helper()
	prior, err := mockforge.Config(context.Background(), s.Caller)
	if err != nil {
		t.Fatal(err)
	}
	return &mockforge.Server{Caller: s.Caller, Prior: prior}
}

// TestAttachedMeanwhile looks at a run that attaches while the fault of another one is on, which
// it must not take for what was before: one that puts its fault on after the other has ended
// is refused, one that does so earlier does not put the other's fault on again, nor does who
// undoes it.
func TestAttachedMeanwhile(t *testing.T) {
	fake, one := open(t, nil)
	ctx := context.Background()
	theirs := apply(t, one, made(t, "latency", args{"delay": "5ms"}))
	two, three := again(t, one), again(t, one)
	ours := apply(t, two, made(t, "rate_limit", args{"rate": 5, "burst": 2}))
	remove(t, theirs)
	before := fake.Writes()
	_, err := three.Apply(ctx, made(t, "rate_limit", args{"rate": 5, "burst": 2}), 0, link.Hold{}, nil)
	if err == nil || !link.IsUntouched(err) || !strings.Contains(err.Error(), "changed it since") || fake.Writes() != before {
		t.Errorf("got %v after %d writes", err, fake.Writes()-before)
	}
	if err := ours.Remove(ctx); err != nil {
		t.Error(err)
	}
	if err := two.Restore(ctx); err != nil {
		t.Error(err)
	}
	if err := mockforge.Undo(ctx, two.Caller, two.Prior); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
		t.Error(diff)
	}
}

// TestAttachedMeanwhileOn: the same at a server on which chaos is on as such, with nothing in it.
func TestAttachedMeanwhileOn(t *testing.T) {
	fake, one := open(t, args{"enabled": true})
	before := fake.Config()
	theirs := apply(t, one, made(t, "latency", args{"delay": "5ms"}))
	two := again(t, one)
	ours := apply(t, two, made(t, "rate_limit", args{"rate": 5, "burst": 2}))
	more := apply(t, two, made(t, "bandwidth", args{"rate": "10KB/s"}))
	remove(t, theirs)
	remove(t, more) // while ours is still on
	if fake.Block("latency") != nil || fake.Block("rate_limit") == nil {
		t.Errorf("one of ours is on: %v", fake.Config())
	}
	remove(t, ours)
	if err := mockforge.Undo(context.Background(), two.Caller, two.Prior); err != nil {
		t.Error(err)
	}
	if fake.Block("latency") != nil || fake.Block("rate_limit") != nil || fake.Config()["enabled"] != before["enabled"] {
		t.Errorf("left: %v", fake.Config())
	}
}

// TestRampMeanwhile: a fault that is written anew while it climbs does not bring another run's
// back that has been taken off since.
func TestRampMeanwhile(t *testing.T) {
	fake, one := open(t, nil)
	theirs := apply(t, one, made(t, "latency", args{"delay": "5ms"}))
	two := again(t, one)
	ramp := args{"ramp": args{"start": 0.1, "end": 0.9, "over": "1h", "shape": "linear"}}
	ours := apply(t, two, made(t, "http_error", args{"codes": 500, "probability": ramp}))
	remove(t, theirs)
	select {
	case err := <-ours.Lost():
		if !link.IsLost(err) {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("nobody noticed")
	}
	remove(t, ours)
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
		t.Error(diff)
	}
}

// saysWritten answers that a configuration was written without writing it, for so many times.
type saysWritten struct {
	http.RoundTripper
	times int
}

func (s *saysWritten) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut && s.times > 0 {
		s.times--
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
	}
	return s.RoundTripper.RoundTrip(req)
}

// TestWrittenConfirmed: a fault counts as off when its block is, also where nothing stood in
// its place before.
func TestWrittenConfirmed(t *testing.T) {
	fake, s := open(t, args{"enabled": true})
	a := apply(t, s, made(t, "latency", args{"delay": "5ms"}))
	s.Caller.HTTP = &http.Client{Transport: &saysWritten{s.Caller.HTTP.Transport, 2}}
	remove(t, a)
	if fake.Block("latency") != nil {
		t.Errorf("it is on: %v", fake.Config())
	}
}

// TestLate: what was given up may be written after the prior configuration was; it does not stay.
func TestLate(t *testing.T) {
	fake, s := open(t, nil)
	ctx := context.Background()
	through := &linktest.Late{RoundTripper: s.Caller.HTTP.Transport}
	s.Caller.HTTP = &http.Client{Transport: through}
	f := made(t, "latency", args{"delay": "5ms"})
	through.Next(http.MethodPut, 1)
	if _, err := s.Apply(ctx, f, 0, link.Hold{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if err := s.Restore(ctx); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" || fake.Writes() < 3 {
		t.Errorf("after %d writes: %s", fake.Writes(), diff)
	}
	// The same where it was on, and is to be again.
	a := apply(t, s, f)
	a.Lift()
	eventually(t, func() bool { return fake.Block("latency") == nil })
	through.Next(http.MethodPut, 1)
	a.Restore()
	eventually(t, through.GaveUp)
	before := fake.Writes()
	remove(t, a)
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" || fake.Writes() < before+3 {
		t.Errorf("after %d writes: %s", fake.Writes()-before, diff)
	}
}

// TestOverdue: what was not answered in time, and was not seen since, may be written at any time;
// once it was seen it cannot any more.
func TestOverdue(t *testing.T) {
	fake, s := open(t, nil)
	ctx := context.Background()
	through := &linktest.Late{RoundTripper: s.Caller.HTTP.Transport}
	s.Caller.HTTP = &http.Client{Transport: through}
	through.Next(http.MethodPut, 4)
	_, err := s.Apply(ctx, made(t, "latency", args{"delay": "5ms"}), 0, link.Hold{}, nil)
	var late *link.OverdueError
	if !errors.As(err, &late) {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if came, err := late.Undo(ctx); err != nil || came != want {
			t.Errorf("came %v, %v; want %v", came, err, want)
		}
	}
	if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
		t.Error(diff)
	}
}

// TestLateLifted: nor is it on while the fault is lifted once more, or after its end.
func TestLateLifted(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		fake, s := open(t, nil)
		through := &linktest.Late{RoundTripper: s.Caller.HTTP.Transport}
		s.Caller.HTTP = &http.Client{Transport: through}
		a := apply(t, s, made(t, "latency", args{"delay": "5ms"}))
		a.Lift()
		eventually(t, func() bool { return fake.Block("latency") == nil })
		through.Next(http.MethodPut, 1)
		a.Restore()
		eventually(t, through.GaveUp)
		a.Lift()
		eventually(t, through.Arrived)
		if !atOnce {
			eventually(t, func() bool { return fake.Block("latency") == nil })
		}
		remove(t, a)
		if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
			t.Errorf("at once %v: %s", atOnce, diff)
		}
	}
}

func TestFits(t *testing.T) {
	ramp := args{"ramp": args{"start": 0, "end": 0.5, "over": "1s", "shape": "linear"}}
	for _, tt := range []struct {
		kind string
		args args
		want string
	}{
		{"reset", nil, "it can bandwidth, bulkhead"},
		{"latency", args{"delay": "1s", "direction": "request"}, "no key for direction"},
		{"latency", args{"delay": "1s", "match": args{"path": "/x"}}, "no key for a match"},
		{"http_error", args{"codes": 500, "probability": ramp}, ""},
		{"http_error", args{"codes": 500, "match": args{"path": "/x"}}, "request_matcher has no key"},
		{"latency", args{"delay": "1s", "pulse": args{"on": "10ms", "off": "1s"}}, "at least 100ms"},
	} {
		f := made(t, tt.kind, tt.args)
		err := mockforge.Fits(&f)
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", f, err, tt.want)
		}
	}
}

func TestWrongAddress(t *testing.T) {
	fake := mockforgetest.Start(t, "sesame")
	_, err := mockforge.Config(context.Background(), link.Caller{HTTP: fake.Client(), Base: fake.URL})
	if err == nil || !strings.Contains(err.Error(), `401: who are you?; give the engine its token with token = secret("NAME")`) {
		t.Errorf("got %v", err)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
