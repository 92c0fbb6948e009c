package load

import (
	"math"
	"testing"
	"time"

	"starquake/runtime/series"
)

func TestSchedule(t *testing.T) {
	tests := []struct {
		name   string
		pieces []Piece
		until  time.Duration
		want   int64
	}{
		{"constant", constant(200), 30 * time.Second, 6000},
		{"a third", constant(1.0 / 3), 30 * time.Second, 10},
		{"ramp", []Piece{{From: 0, To: 100, Over: 10 * time.Second}}, 10 * time.Second, 500},
		{"ramp and on", []Piece{{From: 0, To: 100, Over: 10 * time.Second}}, 20 * time.Second, 1500},
		{"down", []Piece{{From: 100, To: 0, Over: 10 * time.Second}}, 20 * time.Second, 500},
		{"stages", []Piece{{From: 100, For: time.Second}, {From: 0, For: time.Second}, {From: 50}}, 3 * time.Second, 150},
		{"steps", []Piece{{From: 0, To: 100, Over: 10 * time.Second, Shape: "steps", Steps: 2}}, 10 * time.Second, 250},
		{"sine", []Piece{{From: 0, To: 100, Over: 10 * time.Second, Shape: "sine", Period: time.Second}}, 10 * time.Second, 500},
		{"exponential", []Piece{{From: 1, To: 100, Over: 10 * time.Second, Shape: "exponential"}}, 10 * time.Second, 215}, // 99 ÷ ln 100 × 10
		{"a stage cut in its ramp", []Piece{{From: 0, To: 100, Over: 10 * time.Second, For: 5 * time.Second}, {From: 10}}, 10 * time.Second, 175},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := Spec{Rate: test.pieces}
			if n := spec.Count(0, test.until); n != test.want {
				t.Errorf("planned %d; expected %d", n, test.want)
			}
			s := schedule{pieces: test.pieces}
			n, last := int64(0), time.Duration(-1)
			for at := s.next(); at < test.until; at = s.next() {
				if at < last {
					t.Fatalf("request %d is due at %s, before the one at %s", n, at, last)
				}
				n, last = n+1, at
			}
			if math.Abs(float64(n-test.want)) > 1 {
				t.Errorf("%d are due; expected %d", n, test.want)
			}
		})
	}
}

// TestDayOfRequests: the intended times of a day at a rate that no binary fraction
// is stay exact, and what is kept does not grow.
func TestDayOfRequests(t *testing.T) {
	s := schedule{pieces: constant(30)}
	rec := newRecorder(0)
	var at time.Duration
	const n = 24 * 3600 * 30
	for i := range n {
		at = s.next()
		rec.due(at)
		rec.ended(at, at, time.Duration(1+i%100)*time.Millisecond, Outcome{Status: "200", OK: true})
	}
	if want := 24*time.Hour - time.Second/30; (at - want).Abs() > time.Microsecond {
		t.Errorf("the last is due at %s; expected %s", at, want)
	}
	f := rec.figures(24 * time.Hour)
	if f.Requests != n || len(f.Series) > maxPoints || (f.P99-99*time.Millisecond).Abs() > time.Millisecond || math.Abs(f.Throughput-30) > 0.01 {
		t.Errorf("got %d requests, %d points, p99 %s, %v/s", f.Requests, len(f.Series), f.P99, f.Throughput)
	}
	var sum, took int64
	var all series.Histogram
	for _, p := range f.Series {
		sum += p.Requests
		all.Merge(p.Took)
	}
	for _, bucket := range all {
		took += int64(bucket[1])
	}
	if sum != n || took != n {
		t.Errorf("the series has %d requests, and the times of %d; expected %d", sum, took, n)
	}
	if p99 := all.Quantile(0.99); math.Abs(p99.Seconds()-0.099) > 0.007 {
		t.Errorf("put together, the points' p99 is %s; expected 99ms within 7%%", p99)
	}
	if w := rec.window(24*time.Hour, 10*time.Second); w.Requests < 300 || w.Requests > 330 {
		t.Errorf("the last ten seconds have %d requests; expected 300 to 330", w.Requests)
	}
}

