package app

import (
	"errors"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// Replayed is what became of a replay.
type Replayed struct {
	// Records is how many records the journal has.
	Records int
	// Ended says that the journal has the end of the run, as one of an interrupted run has
	// not: until there the replay made the same records.
	Ended bool
	// Differs is the first difference, nil if there is none.
	Differs *runtime.Divergence
	// Script is what was executed.
	Script *Script
}

// Replay executes a recorded run again, with the answers that it got, and compares what
// it makes with its journal. Nothing outside is touched. With edited, that script takes
// the place of the recorded one; seed, parameters and targets stay those of the run.
func Replay(info store.Info, recs []journal.Record, edited *Script) (*Replayed, error) {
	was, err := readRecorded(info, recs)
	if err != nil {
		return nil, err
	}
	world := runtime.NewReplayed(recs)
	if edited != nil {
		was.script = edited
		world.Anywhere()
	}
	env := was.env()
	turns := processWatch.over(world, was.MemoryLimit, env, env.Interrupt)
	main := was.script.Unit.Main
	turns.executes(runtime.New(was.config(), turns), env.Script(main.Name, main.HasMain))()

	res := &Replayed{Records: len(recs), Ended: true, Script: was.script}
	err = world.Err()
	switch {
	case errors.As(err, &res.Differs):
	case errors.Is(err, runtime.ErrJournalEnds):
		res.Ended = false
	case err != nil:
		return nil, err
	}
	return res, nil
}
