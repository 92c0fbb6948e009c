package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/chaos/admin"
	"starquake/effects"
	"starquake/internal/alarm"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// RunOptions are Options for the real world.
type RunOptions struct {
	Options
	// ID names the run, which no other may have; "": one made with NewRunID.
	ID string
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
	// OnPast is given the records that a run which is taken up has from before, once, ahead
	// of those that it writes, when it is sure to go on. It may be nil.
	OnPast func([]journal.Record)
	// OnKilled is asked when the process of the script (Isolate) is killed by somebody else,
	// such as a system that is short of memory. True: whoever is asked takes the run up again
	// when OnEnd is called, and it is parked: see Parked. Nil, or without Store: the run ends.
	OnKilled func() bool
	// OnEnd is called when the run has ended, or was parked; it may be nil.
	OnEnd func(*Running)
	// Store keeps the run, so that it survives its process: see Recover. Nil: the run is
	// in memory only.
	Store *store.Store
	// Authority is the folder of the local certificate authority, of which targets that
	// terminate TLS have their certificates; "" is AuthorityDir of the default data folder.
	Authority string
	// Plane holds proxies that outlive runs: a target of the environment that it has is
	// not opened by the run but used, and its faults are put on there beside those of
	// other runs. Nil: the run opens all its targets itself.
	Plane *admin.Plane
	// Key and Request are kept with the run for who starts it: a key that makes asking
	// twice one start, and a digest of what was asked.
	Key, Request string
	// Given are the flags with which whoever starts the run gives what it is to be given
	// again: see report.Run. They are kept with the run.
	Given []string
	// Labels are for finding the run among others, By is who started it, Version that of
	// the program. The store keeps them.
	Labels      map[string]string
	By, Version string
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
	planned Planned
	about   store.Info
	onEnd   func(*Running) // may be nil
	// onKilled is RunOptions.OnKilled.
	onKilled func() bool
	// durable keeps the run on disk; nil for one that is in memory only.
	durable *store.Run
	lost    error // from the first record on that the store did not take

	mu   sync.Mutex
	keep keeper
	subs []chan struct{} // woken when records come
}

// NewRunID makes an id that sorts by time, to the millisecond.
func NewRunID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	now = now.UTC()
	return fmt.Sprintf("%s-%03x%s", now.Format("20060102-150405"), now.Nanosecond()/int(time.Millisecond), hex.EncodeToString(b[:])[:5])
}

// Start begins the script in the real world and returns at once. An error means that
// nothing was started: it is Refusals, or something in the options.
func (s *Script) Start(opt RunOptions) (*Running, error) {
	r, policy, err := s.ready(&opt)
	if err != nil {
		return nil, err
	}
	given, env := opt.env(), s.newEnv()
	env.Params, env.Services, env.Environment, env.LeftOut = opt.Params, given.Services, given.Name, given.LeftOut
	env.Prometheus, env.Channels = given.Prometheus, given.channels()
	env.Targets = copyTargets(given.Targets)
	origin := time.Now()
	r.about = store.Info{ID: r.ID, Started: origin, Labels: opt.Labels, By: opt.By}
	cfg := s.config(&opt.Options, "real", origin)
	cfg.Begin.Compress = opt.Compress
	r.enter(origin, opt.Compress, opt.Clock)
	run, err := s.executor(r, &opt.Options, &cfg, env)
	if err != nil {
		return nil, err
	}
	r.about.Name = cfg.Begin.Name
	if opt.Store != nil {
		if r.durable, err = opt.Store.Create(s.info(r.ID, &opt, policy, &cfg.Begin, env, r.outside.folders, r.planned)); err != nil {
			run.drop()
			return nil, &notKept{err}
		}
	}
	go r.execute(run.execute)
	return r, nil
}

// ErrNotKept says that nothing was started, as the store could not take the run.
var ErrNotKept = errors.New("the run cannot be kept")

