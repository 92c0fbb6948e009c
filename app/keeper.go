package app

import (
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// keeper is a journal that keeps records in memory, and folds them when somebody asks
// for a view.
type keeper struct {
	memory   journal.Memory
	fold     *view.Fold // of the first records; nil before anybody asked
	folded   int
	onRecord func(journal.Record)
}

// Append keeps records.
func (k *keeper) Append(recs []journal.Record) error {
	if k.onRecord != nil {
		for _, rec := range recs {
			k.onRecord(rec)
		}
	}
	return k.memory.Append(recs)
}

// Sync does nothing.
func (k *keeper) Sync() error { return nil }

// view is the run after all records so far.
func (k *keeper) view() *view.Run {
	if k.fold == nil {
		k.fold = view.New()
	}
	for _, rec := range k.memory.RecordsFrom(k.folded) {
		k.fold.Add(rec)
		k.folded++
	}
	return k.fold.Run()
}
