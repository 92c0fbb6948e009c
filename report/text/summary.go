package text

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/units"
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
	s.resilience()
	s.figures()
	s.notes(opt)
	return p.flush(w)
}

type summary struct {
	*page
	run *view.Run
	// entries are those of the block that head began and end will write.
	entries []entry
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
	case run.State == view.Interrupted:
		sym, c = s.statusSym(view.StepInterrupted), yellow
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
	s.add(*l.put(c, sym+" "+verdictText(run)).put(bold, "  "+orElse(run.Name, "unnamed")))
	s.add(*new(line).put(dim, "  "+s.counts()))
	if run.Message != "" && !toldUnclean(run) {
		for _, part := range s.lines(because(string(run.Verdict), run.Message), s.width-2) {
			s.add(*new(line).put(plain, "  "+part))
		}
	}
}

// toldUnclean reports whether the run's message is one of those that unclean tells.
func toldUnclean(run *view.Run) bool {
	return run.Verdict == journal.VerdictUnclean && slices.ContainsFunc(run.Unclean, func(p journal.Problem) bool { return p.Message == run.Message })
}

func (s *summary) counts() string {
	c, silent := s.run.Counts, SilentSteps(s.run)
	parts := []string{plural(c.Steps, "step", "steps")}
	for _, n := range []struct {
		n    int
		what string
	}{{c.Failed - silent, "failed"}, {silent, "inconclusive"}, {c.Skipped, "skipped"}, {c.Stopped, "stopped"}} {
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

func (s *summary) unclean() {
	run := s.run
	told := map[string]bool{} // messages of faults, which the run's own list has again
	byHand := true            // nothing that `cleanup` could finish
	for _, f := range run.Faults {
		if f.State != view.FaultUnclean {
			continue
		}
		told[errorText(f.Error)], byHand = true, false
		s.entry(red, orElse(f.Target, f.Kind), f.Text+" may still be on"+withMessage(faultError(f)))
	}
	for _, p := range run.Unclean {
		byHand = byHand && p.Code == "cleanup_failed"
		if !told[p.Message] {
			s.entry(red, orElse(p.Path, p.Code), p.Message+where(p.Stack))
		}
	}
	if len(s.entries) == 0 {
		return
	}
	if byHand {
		s.last("what to do", "every fault is off; finish by hand what the clean-up named here left undone")
	} else {
		s.last("what to do", "mend what keeps it on, then let `starquake cleanup` take it off, or do so by hand; until then count on it being broken")
	}
	s.block(boldRed, "unclean: this may still be broken")
}

// failedSteps are the steps that failed, and apart from them those that say nothing of the
// system.
func (s *summary) failedSteps() {
	s.stepsThat("failed steps", red, func(st *view.Step) bool { return !saysNothing(st) })
	s.stepsThat("steps that say nothing", yellow, saysNothing)
}

// saysNothing reports whether a step ended without saying anything about the system.
func saysNothing(st *view.Step) bool { return st.Error != nil && journal.Inconclusive(st.Error.Code) }

func (s *summary) stepsThat(title string, c color, are func(*view.Step) bool) {
	for _, st := range s.run.Steps {
		if st.Status != journal.Failed || !are(st) {
			continue
		}
		text := fmt.Sprintf("at %s, after %s", short(st.Start), short(st.Took(s.run.Now)))
		if st.Tries > 1 {
			text += fmt.Sprintf(", %d tries", st.Tries)
		}
		if st.Tolerated {
			text += ", tolerated"
		}
		if st.Error != nil {
			text += "\n" + st.Error.Message + where(st.Error.Stack)
		}
		if c == red {
			s.entry(statusColor(st.Status, st.Tolerated), st.Path, text)
		} else {
			s.entry(c, st.Path, text)
		}
	}
	s.block(c, title)
}

func (s *summary) failedChecks() {
	for _, c := range s.run.Checks {
		if c.OK {
			continue
		}
		text, color := checkText(s.run, c), red
		if c.Tolerated {
			text, color = text+", tolerated", yellow
		}
		if len(c.Stack) > 1 { // the innermost frame stands there already
			text += backtrace(c.Stack[:len(c.Stack)-1])
		}
		s.entry(color, c.Name, text)
	}
	s.block(red, "failed checks")
}

// checkText says what a failed check found, and where.
func checkText(run *view.Run, c *view.Check) string {
	text := found(c.Value, c.Unit, c.Limit, c.Detail)
	if c.Path != "" {
		text += "  in " + c.Path
	}
	return strings.TrimSpace(text + where(c.Stack))
}

// backtrace is a stack for people, innermost first, a line each.
func backtrace(stack []journal.Frame) string {
	text := ""
	for _, f := range slices.Backward(stack) {
		text += fmt.Sprintf("\n%s:%d", f.File, f.Line)
		if f.Func != "" {
			text += " in " + f.Func
		}
	}
	return text
}

// watches names the guards and steady states that did not hold.
func (s *summary) watches() {
	s.badWatches("breached guards", red, s.run.Guards)
	var lost, mild []*view.Watch
	unheld := unheld(s.run)
	for _, w := range s.run.Steady {
		if w.Worst != nil && w.Worst.State == "deviates" && s.run.State == view.Ended && !unheld[w.ID] && !unheld[""] {
			mild = append(mild, w)
		} else {
			lost = append(lost, w)
		}
	}
	s.badWatches("steady state did not hold", red, lost)
	title := "steady state deviated"
	if s.run.Verdict == journal.VerdictPassed {
		title += ", no more than it may"
	}
	s.badWatches(title, yellow, mild)
}

// unheld are the steady states that failed the run or a part of it, by their IDs; "" says that
// one is among them of which an older journal does not say which it is.
func unheld(run *view.Run) map[string]bool {
	out := map[string]bool{}
	add := func(p *journal.Problem) {
		if p != nil && strings.HasPrefix(p.Code, "steady_state_") {
			out[p.Steady] = true
		}
	}
	for _, st := range run.Steps {
		add(st.Error)
	}
	for _, p := range run.Problems {
		add(&p.Problem)
	}
	if len(out) == 0 && strings.HasPrefix(run.Reason, "steady_state_") {
		out[""] = true
	}
	return out
}

func (s *summary) badWatches(title string, c color, watches []*view.Watch) {
	for _, w := range watches {
		if w.Worst == nil {
			continue
		}
		text := "at " + short(w.Worst.At)
		if w.Worst.Phase != "" {
			text += ", " + w.Worst.Phase
		}
		text += withMessage(orElse(w.Worst.Detail, value(w.Worst.Value, "")))
		if w.Seen > 0 {
			text += fmt.Sprintf(" (%d of %d readings bad)", w.Bad, w.Seen)
		}
		s.entry(c, w.Name, text)
	}
	s.block(c, title)
}

// problems are the failures that came from no step, each with its backtrace, those
// that were held last. The message that the verdict has is not said again.
func (s *summary) problems() {
	for _, p := range s.run.Problems {
		text := p.Message + backtrace(p.Stack)
		switch {
		case p.Tolerated:
		case p.Message != s.run.Message:
			s.entry(red, orElse(p.Path, p.Code), text)
		case len(p.Stack) > 0:
			s.entry(red, orElse(p.Path, p.Code), strings.TrimPrefix(backtrace(p.Stack), "\n"))
		}
	}
	s.block(red, "errors")
	for _, p := range s.run.Problems {
		if p.Tolerated {
			s.entry(yellow, orElse(p.Path, p.Code), p.Message+backtrace(p.Stack))
		}
	}
	s.block(yellow, "tolerated failures")
}

func (s *summary) figures() {
	for _, f := range s.run.Figures {
		s.entry(plain, f.Name, strings.TrimSpace(number(f.Value)+" "+f.Unit))
	}
	s.block(plain, "figures")
}

func (s *summary) notes(opt Options) {
	s.add(nil)
	for _, text := range append(s.run.Warnings(), opt.Warnings...) {
		s.fact("warning", yellow, text)
	}
	if s.run.Compress > 1 {
		s.fact("compressed", yellow, fmt.Sprintf("%d times: the times above are the orchestration's, and passed in %s; what the system did took its own time, so how resilient it was is not said",
			s.run.Compress, units.FormatDuration((s.run.Now/time.Duration(s.run.Compress)).Round(time.Millisecond))))
	}
	again := repeat(s.run, maxRepeat)
	if s.run.Strict {
		again += " --strict"
	}
	for _, word := range opt.Given {
		again += " " + quote(word)
	}
	s.fact("repeat with", plain, again)
}

// maxRepeat bounds the parameters that are written out.
const maxRepeat = 400

// repeat gives the arguments that make the same run again. Parameters of more than most
// bytes are only named, unless most is 0.
func repeat(run *view.Run, most int) string {
	out := fmt.Sprintf("--seed %d", run.Seed)
	if run.Compress > 1 {
		out += fmt.Sprintf(" --compress %d", run.Compress)
	}
	var params map[string]json.RawMessage
	if json.Unmarshal(run.Params, &params) != nil || len(params) == 0 {
		return out
	}
	with := ""
	for _, name := range slices.Sorted(maps.Keys(params)) {
		with += " --param " + quote(name+"="+value(params[name], ""))
	}
	if most > 0 && len(with) > most {
		return out + " and the same parameters"
	}
	return out + with
}

// quote writes s as one word of a POSIX shell.
func quote(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+=./:,@%", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
