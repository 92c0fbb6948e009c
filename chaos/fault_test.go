package chaos_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/chaos"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

type args = map[string]any

func ramp(start, end any, over, shape string) args {
	return args{"ramp": args{"start": start, "end": end, "over": over, "shape": shape}}
}

// goodFaults are written in all the ways there are.
func goodFaults() []struct {
	kind string
	args args
} {
	return []struct {
		kind string
		args args
	}{
		{"latency", args{"delay": "500ms", "jitter_percent": 20}},
		{"latency", args{"delay": 0.5, "jitter": 0, "distribution": "uniform", "direction": "response", "probability": 1}},
		{"latency", args{"delay": 250 * time.Millisecond, "jitter": "50ms", "distribution": "pareto", "direction": "both"}},
		{"latency", args{"delay": ramp("50ms", "800ms", "30s", "linear")}},
		{"latency", args{"delay": ramp("1ms", "1s", "1m", "exponential"), "jitter_percent": ramp(0, 50, "10s", "steps(5)")}},
		{"latency", args{"between": []any{"1s", "5s"}, "jitter_percent": "30%", "probability": "70%"}},
		{"latency", args{"delay": "1s", "between": []any{0, ramp("1s", "2s", "1m", "sine(10s)")}}},
		{"latency", args{"delay": "1ms", "pulse": args{"on": "10s", "off": 5}, "match": args{}}},
		{"http_error", args{"codes": 503}},
		{"http_error", args{"codes": []any{500, 503.0}, "probability": "20%"}},
		{"http_error", args{"codes": []int{500}, "body": "<no> & \"yes\"", "headers": args{"X-A": "b", "A": "c"}}},
		{"http_error", args{"codes": 500, "pattern": "burst(5, 10s)", "probability": ramp(0, "50%", "30s", "")}},
		{"http_error", args{"codes": 500, "pattern": "sequence(503, pass, 500)",
			"match": args{"method": []any{"get", "POST"}, "path": "/api/**", "after": 3, "first": 100, "every": 2}}},
	}
}

func TestFaults(t *testing.T) {
	var b strings.Builder
	for _, g := range goodFaults() {
		f, err := chaos.New(g.kind, g.args)
		if err != nil {
			t.Errorf("New(%s, %v): %v", g.kind, g.args, err)
			continue
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		fmt.Fprintf(&b, "%s\n\t%s\n", f, data)
		var back chaos.Fault
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("%s does not come back: %v", data, err)
		}
		if diff := cmp.Diff(f, back); diff != "" {
			t.Errorf("%s comes back changed:\n%s", data, diff)
		}
	}
	golden(t, "faults.txt", b.String())
}

func TestBadFaults(t *testing.T) {
	var b strings.Builder
	for _, g := range []struct {
		kind string
		args args
	}{
		{"meteor", nil},
		{"latency", nil},
		{"latency", args{"delay": "soon"}},
		{"latency", args{"delay": "25h"}},
		{"latency", args{"delay": -1}},
		{"latency", args{"delay": true}},
		{"latency", args{"delay": "1s", "dealy": "1s"}},
		{"latency", args{"delay": "1s", "jitter": "1s", "jitter_percent": 5}},
		{"latency", args{"delay": "1s", "jitter_percent": 120}},
		{"latency", args{"delay": "1s", "direction": "sideways"}},
		{"latency", args{"between": []any{"5s", "1s"}}},
		{"latency", args{"between": "1s"}},
		{"latency", args{"delay": "1s", "probability": 1.5}},
		{"latency", args{"delay": "1s", "probability": ramp(0, 2, "1s", "linear")}},
		{"latency", args{"delay": math.NaN()}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "exponential")}},
		{"latency", args{"delay": ramp("0s", "1s", "0s", "linear")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "zigzag")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "steps(0)")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "sine(0s)")}},
		{"latency", args{"delay": args{"ramp": args{"start": 1, "stop": 2}}}},
		{"latency", args{"delay": args{"rump": 1}}},
		{"latency", args{"delay": "1s", "pulse": args{"on": "1s"}}},
		{"latency", args{"delay": "1s", "pulse": args{"on": "1s", "off": "0s"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a(b"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a)b"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/[z-a]/x"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a**"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "api"}}},
		{"latency", args{"delay": "1s", "match": args{"method": "GET /"}}},
		{"latency", args{"delay": "1s", "match": args{"every": 1.5}}},
		{"latency", args{"delay": "1s", "match": args{"port": 80}}},
		{"http_error", args{}},
		{"http_error", args{"codes": 700}},
		{"http_error", args{"codes": []any{}}},
		{"http_error", args{"codes": "500"}},
		{"http_error", args{"codes": 500, "headers": args{"X": "a\r\nSet-Cookie: b"}}},
		{"http_error", args{"codes": 500, "headers": args{"X Y": "a"}}},
		{"http_error", args{"codes": 500, "headers": args{"content-length": "5"}}},
		{"http_error", args{"codes": 500, "pattern": "burst(5)"}},
		{"http_error", args{"codes": 500, "pattern": "burst(0, 10s)"}},
		{"http_error", args{"codes": 500, "pattern": "sequence(500, 99)"}},
		{"http_error", args{"codes": 500, "pattern": "often"}},
	} {
		f, err := chaos.New(g.kind, g.args)
		if err == nil {
			t.Errorf("New(%s, %v) made %s", g.kind, g.args, f)
			continue
		}
		fmt.Fprintln(&b, err)
	}
	golden(t, "bad_faults.txt", b.String())
}

