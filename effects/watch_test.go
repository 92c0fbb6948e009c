package effects

import (
	"context"
	"encoding/json"
	"net/http"
	goruntime "runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"starquake/runtime"
	"starquake/runtime/series"
)

// reported is a report and when it came.
type reported struct {
	At time.Duration
	WatchReport
}

// watching runs a watch in a bubble of its own time until ran is over. read is given
// the time since the start.
func watching(t *testing.T, args WatchArgs, ran time.Duration, read func(ctx context.Context, at time.Duration) Reading, signals ...signalAt) (reports []reported, summary WatchSummary) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), ran)
		defer cancel()
		sent := make(chan runtime.SignalKind, len(signals))
		for _, s := range signals {
			if s.at == 0 {
				sent <- s.kind
				continue
			}
			time.AfterFunc(s.at, func() { sent <- s.kind })
		}
		w := &watch{
			WatchArgs: args,
			read:      func(ctx context.Context) Reading { return read(ctx, time.Since(start)) },
			report:    func(data any) { reports = append(reports, reported{time.Since(start), data.(WatchReport)}) },
		}
		if args.HoldOnPause {
			w.signals = sent
		}
		w.run(ctx)
		summary = w.tally.summary(w.clock())
	})
	return reports, summary
}

// signalAt is a signal and when it is sent.
type signalAt struct {
	at   time.Duration
	kind runtime.SignalKind
}

// badWithin is a reading that is bad from one time to another and takes none.
func badWithin(from, to time.Duration) func(context.Context, time.Duration) Reading {
	return func(_ context.Context, at time.Duration) Reading {
		if from <= at && at < to {
			return Reading{Error: "simulated"}
		}
		return Reading{OK: true}
	}
}

const sec = time.Second

func TestWatch(t *testing.T) {
	good, bad := Reading{OK: true}, Reading{Error: "simulated"}
	after := func(d time.Duration) *time.Duration { return &d }
	tests := []struct {
		name     string
		from, to time.Duration // when it is bad
		breaches int
		ran      time.Duration
		reports  []reported
		summary  WatchSummary
	}{
		{
			name: "always good", breaches: 1, ran: 3500 * time.Millisecond,
			reports: []reported{{0, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 1}}},
			summary: WatchSummary{Seen: 4, Last: &good},
		},
		{
			name: "bad for a while", from: 2 * sec, to: 4 * sec, breaches: 1, ran: 5500 * time.Millisecond,
			reports: []reported{
				{0, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 1}},
				{2 * sec, WatchReport{State: runtime.WatchBad, Reading: bad, Seen: 3, Bad: 1}},
				{4 * sec, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 5, Bad: 2}},
			},
			summary: WatchSummary{Seen: 6, Bad: 2, LongestBad: 2 * sec, FirstBadAfter: after(2 * sec), Last: &good},
		},
		{
			name: "bad to the end", from: sec, to: soon, breaches: 1, ran: 2500 * time.Millisecond,
			reports: []reported{
				{0, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 1}},
				{sec, WatchReport{State: runtime.WatchBad, Reading: bad, Seen: 2, Bad: 1}},
			},
			summary: WatchSummary{Seen: 3, Bad: 2, LongestBad: 1500 * time.Millisecond, FirstBadAfter: after(sec), Last: &bad},
		},
		{
			name: "fewer in a row than a breach needs", from: sec, to: 3 * sec, breaches: 3, ran: 4500 * time.Millisecond,
			reports: []reported{{0, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 1}}},
			summary: WatchSummary{Seen: 5, Bad: 2, LongestBad: 2 * sec, FirstBadAfter: after(sec), Last: &good},
		},
		{
			name: "bad at once, but not yet a breach", to: soon, breaches: 2, ran: 1500 * time.Millisecond,
			reports: []reported{
				{0, WatchReport{State: runtime.WatchPending, Reading: bad, Seen: 1, Bad: 1}},
				{sec, WatchReport{State: runtime.WatchBad, Reading: bad, Seen: 2, Bad: 2}},
			},
			summary: WatchSummary{Seen: 2, Bad: 2, LongestBad: 1500 * time.Millisecond, FirstBadAfter: after(0), Last: &bad},
		},
	}
	tests = append(tests, tests[len(tests)-1])
	pending := &tests[len(tests)-1]
	pending.name, pending.to, pending.breaches, pending.ran = "bad at once, and never a breach", 2*sec, 3, 2500*time.Millisecond
	pending.reports = []reported{
		{0, WatchReport{State: runtime.WatchPending, Reading: bad, Seen: 1, Bad: 1}},
		{2 * sec, WatchReport{State: runtime.WatchHolds, Reading: good, Seen: 3, Bad: 2}},
	}
	pending.summary = WatchSummary{Seen: 3, Bad: 2, LongestBad: 2 * sec, FirstBadAfter: after(0), Last: &good}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := WatchArgs{Every: sec, Breaches: test.breaches, Limit: 10 * sec}
			reports, summary := watching(t, args, test.ran, badWithin(test.from, test.to))
			if diff := cmp.Diff(test.reports, reports); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.summary, summary, noSeries); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

