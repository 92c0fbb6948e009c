package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
)

// outside performs the effects of one run. What that takes is made when the first
// effect is asked for: a run that only sleeps costs nothing here, and a server may
// have a hundred thousand of them.
type outside struct {
	run      string // its id
	dir      string // its folder in the store; "" if it is not kept
	policy   effects.Policy
	began    *effects.Policy // of a run that is taken up: what it was started with
	logger   *slog.Logger
	redactor redactor
	compress int
	origin   time.Time
	folders  folders
	lent     lent
	// live are the faults of other runs that what the run had left on must not take along.
	live liveFaults
	late lateness // of the process that ran it before

	once      sync.Once
	acted     atomic.Bool // what follows is there
	effects   *effects.Effects
	targets   *targets
	approvals approvals
}

func (o *outside) ready() *effects.Effects {
	o.once.Do(func() {
		base := effects.New(o.policy, o.options())
		targets := newTargets(slog.New(redacting{o.logger.Handler(), o.redactor.redact}), base)
		targets.folders = o.folders
		targets.run, targets.named, targets.relays, targets.lent = o.run, base.NameTarget, base.NameRelay, o.lent
		targets.compress, targets.origin = o.compress, o.origin
		targets.guardian = &guardian{run: o.run, dir: o.dir, policy: o.policy, secrets: o.redactor.texts, logger: targets.logger}
		o.targets, o.effects = targets, o.approvals.with(targets.with(base))
		o.acted.Store(true)
	})
	return o.effects
}

// options are those of the effects: what the environment says beyond permissions.
func (o *outside) options() effects.Options {
	return effects.Options{
		Reveal: o.redactor.reveal, Redact: o.redactor.redact, Logger: o.logger, Compress: o.compress,
		Descriptors: o.redactor.env.descriptors, Channels: o.redactor.env.notifiers(), TLS: o.redactor.env.tls,
	}
}

// Perform implements runtime.Performer.
func (o *outside) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	return o.ready().Perform(ctx, call)
}

// Undo implements runtime.Undoer: by what the journal has of a fault. What another run has put
// on that goes on is left alone.
func (o *outside) Undo(ctx context.Context, req runtime.Request) error {
	if err := o.live.spare(req.Args); err != nil {
		return err
	}
	o.ready()
	targets := o.targets
	if o.began != nil {
		base := effects.New(*o.began, o.options())
		defer base.Close()
		targets = newTargets(o.targets.logger, base)
	}
	undo := func() error { return undoWith(ctx, targets, o.run, req, o.redactor.reveal, o.redactor.redact) }
	if err := undo(); err != nil {
		return err
	}
	if again, err := o.late.await(ctx, &req); err != nil || !again {
		return err
	}
	o.live.read = false // another may have begun while it was waited for
	if err := o.live.spare(req.Args); err != nil {
		return err
	}
	return undo()
}

// EndWithin implements runtime.Patient.
func (o *outside) EndWithin(req *runtime.Request) time.Duration { return endWithin(req) }

// Founds implements runtime.Founder: probes, load and faults go through the proxies of the run,
// and load may go where they are.
func (o *outside) Founds(req *runtime.Request) bool { return req.Kind == builtins.KindProxy }

// close ends what is kept open for further effects.
func (o *outside) close() {
	o.once.Do(func() {}) // from now on nothing is made any more
	if o.effects != nil {
		o.targets.guardian.end()
		o.effects.Close()
	}
}
