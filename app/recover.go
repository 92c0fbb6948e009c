package app

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// ReasonDiverged is that of a run whose script asks for something else than its journal
// has.
const ReasonDiverged = "diverged"

// ReasonNotBegun is that of a run whose process died before it had begun.
const ReasonNotBegun = "not_begun"

// ErrEnded says that a run has ended, and so cannot be taken up.
var ErrEnded = errors.New("it has ended")

// reasonJournal is that of a run of which not all could be kept.
const reasonJournal = "journal"

// Recover takes up a run whose process has died, and returns once it goes on: its script
// is executed again against its journal, what the journal shows on is taken off, and
// what still belongs there is put on again. With rollback it is stopped instead, and
// its clean-ups run.
//
// The error is ErrNotBegun of a run that had done nothing when its process died: it is over
// then, and nobody was told that it is there (see Begun). It is ErrEnded of one that has ended since
// the caller saw that it was interrupted: others take runs up, and clean up, too.
//
// A run whose proxies cannot listen where they did stays interrupted, and the error says so.
//
// Of opt only what belongs to this process counts: Clock, Logger, OnRecord, OnPast, OnEnd, Plane, Store,
// which must be set, and CanApprove, which adds to what the run was given.
//
// A run keeps the permissions that it was started with, but where a server takes up one that
// a server began (Confined): then what Options and Env permit now must permit it too, and of
// its targets it has those that there still are. Taking off what it had put on is not asked:
// that needs only what the run was once permitted.
func Recover(id string, rollback bool, opt RunOptions) (*Running, error) {
	durable, recs, err := opt.Store.Resume(id)
	if err != nil {
		return nil, err
	}
	off, err := durable.Cleaned()
	if err != nil {
		return nil, errors.Join(err, durable.Close())
	}
	r, run, err := takeUp(id, runtime.Recovery{Records: recs, Alive: durable.Alive(), Rollback: rollback, Off: offPlaces(off)}, &opt)
	if errors.Is(err, ErrNotBegun) {
		return nil, errors.Join(fmt.Errorf("run %s: %w", id, err), durable.End(store.End{Verdict: journal.VerdictStopped, Reason: ReasonNotBegun, Message: err.Error()}))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run %s: %w", id, err), durable.Close())
	}
	if err := durable.ForgetCleaned(); err != nil { // from here on it may be on again
		run.drop()
		return nil, errors.Join(err, durable.Close())
	}
	r.durable = durable
	if opt.OnPast != nil { // not before nothing can fail any more: OnEnd is not called of what does not go on
		opt.OnPast(recs)
	}
	go r.execute(run.execute)
	return r, nil
}

// offPlaces are the faults that were taken off, by their places.
func offPlaces(c store.Cleaned) map[journal.Place]bool {
	off := map[journal.Place]bool{}
	for at := range c.Off {
		if place, err := journal.ParsePlace(at); err == nil {
			off[place] = true
		}
	}
	return off
}