// noSeries leaves the series out: a plan has none.
var noSeries = cmpopts.IgnoreFields(WatchSummary{}, "Series")

// A planned watch says what a real one does whose readings take no time.
func TestPlannedWatchIsTheRealOne(t *testing.T) {
	const every = 3 * sec
	for badAfter := range 8 * sec / sec {
		for badFor := range 8 * sec / sec {
			for breaches := 1; breaches <= 3; breaches++ {
				for _, ran := range []time.Duration{1, 5 * sec, 10 * sec, 20 * sec} {
					plan := watchPlan{every: every, breaches: breaches, good: Reading{OK: true}, bad: Reading{Error: "simulated"},
						badAfter: badAfter * sec, badFor: badFor * sec}
					to := plan.badAfter + plan.badFor
					if badFor == 0 {
						to = time.Hour
					}
					reports, summary := watching(t, WatchArgs{Every: every, Breaches: breaches, Limit: 10 * sec}, ran, badWithin(plan.badAfter, to))
					var planned []reported
					p := plan.planned()
					for _, r := range p.Reports {
						if r.After < ran {
							planned = append(planned, reported{r.After, r.Data.(WatchReport)})
						}
					}
					end, _ := p.End(ran)
					if diff := cmp.Diff(reports, planned) + cmp.Diff(summary, end, noSeries); diff != "" {
						t.Fatalf("bad after %s for %s, breaches %d, ran %s (-real +planned):\n%s", plan.badAfter, plan.badFor, breaches, ran, diff)
					}
				}
			}
		}
	}
}

func TestWatchKeepsToItsTicks(t *testing.T) {
	tests := []struct {
		name   string
		takes  []time.Duration // each reading; the rest nothing
		begins []time.Duration
		missed int
	}{
		{"quick", nil, []time.Duration{0, sec, 2 * sec, 3 * sec, 4 * sec}, 0},
		{"within a tick", []time.Duration{900 * time.Millisecond}, []time.Duration{0, sec, 2 * sec, 3 * sec, 4 * sec}, 0},
		{"exactly a tick", []time.Duration{sec}, []time.Duration{0, sec, 2 * sec, 3 * sec, 4 * sec}, 0},
		{"longer than two", []time.Duration{0, 2100 * time.Millisecond}, []time.Duration{0, sec, 4 * sec}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var begins []time.Duration
			_, summary := watching(t, WatchArgs{Every: sec, Breaches: 1, Limit: 10 * sec}, 4500*time.Millisecond,
				func(_ context.Context, at time.Duration) Reading {
					begins = append(begins, at)
					if i := len(begins) - 1; i < len(test.takes) {
						time.Sleep(test.takes[i])
					}
					return Reading{OK: true}
				})
			if diff := cmp.Diff(test.begins, begins); diff != "" {
				t.Errorf("readings began at (-want +got):\n%s", diff)
			}
			if summary.Missed != test.missed || summary.Seen != len(test.begins) {
				t.Errorf("seen %d, missed %d; want %d, %d", summary.Seen, summary.Missed, len(test.begins), test.missed)
			}
		})
	}
}

