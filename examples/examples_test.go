package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/app"
	"starquake/dsl"
	"starquake/internal/demo"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// examples are the files that a person may plan and run.
func examples(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.star", "*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if !strings.HasSuffix(path, app.TestSuffix) {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) < 13 {
		t.Fatalf("only %d examples: %v", len(paths), paths)
	}
	return paths
}

func planned(t *testing.T, path string) *view.Run {
	t.Helper()
	s, diags := app.Load(path)
	for _, d := range diags {
		if d.Severity != dsl.Hint {
			t.Errorf("%s", d)
		}
	}
	if diags.HasErrors() {
		t.FailNow()
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("%s is planned to be %s: %s", path, res.Outcome.Verdict, res.Outcome.Message)
	}
	return res.View
}

// TestPlan plans every example: without warnings, and to pass.
func TestPlan(t *testing.T) {
	for _, path := range examples(t) {
		t.Run(path, func(t *testing.T) { planned(t, path) })
	}
}

// TestPairs says of the examples that are there as a file and as a script that they are
// about the same: what each is for can be seen in its plan.
func TestPairs(t *testing.T) {
	for _, test := range []struct {
		name    string
		steps   int
		atLeast time.Duration
		targets int
		atOnce  bool // all steps at the same time
	}{
		{"progressive-load-test", 6, 23 * time.Minute, 1, false},
		{"cascading-failure", 7, 14 * time.Minute, 3, false},
		{"endurance-test", 24, 24 * time.Hour, 1, false},
		{"multi-protocol-chaos", 4, 2 * time.Minute, 4, true},
	} {
		steps := map[string][]string{} // each with when it begins and ends, by the file's ending
		for _, ending := range []string{".yaml", ".star"} {
			t.Run(test.name+ending, func(t *testing.T) {
				run := planned(t, test.name+ending)
				if run.Name != test.name || len(run.Steps) != test.steps || len(run.Targets) != test.targets || run.Now < test.atLeast {
					t.Errorf("%s has %d steps and %d targets and takes %s, want %d, %d and %s", run.Name, len(run.Steps), len(run.Targets), run.Now, test.steps, test.targets, test.atLeast)
				}
				for _, s := range run.Steps {
					steps[ending] = append(steps[ending], fmt.Sprintf("%s from %s to %s", s.Name, s.Start, s.End))
					if test.atOnce && s.Start != 0 {
						t.Errorf("step %s begins at %s", s.Name, s.Start)
					}
				}
			})
		}
		if !slices.Equal(steps[".yaml"], steps[".star"]) {
			t.Errorf("%s has in the file the steps\n%s\nand in the script\n%s", test.name, strings.Join(steps[".yaml"], "\n"), strings.Join(steps[".star"], "\n"))
		}
	}
}

// TestLayout wants the scripts laid out in the one way, and the scripts of pairs not
// longer than their files.
func TestLayout(t *testing.T) {
	for _, path := range examples(t) {
		if filepath.Ext(path) != ".star" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		formatted, err := dsl.Format(path, text)
		if err != nil || !bytes.Equal(text, formatted) {
			t.Errorf("%s is not laid out as starquake fmt does it: %v", path, err)
		}
		file, err := os.ReadFile(strings.TrimSuffix(path, ".star") + ".yaml")
		if err == nil && bytes.Count(text, []byte("\n")) >= bytes.Count(file, []byte("\n")) {
			t.Errorf("%s is not shorter than the file", path)
		}
	}
}

// command is how an example is run, as its comment has it.
var command = regexp.MustCompile(`starquake run examples/(\S+)(?: --compress (\d+))?`)

// TestCommands wants each example's comment to say what to look at and how to run it so
// that it ends within a minute, and README.md to list the same command.
func TestCommands(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range examples(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("Look at: ")) {
			t.Errorf("%s does not say what to look at", path)
		}
		found := command.FindStringSubmatch(string(text))
		if found == nil || found[1] != path {
			t.Errorf("%s does not say how it is run: %q", path, found)
			continue
		}
		times := 1
		if found[2] != "" {
			if times, err = strconv.Atoi(found[2]); err != nil {
				t.Fatal(err)
			}
		}
		if takes := planned(t, path).Now / time.Duration(times); takes > 50*time.Second {
			t.Errorf("%s takes %s, and what the system takes besides", found[0], takes)
		}
		if !bytes.Contains(readme, []byte("`"+found[0]+"`")) {
			t.Errorf("README.md does not list %s", found[0])
		}
	}
}

