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
				if s.Lost != (test.recover == none) {
					t.Errorf("lost is %v", s.Lost)
				}
				if math.Abs(*run.Summary.Score-test.score) > 2 { // quantiles are of buckets
					t.Errorf("the score is %.1f, want %.1f", *run.Summary.Score, test.score)
				}
			})
		}
	}
}

// TestSummaryOfLoadsOfOneURL has the load of a step as the baseline of another's that sends
// the same to the same place at another rate, and makes no score of a few requests.
func TestSummaryOfLoadsOfOneURL(t *testing.T) {
	j := viewtest.New("x", "real")
	send := func(traffic, url string, took time.Duration, each ...int) func() {
		effect := j.Effect("0", "", "load", json.RawMessage(`{"traffic":"`+traffic+`","spec":{"http":{"url":"`+url+`"}}}`))
		j.Add(journal.EffectNote, effect, &journal.EffectNoteBody{})
		var points []map[string]any
		for s, n := range each {
			var h series.Histogram
			h.Add(took, n)
			points = append(points, map[string]any{"at": time.Duration(s) * time.Second, "requests": n, "took": h})
		}
		return func() { j.EndEffect(effect, map[string]any{"step": time.Second, "series": points}) }
	}
	base, few := send("a", "http://shop.test/", 4*time.Millisecond, 50, 50), send("c", "http://other.test/", 4*time.Millisecond, 50, 50, 3)
	j.Wait(2 * time.Second)
	base()
	fault := j.Latency("0", "", "shop")
	slow := send("b", "http://shop.test/", 205*time.Millisecond, 30, 30)
	none := send("d", "http://held.test/", time.Second, 0, 0)
	j.Wait(2 * time.Second)
	slow()
	few()
	none()
	j.Lift(fault, 60, 60)
	run := j.Pass().Run()
	if run.Summary == nil || len(run.Summary.Loads) != 2 {
		t.Fatalf("the summary is %+v", run.Summary)
	}
	shop, other := run.Summary.Loads[0], run.Summary.Loads[1]
	if shop.Baseline == nil || shop.Baseline.Readings != 100 || shop.Fault.Readings != 60 || shop.Speed == nil || *shop.Speed > 0.03 {
		t.Errorf("%s: baseline %+v, faults %+v, speed %v", shop.Name, shop.Baseline, shop.Fault, shop.Speed)
	}
	if other.Fault.Readings != 3 || other.Score != nil || *run.Summary.Score != *shop.Score {
		t.Errorf("%s: faults %+v, score %v; of the run %v", other.Name, other.Fault, other.Score, *run.Summary.Score)
	}
}

// TestLoadDelayed: what was due while a fault was on counts as with faults when it is answered
// later, too, and what was due afterwards does not. An older journal cannot tell.
func TestLoadDelayed(t *testing.T) {
	for _, old := range []bool{false, true} {
		j := viewtest.New("x", "real")
		effect := j.Effect("0", "", "load", json.RawMessage(`{"traffic":"t","spec":{"http":{"url":"http://shop.test/"}}}`))
		j.Add(journal.EffectNote, effect, &journal.EffectNoteBody{})
		second := func(s, requests, errors int, took time.Duration, before ...map[string]int) map[string]any {
			var h series.Histogram
			slow := 0
			for _, b := range before {
				slow += b["requests"]
			}
			h.Add(took, requests-slow)
			h.Add(2*time.Second, slow)
			p := map[string]any{"at": time.Duration(s) * time.Second, "requests": requests, "errors": errors, "took": h}
			if !old {
				p["before"] = before
			}
			return p
		}
		// A black hole is on from 2 s to 4 s, and requests are given up after 2 s.
		points := []map[string]any{
			second(0, 100, 0, time.Millisecond), second(1, 100, 0, time.Millisecond),
			second(4, 200, 100, time.Millisecond, map[string]int{"steps": 2, "requests": 100, "errors": 100}),
			second(5, 199, 100, time.Millisecond, map[string]int{"steps": 1, "requests": 1}, map[string]int{"steps": 2, "requests": 99, "errors": 99}),
			second(6, 100, 0, time.Millisecond),
		}
		j.Wait(2 * time.Second)
		fault := j.Latency("0", "", "shop")
		j.Wait(2 * time.Second)
		j.Lift(fault, 200, 200)
		j.Wait(3 * time.Second)
		j.EndEffect(effect, map[string]any{"step": time.Second, "series": points})
		sum := j.Pass().Run().Summary
		if old {
			if sum != nil {
				t.Errorf("without the times at which requests were due, what ended later has %+v", sum.Loads[0])
			}
			continue
		}
		s := sum.Loads[0]
		if s.Baseline.Readings != 200 || s.Fault.Readings != 199 || s.Fault.Bad != 199 || s.Recovery.Readings != 300 || s.Recovery.Bad != 1 {
			t.Errorf("baseline %+v, with faults %+v, recovery %+v", s.Baseline, s.Fault, s.Recovery)
		}
		near(t, "fault p50", s.Fault.P50, 2*time.Second)
		near(t, "recovery p50", s.Recovery.P50, time.Millisecond)
		if s.Detect == nil || *s.Detect != 3*time.Second || s.Recover == nil || *s.Recover != 0 {
			t.Errorf("detected after %v, recovered after %v, want 3s and 0s", s.Detect, s.Recover)
		}
	}
}

// TestLoadNotSentAfterwards: of load that is sent before and under the last fault only, nobody
// knows whether it would be well again.
func TestLoadNotSentAfterwards(t *testing.T) {
	j := viewtest.New("x", "real")
	sends := func(errors ...int) {
		effect := j.Effect("0", "", "load", json.RawMessage(`{"traffic":"t","spec":{"http":{"url":"http://shop.test/"}}}`))
		j.Add(journal.EffectNote, effect, &journal.EffectNoteBody{})
		var points []map[string]any
		for s, n := range errors {
			var h series.Histogram
			h.Add(time.Millisecond, 100)
			points = append(points, map[string]any{"at": time.Duration(s) * time.Second, "requests": 100, "errors": n, "took": h})
		}
		j.Wait(time.Duration(len(errors))*time.Second + time.Millisecond)
		j.EndEffect(effect, map[string]any{"step": time.Second, "series": points})
	}
	for _, errors := range []int{0, 50} {
		fault := j.Latency("0", "", "shop")
		sends(errors, errors, errors)
		j.Lift(fault, 200, 200)
		if errors == 0 {
			sends(0, 0) // between the faults
		}
	}
	j.Wait(time.Second)
	s := j.Pass().Run().Summary.Loads[0]
	if s.Fault.Readings != 600 || s.Recovery.Readings != 200 || s.Recover != nil || s.Lost || s.Recovered != nil {
		t.Errorf("with faults %+v, recovery %+v after %v, lost: %v, %v", s.Fault, s.Recovery, s.Recover, s.Lost, s.Recovered)
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
		`{"series":[{"at":-5,"requests":3,"errors":1,"before":[{"steps":-1,"requests":9,"errors":9},{"steps":9223372036854775807,"requests":-9223372036854775807,"errors":-5}]}],"step":1}`,
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
