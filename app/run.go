package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/effects"
	"starquake/internal/alarm"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// RunOptions are Options for the real world.
type RunOptions struct {
	Options
	// AllowNet and AllowExec are added to what the environment permits. Where neither
	// says anything of the network every host is open, as `starquake run` has it; an
	// environment with an empty list opens none.
	AllowNet, AllowExec []string
	// CanApprove says that somebody can answer approve(): there is a terminal or a
	// server.
	CanApprove bool
	// Clock wakes the run's sleeps to the tenth of a millisecond; one serves all runs of
	// a process. Nil: time.Timer does, to a millisecond or two.
	Clock *alarm.Clock
	// Logger gets what is no fact of the run; nil: nothing.
	Logger *slog.Logger
	// OnRecord is given every record as it is written, in order; it must be quick.
	// It may be nil.
	OnRecord func(journal.Record)
}

// Running is a run in the real world. Its methods may be called from any goroutine.
type Running struct {
	// ID names the run; it sorts by the time of its start.
	ID string

	script  *Script
	world   *runtime.Real
	outside outside
	done    chan struct{}
	result  *Result

	mu   sync.Mutex
	keep keeper
	subs []chan struct{} // woken when records come
}

// NewRunID makes an id that sorts by time.
func NewRunID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}

// Start begins the script in the real world and returns at once. An error means that
// nothing was started: it is Refusals, or something in the options.
func (s *Script) Start(opt RunOptions) (*Running, error) {
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	given := opt.env()
	policy := effects.Policy{AllowExec: slices.Concat(given.AllowExec, opt.AllowExec), Network: slices.Concat(given.AllowNet, opt.AllowNet)}
	if given.AllowNet == nil && len(opt.AllowNet) == 0 {
		policy.Network = []string{"*"}
	}
	if err := policy.Validate(); err != nil {
		return nil, err
	}
	r := &Running{ID: NewRunID(time.Now()), script: s, done: make(chan struct{})}
	r.outside = outside{policy: policy, logger: opt.Logger, redactor: redactor{env: given}, approvals: approvals{nobody: !opt.CanApprove}}
	r.keep.onRecord = opt.OnRecord
	if err := s.preflight(&opt, policy, &r.outside.redactor); err != nil {
		return nil, err
	}

	env := s.newEnv()
	env.Params, env.Services, env.Environment = opt.Params, given.Services, given.Name
	env.Targets = copyTargets(given.Targets)
	env.HasSecret = r.outside.redactor.has
	origin := time.Now()
	r.world = runtime.NewReal(&r.outside, r, origin)
	r.world.Clock = opt.Clock
	cfg := s.config(&opt.Options, "real", origin)
	if opt.Isolate {
		child, err := s.isolate(&opt.Options, cfg, env)
		if err != nil {
			return nil, err
		}
		go r.execute(func() runtime.Outcome { return child.execute(r.world) })
		return r, nil
	}
	turns := processWatch.over(r.world, opt.MemoryLimit, func(code, message string) {
		r.world.Control(runtime.Control{Action: runtime.ActionFail, By: code, Detail: message})
		env.Interrupt(code, message)
	})
	go r.execute(turns.executes(runtime.New(cfg, turns), env.Script(s.Unit.Main.Name, s.Unit.Main.HasMain)))
	return r, nil
}

// execute is the life of the run. It is a function of its own so that nothing of
// Start is kept while the run sleeps.
func (r *Running) execute(run func() runtime.Outcome) {
	defer close(r.done)
	defer r.outside.close()
	out := run()
	if err := r.world.Err(); err != nil && out.Verdict.ExitCode() < journal.VerdictErrored.ExitCode() {
		// The last records could not be kept: a verdict that nobody can look up is none.
		out.Verdict, out.Reason, out.Message = journal.VerdictErrored, "journal", err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = &Result{Outcome: out, View: r.keep.view(), Records: r.keep.memory.Records()}
}

// Append implements runtime.Journal.
func (r *Running) Append(recs []journal.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.keep.Append(recs)
	for _, sub := range r.subs {
		select {
		case sub <- struct{}{}:
		default:
		}
	}
	return err
}

// Sync implements runtime.Journal.
func (r *Running) Sync() error { return r.keep.Sync() }

// Wait waits for the end of the run.
func (r *Running) Wait() *Result {
	<-r.done
	return r.result
}

// Done is closed when the run has ended.
func (r *Running) Done() <-chan struct{} { return r.done }

// View is the run as it stands. It is the caller's: what comes later does not change it.
func (r *Running) View() *view.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep.view()
	return r.keep.fold.Snapshot()
}

// Control asks something of the run. An action that it does not know is an error.
func (r *Running) Control(c runtime.Control) error {
	switch c.Action {
	case runtime.ActionPause, runtime.ActionResume, runtime.ActionSkip, runtime.ActionStop, runtime.ActionAbort:
	default:
		return fmt.Errorf("unknown control %q", c.Action)
	}
	select {
	case <-r.done:
		return fmt.Errorf("run %s has ended", r.ID)
	default:
	}
	r.world.Control(c)
	return nil
}

