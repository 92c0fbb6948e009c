package view

import (
	"strings"

	"starquake/runtime/journal"
)

// branch is what the fold knows of a branch that goes on.
type branch struct {
	// within is the step that encloses the branch, or nil.
	within *Step
	// open are the steps of this branch that have begun and not ended, innermost last.
	open []*Step
	// loops are its loops that go on, innermost last. Each belongs to the step
	// that was innermost when it began and goes with it.
	loops []openLoop
	sleep journal.Place // of the sleep that goes on
}

type openLoop struct {
	at    journal.Place
	depth int // len(open) when it began
}

// inner is the innermost open step of a branch, or nil.
func (b *branch) inner() *Step {
	if n := len(b.open); n > 0 {
		return b.open[n-1]
	}
	return b.within
}

// maxAncestors bounds the search for the branch that made a branch.
const maxAncestors = 64

// branch returns the branch at path, made within whatever encloses its nearest
// known ancestor if it is new.
func (f *Fold) branch(path string) *branch {
	if b := f.branches[path]; b != nil {
		return b
	}
	b := &branch{}
	for parent, n := path, 0; n < maxAncestors; n++ {
		dot := strings.LastIndexByte(parent, '.')
		if dot < 0 {
			break
		}
		parent = parent[:dot]
		if p := f.branches[parent]; p != nil {
			b.within = p.inner()
			break
		}
	}
	f.branches[path] = b
	return b
}

// end closes a branch or a loop.
func (f *Fold) end(kind journal.Kind, at journal.Place) {
	switch kind {
	case journal.BranchEnd:
		if b := f.branches[at.Branch]; b != nil {
			for _, l := range b.loops {
				delete(f.loops, l.at)
			}
			delete(f.branches, at.Branch)
		}
	case journal.LoopEnd:
		delete(f.loops, at)
		if b := f.branches[at.Branch]; b != nil {
			for i := len(b.loops) - 1; i >= 0; i-- {
				if b.loops[i].at == at {
					b.loops = b.loops[:i]
					break
				}
			}
		}
	}
}

func (f *Fold) turn(at journal.Place, b *journal.TurnBody) {
	r := &f.run
	r.Counts.Turns++
	late := 0
	if b.Late > 0 {
		r.Counts.LateTurns++
		late = 1
	}
	l := f.loops[at]
	if l == nil {
		l = &Loop{ID: at.String(), Since: r.Now}
		f.loops[at] = l
		br := f.branch(at.Branch)
		br.loops = append(br.loops, openLoop{at, len(br.open)})
	}
	l.Path, l.Turn, l.Late = b.Path, b.Turn, l.Late+late
}
