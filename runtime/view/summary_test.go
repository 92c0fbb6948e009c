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
	j := viewtest.New("x", world)
	spec := `{"kind":"http","url":"http://shop.test/"}`
	j.Add(journal.GuardBegin, j.Place("0"), &journal.GuardBody{Name: "alive", Every: time.Second, Breaches: 1, Action: "abort"})
	watch := j.Place("0")
	j.Add(journal.EffectStart, watch, &journal.EffectStartBody{Kind: "watch", Held: true, Args: json.RawMessage(`{"probe":` + spec + `,"every":1000000000}`)})
	var s series.Series
	for i := range 30 {
		at, took := time.Duration(i)*time.Second, 10*time.Millisecond
		if 10 <= i && i < 20 {
			took = 40 * time.Millisecond
		}
		s.Add(at, !bad(at), took)
	}
	j.Wait(10 * time.Second)
	fault := j.Place("0")
	j.Add(journal.EffectStart, fault, &journal.EffectStartBody{Kind: "fault", Held: true, Chaos: true, Args: json.RawMessage(`{"target":"shop","text":"latency 30ms","fault":{"kind":"latency"}}`)})
	j.Add(journal.EffectNote, fault, &journal.EffectNoteBody{Data: json.RawMessage(`{}`)})
	j.Wait(10 * time.Second)
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
