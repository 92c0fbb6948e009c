package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/internal/alarm"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// RunOptions are Options for the real world.
type RunOptions struct {
	Options
	// CanApprove says that somebody can answer approve(): there is a terminal or a
	// server.
	CanApprove bool
	// Clock wakes the run's sleeps to the tenth of a millisecond; one serves all runs of
	// a process. Nil: time.Timer does, to a millisecond or two.
	Clock *alarm.Clock
	// Compress makes the run's own time pass so many times faster than the wall clock, to
	// try a long orchestration out; 0 and 1 are as fast. The run says so wherever it is shown.
	Compress int
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
	policy, err := opt.policy()
	if err != nil {
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
	env.Prometheus, env.Channels = given.Prometheus, given.channels()
	env.Targets = copyTargets(given.Targets)
	env.CheckSecret = r.outside.redactor.check
	origin := time.Now()
	r.world = runtime.NewReal(&r.outside, r, origin)
	r.world.Clock, r.world.Compress, r.outside.compress = opt.Clock, opt.Compress, opt.Compress
	cfg := s.config(&opt.Options, "real", origin)
	cfg.Begin.Compress = opt.Compress
	if opt.Isolate {
		child, err := s.isolate(&opt.Options, cfg, env, nil)
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
