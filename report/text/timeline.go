package text

import (
	"fmt"
	"io"
	"strings"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Timeline draws the run along a time axis: a row for each step, indented as they
// nest, with the faults and their targets below the step that they belong to, and
// what the run uses below all of it. What repeats in sequence takes one row.
func Timeline(w io.Writer, run *view.Run, opt Options) error {
	p := newPage(opt)
	t := &timeline{page: p, run: run}
	p.add(t.title(opt))
	t.flatten(treeOf(run), 0, false)
	if len(t.rows) > 0 {
		p.add(nil)
		t.layout()
		t.draw(opt)
	}
	t.footer(opt)
	return p.flush(w)
}

type timeline struct {
	*page
	run  *view.Run
	rows []row

	axis                      axis
	left, start, took, status int // widths of the columns
	cutFaults                 bool
}

// row is an item as it is printed.
type row struct {
	*item
	text                string // label, with its indent and its repetitions
	start, took, status string
	statusColor         color
}

func (t *timeline) title(opt Options) line {
	var l line
	run := t.run
	l.put(bold, orElse(run.Name, "unnamed"))
	facts := []string{}
	if run.World == "virtual" {
		facts = append(facts, "plan")
	}
	if run.State == view.Ended && (run.World != "virtual" || run.Verdict != journal.VerdictPassed) && !run.Endless {
		facts = append(facts, string(run.Verdict))
	} else if run.State != view.Ended {
		facts = append(facts, string(run.State))
	}
	facts = append(facts, plural(len(run.Steps), "step", "steps"), t.total(opt), fmt.Sprintf("seed %d", run.Seed))
	l.put(dim, "  "+strings.Join(facts, t.dot()))
	return l
}

func (t *timeline) total(opt Options) string {
	switch {
	case t.run.Endless:
		return "no end, cut at " + short(t.run.Now)
	case t.run.State != view.Ended:
		return short(t.run.Now) + " so far"
	case opt.Longest > t.run.Now:
		return short(t.run.Now) + t.sym("–", "-") + short(opt.Longest)
	}
	return short(t.run.Now)
}

// flatten makes rows of items, in their order.
func (t *timeline) flatten(items []*item, depth int, repeated bool) {
	for _, it := range items {
		r := row{item: it, start: short(it.spans[0].from)}
		label := it.label
		switch it.kind {
		case faultItem:
			label = t.fault() + " " + label
			r.status, r.statusColor = t.faultStatus(it)
		case groupItem:
			label = ""
		default:
			if !repeated && it.count == 1 {
				label = it.full
			}
			r.status, r.statusColor = t.stepStatus(it)
		}
		if it.count > 1 {
			label = strings.TrimSpace(fmt.Sprintf("%s  %s %d", label, t.times(), it.count))
			if it.every > 0 {
				label += ", every " + short(it.every)
			}
		}
		r.text = strings.Repeat("  ", min(depth, maxIndent)) + t.legible(Clean(label))
		if it.kind != groupItem {
			r.took = short(it.max)
			if short(it.min) != r.took {
				r.took = short(it.min) + t.sym("–", "-") + r.took
			}
		}
		t.rows = append(t.rows, r)
		t.flatten(it.kids, depth+1, repeated || it.count > 1)
	}
}

// maxIndent bounds the indent of steps nested deeper than a line has room for.
const maxIndent = 8

func (t *timeline) stepStatus(it *item) (string, color) {
	text := t.statusSym(it.status) + " " + string(it.status)
	if it.tolerated {
		text += ", tolerated"
	}
	if it.tries > 1 {
		text += fmt.Sprintf(", try %d", it.tries)
	}
	return text, statusColor(it.status, it.tolerated)
}

func (t *timeline) faultStatus(it *item) (string, color) {
	switch it.fault.State {
	case view.FaultUnclean:
		return t.statusSym(journal.Failed) + " unclean", boldRed
	case view.FaultFailed:
		return t.statusSym(journal.Failed) + " never on", red
	case view.FaultExpired:
		return "expired", yellow
	case view.FaultOff:
		if it.fault.Cleaned != nil {
			return "taken off later", yellow
		}
		if t.run.World == "virtual" {
			return "", plain // planned counts are the plan's own arithmetic
		}
		if it.fault.Uncounted {
			return "not counted", dim
		}
		return fmt.Sprintf("hit %d of %d", it.hit, it.seen), dim
	}
	return string(it.fault.State), magenta
}

// The least widths at which a column still says something.
const (
	minBar  = 12
	goodBar = 34 // labels take what is left above it
	minLeft = 14
)

// layout divides the width: times and status as they need, then label and bar.
func (t *timeline) layout() {
	for _, r := range t.rows {
		t.left = max(t.left, width(r.text))
		t.start = max(t.start, width(r.start))
		t.took = max(t.took, width(r.took))
		t.status = max(t.status, width(r.status))
	}
	t.start, t.took = max(t.start, len("start")), max(t.took, len("takes"))
	rest := t.width - 2 - 2 - t.start - 2 - t.took - 2 - t.status
	widest := t.left
	t.left = min(t.left, max(minLeft, rest*45/100, rest-goodBar))
	cells := rest - t.left - 2
	if cells < minBar && t.left > minLeft {
		t.left = max(minLeft, rest-minBar-2)
		cells = rest - t.left - 2
	}
	if cells < minBar {
		t.left, cells = max(minLeft, min(widest, rest)), 0
	}
	t.axis = newAxis(t.run.Now, cells)
}

func (t *timeline) draw(opt Options) {
	t.header()
	limit := opt.MaxLines
	if limit <= 0 {
		limit = 80
	}
	if len(t.rows) <= limit {
		for _, r := range t.rows {
			t.row(r)
		}
		return
	}
	// The beginning says most, but how it ends must be seen as well.
	tail := limit / 4
	head := limit - tail
	for _, r := range t.rows[:head] {
		t.row(r)
	}
	out := t.rows[head : len(t.rows)-tail]
	var l line
	l.put(dim, fmt.Sprintf("  %s %s from %s to %s left out; --output json has them all", t.sym("⋮", "..."),
		plural(len(out), "row", "rows"), out[0].start, t.rows[len(t.rows)-tail].start))
	t.add(l)
	for _, r := range t.rows[len(t.rows)-tail:] {
		t.row(r)
	}
}

func (t *timeline) header() {
	var labels, ruler line
	labels.pad(2 + t.left + 2)
	ruler.pad(2 + t.left + 2)
	if t.axis.cells > 0 {
		labels.put(dim, t.axis.labels()+"  ")
		ruler.put(dim, t.axis.ruler(t.style))
	}
	labels.put(dim, fmt.Sprintf("%*s  %*s", t.start, "start", t.took, "takes"))
	t.add(labels)
	if t.axis.cells > 0 {
		t.add(ruler)
	}
}

func (t *timeline) row(r row) {
	label, bar := plain, statusColor(r.item.status, r.tolerated)
	switch r.kind {
	case faultItem:
		label, bar = magenta, magenta
	case groupItem:
		label, bar = dim, dim
	}
	if r.kind == faultItem && width(r.text) > t.left {
		t.cutFaults = true
	}
	var l line
	l.put(plain, "  ")
	l.put(label, t.cut(r.text, t.left)).pad(2 + t.left + 2)
	if t.axis.cells > 0 {
		cells := ""
		if r.kind == stepItem || r.kind == faultItem && r.fault.WasOn {
			cells = t.axis.bar(t.style, r.spans, r.kind == faultItem)
		}
		l.put(bar, cells).pad(2 + t.left + 2 + t.axis.cells + 2)
	}
	l.put(plain, strings.Repeat(" ", max(0, t.start-width(r.start)))+r.start)
	l.put(plain, strings.Repeat(" ", max(0, 2+t.took-width(r.took)))+r.took)
	l.put(plain, "  ").put(r.statusColor, r.status)
	t.add(l)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
