package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// cleanUpWithin is how long taking off one fault may take that does not say so itself.
const cleanUpWithin = time.Minute

// ReasonCleanedUp is that of a run that was interrupted and ended by a clean-up.
const ReasonCleanedUp = "cleaned_up"

// ReasonDamaged is that of a run that was ended by a clean-up and whose journal cannot be read
// as a whole.
const ReasonDamaged = "damaged"

// Cleaned is what a clean-up did.
type Cleaned struct {
	// Off are the faults that are confirmed off, for people; Left are those that are not,
	// with what is to be done.
	Off, Left []string
	// NotRun are the on_exit handlers that did not run to their end.
	NotRun []string
}

// TakeOff takes off what a run that nobody runs may have left on in other processes, as the
// next start does: one that was interrupted stays so.
func TakeOff(ctx context.Context, st *store.Store, id string, logger *slog.Logger) (*Cleaned, error) {
	return cleanUp(ctx, st, id, false, logger)
}

// CleanUp takes off what the journal of a run that was interrupted or ended unclean shows
// on, without executing anything of the script. If all of it is off an interrupted run is
// over: it ended stopped, and will not be recovered. If not it can be tried again. Of a journal
// that is damaged it takes off what can be read of it, which ends the run unclean: nobody can
// know whether that was all.
func CleanUp(ctx context.Context, st *store.Store, id string, logger *slog.Logger) (*Cleaned, error) {
	return cleanUp(ctx, st, id, true, logger)
}

func cleanUp(ctx context.Context, st *store.Store, id string, over bool, logger *slog.Logger) (*Cleaned, error) {
	durable, recs, doubt, err := st.Salvage(id)
	if err != nil {
		return nil, err
	}
	entry, err := st.Entry(id)
	ended := entry.Status == store.Ended
	if err == nil && ended && entry.End.Verdict != journal.VerdictUnclean {
		err = fmt.Errorf("run %s has ended, %s", id, entry.End.Verdict)
	}
	var was resumption
	if err == nil && len(entry.Resume) > 0 {
		if err = json.Unmarshal(entry.Resume, &was); err != nil {
			err = fmt.Errorf("run %s: what was noted at its start: %w", id, err)
		}
	}
	var off store.Cleaned
	if err == nil {
		off, err = durable.Cleaned()
	}
	if err != nil {
		return nil, errors.Join(err, durable.Close())
	}
	known, all := len(off.Off), off.All
	late := latenessOf(recs, durable.Alive())
	if doubt != nil {
		late = lateness{} // that a fault was on may be what cannot be read: its undoing is done once
	}
	done := was.cleanUp(ctx, st, id, recs, late, &off, over, logger)
	noted := len(recs) > 0 && recs[len(recs)-1].Kind == journal.RunEnd // only not in its folder
	ends := over && !ended && !noted && len(done.Left) == 0
	end := store.End{Verdict: journal.VerdictStopped, Reason: ReasonCleanedUp, Message: "its process died, and what it had left on was taken off"}
	if doubt == nil {
		run := view.Of(recs)
		end.Duration, end.Paused = timesOf(run)
		if alive := durable.Alive(); len(recs) > 0 && !alive.IsZero() { // it went on while it had nothing to write
			end.Duration = max(end.Duration, run.At(alive))
		}
	} else if !noted {
		off.All = false
		done.Left = append(done.Left, "what its journal does not tell any more: "+doubt.Error())
		end = store.End{Verdict: journal.VerdictUnclean, Reason: ReasonDamaged, Message: "its process died, and what its journal still shows on was taken off; whether that was all cannot be known: " + doubt.Error()}
		ends = ends && errors.Is(doubt, store.ErrDamaged) // else it may be mended
	}
	if len(off.Off) != known || off.All != all {
		if err := durable.NoteCleaned(off); err != nil { // it would be done once more, and perhaps to another's
			return done, errors.Join(err, durable.Close())
		}
	}
	if !ended {
		done.NotRun = runtime.OpenExits(recs)
	}
	if !ends {
		return done, durable.Close()
	}
	return done, durable.End(end)
}

