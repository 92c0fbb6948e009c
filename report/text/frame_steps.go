package text

import (
	"fmt"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// steps draws the tree of steps: what goes on in full, of what is over the latest.
func (f *frame) steps() {
	f.kids, f.faults = map[int][]*view.Step{}, map[int][]*view.Fault{}
	for _, s := range f.run.Steps {
		// What lies within a finished step is over and not shown.
		if s.Parent < 0 || !f.run.Steps[s.Parent].Over() {
			f.kids[s.Parent] = append(f.kids[s.Parent], s)
		}
	}
	for _, fl := range f.run.Faults {
		if !fl.Over() || fl.State == view.FaultUnclean {
			at := fl.Step
			if at >= 0 && f.run.Steps[at].Over() {
				at = -1
			}
			f.faults[at] = append(f.faults[at], fl)
		}
	}
	f.faultsOf(-1, 1)
	f.level(-1, 1)
}

// The finished steps of one level that are shown one by one.
const (
	showLatest = 3
	showFailed = 3
)

func (f *frame) level(parent, depth int) {
	all := f.kids[parent]
	show := map[*view.Step]bool{}
	latest, failed, hidden, hiddenFailed := 0, 0, 0, 0
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		switch {
		case !s.Over():
			show[s] = true
		case s.Status == journal.Failed && failed < showFailed:
			failed++
			show[s] = true
		case latest < showLatest:
			latest++
			show[s] = true
		default:
			hidden++
			if s.Status == journal.Failed {
				hiddenFailed++
			}
		}
	}
	if hidden > 0 {
		text := fmt.Sprintf("%s %s before", f.ellipsis(), plural(hidden, "step", "steps"))
		if hiddenFailed > 0 {
			text += fmt.Sprintf(", %d failed", hiddenFailed)
		}
		f.add(minor, f.indent(depth).put(dim, text))
	}
	for _, s := range all {
		if !show[s] {
			continue
		}
		if s.Over() {
			f.finished(s, depth)
			continue
		}
		f.running(s, depth)
		f.faultsOf(s.Index, depth+1)
		f.level(s.Index, depth+1)
	}
}

func (f *frame) indent(depth int) *line {
	var l line
	return l.put(plain, strings.Repeat("  ", min(depth, maxIndent)))
}

func (f *frame) name(s *view.Step) string {
	return strings.ReplaceAll(below(f.run, s), "/", " / ")
}

func (f *frame) finished(s *view.Step, depth int) {
	c := statusColor(s.Status, s.Tolerated)
	l := f.indent(depth).put(c, f.statusSym(s.Status)+" ").put(plain, f.name(s))
	w := minor
	if s.Status == journal.Skipped {
		l.put(dim, "  skipped"+withMessage(s.Reason))
	} else {
		l.put(dim, "  "+short(s.Took(f.now)))
	}
	if s.Status == journal.Failed {
		w = useful
		if s.Tolerated {
			l.put(dim, "  tolerated")
		}
		if s.Error != nil {
			l.put(c, "  "+s.Error.Message)
		}
	}
	f.add(w, l)
}

func (f *frame) running(s *view.Step, depth int) {
	l := f.indent(depth)
	if s.Status == view.StepWaiting {
		l.put(dim, f.statusSym(s.Status)+" "+f.name(s))
		if s.Sleep != nil {
			l.put(dim, "  starts in "+short(f.run.Left(s.Sleep, f.now).Truncate(time.Second)))
		}
		f.add(major, l)
		return
	}
	l.put(cyan, f.spinner()+" ").put(bold, f.name(s))
	worked := f.run.Worked(s, f.now)
	l.put(plain, "  "+short(worked.Truncate(time.Second)))
	if s.Planned > 0 {
		l.put(dim, " of "+short(s.Planned))
		f.gauge(l, float64(worked)/float64(s.Planned), min(16, f.width-l.width()-2), cyan)
	}
	if s.Tries > 1 {
		l.put(yellow, fmt.Sprintf("  try %d", s.Tries))
	}
	if z := s.Sleep; z != nil && z.Why == "" {
		l.put(dim, fmt.Sprintf("  sleeps %s more", short(f.run.Left(z, f.now).Truncate(time.Second))))
	}
	f.add(major, l)
}

// maxFaultLines bounds the faults shown of one step.
const maxFaultLines = 8

func (f *frame) faultsOf(step, depth int) {
	for i, fl := range f.faults[step] {
		if i == maxFaultLines {
			f.add(major, f.indent(depth).put(magenta, fmt.Sprintf("%s and %d more", f.fault(), len(f.faults[step])-i)))
			return
		}
		l := f.indent(depth)
		l.put(magenta, f.fault()+" "+faultLabel(f.run, fl))
		switch {
		case fl.State == view.FaultUnclean:
			f.add(vital, l.put(boldRed, "  unclean, may still be on"+withMessage(faultError(fl))))
			continue
		case fl.State == view.FaultOn && f.run.Lifted():
			l.put(yellow, "  lifted")
		case fl.State == view.FaultOn:
			l.put(dim, "  on "+short(f.run.OnFor(fl, f.now).Truncate(time.Second)))
		default:
			l.put(yellow, "  "+string(fl.State))
		}
		if fl.Seen > 0 {
			l.put(dim, "  "+hits(fl))
		}
		f.add(major, l)
	}
}
