package text_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

func TestFrame(t *testing.T) {
	total := 3 * time.Minute
	cases := map[string]struct {
		j             *viewtest.Journal
		after         time.Duration // since the latest record
		opt           text.Options
		width, height int
	}{
		"under_way": {underWay(), 5 * time.Second, text.Options{Planned: &total}, 100, 40},
		"narrow":    {underWay(), 5 * time.Second, text.Options{Planned: &total}, 44, 40},
		"short":     {underWay(), 5 * time.Second, text.Options{Planned: &total}, 100, 9},
		"shortest":  {underWay(), 5 * time.Second, text.Options{Planned: &total}, 100, 3},
		"ascii":     {underWay(), 5 * time.Second, text.Options{Planned: &total, ASCII: true}, 80, 40},
		"color":     {underWay(), 5 * time.Second, text.Options{Planned: &total, Color: true}, 80, 40},
		"no_total":  {underWay(), 5 * time.Second, text.Options{}, 80, 40},
		"paused":    {viewtest.Paused(), 90 * time.Second, text.Options{Planned: &total}, 100, 40},
		"aborted":   {viewtest.Aborted(), time.Hour, text.Options{}, 100, 40},
		"unclean":   {viewtest.Unclean(), 0, text.Options{}, 100, 40},
		"tolerated": {viewtest.Tolerated(), 0, text.Options{}, 100, 40},
		"many":      {viewtest.Turns(1000), 0, text.Options{}, 100, 40},
		"empty":     {&viewtest.Journal{}, 0, text.Options{}, 100, 40},
	}
	for name, c := range cases {
		run := c.j.Run()
		lines := text.Frame(run, run.Now+c.after, c.opt, c.width, c.height, 2)
		if len(lines) > c.height-1 {
			t.Errorf("%s: %d lines on a screen of %d", name, len(lines), c.height)
		}
		golden(t, "frame_"+name, []byte(strings.Join(lines, "\n")+"\n"))
	}
}

// What is on the screen after each frame is that frame, whatever was there before:
// longer frames, and lines that a narrower terminal broke.
func TestLiveOnScreen(t *testing.T) {
	total := 3 * time.Minute
	scr := newScreen(90)
	scr.feed(t, "$ starquake run checkout.star\r\n")
	live := text.NewLive(scr.to(t), text.Options{Planned: &total, Color: true}, func() (int, int) { return scr.width, 30 })
	long, short := underWay().Run(), viewtest.Paused().Run()
	steps := []struct {
		run   *view.Run
		width int
	}{{long, 90}, {short, 90}, {long, 90}, {long, 40}, {short, 40}, {short, 90}, {long, 30}}
	now := long.Now
	for i, s := range steps {
		scr.resize(s.width)
		now += time.Second
		if err := live.Update(s.run, now); err != nil {
			t.Fatal(err)
		}
		want := text.Frame(s.run, now, text.Options{Planned: &total}, s.width, 30, i)
		if got := scr.lines(); len(got) < len(want) {
			t.Errorf("frame %d: %d lines on the screen, expected %d", i, len(got), len(want))
		} else if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
			t.Errorf("frame %d (-want +got):\n%s", i, diff)
		}
		if !scr.hidden {
			t.Errorf("frame %d: the cursor is shown", i)
		}
	}
	if n := strings.Count(strings.Join(scr.lines(), "\n"), "checkout-slow-payments"); n != 1 {
		t.Errorf("the screen shows %d headers, expected 1:\n%s", n, strings.Join(scr.lines(), "\n"))
	}
	if err := live.Clear(); err != nil {
		t.Fatal(err)
	}
	if got := scr.lines(); len(got) != 1 {
		t.Errorf("after Clear the screen shows\n%s", strings.Join(got, "\n"))
	}
	if err := errors.Join(live.Close(), live.Close(), live.Update(long, now+time.Hour)); err != nil {
		t.Fatal(err)
	}
	if scr.hidden {
		t.Error("the cursor is hidden after Close")
	}
}

func TestLiveRate(t *testing.T) {
	var buf bytes.Buffer
	live := text.NewLive(&buf, text.Options{}, nil)
	j := underWay()
	run := j.Run()
	frames := 0
	draws := func(now time.Duration) bool {
		t.Helper()
		buf.Reset()
		if err := live.Update(run, now); err != nil {
			t.Fatal(err)
		}
		if buf.Len() > 0 {
			frames++
		}
		return buf.Len() > 0
	}
	for ms := range 1000 {
		draws(run.Now + time.Duration(ms)*time.Millisecond)
	}
	if frames != 10 {
		t.Errorf("%d frames in a second, expected 10", frames)
	}
	last := run.Now + 901*time.Millisecond
	if draws(last) {
		t.Error("a frame 1 ms after another")
	}
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "pause"})
	run = j.Run()
	if !draws(last) {
		t.Error("a pause is not shown at once")
	}
	run = j.Pass().Run()
	if !draws(last) || !strings.Contains(buf.String(), "passed") {
		t.Error("the end is not shown at once")
	}
}

func TestLiveUnused(t *testing.T) {
	var buf bytes.Buffer
	live := text.NewLive(&buf, text.Options{}, nil)
	if err := errors.Join(live.Clear(), live.Close()); err != nil || buf.Len() > 0 {
		t.Errorf("a live view that drew nothing wrote %q, %v", buf.String(), err)
	}
}

func TestLiveWriteError(t *testing.T) {
	live := text.NewLive(failing{}, text.Options{}, nil)
	if err := live.Update(underWay().Run(), 0); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("error %v, expected that of the writer", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("the terminal is gone") }
