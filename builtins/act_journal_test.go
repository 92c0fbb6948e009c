package builtins

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// yes plans every effect: what is held is on at once, what is asked is answered, and
// every probe holds.
type yes struct{}

func (yes) Plan(req *runtime.Request) (runtime.Planned, error) {
	data := map[string]any{"ok": true, "approved": true, "status": 200, "seen": 100, "hit": 100, "requests": 100, "state": "holds", "reading": map[string]any{"ok": true}}
	if req.Kind == effects.KindLoad {
		return runtime.Planned{Reports: []runtime.PlannedEvent{{}}, Done: &runtime.PlannedEvent{After: time.Second, Data: data}}, nil
	}
	if req.Held {
		return runtime.Planned{
			Reports: []runtime.PlannedEvent{{Data: data}},
			End:     func(time.Duration) (any, *journal.EffectError) { return data, nil },
		}, nil
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: data}}, nil
}

// planned plans a script of one line in main().
func planned(names starlark.StringDict, line string) (runtime.Outcome, []journal.Record) {
	source := `
one, two = target("one"), target("two")
def f(): return True
def g(x = 0): return x
def main():
    steady_state("s", f, when = ["before"])
    ` + line + "\n"
	init := func(thread *starlark.Thread, _ string) (starlark.StringDict, error) {
		return starlark.ExecFileOptions(dsl.FileOptions(), thread, "x.star", source, names)
	}
	env := &Env{Names: names, Init: init, AnyTarget: true, Targets: []*Target{{Name: "one"}, {Name: "two"}}}
	mem := &journal.Memory{}
	cfg := runtime.Config{Begin: journal.RunBeginBody{Name: "x", Origin: runtime.VirtualOrigin, World: "virtual"}, Describe: Describe, OnTurn: OnTurn}
	out := runtime.New(cfg, runtime.NewVirtual(yes{}, mem)).Execute(env.Script("x.star", true))
	return out, mem.Records()
}

// journalOf gives the journal of planned, but the end: a run that is replayed has none
// yet.
func journalOf(t *testing.T, names starlark.StringDict, line string) string {
	t.Helper()
	out, recs := planned(names, line)
	if out.Verdict == journal.VerdictInvalid || out.Verdict == journal.VerdictErrored {
		t.Errorf("%s: %s", line, out.Message)
	}
	var b strings.Builder
	for _, rec := range recs[:len(recs)-1] {
		if step, ok := rec.Body.(*journal.StepBeginBody); ok {
			step.Pos = "" // the column of the call
		}
		text, err := rec.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	return b.String()
}

// TestEveryArgumentIsJournaled: what a script asks for in another way gives another
// journal. The functions that it passes are its own text, which the journal has.
func TestEveryArgumentIsJournaled(t *testing.T) {
	names, err := Compile(Table(), Constants())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		call      string // of a builtin, with what all variations have
		vary      map[string]string
		functions string // parameters that are functions, or go to one
	}{
		{`sleep(`, map[string]string{"d": `"5s"`}, ""},
		{`step(`, map[string]string{
			"traffic": `traffic.http("http://a.test/", rate = 2, duration = "1s")`, "below": `{"p99": "8s"}`, "above": `{"requests": 2}`,
			"name": `"b"`, "chaos": `fault.latency("1s")`, "on": `two`, "duration": `"2s"`, "delay_before": `"1s"`, "timeout": `"9s"`,
			"recovered": `"3s"`, "min_hits": `7`, "retries": `2`, "retry_delay": `"2s"`, "backoff": `2`, "when": `f`, "on_failure": `"tolerate"`, "labels": `{"a": "b"}`,
		}, "run args"},
		{`apply_chaos(fault.latency("2s"), `, map[string]string{"on": `two`, "name": `"n"`, "duration": `"3s"`, "min_hits": `0`}, ""},
		{`parallel(f, f, `, map[string]string{"limit": `1`, "fail_fast": `False`}, "over"},
		{`loop(f, `, map[string]string{"times": `2`, "duration": `"1h"`, "every": `"1s"`, "until": `lambda x: True`}, "body forever"},
		{`start(f, `, map[string]string{"name": `"n"`}, "fn"},
		{`on_exit(f, `, map[string]string{"when": `"failure"`}, "fn"},
		{`wait_until(f, `, map[string]string{"timeout": `"2m"`, "every": `"2s"`, "stable": `"3s"`, "must": `False`}, "probe"},
		{`approve(`, map[string]string{
			"message": `"sure?"`, "timeout": `"2m"`, "on_timeout": `"fail"`, "faults": `"lift"`, "simulated": `{"by": "me"}`,
		}, ""},
		{`steady_state(`, map[string]string{
			"name": `"t"`, "when": `["after"]`, "during": `"50%"`, "every": `"2s"`, "settle": `"2s"`,
		}, "probe"},
		{`guard(`, map[string]string{
			"name": `"h"`, "every": `"2s"`, "breaches": `2`, "on_error": `"ignore"`, "on_no_data": `"ignore"`, "action": `"stop_scope"`,
		}, "probe"},
		{`check(`, map[string]string{
			"name": `"d"`, "value": `3`, "below": `9`, "above": `1`, "at_most": `9`, "at_least": `1`, "equals": `2`,
			"between": `(0, 9)`, "matches": `"x"`, "detail": `"why"`,
		}, ""},
		{`record(`, map[string]string{"name": `"d"`, "number": `3`, "unit": `"rps"`, "better": `"lower"`}, ""},
		{`log(`, map[string]string{"message": `"n"`, "level": `"warn"`}, ""},
	}
	base := map[string]map[string]string{ // arguments that a call cannot do without
		"sleep":        {"d": `"1s"`},
		"step":         {"name": `"a"`, "run": `f`, "traffic": `traffic.http("http://a.test/", rate = 3, duration = "1s")`, "chaos": `fault.latency("2s")`, "on": `one`},
		"apply_chaos":  {"on": `one`},
		"loop":         {"times": `1`},
		"wait_until":   {"timeout": `"1m"`},
		"approve":      {"message": `"go?"`},
		"steady_state": {"name": `"s"`, "probe": `f`},
		"guard":        {"name": `"g"`, "probe": `f`},
		"check":        {"name": `"c"`, "value": `2`, "below": `8`},
		"record":       {"name": `"c"`, "number": `2`},
		"log":          {"message": `"m"`},
	}
	for _, test := range tests {
		name, _, _ := strings.Cut(test.call, "(")
		line := func(args map[string]string) string {
			var out []string
			for _, param := range keys(args) {
				out = append(out, param+" = "+args[param])
			}
			return test.call + strings.Join(out, ", ") + ")"
		}
		plain := journalOf(t, names, line(base[name]))
		fn := names[name].(*function)
		for _, param := range fn.paramNames() {
			if slices.Contains(strings.Fields(test.functions), param) {
				continue
			}
			value, ok := test.vary[param]
			if !ok {
				t.Errorf("%s: nothing varies the argument %s", name, param)
				continue
			}
			args := map[string]string{param: value}
			for other, v := range base[name] {
				if other != param {
					args[other] = v
				}
			}
			if journalOf(t, names, line(args)) == plain {
				t.Errorf("%s leaves the journal as %s does:\n%s", line(args), line(base[name]), plain)
			}
		}
	}
	// Draws are not journaled: what becomes of them is.
	for _, lines := range [][2]string{
		{`sleep(random.float(1, 2))`, `sleep(random.float(1, 3))`},
		{`log(random.int(1, 1000000))`, `log([random.int(1, 6), random.int(1, 1000000)][1])`},
		{`attempt(f)`, `f()`},
	} {
		if journalOf(t, names, lines[0]) == journalOf(t, names, lines[1]) {
			t.Errorf("%s gives the same journal as %s", lines[0], lines[1])
		}
	}
}

