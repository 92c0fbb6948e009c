package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// The bounds of the timeline.
const (
	maxDrawnSteps  = 60
	maxDrawnFaults = 40
	maxDrawnOthers = 20
	maxDrawnChecks = 400
	maxWindows     = 300
)

const (
	rowHeight = 34.0
	barTop    = 18.0
	barHeight = 10.0
)

// timeline draws what happened when: steps, faults on targets, guards and steady states,
// what failed, pauses and retries.
func (r *Run) timeline() *drawing {
	c := &canvas{total: r.Now}
	if r.Now <= 0 || len(r.Steps)+len(r.Faults)+len(r.Guards)+len(r.Steady) == 0 {
		return nil
	}
	body := &timelineBody{canvas: c, run: r, seen: map[string]bool{}}
	y := body.steps(4)
	y = body.faults(y)
	y = body.watches(y)
	drawn := c.String()

	c.Reset()
	for _, w := range r.windows() {
		c.rect("shade", w.From, w.To, 0, y, "")
	}
	for _, p := range r.Pauses[:min(len(r.Pauses), maxWindows)] {
		c.rect("pause", p.From, p.To, 0, y, "")
		body.seen["pause"] = true
	}
	c.times(y+4, y+4)
	c.WriteString(drawn)
	d := &drawing{
		Caption: "Bars are steps, then faults on their targets, then what was watched. All of them have a row in the tables below.",
		Left:    strings.TrimSpace(strings.Join(body.left, " ")),
		SVG:     c.svg("timeline", y+24, "Timeline of the run", r.timelineWords()),
	}
	for _, l := range []struct {
		key string
		of  legend
	}{
		{"good", legend{signGood, "passed"}}, {"bad", legend{signBad, "failed"}}, {"warn", legend{signWarn, "tolerated, stopped"}},
		{"idle", legend{signIdle, "skipped"}}, {"fault", legend{signBar, "fault on"}}, {"shade", legend{signFault, "any fault on"}},
		{"retry", legend{signRetry, "retry"}}, {"dot", legend{signDot, "failed check or breach"}}, {"pause", legend{signPause, "paused"}},
	} {
		if body.seen[l.key] {
			d.Legend = append(d.Legend, l.of)
		}
	}
	return d
}

// windows are the times with a fault on, put together where they overlap, and where
// there are very many also where they are close.
func (r *Run) windows() []view.Span {
	var all []view.Span
	for _, f := range r.Faults {
		all = append(all, r.On(f, r.Now)...)
	}
	slices.SortFunc(all, func(a, b view.Span) int { return cmp.Compare(a.From, b.From) })
	for near := time.Duration(0); ; near = max(2*near, r.Now/1000, 1) {
		var out []view.Span
		for _, w := range all {
			if n := len(out); n > 0 && w.From <= out[n-1].To+near {
				out[n-1].To = max(out[n-1].To, w.To)
				continue
			}
			out = append(out, w)
		}
		if len(out) <= maxWindows {
			return out
		}
	}
}

// timelineWords is the timeline for those who do not see it.
func (r *Run) timelineWords() string {
	out := fmt.Sprintf("%s over %s.", plural(len(r.Steps), "step"), text.Duration(r.Now))
	if windows := r.windows(); len(windows) > 0 {
		var parts []string
		for _, w := range windows[:min(len(windows), 8)] {
			parts = append(parts, fmt.Sprintf("from %s to %s", text.Duration(w.From), text.Duration(w.To)))
		}
		if n := len(windows) - len(parts); n > 0 {
			parts = append(parts, fmt.Sprintf("and %d more times", n))
		}
		out += " Faults were on " + strings.Join(parts, ", ") + "."
	}
	if r.Counts.Failed > 0 {
		out += fmt.Sprintf(" %s failed.", plural(r.Counts.Failed, "step"))
	}
	return out
}

type timelineBody struct {
	*canvas
	run  *Run
	seen map[string]bool // what a legend must explain
	left []string
}

// label writes a row's name and what stands at its right.
func (b *timelineBody) label(y float64, indent int, name, right string) {
	indent = min(indent, 4)
	// Both fit beside each other on a phone, whose line has room for some 46 letters.
	room := max(46-len([]rune(line(right)))-3*indent, 10)
	b.text("", "start", 0, y+12, strings.Repeat("\u00a0\u00a0\u00a0", indent)+clip(line(name), room))
	b.text("soft", "end", 100, y+12, right)
}

func (b *timelineBody) head(y float64, name string) float64 {
	b.text("head", "start", 0, y+14, name)
	return y + 22
}

func (b *timelineBody) track(y float64) {
	b.rect("track", 0, b.total, y+barTop, barHeight, "")
}

