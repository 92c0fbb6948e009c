package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// A fault that is on tells what it has done from time to time, so that it goes on from
// there after a crash: its draws are by the number of the request. It does so where
// something has changed, at a pause, and otherwise at most once in
//
//   - a second, and
//   - a sixtieth of the time that it has been on, which is at most
//   - a minute.
//
// That keeps a journal small (1 700 reports for a day of traffic) and what a crash loses
// to a sixtieth of what the fault had done.
const (
	countsAtMost  = time.Second
	countsShare   = 60
	countsAtLeast = time.Minute
	// countsRecorded is for how long a run that is parked waits for them.
	countsRecorded = time.Second
)

// faultNote is what a fault reports: that it is on, with its counts.
type faultNote chaos.Stats

// MarshalJSON puts that it is on before the counts; without any it says no more.
func (n faultNote) MarshalJSON() ([]byte, error) {
	if n == (faultNote{}) {
		return []byte(`{"on":true}`), nil
	}
	counts, err := json.Marshal(chaos.Stats(n))
	if err != nil {
		return nil, err
	}
	return append([]byte(`{"on":true,`), counts[1:]...), nil
}

// countsOf are those of a fault's last report before its process died, if it is on again.
func countsOf(again *runtime.Again) (s chaos.Stats, err error) {
	if again == nil || len(again.Last) == 0 {
		return s, nil
	}
	err = json.Unmarshal(again.Last, &s)
	return s, err
}

// teller tells the counts of one fault. It belongs to the goroutine that performs it.
type teller struct {
	ctx     context.Context
	cancel  context.CancelFunc
	applied engine.Applied
	report  func(data any)
	since   time.Time
	told    chaos.Stats
	// timer rings when it may tell again. It is stopped while the fault is being asked.
	timer *time.Timer
	// answer brings what it was asked for: nil where nobody counts, and what is told
	// already where nobody could say.
	answer chan *chaos.Stats
	asking bool
	more   bool // ask again at once: something has happened meanwhile
	// wanted brings those who want it to tell now, and hear whether it had news; over is
	// closed when it tells no more.
	wanted chan chan<- bool
	over   chan struct{}
	waits  []chan<- bool
}

// tellOf makes a teller of a fault whose counts are known as far as told.
func tellOf(ctx context.Context, applied engine.Applied, told chaos.Stats, report func(data any)) *teller {
	t := &teller{applied: applied, report: report, told: told, since: time.Now(), answer: make(chan *chaos.Stats, 1), wanted: make(chan chan<- bool), over: make(chan struct{}), timer: time.NewTimer(countsAtMost)}
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

// ask asks for the counts; they come by answer. An engine may be slow to say them, and
// the fault must heed its run meanwhile.
func (t *teller) ask() {
	if t.asking {
		t.more = true
		return
	}
	t.asking = true
	t.timer.Stop()
	told := t.told
	go func() {
		s, err := t.applied.Stats(t.ctx)
		if err != nil {
			s = &told
		}
		t.answer <- s
	}()
}

// want has it tell for somebody who waits for that; news has room.
func (t *teller) want(news chan<- bool) {
	t.waits = append(t.waits, news)
	t.ask()
}

// tell reports an answer, if it is news.
func (t *teller) tell(s *chaos.Stats) {
	t.asking = false
	news := s != nil && *s != t.told
	if news {
		t.told = *s
		t.report(faultNote(*s))
	}
	if t.more { // the answer is older than the last who wants one
		t.more = false
		t.ask()
		return
	}
	for _, w := range t.waits {
		w <- news
	}
	if t.waits = nil; s == nil {
		return // nobody counts
	}
	t.timer.Reset(min(max(time.Since(t.since)/countsShare, countsAtMost), countsAtLeast))
}

// end ends it, and what it has under way.
func (t *teller) end() {
	close(t.over)
	t.timer.Stop()
	t.cancel()
	if t.asking {
		<-t.answer
	}
}

// now has it tell, and reports whether it had news.
func (t *teller) now(ctx context.Context) bool {
	news := make(chan bool, 1)
	select {
	case t.wanted <- news:
	case <-t.over:
		return false
	case <-ctx.Done():
		return false
	}
	select {
	case told := <-news:
		return told
	case <-t.over:
		return false
	case <-ctx.Done():
		return false
	}
}

// tellCounts has the faults that are on tell their counts, and waits until the journal has
// them: a moment, since an engine may not answer, and a script may compute.
func (r *Running) tellCounts(ctx context.Context) {
	if !r.outside.acted.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, countsRecorded)
	defer cancel()
	before, left := r.info().Records, map[string]bool{}
	for place, t := range r.outside.targets.tellers() {
		if t.now(ctx) {
			left[place] = true
		}
	}
	if len(left) == 0 {
		return
	}
	enough := errors.New("the journal has them")
	_ = r.FollowFrom(ctx, before, func(recs []journal.Record) error {
		for _, rec := range recs {
			if _, ok := rec.Body.(*journal.EffectNoteBody); ok {
				delete(left, rec.Place.String())
			}
		}
		if len(left) == 0 {
			return enough
		}
		return nil
	})
}
