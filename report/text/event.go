package text

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Event writes one line for a record that a person wants to know of, and nothing
// for any other. fold is the fold that the record was just added to.
//
//	30.00s  step     payments slow                 begins
//	30.00s  fault    payments                      latency 500ms ±20% on
func Event(w io.Writer, rec journal.Record, fold *view.Fold, opt Options) error {
	if b, ok := rec.Body.(*journal.LogBody); ok && opt.Unsaid != nil && opt.Unsaid(b.Message) {
		return nil
	}
	e := describe(rec, fold)
	if e == nil {
		return nil
	}
	return e.write(w, rec.At, opt)
}

// write draws the line.
func (e *event) write(w io.Writer, at time.Duration, opt Options) error {
	st := style{color: opt.Color, ascii: opt.ASCII}
	limit, subject := opt.Width, subjectWidth
	if limit > 0 {
		limit = max(limit, minWidth)
		subject = max(8, min(subject, (limit-subjectAt)*2/5))
	}
	var l line
	l.put(dim, clock(at)).put(plain, "  ").put(e.color, e.kind).pad(subjectAt)
	if e.subject != "" {
		name := Clean(e.subject)
		if limit > 0 {
			name = st.cut(name, subject)
		}
		l.put(plain, name).put(plain, "  ").pad(subjectAt + subject + 2)
	}
	l.put(e.textColor, e.text)
	if limit <= 0 {
		limit = l.width()
	}
	_, err := io.WriteString(w, l.draw(st, limit)+"\n")
	return err
}

// The columns of an event's line: where its subject begins, and its usual width.
const (
	subjectAt    = 20
	subjectWidth = 28
)

// event is one line before it is drawn.
type event struct {
	kind          string
	color         color // of kind
	subject, text string
	textColor     color
}

func describe(rec journal.Record, fold *view.Fold) *event {
	switch b := rec.Body.(type) {
	case *journal.RunBeginBody:
		return &event{"run", bold, orElse(b.Name, "unnamed"), fmt.Sprintf("begins, %s, seed %d", b.World, b.Seed), plain}
	case *journal.RunEndBody:
		message := because(string(b.Verdict), b.Message)
		for _, f := range fold.Run().Faults {
			if f.State == view.FaultUnclean && errorText(f.Error) == b.Message { // its own line has told it
				message = f.Text + " on " + f.Target + " may still be on"
			}
		}
		return &event{"run", bold, fold.Run().Name, verdictText(fold.Run()) + withMessage(message), verdictColor(b.Verdict)}
	case *journal.StepBeginBody:
		if b.Delay > 0 {
			return &event{"step", cyan, b.Path, "begins after " + short(b.Delay), plain}
		}
		return &event{"step", cyan, b.Path, "begins", plain}
	case *journal.StepTryBody:
		if b.Try > 1 {
			return &event{"step", cyan, b.Path, fmt.Sprintf("try %d", b.Try), yellow}
		}
	case *journal.StepEndBody:
		return stepEnd(rec, b, fold.Step())
	case *journal.TurnBody:
		if b.Late > 0 {
			return &event{"turn", yellow, b.Path, "begins late by " + short(b.Late), plain}
		}
	case *journal.EffectStartBody, *journal.EffectNoteBody, *journal.EffectEndBody:
		return effect(rec, fold)
	case *journal.CheckBody:
		if b.OK {
			return &event{"check", green, b.Name, strings.TrimSpace("ok  " + measured(b.Value, b.Unit, b.Limit) + "  " + b.Limit), plain}
		}
		return &event{"check", red, b.Name, strings.TrimSpace("failed  " + found(b.Value, b.Unit, b.Limit, b.Detail) + where(b.Stack)), red}
	case *journal.FigureBody:
		return &event{"figure", plain, b.Name, strings.TrimSpace(number(b.Value) + " " + b.Unit), plain}
	case *journal.WatchBody:
		return watch(rec, b, fold)
	case *journal.LogBody:
		return logged(b)
	case *journal.ControlBody:
		text := b.Action + by(b.By) + withMessage(b.Detail)
		if b.Lift {
			text += ", faults lifted"
		}
		return &event{"control", yellow, b.Path, text, plain}
	case *journal.FailureBody:
		switch {
		case len(b.Of) > 0: // told before: what became of it is in the summary
			return nil
		case b.Tolerated:
			return &event{"failed", yellow, orElse(b.Path, b.Code), b.Message + where(b.Stack) + ", tolerated", yellow}
		}
		return &event{"error", red, orElse(b.Path, b.Code), b.Message + where(b.Stack), red}
	}
	return nil
}

func stepEnd(rec journal.Record, b *journal.StepEndBody, s *view.Step) *event {
	e := &event{"step", cyan, b.Path, string(b.Status), statusColor(b.Status, b.Tolerate)}
	if b.Status != journal.Skipped && s != nil {
		e.text += " after " + short(s.Took(rec.At))
	}
	if b.Tries > 1 {
		e.text += fmt.Sprintf(", try %d", b.Tries)
	}
	if b.Tolerate && b.Status == journal.Failed {
		e.text += ", tolerated"
	}
	e.text += withMessage(b.Reason)
	if b.Error != nil {
		e.text += withMessage(b.Error.Message) + where(b.Error.Stack)
	}
	return e
}

