package view_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/series"
	"starquake/runtime/view/viewtest"
)

// watched is the journal of a run of 30 s in which a guard reads a probe every second,
// and a fault is on from 10 s to 20 s. bad says of each reading whether it was.
func watched(world string, bad func(at time.Duration) bool) *viewtest.Journal {
	var s series.Series
	for i := range 30 {
		at, took := time.Duration(i)*time.Second, 10*time.Millisecond
		if 10 <= i && i < 20 {
			took = 40 * time.Millisecond
		}
		s.Add(at, !bad(at), took)
	}
	return watchedAs(world, 10*time.Second, &s)
}

// watchedAs is watched with these readings, and a fault that says only at that time that it
// is on.
func watchedAs(world string, on time.Duration, s *series.Series) *viewtest.Journal {
	j := viewtest.New("x", world)
	spec := `{"kind":"http","url":"http://shop.test/"}`
	j.Add(journal.GuardBegin, j.Place("0"), &journal.GuardBody{Name: "alive", Every: time.Second, Breaches: 1, Action: "abort"})
	watch := j.Place("0")
	j.Add(journal.EffectStart, watch, &journal.EffectStartBody{Kind: "watch", Held: true, Args: json.RawMessage(`{"probe":` + spec + `,"every":1000000000}`)})
	j.Wait(10 * time.Second)
	fault := j.Place("0")
	j.Add(journal.EffectStart, fault, &journal.EffectStartBody{Kind: "fault", Held: true, Chaos: true, Args: json.RawMessage(`{"target":"shop","text":"latency 30ms","fault":{"kind":"latency"}}`)})
	j.Wait(on - j.Now)
	j.Add(journal.EffectNote, fault, &journal.EffectNoteBody{Data: json.RawMessage(`{}`)})
	j.Wait(20*time.Second - on)
	j.Add(journal.EffectEnd, fault, &journal.EffectEndBody{Data: json.RawMessage(`{"seen":40,"hit":10}`)})
	j.Wait(10 * time.Second)
	data, _ := json.Marshal(map[string]any{"seen": 30, "series": s.Points}) // plain numbers: cannot fail
	j.Add(journal.EffectEnd, watch, &journal.EffectEndBody{Data: data})
	return j
}

func TestSummary(t *testing.T) {
	const sec = time.Second
	within := func(from, to time.Duration) func(time.Duration) bool {
		return func(at time.Duration) bool { return from <= at && at < to }
	}
	none := time.Duration(-1)
	for _, test := range []struct {
		name            string
		bad             func(time.Duration) bool
		faults, after   int // bad ones
		detect, recover time.Duration
		score           float64
	}{
		{"all good", within(0, 0), 0, 0, none, 0, 100 * (0.6 + 0.2*0.25 + 0.2)},
		{"bad for a while", within(12*sec, 15*sec), 3, 0, 2*sec + 40*time.Millisecond, 0, 100 * (0.6*0.7 + 0.2*0.25 + 0.2)},
		{"bad beyond the fault", within(12*sec, 25*sec), 8, 5, 2*sec + 40*time.Millisecond, 5 * sec, 100 * (0.6*0.2 + 0.2*0.25 + 0.2*0.5)},
		{"never good again", within(12*sec, 99*sec), 8, 10, 2*sec + 40*time.Millisecond, none, 100 * (0.6*0.2 + 0.2*0.25)},
		{"bad before", within(0, 5*sec), 0, 0, none, 0, 100 * (0.6 + 0.2*0.25 + 0.2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := watched("real", test.bad)
			if s := j.Run().Summary; s != nil {
				t.Fatalf("a run under way has the summary %+v", s)
			}
			j.Pass()
			s := j.Run().Summary
			if s == nil || len(s.Probes) != 1 {
				t.Fatalf("the summary is %+v", s)
			}
			if f := s.Faults; f.On != 1 || f.Met != 1 || f.Requests != 40 || f.Hits != 10 || f.FirstOn != 10*sec || f.LastOff != 20*sec {
				t.Errorf("faults %+v", f)
			}
			p := s.Probes[0]
			if p.Name != "alive" || p.Baseline.Readings != 10 || p.Fault.Readings != 10 || p.Recovery.Readings != 10 || p.Fault.Bad != test.faults || p.Recovery.Bad != test.after {
				t.Errorf("%s: %+v %+v %+v", p.Name, p.Baseline, p.Fault, p.Recovery)
			}
			same := func(what string, got *time.Duration, want time.Duration) {
				if (got == nil) != (want == none) || got != nil && *got != want {
					t.Errorf("%s is %v, want %s", what, got, want)
				}
			}
			same("detect", p.Detect, test.detect)
			same("recover", p.Recover, test.recover)
			if math.Abs(*s.Score-test.score) > 2 { // quantiles are of buckets
				t.Errorf("the score is %.1f, want %.1f", *s.Score, test.score)
			}
		})
	}
}