// TestUnknownHits: chaos of which a fault that went off gave no counts says nothing,
// unless the others met enough.
func TestUnknownHits(t *testing.T) {
	counts := json.RawMessage(`{"seen":5,"hit":5}`)
	tests := []struct {
		name    string
		min     int
		answers []json.RawMessage
		said    json.RawMessage // by each, before its end
		cut     bool            // each, by a crash
		want    string          // code of the last answer's failure
	}{
		{"met", 5, []json.RawMessage{counts}, nil, false, ""},
		{"not met", 6, []json.RawMessage{counts}, nil, false, "no_hits"},
		{"unknown", 1, []json.RawMessage{nil}, nil, false, "no_stats"},
		{"unknown, and enough met another", 5, []json.RawMessage{nil, counts}, nil, false, ""},
		{"unknown, and too few met another", 6, []json.RawMessage{nil, counts}, nil, false, "no_stats"},
		{"unknown, but enough said before", 5, []json.RawMessage{nil}, counts, false, ""},
		{"unknown, and too few said before", 6, []json.RawMessage{nil}, counts, false, "no_stats"},
		{"unreadable", 1, []json.RawMessage{json.RawMessage(`[]`)}, nil, false, "no_stats"},
		{"not met, as far as is known after a crash", 6, []json.RawMessage{counts}, nil, true, "no_stats"},
		{"met, although there was a crash", 5, []json.RawMessage{counts}, nil, true, ""},
		{"none asked for", 0, []json.RawMessage{nil}, nil, false, ""},
	}
	for _, test := range tests {
		asks := make([]runtime.Ask, len(test.answers))
		judgeTogether(asks, test.min)
		got := ""
		for i, answer := range test.answers {
			if asks[i].Judge == nil {
				continue
			}
			if f := asks[i].Judge(runtime.Told{Answer: answer, Said: test.said, Cut: test.cut}); f != nil {
				got = f.Problem.Code
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, expected %q", test.name, got, test.want)
		}
	}
}
