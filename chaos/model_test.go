package chaos_test

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos"
)

func TestValueAt(t *testing.T) {
	for _, test := range []struct {
		shape      string
		start, end float64
		at         map[time.Duration]float64 // over 10 s
	}{
		{"linear", 10, 20, map[time.Duration]float64{-1: 10, 0: 10, 5e9: 15, 10e9: 20, 99e9: 20}},
		{"linear", 20, 10, map[time.Duration]float64{0: 20, 2.5e9: 17.5, 10e9: 10}},
		{"exponential", 1, 100, map[time.Duration]float64{0: 1, 5e9: 10, 10e9: 100, 99e9: 100}},
		{"steps(2)", 0, 10, map[time.Duration]float64{0: 0, 4.9e9: 0, 5e9: 5, 9.9e9: 5, 10e9: 10}},
		{"sine(4s)", 0, 10, map[time.Duration]float64{0: 0, 1e9: 5, 2e9: 10, 4e9: 0, 6e9: 10, 10e9: 10, 99e9: 10}},
	} {
		v, err := chaos.Ramp(test.start, test.end, 10*time.Second, test.shape)
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range test.at {
			if got := v.At(at); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s %v→%v at %v is %v, want %v", test.shape, test.start, test.end, at, got, want)
			}
		}
	}
	if got := chaos.Const(7).At(time.Hour); got != 7 {
		t.Errorf("a constant 7 became %v", got)
	}
}

// A ramp never leaves its range, and ends at its end.
func TestValueStaysInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start, end := rapid.Float64Range(0.001, 1e9).Draw(t, "start"), rapid.Float64Range(0.001, 1e9).Draw(t, "end")
		over := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "over"))
		shape := rapid.SampledFrom([]string{"linear", "exponential", "steps(3)", "sine(7s)"}).Draw(t, "shape")
		v, err := chaos.Ramp(start, end, over, shape)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Duration(rapid.Int64Range(-1e9, int64(2*time.Hour)).Draw(t, "at"))
		slack := v.Max() * 1e-9
		if got := v.At(at); got < v.Min()-slack || got > v.Max()+slack {
			t.Fatalf("%+v at %v is %v", v, at, got)
		}
		if got := v.At(over); got != end {
			t.Fatalf("%+v ends at %v", v, got)
		}
	})
}

func TestPulse(t *testing.T) {
	f := chaos.Fault{Pulse: &chaos.Pulse{On: 2 * time.Second, Off: time.Second}}
	for at, want := range map[time.Duration]bool{0: true, 1999e6: true, 2e9: false, 2999e6: false, 3e9: true, 302e9: false} {
		if got := f.ActiveAt(at); got != want {
			t.Errorf("at %v: %v", at, got)
		}
	}
	if !(&chaos.Fault{}).ActiveAt(0) {
		t.Error("a fault without a pulse is off")
	}
}

func TestMatchPath(t *testing.T) {
	for _, test := range []struct {
		pattern, target string
		want            bool
	}{
		{"/a", "/a", true}, {"/a", "/a/", false}, {"/a", "/a?x=1", true}, {"/a", "/b", false},
		{"/api/*/orders/**", "/api/1/orders/2/3", true}, {"/api/*/orders/**", "/api/1/orders", true},
		{"/api/*/orders/**", "/api/1/2/orders/x", false}, {"/api/*/orders/**", "/api//orders/", true},
		{"/a/**/z", "/a/z", true}, {"/a/**/z", "/a/b/c/z", true}, {"/a/**/z", "/az", false},
		{"/*.jpg", "/x.jpg", true}, {"/*.jpg", "/x/y.jpg", false}, {"/*.jpg", "/xjpg", false},
		{"**", "/", true}, {"**/x", "/a/b/x", true}, {"*", "*", true}, {"/**", "/", true},
		{"/a+b", "/a+b", true}, {"/a b", "/a%20b", true}, {"/a", "http://host/a?b", true}, {"/", "http://host", true},
		{"/ü/*", "/%C3%BC/x", true}, {"/%zz", "/%zz", true},
		{"re:^/v[12]/", "/v2/x", true}, {"re:^/v[12]/", "/v3/x", false}, {"re:x", "/a/x/b", true},
	} {
		m, err := (&chaos.Match{Path: test.pattern}).Compile()
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if got := m.Fits(&chaos.Request{Target: []byte(test.target)}); got != test.want {
			t.Errorf("%s on %s: %v", test.pattern, test.target, got)
		}
	}
}

