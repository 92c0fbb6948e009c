package app

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// TestSuffix is how the name of a file with tests ends.
const TestSuffix = "_test.star"

// TestResult is how one test function ended.
type TestResult struct {
	Name    string            `json:"name"`
	OK      bool              `json:"ok"`
	Took    time.Duration     `json:"took"`
	Problem []journal.Problem `json:"problems,omitempty"`
	Log     []view.Line       `json:"log,omitempty"`
	// Simulated says, where the test failed, which of its runs did not pass and why: a check
	// of a verdict knows only the word.
	Simulated []string `json:"simulated,omitempty"`
}

// TestOptions select tests.
type TestOptions struct {
	// Run selects functions by name; nil: all.
	Run *regexp.Regexp
	// Loader reads the tests, and the orchestrations that they simulate.
	Loader Loader
	// Coverage, if set, notes what the tests reach.
	Coverage *Coverage
}

// TestFile runs every function test_…() of a file, each as a run of its own in the
// virtual world. A test passes if nothing in it fails. Where the diagnostics hold an
// error no test was run.
func TestFile(path string, opt TestOptions) (*Script, []TestResult, dsl.Diagnostics) {
	s, diags := opt.Loader.Load(path)
	if diags.HasErrors() {
		return s, nil, diags
	}
	names, err := s.testNames(path)
	if err != nil {
		return s, nil, append(diags, s.diagnostic(err))
	}
	var results []TestResult
	for _, name := range names {
		if opt.Run == nil || opt.Run.MatchString(name) {
			results = append(results, s.test(path, name, &opt))
		}
	}
	return s, results, diags
}

// testNames executes the top level, which declares, and gives the test functions in
// the order in which they are defined.
func (s *Script) testNames(path string) ([]string, error) {
	globals, err := s.newEnv().Declare(s.Unit.Main.Name)
	if err != nil {
		return nil, err
	}
	var found []*starlark.Function
	for name, v := range globals {
		if fn, ok := v.(*starlark.Function); ok && strings.HasPrefix(name, "test_") {
			if fn.NumParams() > 0 {
				return nil, fmt.Errorf("%s: a test takes no arguments", name)
			}
			found = append(found, fn)
		}
	}
	slices.SortFunc(found, func(a, b *starlark.Function) int { return int(a.Position().Line - b.Position().Line) })
	names := make([]string, len(found))
	for i, fn := range found {
		names[i] = fn.Name()
	}
	return names, nil
}

// test runs one test function.
func (s *Script) test(path, name string, opt *TestOptions) TestResult {
	begun := time.Now()
	e := effects.New(effects.Policy{}, effects.Options{})
	defer e.Close()
	kept := &keeper{}
	w := runtime.NewVirtual(new(approvals).with(newTargets(nil, nil).with(e)), kept)
	w.Horizon = DefaultHorizon
	env := s.newEnv()
	env.AnyTarget = true
	var ended []string
	env.Simulate = func(sim builtins.Simulation) (*builtins.Simulated, error) {
		run, err := simulate(filepath.Dir(path), sim, opt)
		if err == nil && run.Run.Verdict != journal.VerdictPassed && len(ended) < maxSimulated {
			ended = append(ended, fmt.Sprintf("%s: %s: %s", sim.File, run.Run.Verdict, run.Run.Message))
		}
		return run, err
	}
	out := runtime.New(s.config(&Options{}, "virtual", runtime.VirtualOrigin), w).Execute(env.Function(s.Unit.Main.Name, name))
	passed := out.Verdict == journal.VerdictPassed && !w.Cut || out.Reason == runtime.CodeNothingDone // it may only simulate
	res := TestResult{Name: name, OK: passed, Took: time.Since(begun), Log: kept.view().Log}
	for _, f := range out.Failures {
		res.Problem = append(res.Problem, f.Problem) // the others of one are among them
	}
	if !res.OK && len(res.Problem) == 0 {
		res.Problem = []journal.Problem{{Code: out.Reason, Message: out.Message}}
	}
	if !res.OK {
		res.Simulated = ended
	}
	return res
}

// maxSimulated bounds the runs that a failed test tells of.
const maxSimulated = 20

// simulate carries out simulate(…): a plan of a script below the test's folder.
func simulate(dir string, sim builtins.Simulation, test *TestOptions) (*builtins.Simulated, error) {
	if !filepath.IsLocal(sim.File) {
		return nil, fmt.Errorf("%q is not below the test's folder", sim.File)
	}
	path := filepath.Join(dir, sim.File)
	s, diags := test.Loader.Load(path)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	opt := PlanOptions{Options: Options{Params: sim.Params, Seed: sim.Seed}, FailSteps: sim.Fail, BreachGuards: sim.Breach}
	if sim.Answers != nil {
		opt.Answers = sim.Answers.Over
	}
	if test.Coverage != nil {
		opt.reached = test.Coverage.of(path, s)
	}
	res, err := s.Plan(opt)
	var refused Refusals
	if errors.As(err, &refused) && len(refused) > 0 && refused[0].Code == "not_met" { // simulate has arguments where plan has flags
		return nil, fmt.Errorf("%s; %s", strings.TrimPrefix(refused[0].Message, "--"), refused[0].Help)
	}
	if err != nil {
		return nil, err
	}
	if len(res.Unused) > 0 {
		return nil, errors.New(strings.Join(res.Unused, "; "))
	}
	return &builtins.Simulated{Run: res.View, Records: res.Records}, nil
}