func (b *timelineBody) steps(y float64) float64 {
	r := b.run
	if len(r.Steps) == 0 {
		return y
	}
	y = b.head(y, "Steps")
	failed := map[string][]*view.Check{}
	marks := 0
	for _, c := range r.Checks {
		if !c.OK && marks < maxDrawnChecks {
			failed[c.Path] = append(failed[c.Path], c)
			marks++
		}
	}
	steps, n := pick(r.Steps, maxDrawnSteps, func(s *view.Step) bool { return s.Status == journal.Failed })
	for _, s := range steps {
		tone := statusTone(s)
		if s.Status == journal.Passed {
			tone = "good"
		}
		end := s.Start + s.Took(r.Now)
		right := statusWords(s)
		if s.Status != journal.Skipped {
			right += ", " + text.Duration(s.Took(r.Now))
		}
		b.label(y, s.Depth, s.Name, right)
		b.track(y)
		if s.Start > s.Begun {
			b.rect("b-wait", s.Begun, s.Start, y+barTop+3, barHeight-6, "waits")
		}
		b.rect("b-"+tone, s.Start, end, y+barTop, barHeight, fmt.Sprintf("%s: %s, from %s, for %s", s.Path, statusWords(s), text.Duration(s.Start), text.Duration(s.Took(r.Now))))
		b.seen[tone] = true
		for _, at := range s.Retried {
			b.vertical("tick", at, y+barTop, barHeight)
			b.seen["retry"] = true
		}
		for _, c := range failed[s.Path] {
			b.dot("b-bad mark", c.At, y+barTop+barHeight/2, 5, "check "+c.Name+": "+text.Found(c.Value, c.Unit, c.Limit, c.Detail))
			b.seen["dot"] = true
		}
		y += rowHeight
	}
	b.leave(n, "steps")
	return y + 6
}

func (b *timelineBody) leave(n int, what string) {
	if n > 0 {
		b.left = append(b.left, fmt.Sprintf("%d more %s are not drawn.", n, what))
	}
}

func (b *timelineBody) faults(y float64) float64 {
	r := b.run
	if len(r.Faults) == 0 {
		return y
	}
	y = b.head(y, "Faults")
	// Faults of one text on one target share a row: a loop's faults are one story.
	type lane struct {
		target, what string
		all          []*view.Fault
		seen, hit    int64
		uncounted    bool
	}
	var lanes []*lane
	byKey := map[string]*lane{}
	for _, f := range r.Faults {
		key := f.Target + "\x00" + f.Text
		l := byKey[key]
		if l == nil {
			l = &lane{target: f.Target, what: f.Text}
			byKey[key] = l
			lanes = append(lanes, l)
		}
		l.all = append(l.all, f)
		l.seen, l.hit, l.uncounted = l.seen+f.Seen, l.hit+f.Hit, l.uncounted || f.Uncounted
	}
	lanes, n := pick(lanes, maxDrawnFaults, func(l *lane) bool { return slices.ContainsFunc(l.all, troubled) })
	for _, l := range lanes {
		right := fmt.Sprintf("hit %d of %d", l.hit, l.seen)
		if l.uncounted {
			right = "not counted"
		}
		b.label(y, 0, l.target+": "+l.what, right)
		b.track(y)
		drawn, more := pick(l.all, maxWindows, troubled)
		for _, f := range drawn {
			title := fmt.Sprintf("%s on %s: on at %s, for %s, %s", f.Text, f.Target, text.Duration(f.Start), text.Duration(r.OnFor(f, r.Now)), faultWords(f))
			for _, s := range r.On(f, r.Now) {
				b.rect("b-fault", s.From, s.To, y+barTop, barHeight, title)
				b.seen["fault"], b.seen["shade"] = true, true
			}
			if troubled(f) {
				b.dot("b-bad mark", f.End, y+barTop+barHeight/2, 5, title)
			}
		}
		b.leave(more, "faults of "+line(l.what))
		y += rowHeight
	}
	b.leave(n, "kinds of fault")
	return y + 6
}

func (b *timelineBody) watches(y float64) float64 {
	r := b.run
	all := append(r.Guards[:len(r.Guards):len(r.Guards)], r.Steady...)
	if len(all) == 0 {
		return y
	}
	y = b.head(y, "Guards and steady states")
	guards := len(r.Guards)
	type watch struct {
		*view.Watch
		guard bool
	}
	var list []watch
	for i, w := range all {
		list = append(list, watch{w, i < guards})
	}
	list, n := pick(list, maxDrawnOthers, func(w watch) bool { return w.Worst != nil })
	for _, w := range list {
		right := "held"
		class := "b-good"
		switch {
		case w.Worst != nil && w.guard:
			right, class = "breached", "b-warn"
		case w.Worst != nil && w.Seen == 0: // before any fault, where its readings are not counted
			right, class = "deviated", "b-warn"
		case w.Worst != nil:
			right, class = fmt.Sprintf("%d of %d bad", w.Bad, w.Seen), "b-warn"
		case !w.Read():
			right, class = "not read", "b-idle"
		}
		b.label(y, 0, w.Name, right)
		b.track(y)
		end := w.Until
		if w.Live {
			end = r.Now
		}
		b.rect(class, w.Since, max(end, w.Since), y+barTop+2, barHeight-4, w.Name+": "+right)
		if w.Worst != nil {
			b.dot("b-bad mark", w.Worst.At, y+barTop+barHeight/2, 5, fmt.Sprintf("%s at %s: %s", w.Name, text.Duration(w.Worst.At), reading(w.Watch)))
			b.seen["dot"] = true
		}
		y += rowHeight
	}
	b.leave(n, "guards and steady states")
	return y + 4
}
