package app_test

import (
	"errors"
	"os"
	"path/filepath"
	goruntime "runtime"
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
		{name: "left out", body: `target("other")`, want: "name it in the start's targets too",
			opt: app.RunOptions{Options: app.Options{Env: &app.Environment{LeftOut: []string{"other"}}}}},
		{name: "service", body: `http.get(service("shop").url())`, want: `no service "shop"`},
		{name: "labels", body: `targets(tier = "none")`, want: "no target of this run"},
		{name: "secret", body: `secret("never")`, want: "STARQUAKE_SECRET_NEVER"},
		{name: "empty secret", body: `secret("empty")`, want: "STARQUAKE_SECRET_EMPTY"},
		{name: "kind", body: `step("y", duration = "1s", chaos = fault.http_error(500).on(q))`, want: `target "q"`},
		{name: "parameter", body: `pass`, want: `did you mean "rate"?`,
			opt: app.RunOptions{Options: app.Options{Params: map[string]builtins.GivenParam{"rat": {Text: "1"}}}}},
		{name: "closed network", body: `http.get("` + service.URL + `")`, want: "opens no network",
			opt: app.RunOptions{Options: app.Options{Env: &app.Environment{AllowNet: []string{}}}}},
		{name: "command", body: `exec.run(["true"])`, want: "--allow-exec=true would permit it"},
		{name: "in a guard", body: `guard("h", probe.exec(["true"]))`, want: "--allow-exec=true would permit it"},
		{name: "in a function", body: `guard("h", lambda: exec.run(["true"]).ok)`, want: "--allow-exec=true would permit it"},
		{name: "in a branch", body: `parallel(lambda: exec.run(["true"]))`, want: "--allow-exec=true would permit it"},
		{name: "nobody", body: `approve("?", faults = "keep")`, want: "--attended"},
		{name: "parameter's value", body: `pass`, want: "expected an int, got",
			opt: app.RunOptions{Options: app.Options{Params: map[string]builtins.GivenParam{"rate": {Text: "many"}}}}},
		{name: "isolated", body: `exec.run(["true"])`, want: "--allow-exec=true would permit it", opt: app.RunOptions{Options: app.Options{Isolate: true}}},
		{name: "isolated secret", body: `secret("never")`, want: "STARQUAKE_SECRET_NEVER", opt: app.RunOptions{Options: app.Options{Isolate: true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.opt.Isolate && goruntime.GOOS != "linux" {
				t.Skip("scripts are isolated on Linux only")
			}
			source := service.prelude() + `
q = proxy("q", listen = "127.0.0.1:0", upstream = p.upstream, protocol = "tcp")
rate = param("rate", default = 1)
def main():
    guard("g", lambda: True)
    step("first", lambda: sleep("1h"), chaos = fault.latency("1s").on(p))
    ` + test.body + "\n"
			s, diags := app.LoadText("t.star", []byte(source))
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
			if !errors.As(err, &refused) || len(refused) != 1 || !strings.Contains(refused.Error()+refused[0].Help, test.want) {
				t.Fatalf("%v, expected one with %q", err, test.want)
			}
			line, col := strings.Count(source, "\n"), 1
			switch test.name {
			case "parameter": // of the whole script
				line, col = 0, 0
			case "parameter's value":
				before, _, _ := strings.Cut(source, "rate =")
				line = strings.Count(before, "\n") + 1
			}
			if d := refused[0]; d.File != "t.star" || d.Line != line || d.Col < col {
				t.Errorf("it stands at %s:%d:%d, expected line %d", d.File, d.Line, d.Col, line)
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
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for text, want := range map[string]string{
		"targets: {a: {listen: ':0', upstream: ':80'}}": "upstream",
		"targets: {a: {listen: 'x', upstream: 'h:80'}}": "listen",
		"name: a\n---\nallow_net: [x]\n":                "one YAML document",
		"secrets: {a: {}}":                              "exactly one",
		"secrets: {'a b': {env: EMPTY}}":                "name",
		"nmae: a":                                       `line 1: unknown key "nmae"; there are name, targets, services`,
		"name: a\ntragets: {}":                          `line 2: unknown key "tragets"; there are name, targets, services, secrets, allow_net, allow_exec, allow_load, max_load_rate, prometheus, notify, descriptors, ca; did you mean "targets"?`,
		"targets: {a: {lisen: x}}":                      `did you mean "listen"?`,
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

// TestSecretsAreReadLate: an environment's secrets are read by a run that asks for them,
// and by no plan. One that cannot be read is refused at its call.
func TestSecretsAreReadLate(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("EMPTY", "")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, large, good := write("empty", "\n"), write("large", strings.Repeat("x", 1<<20)), write("good", "hunter2\n")
	s, diags := app.LoadText("t.star", []byte(`
token = secret("a")
def main():
    log("token", text = exec.run(["printf", token]).stdout)
`))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for from, want := range map[string]string{
		"{env: EMPTY}":                  "it is empty",
		"{env: STARQUAKE_NOT_THERE}":    "the variable STARQUAKE_NOT_THERE is not set",
		"{file: " + empty + "}":         "it is empty",
		"{file: " + large + "}":         "longer than",
		"{file: " + dir + "/not-there}": "no such file",
		"{file: " + good + "}":          "",
	} {
		env, err := app.LoadEnvironment(write("env.yaml", "secrets: {a: "+from+", unused: {env: STARQUAKE_NOT_THERE}}\nallow_exec: [printf]"))
		if err != nil {
			t.Fatal(err)
		}
		opt := app.Options{Env: env}
		if res, err := s.Plan(app.PlanOptions{Options: opt, Details: true}); err != nil || res.Outcome.Verdict != journal.VerdictPassed || len(res.Warnings) != 0 {
			t.Errorf("%s: the plan: %v %+v", from, err, res)
		} else if len(res.View.Secrets) != 1 || res.View.Secrets[0] != "a" {
			t.Errorf("%s: the plan's secrets are %q", from, res.View.Secrets)
		}
		r, err := s.Start(app.RunOptions{Options: opt})
		if want != "" {
			var refused app.Refusals
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "env.yaml") || refused[0].Line != 2 {
				t.Errorf("%s: %v, expected %q in line 2", from, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if res := finish(t, r, journal.VerdictPassed); !strings.Contains(events(t, res.Records), `"fields":{"text":"⟦secret:a⟧"}`) {
			t.Errorf("the log is %+v", res.View.Log)
		}
	}
}

// TestGivesWay: a target that the run was given takes the place of the script's, which
// goes on to find it by its labels; the run's log and the plan say so.
func TestGivesWay(t *testing.T) {
	for _, script := range []string{`
shop = proxy("shop", listen = "127.0.0.1:1", upstream = "127.0.0.1:2", labels = {"tier": "back", "zone": "a"})
def main():
    log("found", labels = str([t.labels for t in targets(tier = "back")]))
`, `
shop = proxy("shop", listen = "127.0.0.1:1", upstream = "127.0.0.1:2", labels = {"tier": "back", "zone": "a"})
log("found", labels = str([t.labels for t in targets(tier = "back")]))
`} {
		s, diags := app.LoadText("t.star", []byte(script))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		path := filepath.Join(t.TempDir(), "env.yaml")
		if err := os.WriteFile(path, []byte(`targets: {shop: {listen: "127.0.0.1:3", upstream: "127.0.0.1:4", labels: {zone: b}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		env, err := app.LoadEnvironment(path)
		if err != nil {
			t.Fatal(err)
		}
		const notice = `target "shop" is the one that was given (127.0.0.1:3 → 127.0.0.1:4); for the script's own proxy, leave it out of --proxy and --env`
		for range 2 { // nothing of the first is left in the second
			res, err := s.Plan(app.PlanOptions{Options: app.Options{Env: env}})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.Warnings) != 1 || res.Warnings[0] != "t.star:2:13: "+notice {
				t.Errorf("warnings %q", res.Warnings)
			}
			if log := res.View.Log; len(log) != 2 || log[0].Message != notice || string(log[1].Fields) != `{"labels":"[{\"tier\": \"back\", \"zone\": \"b\"}]"}` {
				t.Errorf("log %+v", log)
			}
		}
		if got := env.Targets[0].Labels; len(got) != 1 {
			t.Errorf("the environment itself has now the labels %v", got)
		}
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
