package app

import (
	"context"
	"log/slog"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
)

// Undoing takes off what a run has left on, from what its journal has of it, as recovery,
// `starquake cleanup` and the guardian do. It needs neither the script nor the process that ran it.
type Undoing struct {
	// Run is the id of the run whose faults they are.
	Run string
	// Policy says what the undoing itself may touch: engines, and the programs and hosts of
	// faults of the user's own. A journal may come from anywhere.
	Policy effects.Policy
	// Secret gives a secret's text, for the tokens of engines; nil: there are none.
	Secret func(name string) (string, error)
	// Logger gets what is tried again; nil: nothing.
	Logger *slog.Logger
}

// Undo takes off whatever the held effect of a request may have put on, whether it did or
// not, and returns when that is confirmed; see runtime.OpenEffects for the requests. What
// ended with its process needs nothing. The error says what to do by hand.
func (u Undoing) Undo(ctx context.Context, req runtime.Request) error {
	if u.Logger == nil {
		u.Logger = slog.New(slog.DiscardHandler)
	}
	known := map[string]string{}
	reveal := func(text string) string {
		return builtins.Reveal(text, func(name string) (string, bool) {
			if u.Secret == nil {
				return "", false
			}
			secret, err := u.Secret(name)
			if err == nil {
				known[name] = secret
			}
			return secret, err == nil
		})
	}
	redact := func(text string) string { return builtins.NewRedactor(known).Redact(text) }
	base := effects.New(u.Policy, effects.Options{Redact: redact})
	defer base.Close()
	return undoWith(ctx, newTargets(u.Logger, base), u.Run, req, reveal, redact)
}
