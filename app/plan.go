package app

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// DefaultHorizon is where the plan of an endless run is cut.
const DefaultHorizon = 48 * time.Hour

// DefaultMaxRecords is where the plan of a run is cut that is not endless but as good
// as: some ten seconds, and some hundred megabytes.
const DefaultMaxRecords = 1_000_000

// PlanOptions are Options for the virtual world.
type PlanOptions struct {
	Options
	// Horizon cuts an endless run; 0: DefaultHorizon.
	Horizon time.Duration
	// MaxRecords cuts a run that has written more; 0: DefaultMaxRecords.
	MaxRecords int
	// Answers, if set, changes planned answers: --answers FILE. now gives the time of the run.
	Answers func(planned runtime.Planner, now func() time.Duration) runtime.Planner
	// FailSteps and BreachGuards name what is to fail: --fail, --breach.
	FailSteps, BreachGuards []string
	// OnRecord is given every record in order, all of them by when Plan returns, maybe on
	// a goroutine of its own; it may be nil.
	OnRecord func(journal.Record)
	// Details asks for what takes more than the one plan: the branches of the script that
	// were not taken, how long the run can take where waits decide, and what it would
	// refuse.
	Details bool

	slowWaits bool
	// pastFailures is runtime.Config.PastFailures: for what a run may come to by other answers.
	pastFailures bool
	// reached, if set, gets the places of the calls from which builtins were called.
	reached map[callPlace]bool
	// checkSecret, if set, makes it the plan of a run that is to begin: there are only
	// the targets, services and secrets that it was given.
	checkSecret func(name string) error
}

// Result is a run that ended.
type Result struct {
	Outcome runtime.Outcome
	// View is the fold of its records.
	View *view.Run
	// Records are all its records.
	Records []journal.Record
	// Cut is set where a plan reached its horizon.
	Cut bool
	// NotTaken are the branches of the script that no call was made from, where they
	// were asked for.
	NotTaken []dsl.Site
	// Longest is how long the run takes if every wait takes all the time it may; 0 where
	// no wait decides, or Details were not asked for.
	Longest time.Duration
	// Warnings are what a plan says besides those of the view, each with its place in the
	// script: what had to be assumed, and, where Details were asked for, what a run with
	// these options would refuse.
	Warnings []string
	// Unused are the answers that were given and that nothing has asked for.
	Unused []string

	trail *trail // nil where the process of the script took it along
}

// NotTakenText are the branches of the script that were not taken, a line each.
func (r *Result) NotTakenText() []string {
	lines := make([]string, len(r.NotTaken))
	for i, site := range r.NotTaken {
		lines[i] = notTaken(site)
	}
	return lines
}

// notTaken says which arm of an if was not taken, and what it would have done.
func notTaken(site dsl.Site) string {
	return fmt.Sprintf("%s:%d: %s", site.File, site.Line, armText(site))
}

// armText says which arm of an if it is, and what it would do.
func armText(site dsl.Site) string {
	arm := "if " + site.Condition
	if site.Else {
		arm = "else of if " + site.Condition
	}
	var actions []string
	for _, a := range site.Actions {
		what := a.Name
		if a.Text != "" {
			what += fmt.Sprintf(" %q", a.Text)
		}
		actions = append(actions, what)
	}
	return arm + ": " + strings.Join(actions, ", ")
}

// Plan executes the script in the virtual world: it shows what a run does when every
// effect answers as planned, and opens nothing.
func (s *Script) Plan(opt PlanOptions) (*Result, error) {
	if opt.Horizon == 0 {
		opt.Horizon = DefaultHorizon
	}
	if opt.MaxRecords == 0 {
		opt.MaxRecords = DefaultMaxRecords
	}
	e := effects.New(effects.Policy{}, effects.Options{})
	defer e.Close()
	e = new(approvals).with(newTargets(nil, nil).with(e))
	var w *runtime.Virtual
	var answers runtime.Planner = e
	if opt.Answers != nil {
		answers = opt.Answers(answers, func() time.Duration { return w.Now() })
	}
	kept := &planKeeper{fold: view.New()}
	if opt.OnRecord != nil {
		kept.notes = append(kept.notes, opt.OnRecord)
	}
	var refuses *gate
	if opt.details() {
		policy, err := opt.policy()
		if err != nil {
			return nil, err
		}
		refuses = newGate(policy)
		defer refuses.close()
		refuses.canApprove = true // who will start it knows
		kept.notes = append(kept.notes, refuses.note)
	}
	defer kept.finish() // before what its notes need is closed
	w = runtime.NewVirtual(answers, kept)
	w.Horizon, w.MaxRecords = opt.Horizon, opt.MaxRecords

	out, trail, err := s.simulate(&opt, w, s.planned(&opt))
	if err != nil {
		return nil, err
	}
	if err := w.Err(); err != nil {
		return nil, err
	}
	kept.finish()
	res := &Result{Outcome: out, View: kept.fold.Run(), Records: kept.records(), Cut: w.Cut, trail: trail}
	if out.Verdict != journal.VerdictInvalid { // of which nothing asks for anything
		res.Unused = effects.Unused(answers)
	}
	if err := res.met(&opt); err != nil {
		return nil, err
	}
	if trail != nil {
		for _, n := range trail.Notices {
			res.Warnings = append(res.Warnings, at(n.At, n.Message))
		}
	}
	if refuses != nil {
		res.Warnings = append(res.Warnings, refuses.warnings(trail)...)
	}
	if trail != nil && opt.details() {
		res.NotTaken = dsl.Untaken(s.Unit, dsl.Options{Builtins: rows()}, trail.reached())
		if trail.Waited {
			err = s.longest(opt, res)
		}
	}
	return res, err
}

