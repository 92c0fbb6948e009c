package runtime_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// render writes a journal for golden files, one line a record:
//
//	1.5s     0.1:2   step.end      a failed tries=1: no luck
func render(recs []journal.Record) string {
	var b strings.Builder
	names := map[journal.Place]string{} // of effects
	for _, rec := range recs {
		line := fmt.Sprintf("%-8s %-7s %-12s %s", rec.At, rec.Place, rec.Kind, detail(rec, names))
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func detail(rec journal.Record, names map[journal.Place]string) string {
	switch body := rec.Body.(type) {
	case *journal.RunEndBody:
		s := string(body.Verdict) + " " + body.Reason
		if body.Message != "" {
			s += ": " + body.Message
		}
		for _, p := range body.Unclean {
			s += " unclean[" + p.Code + ": " + p.Message + "]"
		}
		return s + count(" tolerated=", body.Tolerated) + count(" flaky=", body.Flaky)
	case *journal.BranchBeginBody:
		return body.Role + " " + body.Path
	case *journal.EndBody:
		return body.Path + " " + string(body.Status) + count(" turns=", body.Turns) + count(" late=", body.Late) + problem(body.Error)
	case *journal.StepBeginBody:
		if body.StepRest == nil {
			return body.Path
		}
		raw, _ := json.Marshal(body.StepRest) // plain data
		return body.Path + " " + string(raw)
	case *journal.StepTryBody:
		return fmt.Sprintf("%s try=%d", body.Path, body.Try)
	case *journal.StepEndBody:
		s := fmt.Sprintf("%s %s tries=%d", body.Path, body.Status, body.Tries)
		if body.Tolerate {
			s += " tolerated"
		}
		if body.Reason != "" {
			s += ": " + body.Reason
		}
		return s + problem(body.Error)
	case *journal.TurnBody:
		if body.Late > 0 {
			return body.Path + " late=" + body.Late.String()
		}
		return body.Path
	case *journal.SleepBody:
		return strings.TrimSpace(body.For.String() + " " + body.Why)
	case *journal.EffectStartBody:
		var args effectArgs
		_ = json.Unmarshal(body.Args, &args)
		names[rec.Place] = body.Kind + " " + args.Name
		return names[rec.Place]
	case *journal.EffectNoteBody:
		return names[rec.Place] + " " + string(body.Data)
	case *journal.EffectEndBody:
		s := names[rec.Place] + " " + string(body.Data)
		if body.Error != nil {
			s += "error " + body.Error.Code
		}
		return s
	case *journal.CheckBody:
		return fmt.Sprintf("%s ok=%t", body.Name, body.OK)
	case *journal.WatchBody:
		return strings.TrimSpace(fmt.Sprintf("%s %s %s %s%s", body.Name, body.Phase, body.State, body.Value, body.Detail))
	case *journal.LogBody:
		return body.Level + " " + body.Message
	case *journal.FailureBody:
		s := body.Code + ": " + body.Message
		if body.Tolerated {
			s += " tolerated by " + body.By
		}
		if len(body.Of) > 0 {
			s += " of " + strings.Join(body.Of, " ")
		}
		return s
	case *journal.ParallelBody, *journal.LoopBody, *journal.AttemptBody, *journal.ExitBody, *journal.WaitBody, *journal.GuardBody, *journal.SteadyBody:
		raw, _ := json.Marshal(body) // plain data
		return string(raw)
	case *journal.ControlBody:
		return strings.TrimSpace(body.Action + " " + body.Path + " " + body.By)
	}
	return names[rec.Place]
}

func count(what string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(what, n)
}

func problem(p *journal.Problem) string {
	if p == nil {
		return ""
	}
	return ": " + p.Message
}

// invariants checks what holds for the journal of every run, however it went:
// every begin has one end after it, every effect completes, what is held was taken
// off once and before its scope's end, and nothing follows the end of the run.
func invariants(recs []journal.Record) error {
	open := map[string]int{} // begins without end, by kind and place
	running := map[journal.Place]string{}
	owner := map[journal.Place]journal.Place{} // of a held effect: the step try it belongs to
	stopped := map[journal.Place]bool{}
	steps := map[string][]journal.Place{} // open steps of a branch
	for i, rec := range recs {
		if i > 0 && rec.At < recs[i-1].At {
			return fmt.Errorf("record %d: time falls from %s to %s", i, recs[i-1].At, rec.At)
		}
		if i > 0 && recs[i-1].Kind == journal.RunEnd {
			return fmt.Errorf("record %d: %s follows the end of the run", i, rec.Kind)
		}
		key := rec.Place.String()
		switch rec.Kind {
		case journal.BranchBegin, journal.StepBegin:
			open[key]++
			if rec.Kind == journal.StepBegin {
				steps[rec.Place.Branch] = append(steps[rec.Place.Branch], rec.Place)
			}
		case journal.BranchEnd, journal.StepEnd:
			if open[key]--; open[key] != 0 {
				return fmt.Errorf("record %d: %s of %s without its begin", i, rec.Kind, key)
			}
			delete(open, key)
			if err := noneLeft(rec, running, owner); err != nil {
				return fmt.Errorf("record %d: %w", i, err)
			}
			if rec.Kind == journal.StepEnd {
				stack := steps[rec.Place.Branch]
				if stack[len(stack)-1] != rec.Place {
					return fmt.Errorf("record %d: step %s ends inside another", i, key)
				}
				steps[rec.Place.Branch] = stack[:len(stack)-1]
			}
		case journal.EffectStart:
			running[rec.Place] = rec.Body.(*journal.EffectStartBody).Kind
			if stack := steps[rec.Place.Branch]; len(stack) > 0 {
				owner[rec.Place] = stack[len(stack)-1]
			}
		case journal.EffectEnd:
			if running[rec.Place] == "" {
				return fmt.Errorf("record %d: effect %s ends twice, or never began", i, key)
			}
			delete(running, rec.Place)
		case journal.EffectNote, journal.EffectStop:
			if rec.Kind == journal.EffectStop {
				if stopped[rec.Place] {
					return fmt.Errorf("record %d: effect %s is taken off twice", i, key)
				}
				stopped[rec.Place] = true
			}
			if running[rec.Place] == "" {
				return fmt.Errorf("record %d: %s for effect %s that is over", i, rec.Kind, key)
			}
		case journal.RunEnd:
			if len(open)+len(running) > 0 {
				return fmt.Errorf("record %d: the run ends with open %v and running %v", i, open, running)
			}
		}
	}
	if last := recs[len(recs)-1]; last.Kind != journal.RunEnd {
		return fmt.Errorf("the last record is %s", last.Kind)
	}
	return nil
}

// noneLeft reports a fault or another effect that outlives its step or branch. A
// watch belongs to its hypothesis' scope and may outlive the step that caused it.
func noneLeft(end journal.Record, running map[journal.Place]string, owner map[journal.Place]journal.Place) error {
	for place, kind := range running {
		if kind == "watch" {
			continue
		}
		if end.Kind == journal.StepEnd && owner[place] == end.Place {
			return fmt.Errorf("%s %s outlives its step %s", kind, place, end.Place)
		}
		if end.Kind == journal.BranchEnd && (place.Branch == end.Place.Branch || strings.HasPrefix(place.Branch, end.Place.Branch+".")) {
			return fmt.Errorf("%s %s outlives its branch %s", kind, place, end.Place.Branch)
		}
	}
	return nil
}

// failures lists what an outcome says beyond its last record.
func failures(out runtime.Outcome) string {
	var b strings.Builder
	for _, f := range out.Failures {
		at := f.Problem.Path
		if at == "" {
			at = "run"
		}
		fmt.Fprintf(&b, "failure  %s: %s\n", at, f.Problem.Message)
	}
	return b.String()
}
