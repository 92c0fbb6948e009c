package view_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata, or writes it with -update.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestRunGolden(t *testing.T) {
	for _, name := range []string{"simple", "nested", "tolerated", "paused", "aborted", "unclean", "hostile"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "run_"+name+".json", viewtest.Samples()[name].Run())
		})
	}
}

func TestPlanGolden(t *testing.T) {
	for _, name := range []string{"simple", "nested", "plain", "paused", "unclean"} {
		t.Run(name, func(t *testing.T) {
			golden(t, "plan_"+name+".json", view.PlanJSON(viewtest.Samples()[name].Run()))
		})
	}
}

// A run folded from records that went through their JSON is the same run.
func TestSameThroughJSON(t *testing.T) {
	for name, j := range viewtest.Samples() {
		if name == "hostile" {
			continue // JSON replaces bytes that are no UTF-8
		}
		f := view.New()
		for _, rec := range j.Records {
			text, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			var back journal.Record
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			f.Add(back)
		}
		want, _ := json.Marshal(j.Run())
		got, _ := json.Marshal(f.Run())
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParents(t *testing.T) {
	run := viewtest.Nested().Run()
	type place struct{ parent, depth int }
	got := map[string]place{}
	for _, s := range run.Steps {
		got[s.Path] = place{s.Parent, s.Depth}
	}
	want := map[string]place{
		"storm": {-1, 0}, "storm/warm up": {0, 1}, "storm/flaky/bursts of 5xx": {0, 1},
		"storm/lossy/packet loss": {0, 1}, "cool down": {-1, 0},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{})); diff != "" {
		t.Error(diff)
	}
	if run.MaxFaults != 3 || run.MaxFaultsAt != 20*time.Second || run.FaultsOn != 0 {
		t.Errorf("most faults on: %d at %s, %d now; expected 3 at 20s, 0 now", run.MaxFaults, run.MaxFaultsAt, run.FaultsOn)
	}
	if run.Unguarded != 3 {
		t.Errorf("unguarded faults: %d, expected 3", run.Unguarded)
	}
}

// A branch of which the journal has no begin belongs to the step open in its
// nearest known ancestor.
func TestBranchWithoutBegin(t *testing.T) {
	j := viewtest.New("x", "real")
	j.Begin("0", journal.StepBeginBody{Path: "outer"})
	j.Begin("0.1.2", journal.StepBeginBody{Path: "outer/inner"})
	if s := j.Run().Steps[1]; s.Parent != 0 {
		t.Errorf("parent of outer/inner is %d, expected 0", s.Parent)
	}
}

func TestFaultStates(t *testing.T) {
	note := &journal.EffectNoteBody{Data: json.RawMessage(`{}`)}
	fails := func(code string) *journal.EffectEndBody {
		return &journal.EffectEndBody{Error: &journal.EffectError{Code: code, Message: code}}
	}
	on := []any{note}
	cases := []struct {
		name   string
		bodies []any // a nil is an EffectStop
		ended  bool
		want   view.FaultState
		on     int
	}{
		{"asked", nil, false, view.FaultPending, 0},
		{"on", on, false, view.FaultOn, 1},
		{"lifting", append(on[:1:1], nil), false, view.FaultLifting, 1},
		{"off", append(on[:1:1], nil, &journal.EffectEndBody{}), false, view.FaultOff, 0},
		{"off by itself", append(on[:1:1], &journal.EffectEndBody{}), false, view.FaultOff, 0},
		{"expired", append(on[:1:1], nil, fails(journal.CodeExpired)), false, view.FaultExpired, 0},
		{"not confirmed", append(on[:1:1], nil, fails("timeout")), false, view.FaultUnclean, 0},
		{"never on", []any{fails("refused")}, false, view.FaultFailed, 0},
		{"never on for all we know", []any{fails("unclean")}, false, view.FaultUnclean, 0},
		{"not waited for while it was put on", []any{nil, fails("abandoned")}, false, view.FaultUnclean, 0},
		{"given up before it was on", []any{nil, &journal.EffectEndBody{}}, false, view.FaultOff, 0},
		{"on at the end of the run", on, true, view.FaultUnclean, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j := viewtest.New("x", "real")
			at := j.Effect("0", "", "fault", map[string]any{"target": "t", "fault": map[string]any{"kind": "latency"}})
			for _, b := range c.bodies {
				switch b.(type) {
				case nil:
					j.Add(journal.EffectStop, at, nil)
				case *journal.EffectNoteBody:
					j.Add(journal.EffectNote, at, b)
				case *journal.EffectEndBody:
					j.Add(journal.EffectEnd, at, b)
				}
			}
			if c.ended {
				j.Pass()
			}
			run := j.Run()
			if run.Faults[0].State != c.want || run.FaultsOn != c.on {
				t.Errorf("state %s with %d on, expected %s with %d on", run.Faults[0].State, run.FaultsOn, c.want, c.on)
			}
		})
	}
}