func TestWatchLimitsAReading(t *testing.T) {
	reports, summary := watching(t, WatchArgs{Every: sec, Breaches: 1, Limit: 2 * sec}, 3500*time.Millisecond,
		func(ctx context.Context, _ time.Duration) Reading {
			<-ctx.Done()
			return Reading{OK: true, Value: 7}
		})
	want := Reading{Value: 7, Elapsed: 2 * sec, Error: "timeout: the reading took longer than its limit of 2s"}
	if diff := cmp.Diff([]reported{{2 * sec, WatchReport{State: runtime.WatchBad, Reading: want, Seen: 1, Bad: 1}}}, reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if summary.Seen != 1 { // the second reading was interrupted, which says nothing
		t.Errorf("seen %d, want 1", summary.Seen)
	}
}

func TestWatchPauses(t *testing.T) {
	pause := []signalAt{{1500 * time.Millisecond, runtime.SignalPause}, {1600 * time.Millisecond, runtime.SignalLift}, {5700 * time.Millisecond, runtime.SignalResume}}
	tests := []struct {
		name    string
		hold    bool
		signals []signalAt
		begins  []time.Duration
		longest time.Duration
	}{
		{"held", true, pause, []time.Duration{0, sec, 5700 * time.Millisecond, 6700 * time.Millisecond}, 3300 * time.Millisecond},
		{"not held", false, pause, []time.Duration{0, sec, 2 * sec, 3 * sec, 4 * sec, 5 * sec, 6 * sec, 7 * sec}, 7500 * time.Millisecond},
		{"for good", true, pause[:1], []time.Duration{0, sec}, 1500 * time.Millisecond},
		{"from the start", true, []signalAt{{0, runtime.SignalPause}, {1500 * time.Millisecond, runtime.SignalResume}, {4 * sec, runtime.SignalFinish}}, []time.Duration{1500 * time.Millisecond, 2500 * time.Millisecond, 3500 * time.Millisecond}, 2500 * time.Millisecond},
		{"finished before it begins", true, []signalAt{{0, runtime.SignalPause}, {sec, runtime.SignalFinish}}, nil, 0},
		{"resumed without a pause", true, pause[2:], []time.Duration{0, sec, 2 * sec, 3 * sec, 4 * sec, 5 * sec, 6 * sec, 7 * sec}, 7500 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var begins []time.Duration
			args := WatchArgs{Every: sec, Breaches: 1, Limit: 10 * sec, HoldOnPause: test.hold}
			_, summary := watching(t, args, 7500*time.Millisecond, func(_ context.Context, at time.Duration) Reading {
				begins = append(begins, at)
				return Reading{}
			}, test.signals...)
			if diff := cmp.Diff(test.begins, begins); diff != "" {
				t.Errorf("readings began at (-want +got):\n%s", diff)
			}
			if summary.LongestBad != test.longest || summary.Missed != 0 {
				t.Errorf("bad for %s, missed %d; want %s without the pause, 0", summary.LongestBad, summary.Missed, test.longest)
			}
		})
	}
}

// A reading that is under way when no other is to begin still counts.
func TestWatchFinishes(t *testing.T) {
	reports, summary := watching(t, WatchArgs{Every: sec, Breaches: 1, Limit: 10 * sec, HoldOnPause: true}, 20*sec, func(context.Context, time.Duration) Reading {
		time.Sleep(5 * sec)
		return Reading{Error: "late"}
	}, signalAt{3 * sec, runtime.SignalFinish})
	if summary.Seen != 1 || summary.Bad != 1 || len(reports) != 1 || reports[0].At != 5*sec {
		t.Errorf("seen %d, bad %d, reports %v", summary.Seen, summary.Bad, reports)
	}
}

