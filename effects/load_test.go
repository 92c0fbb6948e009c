package effects

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"starquake/effects/load"
	"starquake/runtime"
)

// loadArgs are the arguments of load on a URL.
func loadArgs(url string, rate float64, d time.Duration) LoadArgs {
	return LoadArgs{Traffic: "users", Spec: load.Spec{HTTP: &load.HTTP{URL: url}, Rate: []load.Piece{{From: rate}}, Duration: d}}
}

func TestLoadPermission(t *testing.T) {
	everywhere := []string{"*"}
	tests := []struct {
		name   string
		policy Policy
		named  []string // targets
		url    string
		rate   float64
		code   string // "": permitted
	}{
		{"nothing named", Policy{Network: everywhere, LoadOwnTargets: true}, nil, "http://a.test/", 1, CodeDenied},
		{"host listed", Policy{Network: everywhere, Load: []string{"a.test"}}, nil, "http://a.test:81/", 1, ""},
		{"other port", Policy{Network: everywhere, Load: []string{"a.test:80"}}, nil, "http://a.test:81/", 1, CodeDenied},
		{"own target", Policy{Network: everywhere, LoadOwnTargets: true}, []string{"127.0.0.1:18081", "a.test:80"}, "http://a.test/x", 1, ""},
		{"own target's machine by another name", Policy{Network: everywhere, LoadOwnTargets: true}, []string{":18081"}, "http://localhost:9/", 1, ""},
		{"own target where the operator lists", Policy{Network: everywhere, Load: []string{"b.test"}}, []string{"a.test:80"}, "http://a.test/", 1, CodeDenied},
		{"network closed", Policy{Load: everywhere}, nil, "http://a.test/", 1, CodeDenied},
		{"metadata", Policy{Network: everywhere, Load: everywhere}, nil, "http://169.254.169.254/", 1, CodeDenied},
		{"too fast", Policy{Network: everywhere, Load: everywhere, MaxLoadRate: 100}, nil, "http://a.test/", 101, CodeDenied},
		{"too fast by default", Policy{Network: everywhere, Load: everywhere}, nil, "http://a.test/", DefaultMaxLoadRate + 1, CodeDenied},
		{"no URL", Policy{Network: everywhere, Load: everywhere}, nil, "gopher://a.test/", 1, CodeInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEffects(t, test.policy, Options{})
			e.NameTarget(test.named...)
			req := request(t, KindLoad, loadArgs(test.url, test.rate, time.Second))
			err := e.Check(KindLoad, req.Args)
			if (err == nil) != (test.code == "") || err != nil && asProblem(err, "").Code != test.code {
				t.Errorf("got %v; expected the code %q", err, test.code)
			}
		})
	}
}

// TestLoadNameThatTurns: a host that is permitted by address alone is asked for its
// addresses before anything is sent.
func TestLoadNameThatTurns(t *testing.T) {
	e := newEffects(t, Policy{Network: []string{"*"}, Load: []string{"10.0.0.0/8"}}, Options{})
	req := request(t, KindLoad, loadArgs("http://localhost:9/", 1, time.Second))
	_, err := e.Perform(t.Context(), &runtime.Call{Request: req, Report: func(any) { t.Error("it was on") }})
	if err == nil || asProblem(err, "").Code != CodeDenied {
		t.Errorf("got %v; expected the code denied", err)
	}
}

// TestLoadPauses: in a pause nothing new is sent, its time does not count, and a probe
// still sees the figures from before.
func TestLoadPauses(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		w.WriteHeader(500)
	}))
	defer server.Close()
	e := newEffects(t, Policy{Network: []string{"*"}, Load: []string{"127.0.0.1"}}, Options{})
	signals := make(chan runtime.SignalKind)
	on := make(chan struct{}, 1)
	call := &runtime.Call{Request: request(t, KindLoad, loadArgs(server.URL, 100, 2*time.Second)), Signals: signals, Report: func(any) { on <- struct{}{} }}
	type result struct {
		answer any
		err    error
	}
	ended := make(chan result, 1)
	began := time.Now()
	go func() {
		answer, err := e.Perform(context.Background(), call)
		ended <- result{answer, err}
	}()
	<-on
	for served.Load() < 50 {
		time.Sleep(time.Millisecond)
	}
	limit := 0.5
	probe := request(t, KindProbe, TrafficProbe{Kind: "traffic", Traffic: "users", Figure: "error_rate", Below: &limit, Window: time.Second})
	if r := mustRead(t, e, probe); r.OK || !strings.Contains(r.Error, "error_rate is 1 in the last 1s, expected below 0.5") {
		t.Errorf("read %+v", r)
	}
	signals <- runtime.SignalPause
	// The load's own time stands still, and no more is sent than was due by then, though on a
	// busy machine that may come late.
	clock := func() time.Duration {
		return e.loads.find(func(*running) bool { return true })[0].Window(load.MaxWindow).Span
	}
	stands := clock()
	for time.Sleep(time.Millisecond); clock() != stands; time.Sleep(time.Millisecond) {
		stands = clock()
	}
	const pause = 300 * time.Millisecond
	time.Sleep(pause)
	if due := int64(stands/(10*time.Millisecond)) + 1; served.Load() > due {
		t.Errorf("%d requests by the end of a pause, %d were due before it", served.Load(), due)
	}
	if clock() != stands {
		t.Errorf("the time of the pause counts: from %s to %s", stands, clock())
	}
	if r := mustRead(t, e, probe); r.OK {
		t.Errorf("read %+v in a pause", r)
	}
	signals <- runtime.SignalResume
	res := <-ended
	f, _ := res.answer.(*load.Figures)
	// What a machine is too busy to send in time is not sent.
	if res.err != nil || f.Requests+f.Dropped != 200 || f.Span != 2*time.Second {
		t.Fatalf("got %+v, %v; expected 200 requests in 2s", f, res.err)
	}
	if took := time.Since(began); took < 2*time.Second+pause {
		t.Errorf("it took %s, the pause included", took)
	}
	if r := mustRead(t, e, probe); !r.OK {
		t.Errorf("read %+v of load that is over", r)
	}
}