// TestUnscored: a run that says nothing of the system has figures of it and no score, and says why.
func TestUnscored(t *testing.T) {
	j := watched("real", func(time.Duration) bool { return false })
	s := j.Finish(journal.RunEndBody{Verdict: journal.VerdictInconclusive, Reason: "no_hits"}).Run().Summary
	if s == nil || s.Probes[0].Fault.Readings != 10 {
		t.Fatalf("the summary is %+v", s)
	}
	if p := s.Probes[0]; s.Score != nil || s.Formula != "" || p.Score != nil || p.Availability != nil || p.Speed != nil || p.Recovered != nil {
		t.Errorf("the run has a score: %+v, %+v", s, p)
	}
	if want := "the run is inconclusive (no_hits)"; s.Unscored != want {
		t.Errorf("it has none as %q, want %q", s.Unscored, want)
	}
}

// TestSpeed: times that are shorter than a computer is steady are as good as each other.
func TestSpeed(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	for _, test := range []struct {
		before, with time.Duration
		speed        float64
	}{
		{100 * us, 2200 * us, 1},
		{100 * us, 4 * ms, 1},
		{100 * us, 50 * ms, 0.1},
		{10 * ms, 12 * ms, 10.0 / 12},
		{20 * ms, 80 * ms, 0.25},
		{80 * ms, 2 * ms, 1},
	} {
		var s series.Series
		for i := range 30 {
			took := test.before
			if 10 <= i && i < 20 {
				took = test.with
			}
			s.Add(time.Duration(i)*time.Second, true, took)
		}
		j := watchedAs("real", 10*time.Second, &s)
		got := j.Pass().Run().Summary.Probes[0].Speed
		if got == nil || math.Abs(*got-test.speed) > 0.08*test.speed { // quantiles are of buckets
			t.Errorf("from %s to %s: the speed is %v, want %v", test.before, test.with, *got, test.speed)
		}
	}
}

// TestReadingMeets: a reading counts as with faults if any of it was between asking a fault
// on, here at 10 s, and its confirmed end, at 20 s, whenever it was said to be on.
func TestReadingMeets(t *testing.T) {
	const sec, ms = time.Second, time.Millisecond
	for _, test := range []struct {
		name     string
		at, took time.Duration
		ok       bool
		on       time.Duration // when the fault said that it was on
		met      bool
		detected time.Duration
	}{
		{"ends before it is asked", 9 * sec, sec, false, 10 * sec, false, -1},
		{"ends while it is on", 10*sec - ms, 500 * ms, true, 10 * sec, true, -1},
		{"ends before it says that it is on", 9900 * ms, 200 * ms, false, 10300 * ms, true, 0},
		{"is before it says that it is on", 10100 * ms, 100 * ms, false, 10300 * ms, true, 0},
		{"ends after it is off", 19900 * ms, 2 * sec, false, 10 * sec, true, 11900 * ms},
		{"lasts from before it to after it", 9 * sec, 12 * sec, true, 10 * sec, true, -1},
		{"begins as it is off", 20 * sec, 10 * ms, false, 10 * sec, false, 10010 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s series.Series
			s.Add(0, true, 10*ms)
			s.Add(test.at, test.ok, test.took)
			if !test.met {
				s.Add(15*sec, true, 10*ms)
			}
			s.Add(25*sec, true, 10*ms)
			for _, older := range []bool{false, true} {
				for i := range s.Points {
					if older { // its journal does not say when a reading ended
						s.Points[i].End = 0
					}
				}
				p := watchedAs("real", test.on, &s).Pass().Run().Summary.Probes[0]
				if p.Fault.Readings != 1 || (p.Fault.Bad == 0) == (test.met && !test.ok) {
					t.Errorf("with faults %+v, baseline %+v, recovery %+v", p.Fault, p.Baseline, p.Recovery)
				}
				if got := p.Detect; (got == nil) != (test.detected < 0) || got != nil && *got != test.detected {
					t.Errorf("detected after %v, want %s", got, test.detected)
				}
			}
		})
	}
}