type notKept struct{ error }

func (e *notKept) Error() string { return ErrNotKept.Error() + ": " + e.error.Error() }

func (e *notKept) Unwrap() error { return e.error }

func (e *notKept) Is(err error) bool { return err == ErrNotKept }

// Refused says why Start would start nothing, nil if it would start a run now.
func (s *Script) Refused(opt RunOptions) error {
	_, _, err := s.ready(&opt)
	return err
}

// ready makes a run of which it is known that it can be started.
func (s *Script) ready(opt *RunOptions) (*Running, effects.Policy, error) {
	given := opt.env()
	policy, err := opt.policy()
	if err != nil {
		return nil, policy, err
	}
	id := opt.ID
	if id == "" {
		id = NewRunID(time.Now())
	}
	r := newRunning(s, id, policy, given, opt)
	if r.outside.folders, err = foldersOf(s, given, opt.Authority); err != nil {
		return nil, policy, err
	}
	r.outside.lent = lent{plane: opt.Plane, confined: opt.Confined && !opt.OwnProxies, given: given.Targets}
	r.planned, err = s.preflight(opt, policy, &r.outside)
	return r, policy, err
}

// newRunning makes a run that has not begun.
func newRunning(s *Script, id string, policy effects.Policy, env *Environment, opt *RunOptions) *Running {
	logger := opt.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	r := &Running{ID: id, script: s, done: make(chan struct{}), onEnd: opt.OnEnd, onKilled: opt.OnKilled}
	r.outside = outside{run: id, policy: policy, logger: logger, redactor: redactor{env: env, logger: logger}, approvals: approvals{nobody: !opt.CanApprove}}
	if opt.Store != nil {
		r.outside.dir = opt.Store.RunDir(id)
	}
	r.keep.onRecord = opt.OnRecord
	return r
}

// enter makes the run's world.
func (r *Running) enter(origin time.Time, compress int, clock *alarm.Clock) {
	r.world = runtime.NewReal(&r.outside, r, origin)
	r.world.Clock, r.world.Compress = clock, compress
	r.outside.compress, r.outside.origin = compress, origin
}

// executor executes a script that is ready to begin, or is dropped.
type executor struct {
	execute func() runtime.Outcome
	drop    func()
}

// executor makes the script ready to be executed in the world of r. Under Isolate that
// tells the orchestration's name, which goes into cfg.
func (s *Script) executor(r *Running, opt *Options, cfg *runtime.Config, env *builtins.Env) (executor, error) {
	env.CheckSecret = r.outside.redactor.check
	if opt.Isolate {
		child, err := s.isolate(opt, *cfg, env, nil)
		if err != nil {
			return executor{}, err
		}
		cfg.Begin.Name = child.setup.Begin.Name
		return executor{func() runtime.Outcome { return child.execute(r.world, r.killed) }, child.process.close}, nil
	}
	turns := processWatch.over(r.world, opt.MemoryLimit, env, func(code, message string) {
		r.world.Control(runtime.Control{Action: runtime.ActionFail, By: code, Detail: message})
		env.Interrupt(code, message)
	})
	return executor{turns.executes(runtime.New(*cfg, turns), env.Script(s.Unit.Main.Name, s.Unit.Main.HasMain)), turns.leave}, nil
}

// execute is the life of the run. It is a function of its own so that nothing of Start
// is kept while the run sleeps, and holds little itself: see BenchmarkParkedScripts.
func (r *Running) execute(run func() runtime.Outcome) {
	defer r.over()
	defer r.outside.close()
	r.conclude(run())
}

func (r *Running) over() {
	close(r.done)
	if r.onEnd != nil {
		r.onEnd(r)
	}
}

// conclude keeps what came of the run.
func (r *Running) conclude(out runtime.Outcome) {
	out = r.judged(out)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = &Result{Outcome: out, View: r.keep.view(), Records: r.keep.memory.Records()}
}