// TestTrafficWithoutAnswers: what could not be measured in all of a window does not hold.
func TestTrafficWithoutAnswers(t *testing.T) {
	limit := 1.0
	p := TrafficProbe{Kind: "traffic", Traffic: "users", Figure: "p99", Below: &limit, Window: 10 * time.Second}
	for name, c := range map[string]struct {
		w    load.Window
		want bool
	}{
		"answers":                     {load.Window{Requests: 10, P99: time.Millisecond, Span: 10 * time.Second}, true},
		"nothing ended":               {load.Window{Span: 10 * time.Second}, false},
		"nothing ended yet":           {load.Window{Span: 9 * time.Second}, true},
		"all slots were taken":        {load.Window{Requests: 10, Errors: 10, Dropped: 10, ErrorRate: 1, Span: 10 * time.Second}, false},
		"all slots are taken so soon": {load.Window{Requests: 10, Errors: 10, Dropped: 10, ErrorRate: 1, Span: 9 * time.Second}, true},
	} {
		if r := p.judge(&c.w); r.OK != c.want || r.OK == (r.Error != "") {
			t.Errorf("%s: read %+v; expected ok %t", name, r, c.want)
		}
	}
}

func mustRead(t *testing.T, e *Effects, req runtime.Request) Reading {
	t.Helper()
	answer, err := e.Perform(t.Context(), &runtime.Call{Request: req})
	if err != nil {
		t.Fatal(err)
	}
	return answer.(Reading)
}

// TestLoadEndsEarly: load without an end ends when it is released, and one whose server
// never answers is cut off.
func TestLoadEndsEarly(t *testing.T) {
	hold, asked := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		<-hold
	}))
	defer server.Close()
	defer close(hold)
	e := newEffects(t, Policy{Network: []string{"*"}, Load: []string{"127.0.0.1"}}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	args := loadArgs(server.URL, 100, 0)
	args.Spec.Timeout = time.Hour
	began := time.Now()
	go func() {
		<-asked
		cancel()
	}()
	answer, err := e.Perform(ctx, &runtime.Call{Request: request(t, KindLoad, args), Report: func(any) {}})
	f, _ := answer.(*load.Figures)
	if err != nil || f.Requests != 0 || f.Unfinished == 0 || time.Since(began) > 5*time.Minute {
		t.Fatalf("got %+v, %v after %s; expected unfinished requests only", f, err, time.Since(began))
	}
}

func TestLoadIsPlanned(t *testing.T) {
	e := newEffects(t, Policy{}, Options{})
	tests := []struct {
		name string
		args LoadArgs
		want string // of the figures
	}{
		{"rate × duration", loadArgs("http://a.test/", 200, 30*time.Second), `"requests":6000,"errors":0`},
		{"simulated", func() LoadArgs {
			a := loadArgs("http://a.test/", 200, 30*time.Second)
			a.Simulated = json.RawMessage(`{"p99":"2s"}`)
			return a
		}(), `"p99":2000000000`},
		{"warm-up", func() LoadArgs {
			a := loadArgs("http://a.test/", 10, 30*time.Second)
			a.Spec.Warmup = 10 * time.Second
			return a
		}(), `"requests":200,`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := request(t, KindLoad, test.args)
			planned, err := e.Plan(&req)
			if err != nil {
				t.Fatal(err)
			}
			text, err := marshal(planned.Done.Data)
			if err != nil || planned.Done.After != 30*time.Second || !strings.Contains(string(text), test.want) {
				t.Errorf("after %s %s, %v; expected %s", planned.Done.After, text, err, test.want)
			}
			early, _ := planned.End(15 * time.Second)
			if text, _ := marshal(early); strings.Contains(test.want, "6000") && !strings.Contains(string(text), `"requests":3000`) {
				t.Errorf("after half the time %s", text)
			}
		})
	}
	bad := loadArgs("http://a.test/", 200, 30*time.Second)
	bad.Simulated = json.RawMessage(`{"p98":"2s"}`)
	req := request(t, KindLoad, bad)
	if _, err := e.Plan(&req); err == nil {
		t.Error("an unknown figure is simulated")
	}
}