// takeUp makes the run that a journal tells of ready to go on.
func takeUp(id string, from runtime.Recovery, opt *RunOptions) (*Running, executor, error) {
	entry, err := opt.Store.Entry(id)
	if err != nil {
		return nil, executor{}, err
	}
	if entry.Status == store.Ended { // of one that is held nobody else changes that
		return nil, executor{}, fmt.Errorf("%w, %s", ErrEnded, entry.End.Verdict)
	}
	was, err := readRecorded(entry.Info, from.Records)
	if err != nil {
		return nil, executor{}, err
	}
	opt.CanApprove = opt.CanApprove || was.CanApprove
	env, err := was.environment()
	if err != nil {
		return nil, executor{}, fmt.Errorf("its environment: %w", err)
	}
	policy, lends := was.Policy, lent{plane: opt.Plane, confined: was.Confined, given: was.resumption.Env.targets()}
	if opt.Confined && was.Served {
		if policy, err = was.narrowed(opt, &lends); err != nil {
			return nil, executor{}, err
		}
	}
	if !from.Rollback {
		if err := canListen(&lends, from.Records); err != nil {
			return nil, executor{}, err
		}
	}
	r := newRunning(was.script, id, policy, env, opt)
	r.outside.folders, r.outside.began, r.outside.lent = was.Folders, &was.Policy, lends
	r.outside.live, r.outside.late = liveFaults{store: opt.Store, but: id}, latenessOf(from.Records, from.Alive)
	r.outside.late.cut = make(chan struct{})
	r.planned = was.Planned
	r.about = store.Info{ID: id, Name: entry.Name, Started: entry.Started, Labels: entry.Labels, By: entry.By}
	if err := r.keep.memory.Append(from.Records); err != nil {
		return nil, executor{}, err
	}
	// The run's clock went on while nobody ran it.
	r.enter(time.Now().Add(-time.Since(was.begin.Origin)), was.begin.Compress, opt.Clock)
	r.world.Recover(from)
	cfg := was.config()
	run, err := was.script.executor(r, &Options{Isolate: was.Isolate, MemoryLimit: was.MemoryLimit, CPULimit: was.CPULimit}, &cfg, was.env())
	return r, run, err
}

// narrowed is what the run may touch where the one who takes it up has permissions to give:
// what it was permitted, and is now. An address at which a target of it is found now is
// permitted like the one before. lends is left with what of it there still is.
func (was *resumption) narrowed(opt *RunOptions, lends *lent) (effects.Policy, error) {
	now := *opt.env()
	now.Targets = nil
	lends.given = slices.DeleteFunc(lends.given, func(t *builtins.Target) bool {
		i := slices.IndexFunc(opt.env().Targets, func(n *builtins.Target) bool {
			return n.Name == t.Name && n.Upstream == t.Upstream && reflect.DeepEqual(n.Engine, t.Engine)
		})
		if i >= 0 {
			now.Targets = append(now.Targets, opt.env().Targets[i])
		}
		return i < 0
	})
	lends.confined = lends.confined || !opt.OwnProxies
	permits := opt.Options
	permits.Env = &now
	within, err := permits.policy()
	if err != nil {
		return effects.Policy{}, err
	}
	policy := was.Policy
	if !slices.Contains(policy.Network, "*") {
		for _, t := range now.Targets {
			policy.Network = append(slices.Clip(policy.Network), hostPorts(t.Listen)...)
		}
	}
	policy.Within = &within
	return policy, nil
}

// judged is the outcome with what the world says against it, and closes the journal.
func (r *Running) judged(out runtime.Outcome) runtime.Outcome {
	err := r.world.Err()
	var differs *runtime.Divergence
	switch {
	case err == nil:
	case errors.As(err, &differs):
		// What the run did after the difference is no fact: the journal is left as it is.
		out = runtime.Outcome{RunEndBody: journal.RunEndBody{Verdict: journal.VerdictErrored, Reason: ReasonDiverged, Message: "the run cannot go on: " + err.Error()}}
		if errors.Is(err, runtime.ErrLeftOn) {
			out.Verdict = journal.VerdictUnclean
		}
	case out.Verdict.ExitCode() < journal.VerdictErrored.ExitCode():
		// The last records could not be kept: a verdict that nobody can look up is none.
		out.Verdict, out.Reason, out.Message = journal.VerdictErrored, reasonJournal, err.Error()
	}
	if r.durable == nil {
		return out
	}
	if differs != nil && out.Verdict != journal.VerdictUnclean { // else cleanup has something to do
		end := store.End{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message}
		end.Duration, end.Paused = timesOf(r.View())
		err = r.durable.End(end)
	} else {
		err = r.durable.Close()
	}
	if err != nil {
		r.outside.logger.Warn("the run's folder could not be closed", "run", r.ID, "error", err)
	}
	return out
}

// timesOf are how long a run took that goes no further, and how much of that was pauses.
func timesOf(v *view.Run) (took, paused time.Duration) { return v.Now, v.Now - v.Elapsed(v.Now) }
