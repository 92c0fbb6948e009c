package text

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	if opt.Loads != nil && run.State != view.Ended {
		f.loads(opt.Loads())
	}
	f.watches()
	f.log(opt.Unsaid)
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
	if run.State == view.Ended || run.State == view.Interrupted {
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
	if n := run.FaultsNow(); n > 0 {
		l.put(magenta, fmt.Sprintf("  %s %d on", f.fault(), n))
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
			bad := w.State != "holds" && w.State != "ended" && w.State != ""
			if !bad && f.run.State == view.Ended || !w.Live || n >= maxWatchLines && !bad || n >= 2*maxWatchLines {
				continue
			}
			n++
			weight := useful
			if bad {
				weight = vital
			}
			f.add(weight, new(line).put(dim, fmt.Sprintf("  %-7s", group.name)).put(plain, w.Name).
				put(watchColor(w.State), "  "+watchState(w)).put(dim, "  "+orElse(w.Detail, value(w.Value, ""))))
		}
	}
}

// maxLoadLines bounds the lines of load.
const maxLoadLines = 8

func (f *frame) loads(loads []view.LoadNow) {
	for i, l := range loads {
		if i == maxLoadLines {
			f.add(useful, new(line).put(dim, fmt.Sprintf("  load   and %d more", len(loads)-i)))
			return
		}
		f.add(major, new(line).put(dim, "  load   ").put(plain, orElse(l.Path, "traffic")).
			put(loadColor(&l), "  "+figuresNow(&l)).put(dim, "  "+l.Text))
	}
}

func (f *frame) log(unsaid func(message string) bool) {
	lines := f.run.Log
	if unsaid != nil {
		lines = slices.DeleteFunc(slices.Clone(lines), func(l view.Line) bool { return unsaid(l.Message) })
	}
	for _, entry := range lines[max(0, len(lines)-maxLogLines):] {
		text := entry.Message
		if len(entry.Fields) > 0 {
			text += "  " + fields(entry.Fields, entry.Units)
		}
		f.add(trivial, new(line).put(dim, clock(entry.At)+"  "+text))
	}
}
