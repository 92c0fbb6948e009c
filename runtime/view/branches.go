package view

import (
	"strings"
	"time"

	"starquake/runtime/journal"
)

// branch is what the fold knows of a branch that goes on. What is open in it is
// nested: of two things the one with the higher operation lies within the other or
// within its present turn. So the end of an operation ends all that is open in its
// branch and has a higher number, whether or not each has an end of its own.
type branch struct {
	// within is the step that encloses the branch, or nil.
	within *Step
	steps  []openStep // innermost last, as the others
	loops  []journal.Place
	// watches are the guards and steady states whose scope goes on.
	watches []openWatch
	sleep   journal.Place // of the sleep that goes on
	guard   *counting     // a guard whose watch has not been asked for yet
}

type openStep struct {
	op   uint32
	step *Step
}

type openWatch struct {
	op    uint32
	watch *Watch
	guard bool
}

// inner is the innermost open step of a branch, or nil.
func (b *branch) inner() *Step {
	if n := len(b.steps); n > 0 {
		return b.steps[n-1].step
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

// end closes a branch, a loop or an attempt.
func (f *Fold) end(kind journal.Kind, at journal.Place) {
	b := f.branches[at.Branch]
	if b == nil {
		return
	}
	switch kind {
	case journal.BranchEnd:
		f.closeWithin(b, 0)
		delete(f.branches, at.Branch)
	case journal.LoopEnd:
		f.closeWithin(b, at.Op)
		if n := len(b.loops); n > 0 && b.loops[n-1] == at {
			b.loops = b.loops[:n-1]
		}
		delete(f.loops, at)
	case journal.AttemptEnd:
		f.closeWithin(b, at.Op)
	}
}

// closeWithin ends what is open in a branch within the operation op. Steps stay as
// they are: each has an end of its own, or is closed with the run.
func (f *Fold) closeWithin(b *branch, op uint32) {
	for n := len(b.steps); n > 0 && b.steps[n-1].op > op; n-- {
		b.steps = b.steps[:n-1]
	}
	for n := len(b.loops); n > 0 && b.loops[n-1].Op > op; n-- {
		delete(f.loops, b.loops[n-1])
		b.loops = b.loops[:n-1]
	}
	for n := len(b.watches); n > 0 && b.watches[n-1].op > op; n-- {
		f.unwatch(b.watches[n-1])
		b.watches = b.watches[:n-1]
	}
}

// openLoop is a loop that goes on.
type openLoop struct {
	*Loop
	turned  time.Duration // when its latest turn began
	delayed time.Duration // for how long crashes of the process have held it up
}

func (f *Fold) turn(at journal.Place, b *journal.TurnBody) {
	r := &f.run
	br := f.branch(at.Branch)
	f.closeWithin(br, at.Op) // of the turn before
	l := f.loops[at]
	if l == nil {
		l = &openLoop{Loop: &Loop{ID: at.String(), Since: r.Now}}
		f.loops[at] = l
		br.loops = append(br.loops, at)
	}
	l.Path, l.Turn, l.turned = b.Path, b.Turn, r.Now
	r.Counts.Turns++
	if b.Late > 0 {
		l.Late++
		r.Counts.LateTurns++
		if b.Late <= l.delayed {
			r.Counts.LateByCrash++
		}
	}
}

// delayLoops notes that a crash has held up the loops that go on, by no more than the time
// since the latest turn of each: what it had done is done again at worst. A pause does not
// make them late anyway.
func (f *Fold) delayLoops() {
	if f.run.Pause != nil {
		return
	}
	for _, l := range f.loops {
		l.delayed += f.run.Now - l.turned
		l.turned = f.run.Now
	}
}
