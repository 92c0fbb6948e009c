package report

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// finding is one thing that a run has against the system or against itself.
type finding struct {
	Code      string
	Message   string
	Path      string // of the step, "" for the run
	Tolerated bool
	File      string // "" where no place in the script is known
	Line, Col int
	Steady    string // the steady state that did not hold, by its ID; "" where it is none
	// Retried says that another try made it good: nobody tolerated it, and the run passed.
	Retried bool
}

// held is why a finding does not count: "" for one that does.
func (f *finding) held() string {
	switch {
	case f.Tolerated:
		return "tolerated"
	case f.Retried:
		return "retried"
	}
	return ""
}

// maxFindings bounds what is listed one by one.
const maxFindings = 500

// findings are the failures of a run, those that count first, and how many more there
// are. A run that did not pass has at least one.
func findings(r *Run) (list []finding, more int) {
	var counted, held []finding
	add := func(f finding) {
		f.Tolerated, f.Retried = r.held(f.Path, f.Tolerated)
		switch {
		case len(counted)+len(held) >= maxFindings:
			more++
		case f.held() != "":
			held = append(held, f)
		default:
			counted = append(counted, f)
		}
	}
	checked := map[string]bool{} // steps that have a failed check, which says more
	for _, c := range r.Checks {
		if c.OK {
			continue
		}
		checked[c.Path] = true
		file, line, col := r.place(c.Stack, "")
		add(finding{"check_failed", fmt.Sprintf("check %q: %s", c.Name, text.Found(c.Value, c.Unit, c.Limit, c.Detail)) + in(c.Path), c.Path, c.Tolerated, file, line, col, "", false})
	}
	told := map[string]bool{}
	for _, s := range r.Steps {
		if s.Status != journal.Failed || s.Error != nil && s.Error.Code == "check_failed" && checked[s.Path] {
			continue
		}
		f := finding{Code: "step_failed", Message: fmt.Sprintf("step %q failed", s.Path), Path: s.Path, Tolerated: s.Tolerated}
		var stack []journal.Frame
		if s.Error != nil {
			stack = s.Error.Stack
			f.Code, f.Message = s.Error.Code, fmt.Sprintf("step %q: %s", s.Path, s.Error.Message)
			f.Steady = s.Error.Steady
			told[s.Error.Message] = true
		}
		f.File, f.Line, f.Col = r.place(stack, s.Pos)
		add(f)
	}
	for _, w := range append(r.Guards[:len(r.Guards):len(r.Guards)], r.Steady...) {
		if w.Worst == nil || w.Worst.State == "deviates" { // whether deviations are too many, the run's end says
			continue
		}
		add(finding{Code: "guard_breached", Message: fmt.Sprintf("guard %q: %s", w.Name, reading(w)), Path: w.Path})
	}
	for _, p := range append(problems(r.Problems), unclean(r.Unclean)...) {
		if told[p.Message] {
			continue
		}
		told[p.Message] = true
		file, line, col := r.place(p.Stack, "")
		add(finding{p.Code, p.Message, p.Path, p.Tolerated, file, line, col, p.Steady, false})
	}
	if len(counted) == 0 && !r.passed() {
		counted = append(counted, finding{Code: r.reason(), Message: r.because()})
	}
	return append(counted, held...), more
}

// titled heads the findings of a run: that it was stopped, or shows nothing of the system, is no
// failure.
func (r *Run) titled(list []finding) string {
	all := func(is func(code string) bool) bool {
		return !slices.ContainsFunc(list, func(f finding) bool { return !is(f.Code) })
	}
	switch {
	case r.Verdict == journal.VerdictStopped && all(func(code string) bool { return code == r.reason() }):
		return "Why it was stopped"
	case all(journal.Inconclusive):
		return "Why it shows nothing"
	}
	return "What failed"
}

// passed reports whether the run has passed.
func (r *Run) passed() bool { return r.State == view.Ended && r.Verdict == journal.VerdictPassed }

