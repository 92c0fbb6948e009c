package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// cleanUpWithin is how long taking off one fault may take.
const cleanUpWithin = time.Minute

// Cleaned is what a clean-up did.
type Cleaned struct {
	// Off are the faults that are confirmed off, for people; Left are those that are not,
	// with what is to be done.
	Off, Left []string
	// NotRun are the on_exit handlers that did not run to their end.
	NotRun []string
}

// TakeOff takes off what an interrupted run may have left on in other processes, as the
// next start does. The run stays interrupted.
func TakeOff(ctx context.Context, st *store.Store, id string, logger *slog.Logger) (*Cleaned, error) {
	return cleanUp(ctx, st, id, false, logger)
}

// CleanUp takes off what the journal of an interrupted run shows on, without executing
// anything of the script. If all of it is off the run is over: it ended stopped, and
// will not be recovered. If not it stays interrupted, so that one can try again.
func CleanUp(ctx context.Context, st *store.Store, id string, logger *slog.Logger) (*Cleaned, error) {
	return cleanUp(ctx, st, id, true, logger)
}

func cleanUp(ctx context.Context, st *store.Store, id string, over bool, logger *slog.Logger) (*Cleaned, error) {
	durable, recs, err := st.Resume(id)
	if err != nil {
		return nil, err
	}
	entry, err := st.Entry(id)
	if err == nil && entry.Status == store.Ended {
		err = fmt.Errorf("run %s has ended", id)
	}
	var was resumption
	if err == nil && len(entry.Resume) > 0 {
		if err = json.Unmarshal(entry.Resume, &was); err != nil {
			err = fmt.Errorf("run %s: what was noted at its start: %w", id, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, durable.Close())
	}
	done := was.cleanUp(ctx, id, recs, over, logger)
	done.NotRun = runtime.OpenExits(recs)
	end := store.End{Verdict: journal.VerdictStopped, Reason: "cleaned_up", Message: "its process died, and what it had left on was taken off"}
	if len(recs) > 0 {
		end.Duration = recs[len(recs)-1].At
	}
	switch {
	case len(done.Left) > 0 || !over:
		return done, durable.Close()
	case len(recs) > 0 && recs[len(recs)-1].Kind == journal.RunEnd:
		return done, durable.Close() // it only was not noted
	}
	return done, durable.End(end)
}

// cleanUp takes off what recs show on, the newest first: all, or only what outlives the
// process that put it on.
func (was *resumption) cleanUp(ctx context.Context, id string, recs []journal.Record, all bool, logger *slog.Logger) *Cleaned {
	env := &Environment{Name: was.Env.Environment, path: was.EnvFile, secrets: was.Secrets}
	out := &outside{run: id, policy: was.Policy, logger: logger, redactor: redactor{env: env}}
	defer out.close()
	done := &Cleaned{}
	for _, req := range slices.Backward(runtime.OpenEffects(recs)) {
		if !req.Chaos || !all && !Outlives(&req) {
			continue
		}
		one, cancel := context.WithTimeout(ctx, cleanUpWithin)
		err := out.Undo(one, req)
		cancel()
		if what := faultText(&req); err != nil {
			done.Left = append(done.Left, what+": "+err.Error())
		} else {
			done.Off = append(done.Off, what)
		}
	}
	return done
}

// faultText shows the fault of a request.
func faultText(req *runtime.Request) string {
	var args builtins.FaultArgs
	if json.Unmarshal(req.Args, &args) != nil {
		return string(req.Args) // better raw than not at all
	}
	return describeFault(&args)
}