func TestUncounted(t *testing.T) {
	j := viewtest.New("x", "real")
	at := j.Latency("0", "", "shop")
	j.Add(journal.EffectStop, at, nil)
	j.Add(journal.EffectEnd, at, &journal.EffectEndBody{Data: json.RawMessage(`{"uncounted":true}`)})
	if f := j.Run().Faults[0]; !f.Uncounted || f.State != view.FaultOff {
		t.Errorf("got %+v", f)
	}
}

func TestUses(t *testing.T) {
	j := viewtest.New("x", "real")
	arg := func(kind, args string) { j.Effect("0", "", kind, json.RawMessage(args)) }
	arg("http", `{"method":"GET","url":"https://user:pw@api.example:8443/x?y","headers":{"authorization":"Bearer ⟦secret:TOKEN⟧"}}`)
	arg("http", `{"url":"http://⟦secret:HOSTKEY⟧@plain.example/%zz"}`)
	arg("watch", `{"probe":{"kind":"all","of":[{"kind":"tcp","addr":"db:5432"},{"kind":"any","of":[{"kind":"http","url":"http://deep.example/"}]}]}}`)
	arg("exec", `{"argv":["kubectl","get","pods"]}`)
	arg("exec", `{"argv":"not a list"}`)
	arg("fault", `{"target":"own","fault":{"kind":"exec","params":{"on":["tc","add"],"off":["tc","del"],"check":{"addr":"node:22"}}}}`)
	arg("fault", `{"target":"own","fault":{"kind":"http","params":{"on":{"url":"http://toggle.example/on"},"off":[1]}}}`)
	arg("fault", `{"fault":{"kind":"exec","params":{"on":[["ip","link"],["ip","route"]],"off":[["ip","link"]]}}}`)
	arg("fault", `{"fault":{"kind":"http","params":{"on":"http://bare.example/on","off":{"url":"http://bare.example/off"}}}}`)
	arg("fault", `{"target":"shop","engine":{"url":"http://tox.example:8474"},"fault":{"kind":"latency"}}`)
	arg("attach", `{"name":"shop","engine":{"kind":"toxiproxy","url":"http://tox.example:8474","target":"shop"}}`)
	arg("proxy", `{"name":"payments","listen":"127.0.0.1:1","upstream":"10.0.0.1:2"}`)
	run := j.Run()
	want := []string{"10.0.0.1:2", "api.example:8443", "bare.example", "db:5432", "deep.example", "node:22", "plain.example", "toggle.example", "tox.example:8474"}
	if diff := cmp.Diff(want, run.Hosts); diff != "" {
		t.Errorf("hosts:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ip link", "ip route", "kubectl get pods", "tc add", "tc del"}, run.Commands); diff != "" {
		t.Errorf("commands:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"HOSTKEY", "TOKEN"}, run.Secrets); diff != "" {
		t.Errorf("secrets:\n%s", diff)
	}
	targets := []*view.Target{{Name: "own", Faults: 2}, {Name: "payments", Listen: "127.0.0.1:1", Upstream: "10.0.0.1:2"},
		{Name: "shop", Engine: "toxiproxy http://tox.example:8474 shop", Faults: 1}}
	if diff := cmp.Diff(targets, run.Targets); diff != "" {
		t.Errorf("targets:\n%s", diff)
	}
}

func TestBounds(t *testing.T) {
	j := viewtest.New("x", "real")
	for i := range 3*view.MaxLog + 7 {
		j.Log("info", string(make([]byte, i)), "")
	}
	for range view.MaxChecks + 1 {
		j.Check("", "ok", true, "", "")
	}
	j.Check("", "bad", false, "", "")
	for range view.MaxInFlight + 5 {
		j.Effect("0", "", "http", map[string]string{})
	}
	f := j.Latency("0", "", "payments")
	run := j.Run()
	if n := len(run.Log); n < view.MaxLog || n > 2*view.MaxLog {
		t.Errorf("%d lines of log kept, expected %d to %d", n, view.MaxLog, 2*view.MaxLog)
	}
	if last := run.Log[len(run.Log)-1].Message; len(last) != 3*view.MaxLog+6 {
		t.Errorf("the last line of the log is not the last that was logged: %d bytes", len(last))
	}
	if n := len(run.Checks); n != view.MaxChecks+1 || run.Checks[n-1].OK {
		t.Errorf("%d checks kept, the last ok %t; expected the failed one to be kept above the bound", n, run.Checks[n-1].OK)
	}
	if run.Counts.Checks != view.MaxChecks+2 || run.Counts.LogLines != 3*view.MaxLog+7 {
		t.Errorf("counts are not exact: %+v", run.Counts)
	}
	if len(run.Effects) != view.MaxInFlight || run.FaultsOn != 1 {
		t.Errorf("%d effects and %d faults in flight, expected %d and 1", len(run.Effects), run.FaultsOn, view.MaxInFlight)
	}
	j.Lift(f, 1, 1)
	if run := j.Run(); run.Faults[0].State != view.FaultOff {
		t.Errorf("a fault was lost among many effects: %s", run.Faults[0].State)
	}
}

func TestProgress(t *testing.T) {
	second := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
	share := func(x float64) *float64 { return &x }
	j := viewtest.New("x", "real")
	j.Wait(10 * time.Second)
	j.Log("info", "ten", "")
	running := j.Run()
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "pause"})
	paused := j.Run()
	j.Wait(30 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "resume"})
	resumed := j.Run()
	ended := j.Pass().Run()
	cases := []struct {
		name    string
		run     *view.Run
		planned *time.Duration
		now     time.Duration
		want    *float64
	}{
		{"no total", running, nil, *second(20), nil},
		{"half", running, second(40), *second(20), share(0.5)},
		{"a now that is past", running, second(40), 0, share(0.25)},
		{"late", running, second(40), *second(400), share(0.99)},
		{"no length", running, second(0), *second(20), share(0)},
		{"paused", paused, second(40), *second(35), share(0.25)},
		{"resumed", resumed, second(40), *second(50), share(0.5)},
		{"ended", ended, second(400), 0, share(1)},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, c.run.Progress(c.planned, c.now)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestTotal(t *testing.T) {
	if p := view.PlanJSON(viewtest.Endless().Run()); p.TotalSeconds != nil {
		t.Errorf("a plan cut at its horizon has the total %g, expected none", *p.TotalSeconds)
	}
	if p := view.PlanJSON(viewtest.Simple().Run()); p.TotalSeconds == nil || *p.TotalSeconds != 100 {
		t.Errorf("total is %v, expected 100", p.TotalSeconds)
	}
}

// TestLateTurns: what a crash has held up is not the body's fault, what is late besides is.
func TestLateTurns(t *testing.T) {
	j := viewtest.New("x", "real")
	loop := j.Place("0")
	turn := func(n int, late time.Duration) {
		j.Add(journal.TurnBegin, loop, &journal.TurnBody{Path: fmt.Sprintf("[%d]", n), Turn: n, Late: late})
	}
	warned := func(want ...string) {
		t.Helper()
		var got []string
		for _, w := range j.Run().Warnings() {
			if strings.Contains(w, "late") {
				got = append(got, w)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	turn(0, 0)
	j.Wait(500 * time.Millisecond)
	j.Wait(4 * time.Second) // nobody runs it
	j.Add(journal.Control, j.Place("0"), &journal.ControlBody{Action: "recover", Gap: 4 * time.Second})
	for n := 1; n < 4; n++ { // as due every second
		turn(n, 4500*time.Millisecond-time.Duration(n)*time.Second)
	}
	held := "3 loop turns began late, since nobody ran the run when they were due"
	warned(held)
	j.Wait(6 * time.Second)
	turn(4, 6500*time.Millisecond)
	turn(5, 5500*time.Millisecond)
	warned(held, "2 loop turns began late: the body takes longer than every")
	other := j.Place("0") // which no crash has held up
	j.Add(journal.TurnBegin, other, &journal.TurnBody{Path: "[1]#2", Turn: 1, Late: time.Second})
	warned(held, "3 loop turns began late: the body takes longer than every")
}

func TestLoops(t *testing.T) {
	j := viewtest.New("x", "real")
	s := j.Begin("0", journal.StepBeginBody{Path: "s"})
	outer, inner := j.Place("0"), j.Place("0")
	j.Add(journal.TurnBegin, outer, &journal.TurnBody{Path: "s/[4]", Turn: 4, Late: time.Second})
	j.Wait(time.Second)
	j.Add(journal.TurnBegin, inner, &journal.TurnBody{Path: "s/[4]/[0]", Turn: 0})
	want := []*view.Loop{
		{ID: outer.String(), Path: "s/[4]", Turn: 4, Late: 1},
		{ID: inner.String(), Path: "s/[4]/[0]", Since: time.Second},
	}
	if diff := cmp.Diff(want, j.Run().Loops); diff != "" {
		t.Error(diff)
	}
	// The step's end closes the loops inside of it, which have no end of their own.
	j.Fail(s, "s", "no", false)
	if got := j.Run().Loops; got != nil {
		t.Errorf("loops after the end of their step: %v", got)
	}
}

func TestEffectOfRecord(t *testing.T) {
	f := view.New()
	for _, rec := range viewtest.Aborted().Records {
		f.Add(rec)
		e := f.Effect()
		switch rec.Kind {
		case journal.EffectStart, journal.EffectNote, journal.EffectStop, journal.EffectEnd:
			if e == nil || e.Fault() == nil || e.Fault().Target != "payments" {
				t.Errorf("%s at %s: effect %+v, expected the fault on payments", rec.Kind, rec.Place, e)
			}
		default:
			if e != nil {
				t.Errorf("%s: effect %+v, expected none", rec.Kind, e)
			}
		}
	}
}

// A run that went through its JSON, as a client of the server has it, is the same.
func TestRunThroughJSON(t *testing.T) {
	for name, j := range viewtest.Samples() {
		if name == "hostile" {
			continue // JSON replaces bytes that are no UTF-8
		}
		run := j.Run()
		want, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var back view.Run
		if err := json.Unmarshal(want, &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := json.Marshal(&back)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is measured against a planned duration stands still in a pause.
func TestWorkedInPause(t *testing.T) {
	control := func(j *viewtest.Journal, action string) {
		j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: action})
	}
	j := viewtest.New("x", "real")
	j.Begin("0", journal.StepBeginBody{Path: "s", Duration: time.Minute})
	j.Add(journal.Sleep, j.Place("0"), &journal.SleepBody{For: 30 * time.Second})
	j.Wait(10 * time.Second)
	control(j, "pause")
	for _, c := range []struct {
		now, worked, left time.Duration
	}{{20 * time.Second, 10 * time.Second, 20 * time.Second}, {70 * time.Second, 15 * time.Second, 15 * time.Second}} {
		run := j.Run()
		s := run.Steps[0]
		if worked, left := run.Worked(s, c.now), run.Left(s.Sleep, c.now); worked != c.worked || left != c.left {
			t.Errorf("at %s worked %s with %s of the sleep left, expected %s and %s", c.now, worked, left, c.worked, c.left)
		}
		j.Wait(55 * time.Second)
		control(j, "resume")
	}
}

// A guard lives as long as the scope that made it, although no record says that it
// is over.
func TestWatchLives(t *testing.T) {
	live := func(j *viewtest.Journal) (names []string) {
		for _, w := range j.Run().Guards {
			if w.Live {
				names = append(names, w.Name)
			}
		}
		return names
	}
	expect := func(j *viewtest.Journal, when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, live(j)); diff != "" {
			t.Errorf("live guards %s:\n%s", when, diff)
		}
	}
	j := viewtest.New("x", "real")
	j.Guard("of the run", "holds", "", 1, 0)
	s := j.Begin("0", journal.StepBeginBody{Path: "s"})
	j.Guard("of the step", "holds", "", 1, 0)
	loop := j.Place("0")
	j.Add(journal.TurnBegin, loop, &journal.TurnBody{Turn: 0})
	j.Guard("of turn 0", "holds", "", 1, 0)
	expect(j, "in turn 0", "of the run", "of the step", "of turn 0")
	j.Add(journal.TurnBegin, loop, &journal.TurnBody{Turn: 1})
	expect(j, "in turn 1", "of the run", "of the step")
	attempt := j.Place("0")
	j.Guard("of the attempt", "holds", "", 1, 0)
	j.Add(journal.AttemptEnd, attempt, &journal.EndBody{})
	j.Guard("of turn 1", "holds", "", 1, 0)
	expect(j, "after the attempt", "of the run", "of the step", "of turn 1")
	j.Add(journal.LoopEnd, loop, &journal.EndBody{})
	expect(j, "after the loop", "of the run", "of the step")
	j.End(s, "s")
	expect(j, "after the step", "of the run")
	j.Latency("0", "", "payments")
	if n := j.Run().Unguarded; n != 0 {
		t.Errorf("%d faults unguarded, expected 0", n)
	}
	j.Guard("of the run", "ended", "", 1, 0)
	expect(j, "after its end")
	j.Latency("0", "", "payments")
	if n := j.Run().Unguarded; n != 1 {
		t.Errorf("%d faults unguarded, expected 1", n)
	}
}

// A snapshot stays as it was, and can be read while the fold goes on.
func TestSnapshot(t *testing.T) {
	for name, j := range viewtest.Samples() {
		f := view.New()
		read := make(chan error)
		half := len(j.Records) / 2
		for _, rec := range j.Records[:half] {
			f.Add(rec)
		}
		snap := f.Snapshot()
		want, err := json.Marshal(f.Run())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := json.Marshal(snap) // the race detector looks on
			read <- err
		}()
		for _, rec := range j.Records[half:] {
			f.Add(rec)
		}
		f.Run()
		if err := <-read; err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(snap)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