func TestKinds(t *testing.T) {
	var b strings.Builder
	for _, k := range chaos.Kinds() {
		fmt.Fprintf(&b, "%s\n\t%s\n\ton %s\n", k.Sig, k.Doc, strings.Join(k.Protocols, ", "))
		for _, p := range k.Params {
			if p.Doc == "" {
				t.Errorf("%s: parameter %s has no doc", k.Name, p.Name)
			}
		}
	}
	golden(t, "kinds.txt", b.String())
}

func TestPresets(t *testing.T) {
	var b strings.Builder
	show := func(what string, presets []chaos.Preset, get func(string) ([]chaos.Fault, error)) {
		for _, p := range presets {
			faults, err := get(p.Name)
			fmt.Fprintf(&b, "%s %s: %s\n", what, p.Name, p.Doc)
			if err != nil {
				fmt.Fprintf(&b, "\terror: %v\n", err)
			}
			for _, f := range faults {
				fmt.Fprintf(&b, "\t%s\n", f)
			}
		}
	}
	show("scenario", chaos.Scenarios(), chaos.Scenario)
	show("profile", chaos.Profiles(), chaos.Profile)
	_, err := chaos.Scenario("doomsday")
	fmt.Fprintln(&b, err)
	golden(t, "presets.txt", b.String())
}

func TestStatsJSON(t *testing.T) {
	s := chaos.Stats{Seen: 3, Hit: 2, Inapplicable: 1, Asked: 1500 * time.Microsecond, Achieved: 2 * time.Millisecond, Released: 4}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"seen":3,"hit":2,"inapplicable":1,"asked_ms":1.5,"achieved_ms":2,"released":4}`
	var back chaos.Stats
	if err := json.Unmarshal(data, &back); err != nil || string(data) != want || back != s {
		t.Errorf("%s and back %+v, %v; want %s", data, back, err, want)
	}
}

// Whatever is read without an error is valid, writes itself, and reads back as it was.
func FuzzFaultJSON(f *testing.F) {
	for _, g := range goodFaults() {
		fault, err := chaos.New(g.kind, g.args)
		if err != nil {
			f.Fatal(err)
		}
		data, err := json.Marshal(fault)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var fault chaos.Fault
		if json.Unmarshal(data, &fault) != nil {
			return
		}
		if err := fault.Validate(); err != nil {
			t.Fatalf("%s is not valid: %v", data, err)
		}
		if strings.ContainsRune(fault.String(), '\n') && !strings.Contains(string(data), `\n`) {
			t.Errorf("%q has more than one line", fault.String())
		}
		first, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		var back chaos.Fault
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatalf("%s does not come back: %v", first, err)
		}
		if second, _ := json.Marshal(back); string(second) != string(first) {
			t.Errorf("%s became %s", first, second)
		}
	})
}
