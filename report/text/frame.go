package text

import (
	"fmt"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Frame is one picture of a run as it goes on: at most height-1 lines, none wider
// than width-1 cells. tick turns the spinner. It is what Live draws.
func Frame(run *view.Run, now time.Duration, opt Options, width, height, tick int) []string {
	now = max(now, run.Now)
	if run.State == view.Ended {
		now = run.Now
	}
	f := &frame{style: style{color: opt.Color, ascii: opt.ASCII}, run: run, now: now, width: width - 1, tick: tick}
	f.header(opt)
	f.approvals()
	f.steps()
	f.watches()
	f.log()
	return f.fit(height - 1)
}

// weight says how much a line matters when there is no room for all.
type weight uint8

const (
	trivial weight = iota // log
	minor                 // finished steps
	useful                // guards that hold
	major                 // running steps, faults
	vital                 // header, questions, breaches
)

type frameLine struct {
	line
	weight
}

type frame struct {
	style
	run   *view.Run
	now   time.Duration
	width int
	tick  int
	lines []frameLine

	kids   map[int][]*view.Step  // of steps that go on, by index; -1: of none
	faults map[int][]*view.Fault // that are not over, by step
}

func (f *frame) add(w weight, l *line) { f.lines = append(f.lines, frameLine{*l, w}) }

// fit leaves out what matters least, the latest first, until the rest fits.
func (f *frame) fit(height int) []string {
	height = max(height, 1)
	dropped := 0
	for w := trivial; w < vital && len(f.lines) > height; w++ {
		for i := len(f.lines) - 1; i >= 0 && len(f.lines) > height; i-- {
			if f.lines[i].weight == w {
				f.lines = append(f.lines[:i], f.lines[i+1:]...)
				if w >= useful {
					dropped++
				}
			}
		}
	}
	if len(f.lines) > height {
		dropped += len(f.lines) - height
		f.lines = f.lines[:height]
	}
	if dropped > 0 && height > 2 {
		if len(f.lines) == height {
			f.lines = f.lines[:height-1]
			dropped++
		}
		f.add(major, new(line).put(dim, fmt.Sprintf("  %s %s", f.ellipsis(), plural(dropped, "line has no room", "lines have no room"))))
	}
	out := make([]string, len(f.lines))
	for i, l := range f.lines {
		out[i] = l.draw(f.style, f.width)
	}
	return out
}

func (f *frame) spinner() string {
	if f.run.State == view.Paused {
		return f.sym("‖", "|")
	}
	turns := []rune(f.sym("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", `|/-\`))
	return string(turns[f.tick%len(turns)])
}

func (f *frame) header(opt Options) {
	run := f.run
	var l line
	name := orElse(run.Name, "unnamed")
	if run.State == view.Ended {
		f.add(vital, l.put(verdictColor(run.Verdict), verdictText(run)).put(bold, "  "+name).put(dim, "  "+short(run.Now)))
		return
	}
	l.put(cyan, f.spinner()+" ").put(bold, name).put(plain, "  "+short(run.Elapsed(f.now).Truncate(time.Second)))
	if share := run.Progress(opt.Planned, f.now); share != nil {
		l.put(dim, " of "+short(*opt.Planned)+" ")
		l.put(plain, fmt.Sprintf(" %2.0f%%", *share*100))
		const aside = 10 // room for the number of faults
		f.gauge(&l, *share, min(24, f.width-l.width()-aside), cyan)
	}
	if run.FaultsOn > 0 && (run.Pause == nil || !run.Pause.Lifted) {
		l.put(magenta, fmt.Sprintf("  %s %d on", f.fault(), run.FaultsOn))
	}
	f.add(vital, &l)
	if p := run.Pause; p != nil {
		text := "  paused" + by(p.By) + " for " + short((f.now - p.Since).Truncate(time.Second))
		if p.Lifted {
			text += ", faults lifted"
		}
		f.add(vital, new(line).put(yellow, text+"; `starquake resume` goes on"))
	}
	if s := run.Stopping; s != nil {
		word := "stopping"
		if s.Action == "abort" {
			word = "aborting"
		}
		f.add(vital, new(line).put(yellow, "  "+word+by(s.By)+withMessage(s.Detail)))
	}
}

// gauge draws a share as a bar.
func (f *frame) gauge(l *line, share float64, cells int, c color) {
	if cells < 4 { // too few to say anything
		return
	}
	halves := int(min(max(share, 0), 1) * float64(2*cells))
	full, half := halves/2, halves%2
	l.put(plain, "  ").put(c, strings.Repeat(f.sym("━", "="), full)+strings.Repeat(f.sym("╸", "="), half))
	l.put(dim, strings.Repeat(f.sym("─", "-"), cells-full-half))
}

// maxAsked bounds the questions that one frame shows.
const maxAsked = 3

func (f *frame) approvals() {
	for i, a := range f.run.Approvals {
		if i == maxAsked {
			f.add(vital, new(line).put(dim, fmt.Sprintf("    and %d more questions", len(f.run.Approvals)-i)))
			return
		}
		f.add(vital, new(line).put(yellow, "  ? ").put(bold, a.Message).
			put(dim, "  "+short((f.now-a.Since).Truncate(time.Second))+", `starquake approve` or `reject`"))
	}
}

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
			f.add(vital, l.put(boldRed, "  unclean, may still be on"+withMessage(errorText(fl.Error))))
			continue
		case fl.State == view.FaultOn && f.run.Pause != nil && f.run.Pause.Lifted:
			l.put(yellow, "  lifted")
		case fl.State == view.FaultOn:
			l.put(dim, "  on "+short(fl.Took(f.now).Truncate(time.Second)))
		default:
			l.put(yellow, "  "+string(fl.State))
		}
		if fl.Seen > 0 {
			l.put(dim, "  "+hits(fl))
		}
		f.add(major, l)
	}
}

// maxWatchLines bounds the guards and steady states of a frame, and the lines of
// log below them.
const (
	maxWatchLines = 5
	maxLogLines   = 3
)

func (f *frame) watches() {
	n := 0
	for _, group := range []struct {
		name    string
		watches []*view.Watch
	}{{"guard", f.run.Guards}, {"steady", f.run.Steady}} {
		for _, w := range group.watches {
			bad := w.State != "holds" && w.State != "ended"
			if !bad && f.run.State == view.Ended || !w.Live || n >= maxWatchLines && !bad || n >= 2*maxWatchLines {
				continue
			}
			n++
			weight := useful
			if bad {
				weight = vital
			}
			f.add(weight, new(line).put(dim, fmt.Sprintf("  %-7s", group.name)).put(plain, w.Name).
				put(watchColor(w.State), "  "+w.State).put(dim, "  "+orElse(w.Detail, value(w.Value))))
		}
	}
}

func (f *frame) log() {
	lines := f.run.Log
	for _, entry := range lines[max(0, len(lines)-maxLogLines):] {
		text := entry.Message
		if len(entry.Fields) > 0 {
			text += "  " + fields(entry.Fields)
		}
		f.add(trivial, new(line).put(dim, clock(entry.At)+"  "+text))
	}
}