// TestRun runs every example for real, before a shop with customers, in compressed time:
// all pass, and what they do is met.
func TestRun(t *testing.T) {
	tests := map[string]struct {
		compress int
		params   func(at func(name string) string) []string
	}{
		"cascading-failure.star": {100, nil},
		"cascading-failure.yaml": {100, nil},
		"conditional-recovery.star": {0, func(at func(string) string) []string {
			return []string{"url=http://" + at(demo.Catalog) + "/catalog"}
		}},
		"endurance-test.star":       {10_000, nil},
		"endurance-test.yaml":       {10_000, nil},
		"multi-protocol-chaos.star": {20, nil},
		"multi-protocol-chaos.yaml": {20, nil},
		"multi-region-outage.star":  {20, nil}, // its rate limit lets more pass than come in a shorter time
		"network-partition.star": {30, func(at func(string) string) []string {
			return []string{"node=http://" + at(demo.Catalog) + "/catalog"}
		}},
		"probes.star": {0, func(at func(string) string) []string {
			_, port, _ := strings.Cut(at(demo.Catalog), ":")
			return []string{"hold=1s", "host=127.0.0.1", "port=" + port, "grpc_addr=" + at(demo.Delivery)}
		}},
		"progressive-load-test.star": {200, nil},
		"progressive-load-test.yaml": {200, nil},
		"quickstart.star":            {0, func(func(string) string) []string { return []string{"phase=1s"} }},
		"ramp.star":                  {5, nil}, // see figures
		"retry-storm.star":           {0, func(func(string) string) []string { return []string{"phase=3s", "rate=15", "slo=20s"} }},
		"slo-under-load.star":        {5, func(func(string) string) []string { return []string{"rate=5", "slo=1m"} }},
	}
	for _, path := range examples(t) {
		t.Run(path, func(t *testing.T) {
			test, known := tests[path]
			if !known {
				t.Fatal("no test runs it")
			}
			if path != "retry-storm.star" { // whose checkout waits 300ms for an answer, which others beside it would break
				t.Parallel()
			}
			places, err := demo.Anywhere()
			if err != nil {
				t.Fatal(err)
			}
			shop, err := demo.Open(t.Context(), places, true)
			if err != nil {
				t.Fatal(err)
			}
			defer shop.Close()
			var params []string
			if test.params != nil {
				params = test.params(func(name string) string { return shop.Place(name).Addr })
			}
			run(t, path, shop, test.compress, params)
		})
	}
}

// figures are what an example finds out that is known beforehand, with the least and the
// most of it: a quarter of a ramp to 2s is below 500ms, and a busy machine leaves less.
var figures = map[string]map[string][2]float64{
	"ramp.star": {"share of the ramp that was good enough": {0.02, 0.27}},
	// An order that goes through costs one payment: nobody pays but for an order.
	"retry-storm.star": {"payments an order: baseline": {0.9, 1.1}, "payments an order: recovery": {0.9, 1.1}},
}

