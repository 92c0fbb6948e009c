// Package viewtest makes journals for the tests of whatever reads a view: a
// builder for records by hand, and samples of whole runs. Only tests import it.
package viewtest

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Journal is a journal in the making. Its methods append records at the current
// time, which At and Wait move.
type Journal struct {
	Records []journal.Record
	Now     time.Duration
	op      uint32
	tried   map[journal.Place]time.Duration // first try of each step
	guards  map[string]journal.Place
}

// New begins the journal of a run.
func New(name, world string) *Journal {
	j := &Journal{tried: map[journal.Place]time.Duration{}, guards: map[string]journal.Place{}}
	j.Add(journal.RunBegin, journal.Place{Branch: "0"}, &journal.RunBeginBody{
		Format: journal.FormatVersion, Name: name, Script: name + ".star", World: world, Seed: 7321,
		Origin: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	return j
}

// Run folds the journal.
func (j *Journal) Run() *view.Run { return view.Of(j.Records) }

// Add appends any record.
func (j *Journal) Add(kind journal.Kind, at journal.Place, body any) {
	j.Records = append(j.Records, journal.Record{At: j.Now, Kind: kind, Place: at, Body: body})
}

// Wait lets time pass.
func (j *Journal) Wait(d time.Duration) { j.Now += d }

// Place is a new place in a branch. Its number is new in the whole journal.
func (j *Journal) Place(branch string) journal.Place {
	j.op++
	return journal.Place{Branch: branch, Op: j.op}
}

// Begin begins a step and its first try, after its delay.
func (j *Journal) Begin(branch string, b journal.StepBeginBody) journal.Place {
	at := j.Place(branch)
	if b.Name == "" {
		b.Name = b.Path
	}
	j.Add(journal.StepBegin, at, &b)
	if b.Delay > 0 {
		sleep := j.Place(branch)
		j.Add(journal.Sleep, sleep, &journal.SleepBody{For: b.Delay, Why: "delay"})
		j.Wait(b.Delay)
		j.Add(journal.Timer, sleep, nil)
	}
	j.tried[at] = j.Now
	j.Add(journal.StepTry, at, &journal.StepTryBody{Path: b.Path, Try: 1})
	return at
}

// End ends a step that passed.
func (j *Journal) End(at journal.Place, path string) {
	j.Add(journal.StepEnd, at, &journal.StepEndBody{Path: path, Status: journal.Passed, Tries: 1, Started: j.tried[at]})
}

// Fail ends a step that failed.
func (j *Journal) Fail(at journal.Place, path, message string, tolerate bool) {
	j.Add(journal.StepEnd, at, &journal.StepEndBody{
		Path: path, Status: journal.Failed, Tries: 1, Tolerate: tolerate, Started: j.tried[at],
		Error: &journal.Problem{Code: "check_failed", Message: message, Path: path},
	})
}

// Step is a whole step of that length that passed.
func (j *Journal) Step(branch, path string, d time.Duration) {
	at := j.Begin(branch, journal.StepBeginBody{Path: path, Duration: d})
	j.Wait(d)
	j.End(at, path)
}

// Fault puts a fault on.
func (j *Journal) Fault(branch, path, target, text, kind, params string) journal.Place {
	at := j.Effect(branch, path, "fault", map[string]any{
		"target": target, "name": "", "text": text,
		"fault": map[string]any{"kind": kind, "params": json.RawMessage(params), "probability": 1},
	})
	j.Add(journal.EffectNote, at, &journal.EffectNoteBody{Data: json.RawMessage(`{"on":true}`)})
	return at
}

// Latency puts a latency of 500 ms on.
func (j *Journal) Latency(branch, path, target string) journal.Place {
	return j.Fault(branch, path, target, "latency 500ms ±20%", "latency", `{"delay":"500ms","jitter_percent":20}`)
}

// Lift takes a fault off that met so many requests.
func (j *Journal) Lift(at journal.Place, seen, hit int) {
	j.Add(journal.EffectStop, at, nil)
	j.EndEffect(at, map[string]int{"seen": seen, "hit": hit})
}

// Effect starts an effect.
func (j *Journal) Effect(branch, path, kind string, args any) journal.Place {
	at := j.Place(branch)
	j.Add(journal.EffectStart, at, &journal.EffectStartBody{Kind: kind, Path: path, Args: text(args), Held: kind == "fault"})
	return at
}

// EndEffect completes an effect.
func (j *Journal) EndEffect(at journal.Place, data any) {
	j.Add(journal.EffectEnd, at, &journal.EffectEndBody{Data: text(data)})
}

// Branch begins a branch of a parallel.
func (j *Journal) Branch(branch, path string) {
	j.Add(journal.BranchBegin, journal.Place{Branch: branch}, &journal.BranchBeginBody{Path: path, Role: "parallel"})
}

// EndBranch ends a branch that passed.
func (j *Journal) EndBranch(branch, path string) {
	j.Add(journal.BranchEnd, journal.Place{Branch: branch}, &journal.EndBody{Path: path, Status: journal.Passed})
}

// Guard records a reading of a guard.
func (j *Journal) Guard(name, state, value string, seen, bad int) {
	j.GuardReads(journal.WatchBody{Name: name, State: state, Value: raw(value), Seen: seen, Bad: bad})
}

// GuardReads records a reading of the guard of that name, made by the first.
func (j *Journal) GuardReads(b journal.WatchBody) {
	at, known := j.guards[b.Name]
	if !known {
		at = j.Place("0")
		j.guards[b.Name] = at
	}
	j.Add(journal.Guard, at, &b)
}

// Check records a check.
func (j *Journal) Check(path, name string, ok bool, value, limit string) {
	j.Add(journal.Check, j.Place("0"), &journal.CheckBody{
		Path: path, Name: name, OK: ok, Value: raw(value), Limit: limit,
	})
}

// Log records a line of the log.
func (j *Journal) Log(level, message, fields string) {
	j.Add(journal.Log, j.Place("0"), &journal.LogBody{Level: level, Message: message, Fields: raw(fields)})
}

// Finish ends the run.
func (j *Journal) Finish(b journal.RunEndBody) *Journal {
	j.Add(journal.RunEnd, journal.Place{Branch: "0"}, &b)
	return j
}

// Pass ends a run that passed.
func (j *Journal) Pass() *Journal {
	return j.Finish(journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "passed"})
}

// text is v in JSON. A test that gives what has none deserves the panic.
func text(v any) json.RawMessage {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

// raw is a value that is JSON already; "" stands for none.
func raw(value string) json.RawMessage {
	if value == "" {
		return nil
	}
	return json.RawMessage(value)
}
