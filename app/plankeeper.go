package app

import (
	"slices"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// beside is how many records of a plan are made before they are read on the other core:
// most plans are shorter, and do not start a goroutine.
const beside = 1024

// planKeeper is the journal of a plan: it keeps the records in memory and reads them, a
// piece behind, while the plan goes on, since reading takes half as long as making them.
type planKeeper struct {
	fold *view.Fold
	// notes are given each record, in order, before it is folded; maybe on another
	// goroutine than that of the plan.
	notes []func(journal.Record)

	// pieces are all records. The last piece is not full, those before are not changed any
	// more; the first handed of them have been given to who reads them.
	pieces [][]journal.Record
	handed int
	toRead chan []journal.Record
	done   chan struct{}
}

func (k *planKeeper) Append(recs []journal.Record) error {
	if k.pieces == nil {
		k.pieces = make([][]journal.Record, 1)
	}
	last := &k.pieces[len(k.pieces)-1]
	if *last = append(*last, recs...); len(*last) >= beside {
		k.readBeside(*last)
	}
	return nil
}

func (k *planKeeper) Sync() error { return nil }

// readBeside gives the last piece to who reads, and begins the next.
func (k *planKeeper) readBeside(piece []journal.Record) {
	if k.toRead == nil {
		k.toRead, k.done = make(chan []journal.Record, 16), make(chan struct{})
		go func() {
			defer close(k.done)
			for piece := range k.toRead {
				k.read(piece)
			}
		}()
	}
	k.toRead <- piece
	k.handed++
	k.pieces = append(k.pieces, make([]journal.Record, 0, beside+64))
}

func (k *planKeeper) read(recs []journal.Record) {
	for _, rec := range recs {
		for _, note := range k.notes {
			note(rec)
		}
		k.fold.Add(rec)
	}
}

// finish reads what is left. There may be no further record.
func (k *planKeeper) finish() {
	if k.toRead != nil {
		close(k.toRead)
		<-k.done
		k.toRead = nil
	}
	for ; k.handed < len(k.pieces); k.handed++ {
		k.read(k.pieces[k.handed])
	}
}

// records gives all of them.
func (k *planKeeper) records() []journal.Record { return slices.Concat(k.pieces...) }