func run(t *testing.T, path string, shop *demo.Shop, compress int, given []string) {
	want := planned(t, path)
	s, _ := app.Load(path)
	params, err := app.ParseParams(given)
	if err != nil {
		t.Fatal(err)
	}
	env := &app.Environment{}
	for _, target := range want.Targets {
		name := ""
		for _, p := range demo.Fixed() { // at the same place of this shop
			if p.Addr == target.Upstream && (p.Via == target.Listen || strings.HasSuffix(target.Listen, ":0")) {
				name = p.Name
			}
		}
		if name == "" {
			continue // from parameters
		}
		place := shop.Place(name)
		if err := env.AddProxy(target.Name + "=" + place.Via + "," + place.Addr + "," + place.Protocol); err != nil {
			t.Fatal(err)
		}
	}
	var res *app.Result
	const tries = 5
	for try := 1; ; try++ {
		running, err := s.Start(app.RunOptions{Options: app.Options{Env: env, Params: params}, Compress: compress})
		if err != nil {
			t.Fatal(err)
		}
		res = running.Wait()
		if (slow(res) || unmet(res) || res.Outcome.Reason == "steady_state_lost" || len(stray(path, res)) > 0) && try < tries {
			continue // so many times in a row it is no busy machine
		}
		if res.Outcome.Verdict != journal.VerdictInconclusive || res.Outcome.Reason != "generator_limited" {
			break
		}
		mustBeBusy(t, res)
		if try == tries {
			t.Skipf("in %d tries this machine was too busy to send the load: %s", tries, res.Outcome.Message)
		}
	}
	if out := res.Outcome; out.Verdict != journal.VerdictPassed {
		t.Errorf("%s: %s: %s", out.Verdict, out.Reason, out.Message)
	}
	for _, wrong := range stray(path, res) {
		t.Error(wrong)
	}
	hits := 0
	for _, f := range res.View.Faults {
		hits += int(f.Hit)
	}
	if hits == 0 {
		t.Error("nothing met the chaos")
	}
	if res.View.Compress != compress || len(res.View.Steps) < len(want.Steps) || compress > 0 && res.View.Now < want.Now/2 {
		t.Errorf("compressed %d times, %d steps, %s of %s", res.View.Compress, len(res.View.Steps), res.View.Now, want.Now)
	}
}

// stray returns what is wrong with the figures of a run, which a busy machine changes.
func stray(path string, res *app.Result) (wrong []string) {
	for name, want := range figures[path] {
		i := slices.IndexFunc(res.View.Figures, func(f *view.Figure) bool { return f.Name == name })
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("there is no figure %q", name))
		} else if got := res.View.Figures[i].Value; got < want[0] || got > want[1] {
			wrong = append(wrong, fmt.Sprintf("%s is %v, expected %v to %v", name, got, want[0], want[1]))
		}
	}
	return wrong
}

// slow reports whether all that failed in a run are limits of its traffic, which a busy
// machine breaks too: the shop's checkout waits 300ms for an answer.
func slow(res *app.Result) bool {
	failed := 0
	for _, c := range res.View.Checks {
		if c.OK || c.Tolerated {
			continue
		}
		if !strings.HasPrefix(c.Name, "traffic ") {
			return false
		}
		failed++
	}
	return res.Outcome.Verdict == journal.VerdictFailed && res.Outcome.Reason == "check_failed" && failed > 0
}

// unmet reports whether nobody met the chaos of a step: in the second that a minute takes a
// busy machine may let no customer come.
func unmet(res *app.Result) bool {
	return res.Outcome.Verdict == journal.VerdictInconclusive && res.Outcome.Reason == "no_hits"
}

// mustBeBusy wants a run whose machine was the limit to show it: by load of which at least
// one in a hundred was late or not sent by its own doing, and by nothing else that failed. So
// no defect of an example, of its shop or of the load passes as a busy machine.
func mustBeBusy(t *testing.T, res *app.Result) {
	t.Helper()
	limited := false
	for _, l := range res.View.Loads {
		f := l.Figures
		if f == nil || !f.GeneratorLimited {
			continue
		}
		limited = true
		if own := f.Late + f.Dropped - f.ByStatus["dropped"] + f.ByStatus["local"]; own < 10 || own*100 < f.Requests {
			t.Errorf("load %s says that this machine was the limit, and of %d requests only %d were late or not sent", l.Text, f.Requests, own)
		}
	}
	if !limited {
		t.Errorf("no load was limited, and the run says so: %s", res.Outcome.Message)
	}
	for _, c := range res.View.Checks {
		if !c.OK && !c.Tolerated {
			t.Errorf("check %s failed besides: %s, expected %s", c.Name, c.Value, c.Limit)
		}
	}
	for _, f := range res.View.Faults {
		if f.State != view.FaultOff {
			t.Errorf("the fault %s on %s is %s", f.Text, f.Target, f.State)
		}
	}
}
