package view

import (
	"slices"
	"strings"

	"starquake/runtime/journal"
)

// Fold takes the records of one run in their order. A record costs O(1) on
// average, whatever came before it. No sequence of records makes it panic: what
// does not fit (an end without a begin, a body of another kind) is counted as an
// event and otherwise passed over.
//
// A Fold is not safe for concurrent use.
type Fold struct {
	run Run

	branches map[string]*branch
	steps    map[journal.Place]*Step // open ones
	loops    map[journal.Place]*openLoop
	effects  map[journal.Place]*Effect // in flight
	guards   map[journal.Place]*Watch
	steady   map[journal.Place]*Watch
	guarding int // live guards
	liftedBy int // approvals that wait, and lift the faults meanwhile
	failed   map[journal.Place]failed
	probes   map[string]*probeLog // by their arguments

	loadPoints int // of all loads

	uses  uses
	slab  []Step // steps are allocated in slabs: one allocation for many
	seq   int
	about *Effect // of the latest record
	step  *Step   // likewise
	read  *Watch  // likewise
	began bool
	shown bool // run has what follows from the records so far
}

// New returns a fold of no records.
func New() *Fold {
	return &Fold{
		run: Run{
			State:  Running,
			Steps:  []*Step{},
			Faults: []*Fault{},
			Counts: Counts{Effects: map[string]int{}, Untimed: map[string]int{}},
		},
		branches: map[string]*branch{"0": {}},
		steps:    map[journal.Place]*Step{},
		loops:    map[journal.Place]*openLoop{},
		effects:  map[journal.Place]*Effect{},
		guards:   map[journal.Place]*Watch{},
		steady:   map[journal.Place]*Watch{},
		failed:   map[journal.Place]failed{},
		uses:     newUses(),
	}
}

// Of folds a whole journal.
func Of(records []journal.Record) *Run {
	f := New()
	for _, rec := range records {
		f.Add(rec)
	}
	return f.Run()
}

// Add takes the next record. The fold keeps parts of its body, which must not
// change afterwards.
func (f *Fold) Add(rec journal.Record) {
	r := &f.run
	f.shown = false
	r.Counts.Events++
	r.Now = max(r.Now, rec.At) // a journal's time never falls; a hostile one's may
	f.about, f.step, f.read = nil, nil, nil
	switch b := rec.Body.(type) {
	case nil:
		switch rec.Kind {
		case journal.Timer:
			f.timer(rec.Place)
		case journal.EffectStop:
			f.effectStop(rec.Place)
		}
	case *journal.RunBeginBody:
		if b != nil {
			f.runBegin(b)
		}
	case *journal.RunEndBody:
		if b != nil {
			f.runEnd(b)
		}
	case *journal.BranchBeginBody:
		f.branch(rec.Place.Branch)
	case *journal.EndBody:
		f.end(rec.Kind, rec.Place)
	case *journal.StepBeginBody:
		if b != nil {
			f.stepBegin(rec.Place, b)
		}
	case *journal.StepTryBody:
		if b != nil {
			f.stepTry(rec.Place, b)
		}
	case *journal.StepEndBody:
		if b != nil {
			f.stepEnd(rec.Place, b)
		}
	case *journal.TurnBody:
		if b != nil {
			f.turn(rec.Place, b)
		}
	case *journal.SleepBody:
		if b != nil {
			f.sleep(rec.Place, b)
		}
	case *journal.EffectStartBody:
		if b != nil {
			f.effectStart(rec.Place, b)
		}
	case *journal.EffectNoteBody:
		if b != nil {
			f.effectNote(rec.Place, b)
		}
	case *journal.EffectEndBody:
		if b != nil {
			f.effectEnd(rec.Place, b)
		}
	case *journal.CheckBody:
		if b != nil {
			f.check(rec.Place, b)
		}
	case *journal.FigureBody:
		if b != nil && len(r.Figures) < MaxFigures {
			r.Figures = append(r.Figures, &Figure{r.Now, b.Path, b.Name, b.Value, b.Unit, b.Better})
		}
	case *journal.WatchBody:
		if b != nil {
			f.watch(rec.Kind, rec.Place, b)
		}
	case *journal.LogBody:
		if b != nil {
			f.log(b)
		}
	case *journal.ControlBody:
		if b != nil {
			f.control(b)
		}
	case *journal.GuardBody:
		if b != nil {
			f.guardBegin(rec.Place, b)
		}
	case *journal.SteadyBody:
		if b != nil {
			f.steadyBegin(rec.Place, b)
		}
	case *journal.FailureBody:
		if b != nil {
			f.failure(b)
		}
	}
}

