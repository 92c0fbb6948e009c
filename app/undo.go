package app

import (
	"context"
	"encoding/json"
	"errors"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
)

// Outlives reports whether what a held effect puts on stays on when its process dies, so
// that somebody must take it off.
func Outlives(req *runtime.Request) bool {
	var args builtins.FaultArgs
	if req.Kind != builtins.KindFault || json.Unmarshal(req.Args, &args) != nil {
		return false
	}
	if args.Engine == nil && args.Target != "" {
		return false // an embedded proxy
	}
	plane, err := new(targets).plane(&args)
	return err == nil && plane.Outlives()
}

// undoWith takes off whatever the held effect of a request may have put on, whether it did or not,
// and returns when that is confirmed: what ended with its process needs nothing. Secrets are put
// in on the way out, and taken out of the error, which says what to do by hand.
func undoWith(ctx context.Context, t *targets, run string, req runtime.Request, reveal, redact func(string) string) error {
	args, err := effects.MapStrings(req.Args, reveal)
	if err != nil {
		return err
	}
	req.Args = args
	if err := t.undo(ctx, run, &req); err != nil {
		return errors.New(redact(err.Error()))
	}
	return nil
}