// cleanUp takes off what recs show on and off does not have, the newest first, and adds to
// off what is confirmed: all, or only what outlives the process that put it on.
func (was *resumption) cleanUp(ctx context.Context, st *store.Store, id string, recs []journal.Record, late lateness, off *store.Cleaned, all bool, logger *slog.Logger) *Cleaned {
	env := &Environment{Name: was.Env.Environment, path: was.EnvFile, secrets: was.Secrets}
	out := &outside{run: id, policy: was.Policy, logger: logger, redactor: redactor{env: env}, live: liveFaults{store: st, but: id}, late: late}
	defer out.close()
	done := &Cleaned{}
	for _, req := range slices.Backward(runtime.LeftOn(recs)) {
		at := req.ID.String()
		if _, known := off.Off[at]; known || !all && !Outlives(&req) {
			continue
		}
		one, cancel := context.WithTimeout(ctx, max(cleanUpWithin, endWithin(&req)))
		err := out.Undo(one, req)
		cancel()
		what := faultText(&req)
		if err != nil {
			done.Left = append(done.Left, what+": "+strings.TrimPrefix(err.Error(), what+": "))
			continue
		}
		off.Note(at)
		done.Off = append(done.Off, what)
	}
	off.All = len(done.Left) == 0
	return done
}

// liveFaults are the faults of the runs that go on in a data folder, read once they are asked
// for.
type liveFaults struct {
	store *store.Store // nil: there is none, and so no other run
	but   string       // the run that is cleaned up, which this process holds
	read  bool
	all   []liveFault
	err   error // why not all of them are known
}

type liveFault struct {
	run  string
	args builtins.FaultArgs
}

// spare is an error if taking off the fault of these arguments would take off one that a run which
// goes on has put on, or if that cannot be known.
func (l *liveFaults) spare(raw json.RawMessage) error {
	var args builtins.FaultArgs
	if l.store == nil || json.Unmarshal(raw, &args) != nil || !sharesUndo(&args, &args) {
		return nil
	}
	if !l.read {
		l.read, l.all = true, nil
		l.err = l.find()
	}
	for i := range l.all {
		if sharesUndo(&args, &l.all[i].args) {
			return fmt.Errorf("run %s, which goes on, has put on the same, and it would go with it; try again when that run has ended", l.all[i].run)
		}
	}
	if l.err != nil {
		return fmt.Errorf("whether a run that goes on has put on the same cannot be known: %w", l.err)
	}
	return nil
}

func (l *liveFaults) find() error {
	runs, err := l.store.Runs(store.Filter{Status: store.Running})
	errs := []error{err}
	for _, e := range runs {
		if e.ID == l.but {
			continue
		}
		_, recs, err := l.store.Read(e.ID)
		errs = append(errs, err)
		for _, req := range runtime.LeftOn(recs) {
			var args builtins.FaultArgs
			if json.Unmarshal(req.Args, &args) == nil {
				l.all = append(l.all, liveFault{e.ID, args})
			}
		}
	}
	return errors.Join(errs...)
}

// sharesUndo reports whether what takes off the one fault takes off the other too: those of
// the user's own that are undone alike, and those of an engine that is brought back as a
// whole. Others have a name of their own for each fault.
func sharesUndo(a, b *builtins.FaultArgs) bool {
	if a.Engine != nil || b.Engine != nil {
		return a.Engine != nil && b.Engine != nil && a.Engine.Prior != nil && a.Engine.Kind == b.Engine.Kind && a.Engine.URL == b.Engine.URL
	}
	one, own := changeOf(&a.Fault)
	other, too := changeOf(&b.Fault)
	return own && too && reflect.DeepEqual(one.Off, other.Off)
}

// faultText shows the fault of a request.
func faultText(req *runtime.Request) string {
	var args builtins.FaultArgs
	if json.Unmarshal(req.Args, &args) != nil {
		return string(req.Args) // better raw than not at all
	}
	return describeFault(&args)
}