// Run returns the run as it stands. It is the fold's own: it must not be changed,
// and Add changes it; who reads it while records come wants a Snapshot. The first
// call after a record costs in proportion to the effects in flight; until the next
// record, more calls change nothing, so that others may read what was returned.
func (f *Fold) Run() *Run {
	r := &f.run
	if f.shown {
		return r
	}
	f.shown = true
	r.Effects, r.Approvals, r.Loops = nil, nil, nil
	for _, e := range f.effects {
		if e.fault == nil {
			r.Effects = append(r.Effects, e)
		}
	}
	slices.SortFunc(r.Effects, func(a, b *Effect) int { return a.seq - b.seq })
	for _, e := range r.Effects {
		if e.wait != nil {
			r.Approvals = append(r.Approvals, e.wait)
		}
	}
	for _, l := range f.loops {
		r.Loops = append(r.Loops, l.Loop)
	}
	slices.SortFunc(r.Loops, func(a, b *Loop) int {
		if a.Since != b.Since {
			return int(min(max(a.Since-b.Since, -1), 1))
		}
		return strings.Compare(a.ID, b.ID)
	})
	f.uses.fill(r)
	return r
}

// Effect is the effect that the record last added was about, also where that
// record ended it; nil where it was about none.
func (f *Fold) Effect() *Effect { return f.about }

// Watch is the guard or steady state that the record last added is a reading of; nil
// where it is none.
func (f *Fold) Watch() *Watch { return f.read }

// Step is the step that the record last added began, tried or ended; nil where it
// did none of these.
func (f *Fold) Step() *Step { return f.step }

func (f *Fold) runBegin(b *journal.RunBeginBody) {
	if f.began {
		return
	}
	f.began = true
	r := &f.run
	r.Name, r.World, r.Script, r.Seed = b.Name, b.World, b.Script, b.Seed
	r.Params, r.Meta, r.Origin, r.Compress = b.Params, b.Meta, b.Origin, b.Compress
	r.Modules, r.Interpreter, r.Strict = b.Modules, b.Interpreter, b.Strict
	f.uses.secretsIn(b.Params)
}

// EndHorizon is the Reason of a plan that was cut because its loop has no end.
const EndHorizon = "horizon"

func (f *Fold) runEnd(b *journal.RunEndBody) {
	r := &f.run
	if r.State == Ended {
		return
	}
	if r.Pause != nil {
		f.resumed()
	}
	f.liftedBy = 0
	f.lifts()
	r.State, r.Stopping = Ended, nil
	r.Verdict, r.Reason, r.Message = b.Verdict, b.Reason, b.Message
	r.Unclean = b.Unclean
	if b.Paused > 0 { // it knows of pauses that a breach ended
		r.PausedIn = b.Paused
	}
	// The end's own counts know of what no step shows (an attempt that tolerates).
	r.Tolerated, r.Flaky = max(r.Tolerated, b.Tolerated), max(r.Flaky, b.Flaky)
	r.Endless = r.Endless || b.Reason == EndHorizon
	for _, s := range f.steps {
		f.closeStep(s, journal.Stopped)
	}
	// A fault of which the journal never says that it is off may still be on.
	for _, e := range f.effects {
		if fl := e.fault; fl != nil {
			f.faultEnd(fl, &journal.EffectError{
				Code:    "unclean",
				Message: "the run ended and the journal does not say that this fault is off",
			})
		}
	}
	for _, b := range f.branches {
		f.closeWithin(b, 0)
	}
	clear(f.steps)
	clear(f.loops)
	clear(f.effects)
	clear(f.failed)
	clear(f.branches)
	r.Counts.InFlight = 0
	r.Probes, r.Summary = f.readProbes(), f.summarize()
	f.probes = nil
}