// Answer answers the approval at a place, or the oldest one for "".
func (r *Running) Answer(id string, approved bool, by, comment string) error {
	return r.outside.approvals.answer(id, builtins.ApproveAnswer{Approved: approved, By: by, Comment: comment})
}

// Follow calls fn with every record from the first, in order, until the run has
// ended or ctx is done or fn returns an error.
func (r *Running) Follow(ctx context.Context, fn func([]journal.Record) error) error {
	woken := make(chan struct{}, 1)
	r.mu.Lock()
	r.subs = append(r.subs, woken)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.subs = slices.DeleteFunc(r.subs, func(c chan struct{}) bool { return c == woken })
		r.mu.Unlock()
	}()
	for next := 0; ; {
		ended := false
		select {
		case <-r.done:
			ended = true
		default:
		}
		recs := r.keep.memory.RecordsFrom(next)
		if len(recs) > 0 {
			if err := fn(recs); err != nil {
				return err
			}
			next += len(recs)
			continue
		}
		if ended {
			return nil
		}
		select {
		case <-woken:
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LeftBehind names the faults that would stay on if the process ended now.
func (r *Running) LeftBehind() []string {
	var left []string
	for _, req := range r.world.InFlight() {
		if !req.Chaos {
			continue
		}
		var args builtins.FaultArgs
		if json.Unmarshal(req.Args, &args) != nil {
			left = append(left, string(req.Args)) // better raw than not at all
			continue
		}
		left = append(left, args.Text+" on "+args.Target)
	}
	slices.Sort(left)
	return left
}

// Refusals are the reasons why a run is not started: nothing has been touched.
type Refusals []dsl.Diagnostic

// Error gives every reason on a line of its own.
func (r Refusals) Error() string {
	lines := make([]string, len(r))
	for i, d := range r {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// preflightHorizon and preflightRecords bound the plan that is made before a run: it
// must not delay the start of a long one.
const (
	preflightHorizon = 48 * time.Hour
	preflightRecords = 10_000
)

// preflight plans the run and refuses what can be known to be impossible: commands
// and hosts that are not permitted, questions that nobody can answer, targets and
// secrets that were not given, faults that a target cannot do. What only shows in the
// real world is found there.
func (s *Script) preflight(opt *RunOptions, policy effects.Policy, secrets *redactor) error {
	e := new(approvals).with(newTargets(nil, nil).with(effects.New(policy, effects.Options{})))
	defer e.Close()
	var refused Refusals
	refuse := func(code, help, format string, args ...any) {
		d := dsl.Diagnostic{Severity: dsl.Error, Code: code, File: s.Unit.Main.Name, Message: fmt.Sprintf(format, args...), Help: help}
		if !slices.ContainsFunc(refused, func(o dsl.Diagnostic) bool { return o.Message == d.Message }) {
			refused = append(refused, d)
		}
	}
	anyPort := false // a proxy of the run takes any port, which nobody knows yet
	planned, err := s.Plan(PlanOptions{Options: opt.Options, Horizon: preflightHorizon, MaxRecords: preflightRecords, hasSecret: secrets.has, OnRecord: func(rec journal.Record) {
		start, ok := rec.Body.(*journal.EffectStartBody)
		if !ok {
			return
		}
		if start.Kind == builtins.KindProxy {
			var target builtins.Target
			anyPort = anyPort || json.Unmarshal(start.Args, &target) == nil && strings.HasSuffix(target.Listen, ":0")
		}
		if start.Kind == builtins.KindApprove && !opt.CanApprove {
			refuse("nobody_to_approve", "run it on a terminal, or on a server", "approve(…) waits for a person, and nobody can answer here")
			return
		}
		err := e.Check(start.Kind, builtins.RevealJSON(start.Args, secrets.lookup))
		var p *journal.EffectError
		if err == nil || anyPort && errors.As(err, &p) && p.Code == effects.CodeInvalid {
			return // or found out when it is done
		}
		refuse("denied", "", "%s", secrets.redact(err.Error()))
	}})
	if err != nil {
		return err
	}
	for _, f := range planned.Outcome.Failures {
		switch f.Problem.Code {
		case builtins.CodeNotGiven, builtins.CodeUnsupported, builtins.CodeUnknownParam:
			d := Diagnostic(f.Problem)
			if d.File == "" {
				d.File = s.Unit.Main.Name
			}
			refused = append(refused, d)
		}
	}
	switch out := planned.Outcome; out.Reason {
	case runtime.CodeScriptMemory, runtime.CodeScriptTime, runtime.CodeScriptOutput, runtime.CodeScriptKilled, runtime.CodeProtocol:
		refuse(out.Reason, "", "the plan that is made before a run could not be made: %s", out.Message)
	}
	if len(refused) > 0 {
		return refused
	}
	return nil
}
