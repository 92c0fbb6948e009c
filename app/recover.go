package app

import (
	"errors"
	"fmt"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// ReasonDiverged is that of a run whose script asks for something else than its journal
// has.
const ReasonDiverged = "diverged"

// Recover takes up a run whose process has died, and returns once it goes on: its script
// is executed again against its journal, what the journal shows on is taken off, and
// what still belongs there is put on again. With rollback it is stopped instead, and
// its clean-ups run.
//
// Of opt only what belongs to this process counts: Clock, Logger, OnRecord, OnEnd, Plane, Store,
// which must be set, and CanApprove, which adds to what the run was given.
func Recover(id string, rollback bool, opt RunOptions) (*Running, error) {
	durable, recs, err := opt.Store.Resume(id)
	if err != nil {
		return nil, err
	}
	r, run, err := takeUp(id, recs, rollback, &opt)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run %s: %w", id, err), durable.Close())
	}
	r.durable = durable
	go r.execute(run.execute)
	return r, nil
}

// takeUp makes the run that a journal tells of ready to go on.
func takeUp(id string, recs []journal.Record, rollback bool, opt *RunOptions) (*Running, executor, error) {
	entry, err := opt.Store.Entry(id)
	if err != nil {
		return nil, executor{}, err
	}
	was, err := readRecorded(entry.Info, recs)
	if err != nil {
		return nil, executor{}, err
	}
	opt.CanApprove = opt.CanApprove || was.CanApprove
	env, err := was.environment()
	if err != nil {
		return nil, executor{}, fmt.Errorf("its environment: %w", err)
	}
	r := newRunning(was.script, id, was.Policy, env, opt)
	r.outside.folders = was.Folders
	r.outside.lent = lent{plane: opt.Plane, confined: was.Confined, given: was.resumption.Env.targets()}
	r.planned = was.Planned
	r.about = store.Info{ID: id, Name: entry.Name, Started: entry.Started, Labels: entry.Labels, By: entry.By}
	if err := r.keep.memory.Append(recs); err != nil {
		return nil, executor{}, err
	}
	// The run's clock went on while nobody ran it.
	r.enter(time.Now().Add(-time.Since(was.begin.Origin)), was.begin.Compress, opt.Clock)
	r.world.Recover(runtime.Recovery{Records: recs, Rollback: rollback})
	cfg := was.config()
	run, err := was.script.executor(r, &Options{Isolate: was.Isolate, MemoryLimit: was.MemoryLimit}, &cfg, was.env())
	return r, run, err
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
		out.Verdict, out.Reason, out.Message = journal.VerdictErrored, "journal", err.Error()
	}
	if r.durable == nil {
		return out
	}
	if differs != nil && out.Verdict != journal.VerdictUnclean { // else cleanup has something to do
		err = r.durable.End(store.End{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message, Duration: r.elapsed()})
	} else {
		err = r.durable.Close()
	}
	if err != nil {
		r.outside.logger.Warn("the run's folder could not be closed", "run", r.ID, "error", err)
	}
	return out
}

// elapsed is the time of the run's last record.
func (r *Running) elapsed() time.Duration {
	recs := r.keep.memory.Records()
	if len(recs) == 0 {
		return 0
	}
	return recs[len(recs)-1].At
}
