package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"starquake/app"
	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestRefused plans scripts with arguments that would otherwise be accepted and mean
// nothing, or something else. Each is refused at its line, before anything starts.
func TestRefused(t *testing.T) {
	const two = `
a = proxy("a", listen = "127.0.0.1:1", upstream = "127.0.0.1:2", labels = {"tier": "x"})
b = proxy("b", listen = "127.0.0.1:3", upstream = "127.0.0.1:4")
`
	for script, want := range map[string]string{
		`orchestration("x", max_duration = 0)`:                                         "max_duration",
		`step("x", lambda: None, on = a)`:                                              "no chaos beside it",
		`step("x", lambda: None, min_hits = 3)`:                                        "no chaos beside it",
		`step("x", lambda: None, recovered = "5s")`:                                    "no chaos beside it",
		`step("x", duration = "1s", chaos = fault.latency("1s").on(a), recovered = 0)`: "recovered",
		`http.get("http://x/", timeout = 0)`:                                           "timeout",
		`exec.run(["x"], timeout = "0s")`:                                              "timeout",
		`exec.run(["x"], env = {"A": 1})`:                                              "expected strings",
		`observe(probe.http("http://x/", below = 0))`:                                  "below",
		`observe(probe.tcp("x:1", below = 0))`:                                         "below",
		`observe(probe.exec(["x"], timeout = 0))`:                                      "timeout",
		`apply_chaos([], on = a)`:                                                      "at least one fault",
		`step("x", duration = "1s", chaos = [], on = a)`:                               "at least one fault",
		`targets(tier = 1)`:                                                            "expected a string",
		`proxy("c", listen = "127.0.0.1:5", upstream = "127.0.0.1:0")`:                 "upstream",
		`proxy("c", listen = "127.0.0.1:5", upstream = ":80")`:                         "upstream",
		`proxy("c", listen = "127.0.0.1:99999", upstream = "h:80")`:                    "listen",
	} {
		s, diags := app.LoadText("t.star", []byte(two+script+"\n"))
		if !diags.HasErrors() {
			res, err := s.Plan(app.PlanOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if v := res.Outcome.Verdict; v != journal.VerdictInvalid {
				t.Errorf("%s: %s, expected invalid", script, v)
			}
			for _, f := range res.Outcome.Failures {
				diags = append(diags, app.Diagnostic(f.Problem))
			}
		}
		err := diags.Err()
		if err == nil || !strings.Contains(err.Error(), want) || diags[len(diags)-1].Line != 4 {
			t.Errorf("%s: %v; expected %q in line 4", script, err, want)
		}
	}
}

// TestChecks has values that nothing may take for a success.
func TestChecks(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte(`
nan = float("nan")
for limit in [{"above": 1}, {"at_least": 1}, {"below": 1}, {"at_most": 1}, {"between": (0, 1)}, {"equals": nan}]:
    for value in [None, nan]:
        if check("x", value, **limit) and not ("equals" in limit and value != None):
            log("passed", value = str(value), limit = str(limit))
check("x", 1, below = nan)
p = proxy("p", listen = "127.0.0.1:1", upstream = "127.0.0.1:2", protocol = "tcp", labels = {"tier": "x"})
if not p.supports(scenario("slow_backend")) or p.supports([fault.latency("1s"), fault.http_error(503)]):
    log("supports is wrong")
`))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.View.Log) != 0 || res.Outcome.Verdict != journal.VerdictFailed {
		t.Errorf("%s: %s %+v", res.Outcome.Verdict, res.Outcome.Message, res.View.Log)
	}
	if last := res.View.Checks[len(res.View.Checks)-1]; last.OK {
		t.Error("1 is below what is no number")
	}
}