// A glob is what a plain recursive reading of it says.
func TestGlobModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		glob := "/" + rapid.StringMatching(`([ab/]|\*|\*\*){0,8}`).Draw(t, "glob")
		path := "/" + rapid.StringMatching(`[ab/]{0,8}`).Draw(t, "path")
		m, err := (&chaos.Match{Path: glob}).Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.Fits(&chaos.Request{Target: []byte(path)}), globModel(glob, path); got != want {
			t.Fatalf("%s on %s: %v, want %v", glob, path, got, want)
		}
	})
}

func globModel(glob, path string) bool {
	switch {
	case glob == "":
		return path == ""
	case glob == "/**":
		return path == "" || path[0] == '/'
	case strings.HasPrefix(glob, "/**/"):
		if !strings.HasPrefix(path, "/") {
			return false
		}
		for i := range path {
			if path[i] == '/' && globModel(glob[4:], path[i+1:]) {
				return true
			}
		}
		return false
	case strings.HasPrefix(glob, "**"):
		for i := 0; i <= len(path); i++ {
			if globModel(glob[2:], path[i:]) {
				return true
			}
		}
		return false
	case glob[0] == '*':
		for i := 0; i <= len(path) && (i == 0 || path[i-1] != '/'); i++ {
			if globModel(glob[1:], path[i:]) {
				return true
			}
		}
		return false
	}
	return path != "" && path[0] == glob[0] && globModel(glob[1:], path[1:])
}

