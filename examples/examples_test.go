package examples_test

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
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
		for _, ending := range []string{".yaml", ".star"} {
			t.Run(test.name+ending, func(t *testing.T) {
				run := planned(t, test.name+ending)
				if run.Name != test.name || len(run.Steps) != test.steps || len(run.Targets) != test.targets || run.Now < test.atLeast {
					t.Errorf("%s has %d steps and %d targets and takes %s, want %d, %d and %s", run.Name, len(run.Steps), len(run.Targets), run.Now, test.steps, test.targets, test.atLeast)
				}
				for _, s := range run.Steps {
					if test.atOnce && s.Start != 0 {
						t.Errorf("step %s begins at %s", s.Name, s.Start)
					}
				}
			})
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

// TestRun runs the examples for real, in front of a small service, in compressed time.
// Nobody sends anything through most of them, so that a script may end inconclusive, as it
// must where this machine cannot send its load; whatever else went wrong would show.
func TestRun(t *testing.T) {
	shop, err := demo.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shop.Close() }) // behind the parallel tests, which a defer is not
	for _, test := range []struct {
		path     string
		compress int
		params   []string
	}{
		{"progressive-load-test.yaml", 2000, nil},
		// Compressed, a wait for the processor counts so many times over: few requests, in
		// little compression, with a promise that only the service can break.
		{"slo-under-load.star", 5, []string{"rate=5", "slo=1m"}},
		{"progressive-load-test.star", 2000, nil},
		{"cascading-failure.yaml", 2000, nil},
		{"cascading-failure.star", 2000, nil},
		{"endurance-test.yaml", 50_000, nil},
		{"endurance-test.star", 50_000, nil},
		{"multi-region-outage.star", 500, nil},
		{"network-partition.star", 60, []string{"node=" + shop.URL() + "/catalog"}},
		{"conditional-recovery.star", 0, []string{"url=" + shop.URL() + "/catalog"}},
		{"probes.star", 0, []string{"hold=1s", "port=" + strconv.Itoa(int(netip.MustParseAddrPort(shop.Addr()).Port())), "host=127.0.0.1"}},
		{"ramp.star", 0, []string{"over=1s", "worst=50ms"}},
	} {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			run(t, test.path, shop.Addr(), test.compress, test.params)
		})
	}
}

func run(t *testing.T, path, upstream string, compress int, given []string) {
	want := planned(t, path)
	s, _ := app.Load(path)
	params, err := app.ParseParams(given)
	if err != nil {
		t.Fatal(err)
	}
	env := &app.Environment{}
	for _, target := range want.Targets {
		if err := env.AddProxy(target.Name + "=127.0.0.1:0," + upstream); err != nil {
			t.Fatal(err)
		}
	}
	running, err := s.Start(app.RunOptions{Options: app.Options{Env: env, Params: params}, Compress: compress})
	if err != nil {
		t.Fatal(err)
	}
	res := running.Wait()
	switch v := res.Outcome.Verdict; {
	case v == journal.VerdictPassed:
	case v == journal.VerdictInconclusive && res.Outcome.Reason == "no_hits" && filepath.Ext(path) == ".star":
	case v == journal.VerdictInconclusive && res.Outcome.Reason == "generator_limited":
		t.Logf("this machine was too busy to send the load, and the run says so: %s", res.Outcome.Message)
	default:
		t.Errorf("%s: %s: %s", v, res.Outcome.Reason, res.Outcome.Message)
	}
	if res.View.Compress != compress || len(res.View.Steps) < 1 || compress > 0 && res.View.Now < want.Now/2 && res.Outcome.Verdict == journal.VerdictPassed {
		t.Errorf("compressed %d times, %d steps, %s of %s", res.View.Compress, len(res.View.Steps), res.View.Now, want.Now)
	}
}