// The whole of it: a real server that goes bad and comes back.
func TestWatchPerformed(t *testing.T) {
	var status atomic.Int64
	status.Store(200)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(int(status.Load())) })
	e := newEffects(t, open(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	spec, err := marshal(HTTPProbe{Kind: "http", URL: url, Timeout: soon})
	if err != nil {
		t.Fatal(err)
	}
	var states []runtime.WatchState
	call := &runtime.Call{Request: request(t, KindWatch, WatchArgs{Probe: spec, Every: time.Millisecond, Breaches: 2})}
	call.Report = func(data any) {
		report := data.(WatchReport)
		states = append(states, report.State)
		switch len(states) {
		case 1:
			status.Store(503)
		case 2:
			if report.Bad != 2 || report.Reading.Value != 503 {
				t.Errorf("bad with %+v, want the second reading in a row, 503", report)
			}
			status.Store(200)
		case 3:
			cancel()
		}
	}
	answer, err := e.Perform(ctx, call)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]runtime.WatchState{runtime.WatchHolds, runtime.WatchBad, runtime.WatchHolds}, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	var summary WatchSummary
	into(t, answer, &summary)
	if summary.Bad < 2 || summary.Seen <= summary.Bad || summary.FirstBadAfter == nil || summary.LongestBad <= 0 || !summary.Last.OK {
		t.Errorf("summary %+v", summary)
	}
}

func TestBadWatches(t *testing.T) {
	e := newEffects(t, open(), Options{})
	for _, args := range []string{
		`{}`, `{"every":1}`, `{"every":-1,"probe":{"kind":"tcp","addr":"a:1"}}`, `{"every":1,"probe":{"kind":"ftp"}}`,
		`{"every":1,"probe":{"kind":"tcp","addr":"a:1"},"evry":1}`, `{"every":"1s","probe":{"kind":"tcp","addr":"a:1"}}`,
	} {
		req := request(t, KindWatch, json.RawMessage(args))
		if _, err := e.Perform(t.Context(), &runtime.Call{Request: req, Report: func(any) {
			t.Errorf("%s: it reports", args)
		}}); code(err) != CodeInvalid {
			t.Errorf("performing %s: %v, want the code %q", args, err, CodeInvalid)
		}
		if _, err := e.Plan(&req); code(err) != CodeInvalid {
			t.Errorf("planning %s: %v, want the code %q", args, err, CodeInvalid)
		}
	}
}

// A day of readings, one a second, is one report and a bounded answer.
func TestDayIsSmall(t *testing.T) {
	const day = 24 * time.Hour
	var before, during goruntime.MemStats
	reports, summary := watching(t, WatchArgs{Every: sec, Breaches: 3, Limit: 10 * sec}, day-sec/2, func(_ context.Context, at time.Duration) Reading {
		switch at {
		case time.Hour:
			goruntime.GC()
			goruntime.ReadMemStats(&before)
		case 23 * time.Hour:
			goruntime.GC()
			goruntime.ReadMemStats(&during)
		}
		return Reading{OK: at/sec%1000 != 7, Value: 200, Elapsed: time.Duration(at/sec%97) * time.Millisecond}
	})
	text, err := json.Marshal(summary)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 1 || summary.Seen != 86400 || summary.Bad != 87 || len(summary.Series) > series.MaxPoints || len(text) > 256<<10 {
		t.Errorf("%d reports, %d readings, %d bad, %d points, %d bytes", len(reports), summary.Seen, summary.Bad, len(summary.Series), len(text))
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("22 h of readings took %d bytes, want at most 1 MiB", grown)
	}
}
