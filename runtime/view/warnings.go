package view

import (
	"fmt"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// Warnings are what a person should know of the run although nothing failed, in
// the order of their weight.
func (r *Run) Warnings() []string {
	var out []string
	if r.Unguarded > 0 {
		out = append(out, fmt.Sprintf("%s put on without a guard: nothing would abort the run if the system broke; add guard(name, probe)",
			plural(r.Unguarded, "fault is", "faults are")))
	}
	out = append(out, r.disturbed()...)
	out = append(out, r.cleaned()...)
	switch unmet := r.unmet(); {
	case len(unmet) > 0:
		out = append(out, unmet...)
	case r.unhit() && r.Reason != "no_hits": // else the verdict says so
		out = append(out, "no request met any fault: the run says nothing of how the system bears them; send traffic through the target while they are on")
	}
	out = append(out, r.unjudged()...)
	if n := r.Counts.LateTurns - r.Counts.LateByCrash; n > 0 {
		out = append(out, fmt.Sprintf("%s late: the body takes longer than every", plural(n, "loop turn began", "loop turns began")))
	}
	if r.Endless {
		out = append(out, "the plan was cut at its horizon: a loop has no end, so there is no total")
	}
	return out
}

// disturbed warns of what a crash did to the experiment.
func (r *Run) disturbed() []string {
	if r.Recovered == 0 {
		return nil
	}
	out := []string{fmt.Sprintf("the run was taken up again %s after the process that ran it was gone; nobody ran it for %s",
		plural(r.Recovered, "time", "times"), units.FormatDuration(r.Gaps.Round(time.Millisecond)))}
	if n := r.Counts.LateByCrash; n > 0 {
		out = append(out, fmt.Sprintf("%s late, since nobody ran the run when they were due", plural(n, "loop turn began", "loop turns began")))
	}
	for i, l := range r.AskedAgain {
		if i == maxUnmet {
			break
		}
		name := l.Text
		if l.Path != "" {
			name = "of step " + l.Path
		}
		out = append(out, fmt.Sprintf("load %s was cut off with the process and asked again whole at %s: what it had sent before, since %s, is in no figure",
			name, units.FormatDuration(l.At.Round(time.Millisecond)), units.FormatDuration(l.Since.Round(time.Millisecond))))
	}
	if n := r.WatchesCut; n > 0 {
		out = append(out, fmt.Sprintf("the readings of %s watched when the process went are in no figure: availability, speed and score are of the time after that",
			plural(n, "probe that was", "probes that were")))
	}
	if n := r.undercounted(); n > 0 {
		out = append(out, fmt.Sprintf("the counts of %s are lower bounds: what came between the last report of a process that went and its end is in none",
			plural(n, "fault", "faults")))
	}
	for _, s := range r.Steps {
		if s.Disturbed > 0 && len(out) <= maxUnmet {
			out = append(out, fmt.Sprintf("step %s was disturbed: faults that were on were off for %s of its time", s.Path, units.FormatDuration(s.Disturbed.Round(time.Millisecond))))
		}
	}
	return out
}

// undercounted is how many faults have met, or may have met, more than their counts say.
func (r *Run) undercounted() (n int) {
	for _, f := range r.Faults {
		if f.undercounted() {
			n++
		}
	}
	return n
}

// cleaned tells of faults that were taken off when nobody ran the run any more.
func (r *Run) cleaned() (out []string) {
	for _, f := range r.Faults {
		if f.Cleaned == nil || len(out) == maxUnmet {
			continue
		}
		what := f.Text
		if f.Target != "" {
			what += " on " + f.Target
		}
		if f.Error != nil {
			what = f.Error.Message + "; it"
		}
		out = append(out, what+" was taken off later, at "+f.Cleaned.UTC().Format(time.RFC3339))
	}
	return out
}

// maxUnmet bounds the warnings on single faults.
const maxUnmet = 10

// unmet warns of faults that met no traffic that they could act on.
func (r *Run) unmet() []string {
	var out []string
	left := 0
	for _, f := range r.Faults {
		if !f.Over() || !f.WasOn || f.Hit > 0 || f.Inapplicable == 0 || f.undercounted() {
			continue
		}
		if len(out) == maxUnmet {
			left++
			continue
		}
		out = append(out, fmt.Sprintf("%s on %s hit nothing: %s spoke another protocol than the fault acts on",
			f.Text, f.Target, plural(int(f.Inapplicable), "connection or request", "connections or requests")))
	}
	if left > 0 {
		out = append(out, fmt.Sprintf("%d more faults hit nothing", left))
	}
	return out
}

// unhit reports whether a run is over whose faults were on and of which it is known that
// none hit anything.
func (r *Run) unhit() bool {
	if r.State != Ended || r.World == "virtual" {
		return false
	}
	on := 0
	for _, f := range r.Faults {
		switch {
		case !f.WasOn:
		case f.Hit > 0, f.Uncounted, f.undercounted(), f.State == FaultExpired, f.State == FaultUnclean:
			return false
		default:
			on++
		}
	}
	return on > 0
}

// unjudged warns of load that nothing but errors came of, or nothing at all, in a run that
// passed without a check: it passes whatever the system does.
func (r *Run) unjudged() (out []string) {
	if r.State != Ended || r.Verdict != journal.VerdictPassed || r.Counts.Checks > 0 {
		return nil
	}
	for _, l := range r.Loads {
		f := l.Figures
		unanswered := f != nil && f.Requests == 0 && f.Unfinished > 0
		if f == nil || f.Requests == 0 && !unanswered || f.Errors < f.Requests || len(out) == maxUnmet {
			continue
		}
		name := l.Text
		if l.Path != "" {
			name = "of step " + l.Path
		}
		if unanswered {
			out = append(out, fmt.Sprintf("load %s had no answer when it was ended (%s under way), and the run passed, since no check judged it; give it a duration, at whose end answers are waited for",
				name, plural(int(f.Unfinished), "request was", "requests were")))
			continue
		}
		out = append(out, fmt.Sprintf("load %s had no answer that was expected (%s), and the run passed, since no check judged it; add a limit such as below = {\"error_rate\": \"1%%\"}",
			name, plural(int(f.Requests), "request, an error", "requests, all errors")))
	}
	return out
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
