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
	// Answers, if set, changes planned answers: --answers FILE.
	Answers func(runtime.Planner) runtime.Planner
	// FailSteps and BreachGuards name what is to fail: --fail, --breach.
	FailSteps, BreachGuards []string
	// OnRecord is given every record as it is written; it may be nil.
	OnRecord func(journal.Record)
	// Details asks for what takes more than the one plan: the branches of the script that
	// were not taken, and how long the run can take where waits decide.
	Details bool

	slowWaits bool
	// hasSecret, if set, makes it the plan of a run that is to begin: there are only the
	// targets, services and secrets that it was given.
	hasSecret func(name string) bool
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
	return fmt.Sprintf("%s:%d: %s: %s", site.File, site.Line, arm, strings.Join(actions, ", "))
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
	var answers runtime.Planner = e
	if opt.Answers != nil {
		answers = opt.Answers(answers)
	}
	kept := &keeper{onRecord: opt.OnRecord}
	w := runtime.NewVirtual(answers, kept)
	w.Horizon, w.MaxRecords = opt.Horizon, opt.MaxRecords

	env := s.newEnv()
	given := opt.env()
	env.Params, env.Services, env.Environment = opt.Params, given.Services, given.Name
	env.AnyTarget, env.HasSecret = opt.hasSecret == nil, opt.hasSecret
	env.Targets = copyTargets(given.Targets)
	env.SlowWaits = opt.slowWaits
	env.HasChaos = len(opt.BreachGuards) > 0 && s.hasChaos()
	env.FailSteps, env.BreachGuards = opt.FailSteps, opt.BreachGuards
	var reached func(file string, line, col int32) bool
	if opt.Details {
		reached = s.trackCalls(env)
	}
	out, err := s.simulate(&opt, w, env)
	if err != nil {
		return nil, err
	}
	if err := w.Err(); err != nil {
		return nil, err
	}
	res := &Result{Outcome: out, View: kept.view(), Records: kept.memory.Records(), Cut: w.Cut}
	if err := res.met(&opt); err != nil {
		return nil, err
	}
	if opt.Details && !opt.Isolate { // a process of its own does not say where it has been
		res.NotTaken = dsl.Untaken(s.Unit, dsl.Options{Builtins: rows()}, reached)
		if env.Waited && !opt.slowWaits {
			err = s.longest(opt, res)
		}
	}
	return res, err
}

// met refuses a step or guard that --fail or --breach names and the plan did not come
// by: what was asked did not happen.
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

// simulate executes the script in w, here or in a process of its own.
func (s *Script) simulate(opt *PlanOptions, w *runtime.Virtual, env *builtins.Env) (runtime.Outcome, error) {
	cfg := s.config(&opt.Options, "virtual", runtime.VirtualOrigin)
	end := &planEnd{Virtual: w}
	if opt.Isolate {
		child, err := s.isolate(&opt.Options, cfg, env)
		if err != nil {
			return runtime.Outcome{}, err
		}
		end.overdue = child.process.kill
		return child.execute(end), nil
	}
	end.overdue = func(why *runtime.Death) { env.Interrupt(why.Code, why.Message) }
	turns := processWatch.over(end, opt.MemoryLimit, func(code, message string) {
		end.fail(code, message)
		env.Interrupt(code, message)
	})
	return turns.executes(runtime.New(cfg, turns), env.Script(s.Unit.Main.Name, s.Unit.Main.HasMain))(), nil
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

// keeper is a journal that keeps records in memory, and folds them when somebody asks
// for a view.
type keeper struct {
	memory   journal.Memory
	fold     *view.Fold // of the first records; nil before anybody asked
	folded   int
	onRecord func(journal.Record)
}

// Append keeps records.
func (k *keeper) Append(recs []journal.Record) error {
	if k.onRecord != nil {
		for _, rec := range recs {
			k.onRecord(rec)
		}
	}
	return k.memory.Append(recs)
}

// Sync does nothing.
func (k *keeper) Sync() error { return nil }

// view is the run after all records so far.
func (k *keeper) view() *view.Run {
	if k.fold == nil {
		k.fold = view.New()
	}
	for _, rec := range k.memory.RecordsFrom(k.folded) {
		k.fold.Add(rec)
		k.folded++
	}
	return k.fold.Run()
}
