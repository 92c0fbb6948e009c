package report

import (
	"fmt"
	"io"
	"strings"

	"starquake/report/junit"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// maxCases bounds the test cases; those that did not pass come before others.
const maxCases = 20000

// writeJUnit writes a run as one suite: a test case for the verdict, each step, each
// check, and each guard and steady state.
func writeJUnit(w io.Writer, r *Run) error {
	suite := junit.Suite{
		Name: line(r.Name), Time: junit.Seconds(r.Now), Timestamp: r.Origin.UTC().Format("2006-01-02T15:04:05"),
		Properties: r.junitProperties(),
	}
	var left int
	suite.Cases, left = pick(append(append(append([]junit.Case{r.junitVerdict()}, r.junitSteps()...), r.junitChecks()...), r.junitWatches()...), maxCases,
		func(c junit.Case) bool { return c.Failure != nil || c.Error != nil })
	if left > 0 {
		suite.Out = fmt.Sprintf("%d more test cases, which passed or were skipped, are left out", left)
	}
	return junit.Write(w, suite.Name, []junit.Suite{suite})
}

func (r *Run) junitProperties() []junit.Property {
	out := []junit.Property{
		{Name: "verdict", Value: r.verdict()}, {Name: "reason", Value: line(r.reason())}, {Name: "seed", Value: fmt.Sprint(r.Seed)}, {Name: "repeat", Value: line(r.command())},
	}
	if r.ID != "" {
		out = append(out, junit.Property{Name: "run", Value: line(r.ID)})
	}
	if r.Summary != nil && r.Summary.Score != nil {
		out = append(out, junit.Property{Name: "resilience score", Value: fmt.Sprintf("%.0f", *r.Summary.Score)})
	}
	return out
}

// junitVerdict is the run as one test case: what the run says about the system is a
// failure, what it says about itself an error.
func (r *Run) junitVerdict() junit.Case {
	c := junit.Case{Name: "verdict", Class: line(r.Name), Time: junit.Seconds(r.Now)}
	trace := &junit.Problem{Message: line(r.because()), Type: line(r.reason())}
	list, more := findings(r)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", text.Verdict(r.Run), r.behind())
	for _, f := range list {
		b.WriteString(f.text() + "\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	trace.Text = block(b.String())
	switch {
	case r.passed():
	case r.judged():
		c.Failure = trace
	default:
		c.Error = trace
	}
	return c
}

// judged reports whether the run says something about the system that is not good.
func (r *Run) judged() bool {
	return r.State == view.Ended && (r.Verdict == journal.VerdictFailed || r.Verdict == journal.VerdictAborted)
}

// saysNothing reports whether what a step failed with says nothing about the system: what is
// inconclusive, and what a run that says nothing has ended with.
func (r *Run) saysNothing(p *journal.Problem) bool {
	if p == nil {
		return false
	}
	return journal.Inconclusive(p.Code) || r.State == view.Ended && r.Verdict != journal.VerdictPassed && !r.judged() && p.Code == r.Reason
}

// text is a finding in a line.
func (f *finding) text() string {
	out := f.Message
	if word := f.held(); word != "" {
		out = word + ": " + out
	}
	if f.File != "" {
		out += fmt.Sprintf(" (%s:%d)", f.File, f.Line)
	}
	return out
}

func (r *Run) junitSteps() []junit.Case {
	out := make([]junit.Case, 0, len(r.Steps))
	for _, s := range r.Steps {
		c := junit.Case{Name: line(s.Path), Class: line(r.Name), Time: junit.Seconds(s.Took(r.Now))}
		switch {
		case s.Status == journal.Passed:
		case s.Status == journal.Failed:
			c.Failure = &junit.Problem{Message: "the step failed", Type: "step_failed"}
			if e := s.Error; e != nil {
				c.Failure.Message, c.Failure.Type = line(e.Message), line(e.Code)
				c.Failure.Text = block(e.Message + stack(e.Stack))
			}
			tolerated(c.Failure, s.Tolerated)
			if r.saysNothing(s.Error) {
				c.Failure, c.Error = nil, c.Failure
			}
		case s.Status == journal.Skipped:
			c.Skipped = &junit.Skipped{Message: line(s.Reason)}
		case s.Over() && s.Status != view.StepInterrupted:
			c.Skipped = &junit.Skipped{Message: "stopped before it had ended"}
		default:
			c.Error = &junit.Problem{Message: "the step has not ended", Type: "not_over"}
		}
		out = append(out, c)
	}
	return out
}

func (r *Run) junitChecks() []junit.Case {
	out := make([]junit.Case, 0, len(r.Checks))
	for _, k := range r.Checks {
		c := junit.Case{Name: "check: " + line(k.Name), Class: line(strings.Trim(r.Name+"."+k.Path, "."))}
		if !k.OK {
			what := text.Found(k.Value, k.Unit, k.Limit, k.Detail)
			c.Failure = &junit.Problem{Message: line(what), Type: "check_failed", Text: block(what + stack(k.Stack))}
			held, retried := r.held(k.Path, k.Tolerated)
			tolerated(c.Failure, held)
			if retried {
				c.Failure.Message = "retried: " + c.Failure.Message
			}
		}
		out = append(out, c)
	}
	return out
}

func (r *Run) junitWatches() []junit.Case {
	var out []junit.Case
	lost := unheld(r)
	for _, kind := range []struct {
		name string
		all  []*view.Watch
	}{{"guard: ", r.Guards}, {"steady state: ", r.Steady}} {
		for _, w := range kind.all {
			c := junit.Case{Name: kind.name + line(w.Name), Class: line(strings.Trim(r.Name+"."+w.Path, ".")), Time: junit.Seconds(max(0, w.At-w.Since))}
			if w.Worst != nil && w.Worst.State != "deviates" {
				c.Failure = &junit.Problem{Message: line(reading(w)), Type: "guard_breached", Text: block(fmt.Sprintf("%d of %d readings were bad", w.Bad, w.Seen))}
			} else if f := lost[w.ID]; f != nil {
				problem := &junit.Problem{Message: line(f.Message), Type: line(f.Code), Text: block(f.text())}
				tolerated(problem, f.Tolerated)
				if journal.Inconclusive(f.Code) { // beforehand: nothing was tried
					c.Error = problem
				} else {
					c.Failure = problem
				}
			} else if !w.Read() {
				c.Skipped = &junit.Skipped{Message: "not read: the journal has no reading of it, so that nothing is known of whether it held"}
			} else if w.Worst != nil && lost[""] != nil {
				c.Skipped = &junit.Skipped{Message: "it deviated, and a steady state did not hold of which this older journal does not say which it was"}
			}
			out = append(out, c)
		}
	}
	return out
}

// tolerated marks a failure that somebody held: it stays a failure.
func tolerated(p *junit.Problem, is bool) {
	if is {
		p.Message = "tolerated: " + p.Message
	}
}

// stack is a backtrace, innermost first, a line each.
func stack(frames []journal.Frame) string {
	var b strings.Builder
	for i := len(frames) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\n%s:%d", frames[i].File, frames[i].Line)
		if frames[i].Func != "" {
			b.WriteString(" in " + frames[i].Func)
		}
	}
	return b.String()
}
