package text

import (
	"time"

	"starquake/units"
)

// axis maps the time of a run to cells.
type axis struct {
	total time.Duration
	cells int
	step  time.Duration // from tick to tick
}

// tickSteps are the distances between ticks that people read well.
var tickSteps = []time.Duration{
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day, 91 * day, 365 * day, 10 * 365 * day, 50 * 365 * day,
}

const day = 24 * time.Hour

// newAxis chooses the closest ticks whose labels leave room between them.
func newAxis(total time.Duration, cells int) axis {
	a := axis{total: max(total, 1), cells: cells, step: tickSteps[len(tickSteps)-1]}
	for _, step := range tickSteps {
		if a.total/step > time.Duration(cells) {
			continue
		}
		room := a.cell(step)
		if widest := len(units.FormatDuration(a.total / step * step)); room >= widest+3 && room >= 8 {
			a.step = step
			break
		}
	}
	return a
}

// cell is the cell that t falls into.
func (a axis) cell(t time.Duration) int {
	return int(float64(t) / float64(a.total) * float64(a.cells))
}

// ticks is the number of ticks, that at 0 included.
func (a axis) ticks() int { return int(a.total/a.step) + 1 }

// labels is the line of tick labels.
func (a axis) labels() string {
	row := make([]byte, a.cells)
	for i := range row {
		row[i] = ' '
	}
	for i := range a.ticks() {
		t := time.Duration(i) * a.step
		text, at := units.FormatDuration(t), a.cell(t)
		if at+len(text) > a.cells {
			break
		}
		copy(row[at:], text)
	}
	return string(row)
}

// ruler is the line below the labels.
func (a axis) ruler(s style) string {
	row := []rune{}
	for range a.cells {
		row = append(row, []rune(s.sym("─", "-"))[0])
	}
	for i := range a.ticks() {
		if at := a.cell(time.Duration(i) * a.step); at < a.cells {
			row[at] = []rune(s.sym("┬", "+"))[0]
		}
	}
	row[0] = []rune(s.sym("┌", "+"))[0]
	return string(row)
}

// bar draws stretches of time. A cell has two halves, so that short steps in
// sequence are seen to touch and not to overlap; the least bar is one half.
func (a axis) bar(s style, spans []stretch, fault bool) string {
	halves := make([]bool, 2*a.cells)
	scale := float64(2*a.cells) / float64(a.total)
	for _, sp := range spans {
		from := int(float64(sp.from)*scale + 0.5)
		to := int(float64(sp.to)*scale + 0.5)
		from = min(max(from, 0), len(halves)-1)
		to = min(max(to, from+1), len(halves))
		for i := from; i < to; i++ {
			halves[i] = true
		}
	}
	pieces := [4]rune{' ', '╸', '╺', '━'} // none, left, right, both
	switch {
	case s.ascii && fault:
		pieces = [4]rune{' ', '#', '#', '#'}
	case s.ascii:
		pieces = [4]rune{' ', '=', '=', '='}
	case fault:
		pieces = [4]rune{' ', '░', '░', '░'}
	}
	row := make([]rune, a.cells)
	for i := range row {
		row[i] = pieces[b2i(halves[2*i])|b2i(halves[2*i+1])<<1]
	}
	return string(row)
}