func TestMatchCounts(t *testing.T) {
	m, err := (&chaos.Match{After: 2, First: 6, Every: 3}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for n := range uint64(20) {
		if m.Counts(n) {
			got = append(got, n)
		}
	}
	if len(got) != 2 || got[0] != 4 || got[1] != 7 {
		t.Errorf("hits %v, want the third and the sixth after the first two: 4 and 7", got)
	}
}

func FuzzMatchPath(f *testing.F) {
	f.Add("/a/**/*.x", "/a/b/c.x")
	f.Add("re:(a|b)*c", "http://h/abc?d")
	f.Fuzz(func(t *testing.T, pattern, target string) {
		m, err := (&chaos.Match{Path: pattern}).Compile()
		if err != nil {
			return
		}
		req := chaos.Request{Target: bytes.Clone([]byte(target))}
		got := m.Fits(&req)
		if string(req.Target) != target {
			t.Error("the request was changed")
		}
		plainPath := regexp.MustCompile(`^/[a-z/]*$`)
		if !strings.ContainsAny(pattern, "*") && !strings.HasPrefix(pattern, "re:") && pattern != "" &&
			plainPath.MatchString(target) && got != (pattern == target) {
			t.Errorf("%q on %q: %v", pattern, target, got)
		}
	})
}

func TestDrawsAreEvenAndRepeatable(t *testing.T) {
	const n = 20_000
	for seed := range uint64(20) {
		for _, p := range []float64{0.01, 0.2, 0.5, 0.9} {
			d, same := chaos.NewDraws(seed, "fault"), chaos.NewDraws(seed, "fault")
			hits := 0.0
			for i := range uint64(n) {
				if d.Hit(i, p) {
					hits++
				}
				if d.Hit(i, p) != same.Hit(i, p) {
					t.Fatal("the same draw fell differently")
				}
			}
			// 80 samples: one above 3 sigma would be likely somewhere among other seeds,
			// but these are always the same.
			if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(hits-n*p) > 3*sigma {
				t.Errorf("seed %d, p %v: %v hits, want %v ± %.0f", seed, p, hits, n*p, 3*sigma)
			}
		}
	}
	if chaos.NewDraws(1, "a") == chaos.NewDraws(1, "b") || chaos.NewDraws(1, "a") == chaos.NewDraws(2, "a") {
		t.Error("two faults share their draws")
	}
}

// The first draws of a seed are for ever the same: journals of earlier versions
// depend on it.
func TestDrawIsStable(t *testing.T) {
	for _, test := range []struct {
		seed, n uint64
		want    float64
	}{{0, 0, 0.8833108082136426}, {0, 1, 0.43152799704850997}, {1, 0, 0.5665615751722809}} {
		if got := chaos.Draw(test.seed, test.n); got != test.want {
			t.Errorf("Draw(%d, %d) is %v, want %v", test.seed, test.n, got, test.want)
		}
	}
	sum := 0.0
	picks := [3]int{}
	d := chaos.NewDraws(1, "x")
	for n := range uint64(20_000) {
		sum += d.Jitter(n)
		picks[d.Pick(n, 3)]++
	}
	if math.Abs(sum-10_000) > 3*math.Sqrt(20_000.0/12) {
		t.Errorf("20000 draws sum up to %v", sum)
	}
	for _, n := range picks {
		if math.Abs(float64(n)-20_000.0/3) > 3*math.Sqrt(20_000*2.0/9) {
			t.Errorf("picks of three: %v", picks)
		}
	}
}

func TestLatencyDistributions(t *testing.T) {
	const n = 20_000
	for _, test := range []struct {
		args                args
		mean, low, high, sd float64 // milliseconds; sd 0: not checked
	}{
		{args{"delay": "100ms"}, 100, 100, 100, 0},
		{args{"delay": "100ms", "jitter": "30ms"}, 100, 70, 130, 30 / math.Sqrt(3)},
		{args{"delay": "100ms", "jitter_percent": 20}, 100, 80, 120, 20 / math.Sqrt(3)},
		{args{"delay": "100ms", "jitter": "10ms", "distribution": "normal"}, 100, 40, 160, 10},
		{args{"delay": "100ms", "jitter": "10ms", "distribution": "pareto"}, 110, 100, 1100, 0},
		{args{"between": []any{"100ms", "300ms"}}, 200, 100, 300, 200 / math.Sqrt(12)},
		{args{"between": []any{"100ms", "300ms"}, "distribution": "normal"}, 200, 100, 300, 0},
		{args{"delay": "50ms", "between": []any{"100ms", "300ms"}}, 250, 150, 350, 0},
		{args{"delay": "1ms", "jitter": "10ms"}, 3.025, 0, 11, 0}, // cut at 0: (11/20)·5.5
	} {
		f, err := chaos.New("latency", test.args)
		if err != nil {
			t.Fatal(err)
		}
		l := chaos.NewLatency(&f)
		d := chaos.NewDraws(3, "x")
		var sum, squares float64
		for i := range uint64(n) {
			ms := float64(l.Delay(d, i, 0)) / 1e6
			if ms < test.low-1e-6 || ms > test.high+1e-6 {
				t.Fatalf("%s: a delay of %v ms", f, ms)
			}
			sum += ms
			squares += ms * ms
		}
		mean := sum / n
		if math.Abs(mean-test.mean) > 0.02*test.mean {
			t.Errorf("%s: mean %v, want %v", f, mean, test.mean)
		}
		if sd := math.Sqrt(squares/n - mean*mean); test.sd > 0 && math.Abs(sd-test.sd) > 0.05*test.sd {
			t.Errorf("%s: deviation %v, want %v", f, sd, test.sd)
		}
	}
}

func TestHTTPErrorPatterns(t *testing.T) {
	d := chaos.NewDraws(1, "x")
	make := func(pattern string) *chaos.HTTPError {
		f, err := chaos.New("http_error", args{"codes": 500, "pattern": pattern})
		if err != nil {
			t.Fatal(err)
		}
		return chaos.NewHTTPError(&f)
	}
	sequence := make("sequence(503, pass, 502)")
	for n, want := range []int{503, 0, 502, 503, 0, 502} {
		if got := sequence.Code(d, uint64(n), 0); got != want {
			t.Errorf("sequence at %d: %d, want %d", n, got, want)
		}
	}
	// Those that the counts of a match leave out have no place in a sequence.
	f := made(t, "http_error", args{"codes": 500, "pattern": "sequence(503, pass, 502)", "match": args{"after": 1, "every": 2}})
	matcher, err := f.Match.Compile()
	if err != nil {
		t.Fatal(err)
	}
	counted := chaos.NewHTTPError(f)
	var got []int
	for n := range uint64(10) {
		if matcher.Counts(n) {
			got = append(got, counted.Code(d, n, 0))
		}
	}
	if want := []int{503, 0, 502, 503}; !slices.Equal(got, want) {
		t.Errorf("a sequence of each second after the first: %v, want %v", got, want)
	}
	burst := make("burst(2, 10s)")
	for n, test := range []struct {
		at   time.Duration
		want int
	}{{0, 500}, {1e9, 500}, {2e9, 0}, {9e9, 0}, {10e9, 500}, {35e9, 500}, {39e9, 500}, {39e9, 0}} {
		if got := burst.Code(d, uint64(n), test.at); got != test.want {
			t.Errorf("burst at %v: %d, want %d", test.at, got, test.want)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	d := chaos.NewDraws(1, "x")
	hits := 0
	for n := range uint64(b.N) {
		if d.Hit(n, 0.5) {
			hits++
		}
	}
	b.ReportMetric(float64(hits)/float64(b.N), "hits/op")
}
