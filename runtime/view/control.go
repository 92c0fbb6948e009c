package view

import (
	"slices"
	"time"

	"starquake/runtime/journal"
)

func (f *Fold) control(b *journal.ControlBody) {
	r := &f.run
	if r.State == Ended {
		return
	}
	if len(r.Controls) < MaxControls {
		r.Controls = append(r.Controls, &Asked{Action: clip(b.Action), At: r.Now, By: clip(b.By), Detail: clip(b.Detail), Path: clip(b.Path), Gap: max(b.Gap, 0)})
	}
	switch b.Action {
	case "pause":
		if r.Pause == nil {
			r.State, r.Pause = Paused, &Pause{Since: r.Now, By: b.By, Lifted: b.Lift}
		}
		r.Pause.Lifted = r.Pause.Lifted || b.Lift
		f.lifts()
	case "resume":
		if r.Pause != nil {
			f.resumed()
		}
	case "recover":
		r.Recovered++
		r.Gaps += b.Gap
		f.askedAgain()
		f.wereAway(max(b.Gap, 0))
		f.delayLoops()
	case "stop", "abort":
		if r.Pause != nil {
			f.resumed()
		}
		r.Stopping = &Asked{Action: b.Action, At: r.Now, By: b.By, Detail: clip(b.Detail)}
		r.Endless = r.Endless || b.By == EndHorizon
	}
}

// resumed ends the pause.
func (f *Fold) resumed() {
	r := &f.run
	r.State = Running
	r.PausedIn += r.Now - r.Pause.Since
	if len(r.Pauses) < MaxControls {
		r.Pauses = append(r.Pauses, Span{r.Pause.Since, r.Now})
	}
	r.Pause = nil
	f.lifts()
}

// askedAgain notes the load that a crash cut off: it is asked again whole, and what had
// been sent counts for nothing. So does what watched probes had read.
func (f *Fold) askedAgain() {
	var cut []*Effect
	for _, e := range f.effects {
		if e.Kind == "load" && !e.Stopping {
			cut = append(cut, e)
		}
		if e.Kind == "watch" {
			f.run.WatchesCut++
		}
	}
	slices.SortFunc(cut, func(a, b *Effect) int { return a.seq - b.seq })
	for _, e := range cut {
		if len(f.run.AskedAgain) < maxAskedAgain {
			f.run.AskedAgain = append(f.run.AskedAgain, &LostLoad{At: f.run.Now, Path: e.Path, Text: e.Text, Since: e.Start})
		}
	}
}

// wereAway notes that nobody ran the run for so long: what is in flight is asked again, and
// the faults are away until they say that they are on again.
func (f *Fold) wereAway(gap time.Duration) {
	now := f.run.Now
	for _, e := range f.effects {
		if fl := e.fault; fl != nil && fl.WasOn && !e.again && len(fl.Away) < MaxControls {
			fl.Away = append(fl.Away, Span{max(fl.Start, now-gap), now})
		}
		e.again = true
		if e.Kind == "probe" { // it says nothing before its answer
			e.Start = now
		}
	}
}

// isBack notes that an effect that was asked again goes on, or has ended.
func (f *Fold) isBack(e *Effect) {
	if !e.again {
		return
	}
	e.again = false
	if fl := e.fault; fl != nil && len(fl.Away) > 0 {
		fl.Away = slices.Clone(fl.Away) // a snapshot may have them
		fl.Away[len(fl.Away)-1].To = f.run.Now
	}
}

// maxAskedAgain bounds the loads of which it is known that a crash cut them off.
const maxAskedAgain = 100

func (f *Fold) log(b *journal.LogBody) {
	r := &f.run
	r.Counts.LogLines++
	// Twice the bound is the room that makes dropping lines O(1) a line.
	if len(r.Log) >= 2*MaxLog {
		r.Log = append(make([]Line, 0, 2*MaxLog), r.Log[len(r.Log)-MaxLog+1:]...)
	}
	r.Log = append(r.Log, Line{r.Now, b.Level, clip(b.Message), clipJSON(b.Fields), b.Units, b.Path})
}