// effect describes those effects that a person waits for or fears.
func effect(rec journal.Record, fold *view.Fold) *event {
	e := fold.Effect()
	if e == nil {
		return nil
	}
	if f := e.Fault(); f != nil {
		return fault(rec, fold.Run(), e, f)
	}
	switch {
	case e.Kind == "load" && rec.Kind == journal.EffectEnd:
		return loaded(rec.Body.(*journal.EffectEndBody), e)
	case e.Kind == "approve" && rec.Kind == journal.EffectStart:
		text := "waits for an answer: " + e.Text
		if fold.Run().Lifted() {
			text += ", faults lifted"
		}
		return &event{"approve", yellow, e.Path, text, plain}
	case e.Kind == "approve" && rec.Kind == journal.EffectEnd:
		return &event{"approve", yellow, e.Path, answer(rec.Body.(*journal.EffectEndBody)), plain}
	case e.Kind == "exec" && rec.Kind == journal.EffectStart:
		return &event{"exec", plain, e.Path, e.Text, plain}
	}
	return nil
}

// answer says what a person answered.
func answer(b *journal.EffectEndBody) string {
	if b.Error != nil {
		return "not answered: " + b.Error.Message
	}
	var a struct {
		Approved    *bool
		By, Comment string
	}
	if json.Unmarshal(b.Data, &a) != nil {
		return "answered"
	}
	text := "approved"
	if a.Approved != nil && !*a.Approved {
		text = "rejected"
	}
	return text + by(a.By) + withMessage(a.Comment)
}

func fault(rec journal.Record, run *view.Run, e *view.Effect, f *view.Fault) *event {
	ev := &event{"fault", magenta, f.Target, faultName(run, f), plain}
	switch {
	case rec.Kind == journal.EffectNote && e.Notes == 1:
		ev.text += " on"
	case rec.Kind != journal.EffectEnd:
		return nil
	case f.State == view.FaultUnclean:
		ev.text += " UNCLEAN, may still be on" + withMessage(faultError(f))
		ev.textColor = boldRed
	case f.State == view.FaultFailed:
		ev.text += " not put on" + withMessage(errorText(f.Error))
		ev.textColor = red
	case f.State == view.FaultExpired:
		ev.text += fmt.Sprintf(" off by itself, on for %s as far as is known", short(run.OnFor(f, rec.At))) + withMessage(errorText(f.Error))
		ev.textColor = yellow
	default:
		ev.text += fmt.Sprintf(" off after %s, %s", short(run.OnFor(f, rec.At)), hits(f)) + withMessage(errorText(f.Error))
	}
	return ev
}

func watch(rec journal.Record, b *journal.WatchBody, fold *view.Fold) *event {
	name, kind := "guard", rec.Kind
	if kind == journal.Steady {
		name = "steady"
	}
	text := b.State
	if w := fold.Watch(); w != nil {
		text = watchState(w)
	}
	if b.Phase != "" {
		text += " " + b.Phase
	}
	if b.State == "ended" {
		if kind == journal.Guard && b.Seen == 0 {
			return nil
		}
		text = fmt.Sprintf("ended, %d of %d readings held", b.Seen-b.Bad, b.Seen)
	} else {
		text += withMessage(orElse(b.Detail, value(b.Value, "")))
	}
	c := watchColor(b.State)
	return &event{name, c, b.Name, text, plain}
}

func logged(b *journal.LogBody) *event {
	c, text := plain, b.Message
	switch b.Level {
	case "warn":
		c = yellow
	case "error":
		c = red
	case "debug":
		c = dim
	}
	if len(b.Fields) > 0 {
		text += "  " + fields(b.Fields, b.Units)
	}
	return &event{"log", c, "", text, c}
}

// found says what a check found and what it expected.
func found(v json.RawMessage, unit, limit, detail string) string {
	var parts []string
	if text := measured(v, unit, limit); text != "" {
		parts = append(parts, text)
	}
	if limit != "" {
		parts = append(parts, "expected "+limit)
	}
	if detail != "" {
		parts = append(parts, detail)
	}
	return strings.Join(parts, ", ")
}

// where is the place in the script that something came from, innermost.
func where(stack []journal.Frame) string {
	if pos := view.Pos(stack); pos != "" {
		return " (" + pos + ")"
	}
	return ""
}

func by(who string) string {
	if who == "" {
		return ""
	}
	return " by " + who
}

// faultError is what became of a fault, without its text and target where that begins with
// them: they stand before it.
func faultError(f *view.Fault) string {
	message := errorText(f.Error)
	if rest, ok := strings.CutPrefix(message, f.Text+" on "+f.Target+": "); ok && f.Target != "" {
		return rest
	}
	return message
}

func withMessage(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

func errorText(e *journal.EffectError) string {
	if e == nil {
		return ""
	}
	return orElse(e.Message, e.Code)
}
