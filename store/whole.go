package store

import (
	"fmt"

	"starquake/runtime/journal"
)

// whole says what a journal lacks that has its end: every operation of a branch has a record,
// their numbers have no gaps, the first record of each begins it, and every step that began
// has ended. Lines that were cut out of the middle of a file show so; of one that is not
// over, nothing is said. It knows nothing of records that are as many as there were but
// differ, and of those that an operation may have any number of.
func whole(recs []journal.Record) error {
	if len(recs) == 0 || recs[len(recs)-1].Kind != journal.RunEnd {
		return nil
	}
	last := map[string]uint32{} // of each branch, the operation that began last
	steps := map[journal.Place]string{}
	for _, rec := range recs {
		at := rec.Place
		if at.Op > last[at.Branch] {
			switch {
			case at.Op > last[at.Branch]+1:
				return fmt.Errorf("of operation %s nothing is there", journal.Place{Branch: at.Branch, Op: last[at.Branch] + 1})
			case goesOn(rec.Kind):
				return fmt.Errorf("the beginning of operation %s is not there", at)
			}
			last[at.Branch] = at.Op
		}
		switch b := rec.Body.(type) {
		case *journal.StepBeginBody:
			steps[at] = b.Path
		case *journal.StepEndBody:
			delete(steps, at)
		}
	}
	for at, path := range steps {
		return fmt.Errorf("the end of step %q is not there (operation %s)", path, at)
	}
	return nil
}

// goesOn reports whether a record of that kind is never the first of its operation.
func goesOn(k journal.Kind) bool {
	switch k {
	case journal.StepTry, journal.StepEnd, journal.TurnBegin, journal.LoopEnd, journal.AttemptEnd,
		journal.Timer, journal.EffectNote, journal.EffectStop, journal.EffectEnd:
		return true
	}
	return false
}

// complete compares what a file has with what was written into it, where its first line says
// how many records those were.
func (h *exportHead) complete(recs []journal.Record) error {
	if h.Records > 0 && len(recs) != h.Records {
		return fmt.Errorf("it has %d records of %d", len(recs), h.Records)
	}
	return nil
}