// details reports whether Details are asked for, and of this very plan.
func (opt *PlanOptions) details() bool { return opt.Details && !opt.slowWaits }

// trail says what the trail must have.
func (opt *PlanOptions) trail() trailSetup {
	return trailSetup{Reached: opt.details() || opt.reached != nil, Asked: opt.details() || opt.checkSecret != nil}
}

// planned makes the surroundings of a script that is planned.
func (s *Script) planned(opt *PlanOptions) *builtins.Env {
	env, given := s.newEnv(), opt.env()
	env.Params, env.Services, env.Environment, env.LeftOut = opt.Params, given.Services, given.Name, given.LeftOut
	env.AnyTarget, env.CheckSecret = opt.checkSecret == nil, opt.checkSecret
	env.Prometheus, env.Channels = given.Prometheus, given.channels()
	env.Targets = copyTargets(given.Targets)
	env.SlowWaits = opt.slowWaits
	env.HasChaos = len(opt.BreachGuards) > 0 && s.hasChaos()
	env.FailSteps, env.BreachGuards = opt.FailSteps, opt.BreachGuards
	return env
}

// met refuses a step or guard that --fail or --breach names and the plan did not come
// by, and a guard that was not breached: what was asked did not happen. Where another one
// has aborted the run it could not.
func (r *Result) met(opt *PlanOptions) error {
	var steps, guards []string
	for _, s := range r.View.Steps {
		steps = append(steps, s.Name)
	}
	for _, g := range r.View.Guards {
		guards = append(guards, g.Name)
	}
	for _, asked := range []struct {
		flag, what  string
		names, have []string
	}{{"--fail", "step", opt.FailSteps, steps}, {"--breach", "guard", opt.BreachGuards, guards}} {
		for _, name := range asked.names {
			if slices.Contains(asked.have, name) {
				continue
			}
			have := slices.Compact(slices.Sorted(slices.Values(asked.have)))
			return Refusals{{Severity: dsl.Error, Code: "not_met", Message: fmt.Sprintf("%s %q: the plan came by no %s of that name", asked.flag, name, asked.what),
				Help: fmt.Sprintf("it came by: %s", clipList(have))}}
		}
	}
	if r.Outcome.Verdict == journal.VerdictAborted {
		return nil
	}
	for _, name := range opt.BreachGuards {
		breached, read := false, 0
		for _, g := range r.View.Guards {
			if g.Name == name {
				breached, read = breached || g.Worst != nil, read+g.Bad
			}
		}
		if !breached {
			return Refusals{{Severity: dsl.Error, Code: "not_met", Message: fmt.Sprintf("--breach %q: the guard was not breached: of its readings %d fell into the time in which a fault was on", name, read),
				Help: "it needs as many in a row as its breaches: a shorter every, a longer step, or a step with chaos in its scope"}}
		}
	}
	return nil
}

// clipList joins the first names of a list.
func clipList(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// longest plans once more, with every wait taking all the time it may.
func (s *Script) longest(opt PlanOptions, res *Result) error {
	opt.slowWaits, opt.OnRecord = true, nil
	slow, err := s.Plan(opt)
	if err != nil {
		return err
	}
	if !slow.Cut {
		res.Longest = slow.Outcome.Took
	}
	return nil
}

// simulate executes the script in w, here or in a process of its own, whose trail is
// nil if it did not come to its end.
func (s *Script) simulate(opt *PlanOptions, w *runtime.Virtual, env *builtins.Env) (runtime.Outcome, *trail, error) {
	cfg := s.config(&opt.Options, "virtual", runtime.VirtualOrigin)
	cfg.PastFailures = opt.pastFailures
	end := &planEnd{Virtual: w}
	if opt.Isolate {
		want := opt.trail()
		child, err := s.isolate(&opt.Options, cfg, env, &want)
		if err != nil {
			return runtime.Outcome{}, nil, err
		}
		end.overdue = child.process.kill
		out := child.execute(end, nil)
		return out, child.trail, nil
	}
	tracker := track(env, opt.trail())
	if opt.reached != nil {
		tracker.reached = opt.reached
	}
	cfg.OnEffect = tracker.onEffect()
	end.overdue = func(why *runtime.Death) { env.Interrupt(why.Code, why.Message) }
	turns := processWatch.over(end, opt.MemoryLimit, env, func(code, message string) {
		end.fail(code, message)
		env.Interrupt(code, message)
	})
	out := turns.executes(runtime.New(cfg, turns), env.Script(s.Unit.Main.Name, s.Unit.Main.HasMain))()
	return out, tracker.trail(), nil
}

// config is what every run of the script has in common.
func (s *Script) config(opt *Options, world string, origin time.Time) runtime.Config {
	params := paramsJSON(opt.Params)
	seed := s.seed(params)
	if opt.Seed != nil {
		seed = *opt.Seed
	}
	name := s.Name()
	if !opt.Isolate { // else nothing of the script is executed here
		if d, err := s.Declare(opt.Params); err == nil && d.Meta.Name != "" {
			name = d.Meta.Name
		}
	}
	return runtime.Config{
		Begin: journal.RunBeginBody{
			Format: journal.FormatVersion, Interpreter: Interpreter(), Name: name, Script: s.Unit.Main.Name,
			Modules: s.texts(), Params: params, Seed: seed, Origin: origin, World: world,
		},
		Strict: opt.Strict, CleanupTimeout: opt.CleanupTimeout,
		Describe: builtins.Describe, OnTurn: builtins.OnTurn,
	}
}

func copyTargets(targets []*builtins.Target) []*builtins.Target {
	out := make([]*builtins.Target, len(targets))
	for i, t := range targets {
		c := *t
		out[i] = &c
	}
	return out
}