// held says what became of a failure in or below a step that counts for nothing: was is what
// its record says. In a run that passed each was either made good by another try of a step
// around it, or tolerated; of what was tolerated older journals do not always say so.
func (r *Run) held(path string, was bool) (tolerated, retried bool) {
	if was || !r.passed() {
		return was, false
	}
	for _, s := range r.Steps {
		if s.Status == journal.Passed && s.Tries > 1 && (path == s.Path || strings.HasPrefix(path, s.Path+"/")) {
			return false, true
		}
	}
	return true, false
}

// unheld are the findings that a steady state did not hold when it had to, the first of each
// by its ID. Another one may have deviated, but no more than it was permitted. Under "" is the
// first of which the journal does not say which it is: older ones do not.
func unheld(r *Run) map[string]*finding {
	out := map[string]*finding{}
	list, _ := findings(r)
	for i, f := range list {
		if strings.HasPrefix(f.Code, "steady_state_") && out[f.Steady] == nil {
			out[f.Steady] = &list[i]
		}
	}
	return out
}

// in names the step that something belongs to.
func in(path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(" in step %q", path)
}

// problems and unclean are failures of both kinds as one.
func problems(list []*view.Failure) (out []view.Failure) {
	for _, p := range list {
		out = append(out, *p)
	}
	return out
}

func unclean(list []journal.Problem) (out []view.Failure) {
	for _, p := range list {
		out = append(out, view.Failure{Problem: p})
	}
	return out
}

// reading is the first reading of a watch that did not hold.
func reading(w *view.Watch) string {
	if w.Worst.Detail != "" {
		return w.Worst.Detail
	}
	return text.Value(w.Worst.Value, "")
}

// verdict is the verdict as one word; "running" and the like before the end.
func (r *Run) verdict() string {
	switch {
	case r.State == view.Ended && r.Verdict != "":
		return line(string(r.Verdict))
	case r.State == view.Ended:
		return "unknown"
	}
	return string(r.State)
}

// reason is the stable code of why.
func (r *Run) reason() string {
	if r.State != view.Ended {
		return "not_over"
	}
	if r.Reason == "" {
		return r.verdict()
	}
	return r.Reason
}

// because is why, for people.
func (r *Run) because() string {
	switch {
	case r.State == view.Interrupted && r.Imported:
		return "it came as a file that ends before the run did, and does not go on here"
	case r.State == view.Interrupted:
		return "the process that ran it has died; starquake recover goes on with it"
	case r.State != view.Ended:
		return "the run is not over"
	case r.Message != "":
		return r.Message
	case r.Verdict == journal.VerdictPassed:
		return ""
	}
	return r.Reason
}

// behind is because behind the word of the verdict, which it does not say again.
func (r *Run) behind() string {
	if r.State == view.Ended && r.Message != "" {
		return text.Because(r.Run)
	}
	return r.because()
}

// place is where in the script a failure is: the innermost frame that is in a file of
// the user's own, or else the position of its step.
func (r *Run) place(stack []journal.Frame, pos string) (file string, line, col int) {
	for i := len(stack) - 1; i >= 0; i-- {
		if f := stack[i]; f.Line > 0 && f.File != "" && !strings.HasPrefix(f.File, "@") && !strings.HasPrefix(f.File, "<") {
			return r.file(f.File), f.Line, f.Col
		}
	}
	if colon := strings.LastIndexByte(pos, ':'); colon > 0 && !strings.HasPrefix(pos, "@") {
		if n, err := strconv.Atoi(pos[colon+1:]); err == nil && n > 0 {
			return r.file(pos[:colon]), n, 0
		}
	}
	return "", 0, 0
}

// file is the path of a module as the person would name it, with slashes.
func (r *Run) file(module string) string {
	module = filepath.ToSlash(module)
	if r.Path == "" || path.IsAbs(module) {
		return module
	}
	return path.Join(filepath.ToSlash(filepath.Dir(r.Path)), module)
}

// command is what makes the same run again.
func (r *Run) command() string {
	command := r.Again
	if command == "" {
		command = "starquake run "
		if r.World == "virtual" {
			command = "starquake plan "
		}
		command += text.Quote(cmp.Or(r.Path, r.Script))
	}
	command += " " + text.Repeat(r.Run)
	if r.Strict {
		command += " --strict"
	}
	for _, word := range r.Given {
		command += " " + text.Quote(word)
	}
	return command
}
