package schedule

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"starquake/store"
)

// TestChangeWhileStarting: a schedule that is changed while a run of it is being started, at its
// time or by hand, knows that the run goes on, and starts no second one beside it.
func TestChangeWhileStarting(t *testing.T) {
	for _, byHand := range []bool{false, true} {
		for _, change := range []string{`"every":"5h"`, `"at":"2000-01-01T01:00:00Z","labels":{"a":"b"}`} {
			inWorld(t, func(w *world) {
				w.put(`"at":"2000-01-01T01:00:00Z"`)
				hold := make(chan struct{})
				w.runs.set(func() { w.runs.crash = func() { <-hold } })
				if byHand {
					go func() { _, _ = w.s.Trigger(w.Context(), "s", "ann") }()
				} else {
					time.Sleep(time.Hour)
				}
				synctest.Wait()
				changed := make(chan struct{})
				go func() {
					defer close(changed)
					w.put(change)
				}()
				synctest.Wait()
				close(hold)
				<-changed
				if run, err := w.s.Trigger(w.Context(), "s", "ann"); !errors.Is(err, ErrActive) || run != "r1" {
					t.Errorf("by hand %v, changed to %s: started %q, %v", byHand, change, run, err)
				}
				e, err := w.s.Get("s")
				if want := map[bool]int{false: 1}[byHand]; err != nil || e.State.Runs != want {
					t.Errorf("by hand %v, changed to %s: it has started %d runs, %v; want %d", byHand, change, e.State.Runs, err, want)
				}
			})
		}
	}
}

// TestShortStart: a time at which there is no room on the disk, or too many files are open, is met
// when that has passed; where it does not, the time has failed, and says why.
func TestShortStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put(`"every":"1h"`)
		short := fmt.Errorf("the run cannot be kept: %w", store.ErrNoRoom)
		w.runs.set(func() { w.runs.fail = short })
		time.Sleep(time.Hour + 25*time.Second)
		w.runs.set(func() { w.runs.fail = nil })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if o := w.last(); o.What != Started || o.Due.Hour() != 1 {
			t.Errorf("met late: %+v", o)
		}
		w.runs.end()
		w.runs.set(func() { w.runs.fail = fmt.Errorf("the script's process: %w", syscall.EMFILE) })
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if o := w.last(); o.What != Failed || o.Due.Hour() != 2 || o.Reason != "the script's process: too many open files" {
			t.Errorf("never met: %+v", o)
		}
	})
}
