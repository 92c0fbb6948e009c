package view

import (
	"bytes"
	"encoding/json"

	"starquake/runtime/journal"
)

func (f *Fold) effectStart(at journal.Place, b *journal.EffectStartBody) {
	r := &f.run
	if r.State == Ended {
		return
	}
	count(r.Counts.Effects, b.Kind)
	if e := f.effects[at]; e != nil { // asked again after a crash
		f.about = e
		return
	}
	known := f.uses.of(b.Kind, b.Args)
	step := -1
	if s := f.branch(at.Branch).inner(); s != nil {
		step = s.Index
	}
	f.seq++
	e := &Effect{
		ID: at.String(), Kind: b.Kind, Text: known.text,
		Step: step, Path: b.Path, Start: r.Now, seq: f.seq,
	}
	f.about = e
	switch b.Kind {
	case "fault":
		e.fault = f.faultAsked(e, known)
	case "approve":
		e.wait = &Approval{ID: e.ID, Message: known.text, Path: b.Path, Since: r.Now, Faults: faultsMeanwhile(b.Args)}
	case "probe", "watch":
		f.probeAsked(e, at, b, known.text)
	case "load":
		e.load = f.loadAsked(e, b)
	}
	if e.fault == nil && e.wait == nil {
		if r.Counts.InFlight >= MaxInFlight {
			return
		}
	}
	f.effects[at] = e
	if e.fault == nil {
		r.Counts.InFlight++
	}
	if e.wait != nil {
		f.asks(e.wait)
	}
}

// faultsMeanwhile reads from an approval's arguments what becomes of the faults.
func faultsMeanwhile(args json.RawMessage) string {
	var a struct {
		Faults string `json:"faults"`
	}
	_ = json.Unmarshal(args, &a) // of another shape it says nothing
	return clip(a.Faults)
}

func (f *Fold) effectNote(at journal.Place, b *journal.EffectNoteBody) {
	e := f.effects[at]
	if e == nil {
		return
	}
	f.about = e
	e.Notes++
	if e.load != nil && (e.Notes == 1 || e.again) { // it was being made ready before
		e.load.Start, e.load.End = f.run.Now, f.run.Now
	}
	if e.again { // its answer tells the time from here on
		e.Start = f.run.Now
	}
	f.isBack(e)
	if e.fault != nil {
		f.faultNote(e.fault, b.Data)
	}
}

func (f *Fold) effectStop(at journal.Place) {
	e := f.effects[at]
	if e == nil {
		return
	}
	f.about = e
	e.Stopping = true
	if fl := e.fault; fl != nil && fl.State == FaultOn {
		fl.State, fl.Lift = FaultLifting, f.run.Now
	}
}

func (f *Fold) effectEnd(at journal.Place, b *journal.EffectEndBody) {
	e := f.effects[at]
	if e == nil {
		return
	}
	f.about = e
	f.isBack(e)
	delete(f.effects, at)
	if e.fault == nil {
		f.run.Counts.InFlight--
		if e.wait != nil {
			f.answered(e.wait)
		}
		if e.probe != nil {
			f.probeRead(e, b.Data)
		}
		if e.load != nil {
			f.loadEnded(e.load, b)
		}
		if f.run.World == "virtual" && e.Start == f.run.Now && takesTime(e.Kind) {
			count(f.run.Counts.Untimed, e.Kind)
		}
		return
	}
	f.faultStats(e.fault, b.Data)
	f.faultEnd(e.fault, b.Error)
}

// takesTime tells of an effect that something outside answers, which takes its time in a run.
func takesTime(kind string) bool {
	switch kind {
	case "http", "tcp", "dns", "grpc", "prometheus", "exec":
		return true
	}
	return false
}

func (f *Fold) faultAsked(e *Effect, known *described) *Fault {
	r := &f.run
	fl := &Fault{
		ID: e.ID, Target: known.target, Name: known.name, Kind: known.kind, Text: known.text,
		Params: known.params, Probability: known.probability, Match: known.match,
		Step: e.Step, Path: e.Path, State: FaultPending,
		Asked: r.Now, Start: r.Now, End: r.Now,
	}
	if t := f.uses.target(known.target); t != nil {
		t.Faults++
	}
	r.Faults = append(r.Faults, fl)
	return fl
}

func (f *Fold) faultNote(fl *Fault, data json.RawMessage) {
	r := &f.run
	f.faultStats(fl, data)
	if fl.WasOn {
		return
	}
	fl.WasOn, fl.Start, fl.End = true, r.Now, r.Now
	if fl.State == FaultPending {
		fl.State = FaultOn
	}
	r.FaultsOn++
	if r.FaultsOn > r.MaxFaults {
		r.MaxFaults, r.MaxFaultsAt = r.FaultsOn, r.Now
	}
	if f.guarding == 0 {
		r.Unguarded++
	}
}

// faultStats takes the counts that a report or an answer of a fault carries.
func (f *Fold) faultStats(fl *Fault, data json.RawMessage) {
	// Most reports carry none, and decoding one costs more than the rest of Add.
	if len(data) == 0 || !bytes.Contains(data, []byte(`"seen"`)) && !bytes.Contains(data, []byte(`"hit"`)) && !bytes.Contains(data, []byte(`"uncounted"`)) {
		return
	}
	var stats struct {
		Seen, Hit, Inapplicable int64
		Uncounted               bool
	}
	if json.Unmarshal(data, &stats) == nil {
		fl.Seen, fl.Hit, fl.Inapplicable = max(0, stats.Seen), max(0, stats.Hit), max(0, stats.Inapplicable)
		fl.Uncounted = stats.Uncounted
	}
}

func (f *Fold) faultEnd(fl *Fault, problem *journal.EffectError) {
	r := &f.run
	fl.End, fl.Error = r.Now, problem
	switch {
	case !fl.WasOn && problem == nil:
		fl.State = FaultOff
	case !fl.WasOn && (problem.Code == journal.CodeUnclean || problem.Code == journal.CodeAbandoned):
		fl.State = FaultUnclean // asked for, never confirmed, and perhaps on
	case !fl.WasOn:
		fl.State = FaultFailed
	case problem == nil:
		fl.State = FaultOff
	case problem.IsOff():
		fl.State = FaultExpired
	default:
		fl.State = FaultUnclean
	}
	if fl.WasOn {
		r.FaultsOn--
	}
}

// count adds one to m[kind], for a bounded number of kinds.
func count(m map[string]int, kind string) {
	const maxKinds = 64
	if _, known := m[kind]; !known && len(m) >= maxKinds {
		kind = "other"
	}
	m[kind]++
}