// TestReadingsThinned: of readings that share a point none can be told apart, so all count
// as with faults if one may have met one.
func TestReadingsThinned(t *testing.T) {
	p := &series.Point{At: 7 * time.Second, Seen: 4, GoodAt: 10 * time.Second, End: 10*time.Second + time.Millisecond}
	s := series.Series{Points: []series.Point{series.One(0, true, time.Millisecond), *p}}
	sum := watchedAs("real", 10*time.Second, &s).Pass().Run().Summary.Probes[0]
	if sum.Baseline.Readings != 1 || sum.Fault.Readings != 4 {
		t.Errorf("baseline %+v, with faults %+v", sum.Baseline, sum.Fault)
	}
}

// TestReadingAfterUnclean: what may still be on has no recovery.
func TestReadingAfterUnclean(t *testing.T) {
	var s series.Series
	for i := range 30 {
		s.Add(time.Duration(i)*time.Second, true, time.Millisecond)
	}
	j := watchedAs("real", 10*time.Second, &s)
	for _, rec := range j.Records {
		if end, ok := rec.Body.(*journal.EffectEndBody); ok && rec.At == 20*time.Second {
			end.Error = &journal.EffectError{Code: "unclean", Message: "nobody answers"}
		}
	}
	p := j.Pass().Run().Summary.Probes[0]
	if p.Baseline.Readings != 10 || p.Fault.Readings != 20 || p.Recovery != nil || p.Recover != nil {
		t.Errorf("baseline %+v, with faults %+v, recovery %+v after %v", p.Baseline, p.Fault, p.Recovery, p.Recover)
	}
}

// TestNoSummary are runs of which there is nothing to say.
func TestNoSummary(t *testing.T) {
	planned := watched("virtual", func(time.Duration) bool { return true })
	planned.Pass()
	if s := planned.Run().Summary; s != nil {
		t.Errorf("a plan has the summary %+v", s)
	}
	calm := viewtest.New("x", "real")
	calm.Pass()
	if s := calm.Run().Summary; s != nil {
		t.Errorf("a run without faults has the summary %+v", s)
	}
}

// TestHostileSeries: whatever a journal calls a series, the fold ends and stays small.
func TestHostileSeries(t *testing.T) {
	for _, data := range []string{
		`{"series":[{"at":-5,"seen":-3,"bad":9,"took":[[-1,-1]]}]}`,
		`{"series":[{"at":10000000000,"seen":9223372036854775807,"bad":9223372036854775807,"took":[[999999,9223372036854775807],[1,9223372036854775807]]}]}`,
		`{"series":"no"}`, `{"series":[{}]}`, `[]`, `null`,
	} {
		j := watched("real", func(time.Duration) bool { return false })
		last := &j.Records[len(j.Records)-1]
		last.Body = &journal.EffectEndBody{Data: json.RawMessage(data)}
		j.Pass()
		if s := j.Run().Summary; s != nil {
			if _, err := json.Marshal(s); err != nil {
				t.Errorf("%s gives a summary without JSON: %v", data, err)
			}
		}
	}
}
