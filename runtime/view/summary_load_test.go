package view_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/series"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// loadedRun is a run of 30 s with load throughout of which errors(s) of 100 requests
// fail in second s, and with a fault on from 10 s to 20 s, while which requests take 80 ms,
// not 20 ms. A pause of 7 s begins at 25 s.
func loadedRun(histograms bool, errors func(second int) int) *viewtest.Journal {
	j := viewtest.New("x", "real")
	effect := j.Effect("0", "", "load", json.RawMessage(`{"traffic":"t","spec":{"http":{"url":"http://shop.test/"}}}`))
	j.Wait(300 * time.Millisecond) // connecting
	j.Add(journal.EffectNote, effect, &journal.EffectNoteBody{})
	var points []map[string]any
	for s := range 30 {
		took := 20 * time.Millisecond
		if 10 <= s && s < 20 {
			took = 80 * time.Millisecond
		}
		p := map[string]any{"at": time.Duration(s) * time.Second, "requests": 100, "errors": errors(s), "p50": took, "p99": took + took/2}
		if histograms {
			var h series.Histogram
			h.Add(took, 90)
			h.Add(took+took/2, 10)
			p["took"] = h
		}
		points = append(points, p)
	}
	j.Wait(10 * time.Second)
	fault := j.Latency("0", "", "shop")
	j.Wait(10 * time.Second)
	j.Lift(fault, 40, 10)
	j.Wait(5 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "pause"})
	j.Wait(7 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "resume"})
	j.Wait(5 * time.Second)
	j.EndEffect(effect, map[string]any{"requests": 3000, "step": time.Second, "series": points})
	return j.Pass()
}

// TestSummaryOfLoad counts load by phases, with and without the histograms that older
// journals lack.
func TestSummaryOfLoad(t *testing.T) {
	const sec = time.Second
	none := time.Duration(-1)
	for _, test := range []struct {
		name              string
		errors            func(int) int
		base, faults, aft int
		detect, recover   time.Duration
		score             float64
	}{
		{"none", func(int) int { return 0 }, 0, 0, 0, none, 0, 100 * (0.6 + 0.2*0.25 + 0.2)},
		{"as many as before", func(int) int { return 1 }, 10, 10, 10, none, 0, 100 * (0.6 + 0.2*0.25 + 0.2)},
		{"under the fault", func(s int) int { return map[bool]int{12 <= s && s < 15: 50}[true] }, 0, 150, 0, 3 * sec, 0, 100 * (0.6*0.85 + 0.2*0.25 + 0.2)},
		{"beyond the fault", func(s int) int { return map[bool]int{12 <= s && s < 23: 50}[true] }, 0, 400, 150, 3 * sec, 3 * sec, 100 * (0.6*0.6 + 0.2*0.25 + 0.2*0.7)},
		{"for ever", func(s int) int { return map[bool]int{12 <= s: 50}[true] }, 0, 400, 500, 3 * sec, none, 100 * (0.6*0.6 + 0.2*0.25)},
	} {
		for _, histograms := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				run := loadedRun(histograms, test.errors).Run()
				if run.Summary == nil || len(run.Summary.Loads) != 1 || len(run.Summary.Probes) != 0 {
					t.Fatalf("the summary is %+v", run.Summary)
				}
				s := run.Summary.Loads[0]
				if s.Name != "load http://shop.test/" || s.Baseline.Readings != 1000 || s.Fault.Readings != 1000 || s.Recovery.Readings != 1000 ||
					s.Baseline.Bad != test.base || s.Fault.Bad != test.faults || s.Recovery.Bad != test.aft {
					t.Fatalf("%s: %+v %+v %+v", s.Name, s.Baseline, s.Fault, s.Recovery)
				}
				near(t, "baseline p50", s.Baseline.P50, 20*time.Millisecond)
				near(t, "fault p99", s.Fault.P99, 120*time.Millisecond)
				same := func(what string, got *time.Duration, want time.Duration) {
					if (got == nil) != (want == none) || got != nil && *got != want {
						t.Errorf("%s is %v, want %s", what, got, want)
					}
				}
				same("detect", s.Detect, test.detect)
				same("recover", s.Recover, test.recover)
				if math.Abs(*run.Summary.Score-test.score) > 2 { // quantiles are of buckets
					t.Errorf("the score is %.1f, want %.1f", *run.Summary.Score, test.score)
				}
			})
		}
	}
}

func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if d := math.Abs(float64(got-want)) / float64(want); d > 0.08 {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}

// TestLoadSeries has points in the run's time: since the load was on, and without pauses.
func TestLoadSeries(t *testing.T) {
	run := loadedRun(true, func(int) int { return 0 }).Run()
	l := run.Loads[0]
	if len(l.Series) != 30 || l.Start != 300*time.Millisecond || !l.Over || l.Figures.Requests != 3000 {
		t.Fatalf("%+v", l)
	}
	for i, want := range map[int]time.Duration{0: 300 * time.Millisecond, 24: 24300 * time.Millisecond, 25: 32300 * time.Millisecond, 29: 36300 * time.Millisecond} {
		if l.Series[i].At != want {
			t.Errorf("point %d is at %s, want %s", i, l.Series[i].At, want)
		}
	}
}

// TestLoadsBounded: a run of more load than is kept keeps the figures of the first, and
// says that series are left out.
func TestLoadsBounded(t *testing.T) {
	j := viewtest.New("x", "real")
	points := make([]map[string]int, 600)
	for i := range points {
		points[i] = map[string]int{"at": i * 1e9, "requests": 1}
	}
	data, err := json.Marshal(map[string]any{"requests": 600, "step": time.Second, "series": points})
	if err != nil {
		t.Fatal(err)
	}
	for range view.MaxLoads + 5 {
		e := j.Effect("0", "", "load", map[string]any{})
		j.Add(journal.EffectEnd, e, &journal.EffectEndBody{Data: data})
	}
	run := j.Pass().Run()
	kept := 0
	for _, l := range run.Loads {
		kept += len(l.Series)
		if l.LeftOut == (len(l.Series) > 0) || l.Figures == nil {
			t.Fatalf("%+v", l)
		}
	}
	if len(run.Loads) != view.MaxLoads || kept != 60000 {
		t.Errorf("%d loads with %d points", len(run.Loads), kept)
	}
}

// TestHostileLoad: whatever a journal calls figures, the fold ends and its run has JSON.
func TestHostileLoad(t *testing.T) {
	for _, data := range []string{
		`{"series":[{"at":-5,"requests":-3,"errors":9,"took":[[-1,-1]]}],"step":-1}`,
		`{"series":[{"at":9223372036854775807,"requests":9223372036854775807,"errors":9223372036854775807,"took":[[99999,9223372036854775807]]},{"requests":9223372036854775807}],"step":9223372036854775807}`,
		`{"series":"no"}`, `{"series":[{}]}`, `[]`, `null`, `{"by_status":5}`,
	} {
		j := loadedRun(true, func(int) int { return 0 })
		for i := range j.Records {
			if b, ok := j.Records[i].Body.(*journal.EffectEndBody); ok {
				b.Data = json.RawMessage(data)
			}
		}
		if _, err := json.Marshal(j.Run()); err != nil {
			t.Errorf("%s gives a run without JSON: %v", data, err)
		}
	}
}
