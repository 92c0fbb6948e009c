package text

import (
	"fmt"
	"io"
	"strings"
	"time"

	"starquake/runtime/view"
)

// frameEvery is the least time between two frames.
const frameEvery = 100 * time.Millisecond

// Live draws a run as a tree in place, on a terminal that knows ANSI sequences. It
// starts nothing of its own: whoever has the run calls Update as often as they
// like, and Close at the end, come what may, since Update hides the cursor.
//
// A Live is not safe for concurrent use.
type Live struct {
	w    io.Writer
	opt  Options
	size func() (width, height int)

	begun  bool
	closed bool
	last   time.Duration // of the latest frame
	state  view.State    // then
	tick   int           // frames so far, which is what turns the spinner
	shown  []int         // widths of the lines on the screen
	width  int           // of the screen then
}

// NewLive returns a Live that writes to w. size tells the size of the terminal and
// is asked before each frame; nil, or a size of 0, stands for 80 × 24.
func NewLive(w io.Writer, opt Options, size func() (width, height int)) *Live {
	return &Live{w: w, opt: opt, size: size}
}

// Update draws the run as it is at now, a time since the run's origin by the
// caller's clock. It draws at most ten frames a second, and at once when the run
// is paused, goes on or ends; other calls return without a word.
func (l *Live) Update(run *view.Run, now time.Duration) error {
	if l.closed || l.begun && run.State == l.state && now >= l.last && now-l.last < frameEvery {
		return nil
	}
	width, height := l.measure()
	lines := Frame(run, now, l.opt, width, height, l.tick)

	var b strings.Builder
	if !l.begun {
		b.WriteString("\x1b[?25l") // hide the cursor
	}
	l.home(&b, width, height)
	l.shown = l.shown[:0]
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\r\n")
		l.shown = append(l.shown, visible(line))
	}
	b.WriteString("\x1b[J") // what a longer frame left below
	l.begun, l.last, l.state, l.width = true, now, run.State, width
	l.tick++
	return l.write(b.String())
}

// Clear takes the frame off the screen, so that the caller can print something
// that stays; the next Update draws below it.
func (l *Live) Clear() error {
	if !l.begun || l.closed || len(l.shown) == 0 {
		return nil
	}
	width, height := l.measure()
	var b strings.Builder
	l.home(&b, width, height)
	b.WriteString("\x1b[J")
	l.shown = l.shown[:0]
	l.last -= frameEvery // the next Update draws
	return l.write(b.String())
}

// Close leaves the latest frame on the screen and shows the cursor again. Closing
// twice, or before any frame, does nothing.
func (l *Live) Close() error {
	if l.closed || !l.begun {
		l.closed = true
		return nil
	}
	l.closed = true
	return l.write("\x1b[?25h")
}

func (l *Live) measure() (width, height int) {
	if l.size != nil {
		width, height = l.size()
	}
	if width <= 0 {
		width = 80
	}
	if height <= 0 {
		height = 24
	}
	return max(width, minWidth), max(height, 3)
}

// home moves to the first line of the frame on the screen. A terminal that became
// narrower has broken its lines into several rows.
func (l *Live) home(b *strings.Builder, width, height int) {
	rows := 0
	for _, w := range l.shown {
		rows += max(1, (w+width-1)/width)
	}
	if rows = min(rows, height-1); rows > 0 {
		fmt.Fprintf(b, "\x1b[%dA", rows)
	}
	b.WriteString("\r")
}

// write sends a frame in one piece, so that none is seen half.
func (l *Live) write(text string) error {
	_, err := io.WriteString(l.w, text)
	return err
}

// visible is the width of a drawn line without its colour sequences.
func visible(s string) int {
	n := 0
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		n += width(before)
		if !found {
			return n
		}
		_, s, _ = strings.Cut(after, "m")
	}
}
