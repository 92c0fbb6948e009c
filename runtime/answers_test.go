package runtime_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// answers are the scripted answers of a test's effects, by name:
//
//	f1: on=1s            a fault that takes 1s to be on
//	f1: fail-on          that cannot be put on
//	f1: fail-off         whose undo is not confirmed
//	f1: expires          whose undo cannot be asked for, and whose lease runs out
//	f1: lost=4s          that ends by itself
//	e1: 2s               an effect that takes 2s
//	e1: 2s error         and fails
//	p: bad@4s good@8s    a probe, by the time of the run
//	p: error@4s          whose reading fails
//	p: slow=2s           that takes 2s a reading
//	p: raise, p: panic, p: inconclusive     a function probe that does that
//	p: dies=3s           a watch that ends by itself
//	p: hangs             a watch none of whose readings comes to its end
type answers map[string][]string

func (a answers) has(name, word string) bool { return slices.Contains(a[name], word) }

// opt is the duration of key=… or key@….
func (a answers) opt(name, key string) (time.Duration, bool) {
	for _, w := range a[name] {
		if rest, ok := strings.CutPrefix(w, key+"="); ok {
			return mustDuration(rest), true
		}
	}
	return 0, false
}

// state is a probe's at a time: "good", "bad" or "error".
func (a answers) state(name string, at time.Duration) string {
	state := "good"
	for _, w := range a[name] {
		if s, when, ok := strings.Cut(w, "@"); ok && mustDuration(when) <= at {
			state = s
		}
	}
	return state
}

func (a answers) reading(name string, at time.Duration) runtime.Reading {
	switch a.state(name, at) {
	case "bad":
		return runtime.Reading{Value: json.RawMessage(`"bad"`)}
	case "error":
		return runtime.Reading{Error: "no answer"}
	}
	return runtime.Reading{OK: true, Value: json.RawMessage(`"good"`)}
}

// effectArgs are the arguments of every effect in these tests.
type effectArgs struct {
	Name     string        `json:"name"`
	Every    time.Duration `json:"every,omitempty"`
	Breaches int           `json:"breaches,omitempty"`
}

func ask(kind, name string) runtime.Ask {
	args, _ := json.Marshal(effectArgs{Name: name})
	return runtime.Ask{Kind: kind, Args: args, Chaos: kind == "fault"}
}

// scripted is the virtual world with scripted answers. It knows the time, which a
// planner is not told, so that probes can change at a time of the run.
type scripted struct {
	*runtime.Virtual
	answers answers
	now     time.Duration
}

func newScripted(a answers, j runtime.Journal) *scripted {
	w := &scripted{answers: a}
	w.Virtual = runtime.NewVirtual(w, j)
	return w
}

// Next notes the time of every event.
func (w *scripted) Next(r *runtime.Ready) runtime.Event {
	ev := w.Virtual.Next(r)
	w.now = ev.At
	return ev
}

// Plan answers one effect.
func (w *scripted) Plan(req *runtime.Request) (runtime.Planned, error) {
	var args effectArgs
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	a, name := w.answers, args.Name
	switch req.Kind {
	case "fault", "load":
		return a.planHeld(name), nil
	case "watch":
		return w.planWatch(args), nil
	case "read":
		slow, _ := a.opt(name, "slow")
		return done(slow, a.reading(name, w.now+slow)), nil
	case "effect":
		var p runtime.Planned
		took := time.Duration(0)
		if words := a[name]; len(words) > 0 {
			took = mustDuration(words[0])
		}
		p = done(took, map[string]string{"got": name})
		if a.has(name, "error") {
			p.Done.Data, p.Done.Err = nil, &journal.EffectError{Code: "refused", Message: name + " was refused"}
		}
		return p, nil
	}
	return runtime.Planned{}, fmt.Errorf("no plan for a %s", req.Kind)
}

func done(after time.Duration, data any) runtime.Planned {
	return runtime.Planned{Done: &runtime.PlannedEvent{After: after, Data: data}}
}

func (a answers) planHeld(name string) runtime.Planned {
	on, _ := a.opt(name, "on")
	if a.has(name, "fail-on") {
		return runtime.Planned{Done: &runtime.PlannedEvent{After: on, Err: &journal.EffectError{Code: "refused", Message: name + " cannot be put on"}}}
	}
	p := runtime.Planned{Reports: []runtime.PlannedEvent{{After: on, Data: map[string]bool{"on": true}}}}
	if at, ok := a.opt(name, "lost"); ok {
		p.Done = &runtime.PlannedEvent{After: at}
		if a.has(name, "expires") {
			p.Done.Err = &journal.EffectError{Code: journal.CodeExpired, Message: "its lease ran out"}
		}
	}
	p.End = func(ran time.Duration) (any, *journal.EffectError) {
		if a.has(name, "gone") {
			return nil, &journal.EffectError{Code: journal.CodeLost, Message: name + " was gone before"}
		}
		if a.has(name, "expires") {
			return nil, &journal.EffectError{Code: journal.CodeExpired, Message: name + " is gone with its lease"}
		}
		if a.has(name, "fail-off") {
			return nil, &journal.EffectError{Code: "unclean", Message: name + " cannot be confirmed gone"}
		}
		return map[string]string{"ran": ran.String()}, nil
	}
	return p
}

// planWatch reads the probe's script once every, for an hour.
func (w *scripted) planWatch(args effectArgs) runtime.Planned {
	a, began := w.answers, w.now
	var p runtime.Planned
	at := func(ran time.Duration) (rep runtime.WatchReport, changed bool) {
		inARow, state := 0, runtime.WatchState("")
		for i := time.Duration(0); i <= ran; i += args.Every {
			rep.Reading = a.reading(args.Name, began+i)
			rep.Seen++
			changed = false
			was := state
			if rep.Reading.OK {
				inARow = 0
				state = runtime.WatchHolds
			} else {
				rep.Bad++
				if inARow++; inARow >= args.Breaches {
					state = runtime.WatchBad
				} else if state == "" {
					state = runtime.WatchPending
				}
			}
			changed = state != was
		}
		rep.State = state
		return rep, changed
	}
	for i := time.Duration(0); i <= 2*time.Minute; i += args.Every {
		if rep, changed := at(i); changed {
			p.Reports = append(p.Reports, runtime.PlannedEvent{After: i, Data: rep})
		}
	}
	if dies, ok := a.opt(args.Name, "dies"); ok {
		p.Done = &runtime.PlannedEvent{After: dies, Err: &journal.EffectError{Code: "failed", Message: "the connection broke"}}
	}
	p.End = func(ran time.Duration) (any, *journal.EffectError) {
		rep, _ := at(ran)
		return rep, nil
	}
	if a.has(args.Name, "hangs") {
		p.Reports = nil
		p.End = func(time.Duration) (any, *journal.EffectError) { return runtime.WatchReport{}, nil }
	}
	return p
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