// TestNotStarted has runs that cannot be done as written: they are refused, with a
// place, before the first fault of their first step.
func TestNotStarted(t *testing.T) {
	t.Setenv("STARQUAKE_SECRET_EMPTY", "")
	service := serve(t)
	for _, test := range []struct {
		name, body, want string
		opt              app.RunOptions
	}{
		{name: "target", body: `step("x", duration = "1s", chaos = fault.latency("1s").on(target("other")))`, want: `there is no target "other"`},
		{name: "service", body: `http.get(service("shop").url())`, want: `no service "shop"`},
		{name: "labels", body: `targets(tier = "none")`, want: "no target of this run"},
		{name: "secret", body: `secret("never")`, want: "STARQUAKE_SECRET_NEVER"},
		{name: "empty secret", body: `secret("empty")`, want: "STARQUAKE_SECRET_EMPTY"},
		{name: "kind", body: `step("y", duration = "1s", chaos = fault.http_error(500).on(q))`, want: `target "q"`},
		{name: "parameter", body: `pass`, want: `did you mean "rate"?`,
			opt: app.RunOptions{Options: app.Options{Params: map[string]builtins.GivenParam{"rat": {Text: "1"}}}}},
		{name: "closed network", body: `http.get("` + service.URL + `")`, want: "opens no network",
			opt: app.RunOptions{Options: app.Options{Env: &app.Environment{AllowNet: []string{}}}}},
		{name: "command", body: `exec.run(["true"])`, want: "true"},
		{name: "nobody", body: `approve("?", faults = "keep")`, want: "nobody can answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, diags := app.LoadText("t.star", []byte(service.prelude()+`
q = proxy("q", listen = "127.0.0.1:0", upstream = p.upstream, protocol = "tcp")
rate = param("rate", default = 1)
def main():
    guard("g", lambda: True)
    step("first", lambda: sleep("1h"), chaos = fault.latency("1s").on(p))
    `+test.body+"\n"))
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			var asked []string
			test.opt.OnRecord = func(rec journal.Record) { asked = append(asked, string(rec.Kind)) }
			r, err := s.Start(test.opt)
			if err == nil {
				_ = r.Control(runtime.Control{Action: runtime.ActionStop})
				r.Wait()
				t.Fatal("it was started")
			}
			var refused app.Refusals
			if !errors.As(err, &refused) || !strings.Contains(refused.Error()+refused[0].Help, test.want) {
				t.Errorf("%v, expected %q", err, test.want)
			}
			if len(asked) > 0 {
				t.Errorf("records of a run that was not started: %v", asked)
			}
		})
	}
}

// TestNobodyApproves asks where the plan did not: it is an error at once, and no hour of
// waiting with a fault on.
func TestNobodyApproves(t *testing.T) {
	s := serve(t)
	s.sick.Store(true)
	r := begin(t, s.prelude()+`
def main():
    apply_chaos(fault.latency("1ms"), on = p)
    if get("/").status == 500:
        approve("go on?", faults = "keep")
`, app.RunOptions{})
	if res := finish(t, r, journal.VerdictErrored); res.Outcome.Reason != "nobody_to_approve" {
		t.Errorf("reason %q", res.Outcome.Reason)
	}
}

// TestEnvironmentFiles has files that are refused, each with what is wrong.
func TestEnvironmentFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("EMPTY", "")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, large := write("empty", "\n"), write("large", strings.Repeat("x", 1<<20))
	for text, want := range map[string]string{
		"targets: {a: {listen: ':0', upstream: ':80'}}": "upstream",
		"targets: {a: {listen: 'x', upstream: 'h:80'}}": "listen",
		"name: a\n---\nallow_net: [x]\n":                "one YAML document",
		"secrets: {a: {env: EMPTY}}":                    "empty",
		"secrets: {a: {file: " + empty + "}}":           "empty",
		"secrets: {a: {file: " + large + "}}":           "longer than",
		"secrets: {a: {file: " + dir + "/none}}":        "no such file",
		"secrets: {a: {}}":                              "exactly one",
		"secrets: {'a b': {env: EMPTY}}":                "name",
		"nmae: a":                                       "nmae",
		"name: a\nname: b":                              "already",
		"a: &a [x, x]\nb: [*a, *a]\nname: [*a]":         "",
	} {
		_, err := app.LoadEnvironment(write("env.yaml", text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
	if env, err := app.LoadEnvironment(write("env.yaml", "")); err != nil || env.AllowNet != nil {
		t.Errorf("an empty file: %+v %v", env, err)
	}
	if env, err := app.LoadEnvironment(write("env.yaml", "allow_net: []")); err != nil || env.AllowNet == nil {
		t.Errorf("an empty list is not nothing: %+v %v", env, err)
	}
}

// TestViews reads a run from many goroutines while it goes on.
func TestViews(t *testing.T) {
	r := begin(t, `
def main():
    loop(lambda i: step("turn", lambda: sleep("1ms")), times = 50)
`, app.RunOptions{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				for _, s := range r.View().Steps {
					if s.Path == "" {
						t.Error("a step without a path")
					}
				}
				select {
				case <-r.Done():
					return
				default:
				}
			}
		})
	}
	readers.Wait()
	finish(t, r, journal.VerdictPassed)
}
