package text

import (
	"fmt"
	"io"
	"strings"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Summary writes what a person needs when a run is over: the verdict and why,
// first what may still be broken, then what failed, then what the faults did, and
// how to run the same again.
func Summary(w io.Writer, run *view.Run, opt Options) error {
	p := newPage(opt)
	s := &summary{page: p, run: run}
	s.verdict()
	s.unclean()
	s.failedSteps()
	s.failedChecks()
	s.watches()
	s.problems()
	s.faults()
	s.figures()
	s.notes(opt)
	return p.flush(w)
}

type summary struct {
	*page
	run *view.Run
}

// verdictText is the verdict with what lies behind a pass: "passed, 2 failures
// tolerated". A pass after failures is never shown as a plain pass.
func verdictText(run *view.Run) string {
	if run.State != view.Ended {
		return string(run.State) + ", not over"
	}
	parts := []string{orElse(string(run.Verdict), "no verdict")}
	if run.Tolerated > 0 {
		parts = append(parts, plural(run.Tolerated, "failure tolerated", "failures tolerated"))
	}
	if run.Flaky > 0 {
		parts = append(parts, plural(run.Flaky, "step passed only after a retry", "steps passed only after a retry"))
	}
	return strings.Join(parts, ", ")
}

func (s *summary) verdict() {
	run := s.run
	c := verdictColor(run.Verdict)
	sym := s.statusSym(journal.Failed)
	switch {
	case run.State != view.Ended:
		sym, c = s.statusSym(view.StepRunning), cyan
	case run.Verdict == journal.VerdictPassed && run.Tolerated+run.Flaky > 0:
		sym, c = s.statusSym(journal.Passed), yellow
	case run.Verdict == journal.VerdictPassed:
		sym = s.statusSym(journal.Passed)
	case run.Verdict == journal.VerdictInconclusive:
		sym = "?"
	case run.Verdict == journal.VerdictStopped:
		sym = s.statusSym(journal.Stopped)
	}
	var l line
	l.put(c, sym+" ").put(c, verdictText(run)).put(bold, "  "+orElse(run.Name, "unnamed"))
	l.put(dim, "  "+s.counts())
	s.add(l)
	if run.Message != "" {
		for _, part := range s.lines(run.Message, s.width-2) {
			var l line
			s.add(*l.put(plain, "  "+part))
		}
	}
}

func (s *summary) counts() string {
	c := s.run.Counts
	parts := []string{plural(c.Steps, "step", "steps")}
	for _, n := range []struct {
		n    int
		what string
	}{{c.Failed, "failed"}, {c.Skipped, "skipped"}, {c.Stopped, "stopped"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	if c.Checks > 0 {
		parts = append(parts, plural(c.Checks, "check", "checks"))
	}
	parts = append(parts, short(s.run.Now))
	return strings.Join(parts, s.dot())
}

// head begins a block.
func (s *summary) head(c color, title string) {
	s.add(nil)
	var l line
	s.add(*l.put(c, "  "+title))
}

// entry writes one entry of a block: what it is, then more of it, wrapped.
func (s *summary) entry(c color, subject, text string) {
	const column = 30
	var l line
	l.put(plain, "    ").put(c, subject)
	if text == "" {
		s.add(l)
		return
	}
	indent := min(column, s.width/3)
	parts := s.lines(text, s.width-indent)
	if l.width() > indent-2 { // too long to share a line
		s.add(l)
		l = line{}
	}
	for i, part := range parts {
		if i > 0 {
			l = line{}
		}
		s.add(*l.pad(indent).put(plain, part))
	}
}

// rest says how many entries of a block were left out.
func (s *summary) rest(n int) {
	if n > 0 {
		s.entry(dim, fmt.Sprintf("%s %d more; --output json has them all", s.ellipsis(), n), "")
	}
}

func (s *summary) unclean() {
	run := s.run
	left := map[string]bool{} // targets
	var faults []*view.Fault
	for _, f := range run.Faults {
		if f.State == view.FaultUnclean {
			faults = append(faults, f)
			left[f.Target] = true
		}
	}
	if len(faults)+len(run.Unclean) == 0 {
		return
	}
	s.head(boldRed, "unclean: this may still be broken")
	for i, f := range faults {
		if i == maxListed {
			s.rest(len(faults) - i)
			break
		}
		s.entry(red, orElse(f.Target, "every target"), f.Text+" may still be on"+withMessage(errorText(f.Error)))
	}
	for i, problem := range run.Unclean {
		if i == maxListed {
			s.rest(len(run.Unclean) - i)
			break
		}
		s.entry(red, orElse(problem.Path, problem.Code), problem.Message+where(&problem))
	}
	if len(faults) > 0 {
		s.entry(plain, "what to do", "make the target reachable again, then `starquake cleanup`; it names what it cannot take off. "+
			"Until then take what is named here for broken.")
	} else {
		s.entry(plain, "what to do", "faults are off; finish by hand what the clean-up named above left undone.")
	}
}

func (s *summary) failedSteps() {
	var failed []*view.Step
	for _, st := range s.run.Steps {
		if st.Status == journal.Failed {
			failed = append(failed, st)
		}
	}
	if len(failed) == 0 {
		return
	}
	s.head(red, "failed steps")
	for i, st := range failed {
		if i == maxListed {
			s.rest(len(failed) - i)
			return
		}
		text := fmt.Sprintf("at %s, after %s", short(st.Start), short(st.Took(s.run.Now)))
		if st.Tries > 1 {
			text += fmt.Sprintf(", %d tries", st.Tries)
		}
		if st.Tolerated {
			text += ", tolerated"
		}
		if st.Error != nil {
			text += "\n" + st.Error.Message + where(st.Error)
		}
		s.entry(statusColor(st.Status, st.Tolerated), st.Path, text)
	}
}

func (s *summary) failedChecks() {
	n := 0
	for _, c := range s.run.Checks {
		if c.OK {
			continue
		}
		if n++; n == 1 {
			s.head(red, "failed checks")
		}
		if n > maxListed {
			break
		}
		text := found(c.Value, c.Limit, c.Detail)
		if c.Path != "" {
			text += "  in " + c.Path
		}
		s.entry(red, c.Name, text)
	}
	s.rest(s.run.Counts.ChecksFailed - min(n, maxListed))
}

// watches names the guards and steady states that did not hold.
func (s *summary) watches() {
	for _, group := range []struct {
		title   string
		watches []*view.Watch
	}{{"breached guards", s.run.Guards}, {"steady state did not hold", s.run.Steady}} {
		n := 0
		for _, w := range group.watches {
			if w.Worst == nil {
				continue
			}
			if n++; n == 1 {
				s.head(red, group.title)
			}
			if n > maxListed {
				continue
			}
			text := "at " + short(w.Worst.At)
			if w.Worst.Phase != "" {
				text += ", " + w.Worst.Phase
			}
			text += withMessage(orElse(w.Worst.Detail, value(w.Worst.Value)))
			if w.Seen > 0 {
				text += fmt.Sprintf(" (%d of %d readings bad)", w.Bad, w.Seen)
			}
			s.entry(red, w.Name, text)
		}
		s.rest(n - maxListed)
	}
}

// problems are the failures that came from no step, each with its backtrace.
func (s *summary) problems() {
	if len(s.run.Problems) == 0 {
		return
	}
	s.head(red, "errors")
	for i, p := range s.run.Problems {
		if i == maxListed {
			s.rest(len(s.run.Problems) - i)
			return
		}
		text := p.Message
		for k := len(p.Stack) - 1; k >= 0; k-- {
			f := p.Stack[k]
			text += fmt.Sprintf("\n%s:%d", f.File, f.Line)
			if f.Func != "" {
				text += " in " + f.Func
			}
		}
		s.entry(red, orElse(p.Path, p.Code), text)
	}
}

func (s *summary) figures() {
	for i, f := range s.run.Figures {
		if i == 0 {
			s.head(plain, "figures")
		}
		if i == maxListed {
			s.rest(len(s.run.Figures) - i)
			return
		}
		s.entry(plain, f.Name, strings.TrimSpace(number(f.Value)+" "+f.Unit))
	}
}

func (s *summary) notes(opt Options) {
	s.add(nil)
	for _, text := range append(s.run.Warnings(), opt.Warnings...) {
		s.fact("warning", yellow, text)
	}
	repeat := fmt.Sprintf("--seed %d", s.run.Seed)
	s.fact("repeat with", plain, repeat)
}
