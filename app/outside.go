package app

import (
	"context"
	"log/slog"
	"sync"

	"starquake/effects"
	"starquake/runtime"
)

// outside performs the effects of one run. What that takes is made when the first
// effect is asked for: a run that only sleeps costs nothing here, and a server may
// have a hundred thousand of them.
type outside struct {
	policy   effects.Policy
	logger   *slog.Logger
	redactor redactor
	compress int

	once      sync.Once
	effects   *effects.Effects
	approvals approvals
}

func (o *outside) ready() *effects.Effects {
	o.once.Do(func() {
		base := effects.New(o.policy, o.options())
		targets := newTargets(slog.New(redacting{o.logger.Handler(), o.redactor.redact}), base.Close)
		targets.compress = o.compress
		o.effects = o.approvals.with(targets.with(base))
	})
	return o.effects
}

// options are those of the effects: what the environment says beyond permissions.
func (o *outside) options() effects.Options {
	return effects.Options{
		Reveal: o.redactor.reveal, Redact: o.redactor.redact, Logger: o.logger,
		Descriptors: o.redactor.env.descriptors, Channels: o.redactor.env.notifiers(), TLS: o.redactor.env.tls,
	}
}

// Perform implements runtime.Performer.
func (o *outside) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	return o.ready().Perform(ctx, call)
}

// close ends what is kept open for further effects.
func (o *outside) close() {
	o.once.Do(func() {}) // from now on nothing is made any more
	if o.effects != nil {
		o.effects.Close()
	}
}