// TestBefore: each request can be told by the step in which it was due, also once steps have
// become longer.
func TestBefore(t *testing.T) {
	for _, seconds := range []int{5, 601, 5000} {
		rec := newRecorder(0)
		for i := range 4 * seconds {
			due := time.Duration(i) * time.Second / 4
			latency := time.Duration(i%5) * 700 * time.Millisecond
			rec.ended(due, due+latency, latency, Outcome{OK: i%4 > 0})
		}
		f := rec.figures(time.Duration(seconds) * time.Second)
		due := map[time.Duration][2]int64{}
		count := func(at time.Duration, requests, errors int64) {
			due[at] = [2]int64{due[at][0] + requests, due[at][1] + errors}
		}
		for _, p := range f.Series {
			for _, b := range p.Before {
				count(p.At-time.Duration(b.Steps)*f.Step, b.Requests, b.Errors)
				count(p.At, -b.Requests, -b.Errors)
			}
			count(p.At, p.Requests, p.Errors)
		}
		for at, n := range due {
			want := int64(4 * min(f.Step, max(0, time.Duration(seconds)*time.Second-at)) / time.Second)
			if n != [2]int64{want, want / 4} {
				t.Errorf("of %ds: of the step at %s there are %v, want %d with a quarter failed", seconds, at, n, want)
			}
		}
	}
}

func TestStatusesAreBounded(t *testing.T) {
	rec := newRecorder(0)
	for i := range 1000 {
		rec.ended(0, 0, time.Millisecond, Outcome{Status: string(rune('a' + i))})
	}
	if n := len(rec.figures(time.Second).ByStatus); n > maxStatuses+1 {
		t.Errorf("%d statuses are kept", n)
	}
}

func TestLimited(t *testing.T) {
	for _, test := range []struct {
		late, unsent int
		want         bool
	}{{0, 0, false}, {10, 0, false}, {11, 0, true}, {0, 11, true}, {6, 6, true}} { // of 1000
		rec := newRecorder(0)
		for range 1000 {
			rec.due(0)
		}
		for range test.late {
			rec.sent(0, behindBy+1)
		}
		for range test.unsent {
			rec.unsent(0)
		}
		if got := rec.figures(time.Second).GeneratorLimited; got != test.want {
			t.Errorf("%d late and %d not sent of 1000: limited %t", test.late, test.unsent, got)
		}
	}
}

func TestValidate(t *testing.T) {
	h := &HTTP{URL: "http://a.test/"}
	for name, spec := range map[string]Spec{
		"nothing to send":   {Rate: constant(1)},
		"both":              {HTTP: h, GRPC: &GRPC{Method: "a.B/C"}, Rate: constant(1)},
		"no rate":           {HTTP: h},
		"rate of 0":         {HTTP: h, Rate: constant(0)},
		"NaN":               {HTTP: h, Rate: constant(math.NaN())},
		"too fast":          {HTTP: h, Rate: constant(MaxRate * 2)},
		"all warm-up":       {HTTP: h, Rate: constant(1), Duration: time.Second, Warmup: time.Second},
		"endless stage":     {HTTP: h, Rate: []Piece{{From: 1}, {From: 2}}},
		"from 0 by factors": {HTTP: h, Rate: []Piece{{To: 2, Over: 1, Shape: "exponential"}}},
		"file":              {HTTP: &HTTP{URL: "file:///etc/passwd"}, Rate: constant(1)},
		"split header":      {HTTP: &HTTP{URL: "http://a.test/", Headers: map[string]string{"a": "b\r\nc: d"}}, Rate: constant(1)},
		"no method":         {GRPC: &GRPC{Method: "a.B"}, Rate: constant(1)},
		"bad condition":     {HTTP: h, Rate: constant(1), StopWhen: []string{"p99"}},
	} {
		if spec.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"error_rate > 50%", "p99 < 2s", "requests>1e9", "p99 > ", "< >", "errors > NaN"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCondition(s)
		if err == nil && (c.Figure == "" || math.IsNaN(c.Limit) || math.IsInf(c.Limit, 0)) {
			t.Fatalf("%q is %+v", s, c)
		}
	})
}
