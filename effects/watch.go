package effects

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime"
	"starquake/runtime/series"
	"starquake/units"
)

// KindWatch reads a probe again and again: one effect however often it is read. It
// is held; its reports are WatchReports and its answer, at its end, is a WatchSummary.
const KindWatch = "watch"

// maxReading is how long one reading may take, unless "every" is longer or the
// arguments say it.
const maxReading = 10 * time.Second

// maxEvery keeps sums of a watch's times within what a duration holds.
const maxEvery = 365 * 24 * time.Hour

// WatchArgs are the arguments of kind "watch".
type WatchArgs struct {
	Probe json.RawMessage `json:"probe"`
	// Every is the time from the start of one reading to that of the next. A reading
	// that takes longer delays it to the next multiple; what it missed is counted.
	Every time.Duration `json:"every"`
	// Breaches is how many readings in a row must be bad for the state to be bad. 0 is 1.
	Breaches int `json:"breaches,omitempty"`
	// Limit bounds one reading; one that takes longer is bad. 0 is 10 s or Every,
	// whichever is longer.
	Limit time.Duration `json:"limit,omitempty"`
	// IgnoreErrors lets a reading that got no answer at all change nothing.
	IgnoreErrors bool `json:"ignore_errors,omitempty"`
	// IgnoreNoData lets a reading that found no data change nothing.
	IgnoreNoData bool `json:"ignore_no_data,omitempty"`
	// HoldOnPause stops reading while the run is paused, from the start where it begins with
	// a pause. That time counts for nothing, and the first reading after it is at once. It
	// also heeds runtime.SignalFinish.
	HoldOnPause bool `json:"hold_on_pause,omitempty"`
	// Simulated is laid over the planned WatchSummary; its members "bad_after" and
	// "bad_for" are durations: when the planned readings become bad, and for how long.
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// WatchReport is sent after the first reading, and then when the state changes. It
// is a runtime.WatchReport, with the readings of this package.
type WatchReport struct {
	State   runtime.WatchState `json:"state"`
	Reading Reading            `json:"reading"`
	Seen    int                `json:"seen"`
	Bad     int                `json:"bad,omitempty"`
	Missed  int                `json:"missed,omitempty"`
}

// WatchSummary is the answer of kind "watch".
type WatchSummary struct {
	Seen   int `json:"seen"`
	Bad    int `json:"bad"`
	Missed int `json:"missed"`
	// LongestBad is the longest time from a bad reading to the next good one, or to
	// the end.
	LongestBad time.Duration `json:"longest_bad"`
	// FirstBadAfter is when the first bad reading began, since the start. Nil if none was bad.
	FirstBadAfter *time.Duration `json:"first_bad_after,omitempty"`
	Last          *Reading       `json:"last,omitempty"`
	// Series are the readings over the time since the start, pauses included, thinned
	// out to a bounded number of points. A planned watch has none.
	Series []series.Point `json:"series,omitempty"`
}

// parseWatch reads WatchArgs and their probe, and fills in what they leave open.
func parseWatch(raw json.RawMessage) (*WatchArgs, probe, error) {
	args := new(WatchArgs)
	if err := decodeArgs(KindWatch, raw, args); err != nil {
		return nil, nil, err
	}
	if args.Every <= 0 || args.Every > maxEvery {
		return nil, nil, problem(CodeInvalid, "arguments of watch: every is %s; it must be longer than nothing and at most %s", units.FormatDuration(args.Every), units.FormatDuration(maxEvery))
	}
	args.Breaches = max(args.Breaches, 1)
	if args.Limit <= 0 {
		args.Limit = max(maxReading, args.Every)
	}
	p, err := parseProbe(args.Probe)
	return args, p, err
}

// performWatch is the performer of KindWatch.
func (e *Effects) performWatch(ctx context.Context, call *runtime.Call) (any, error) {
	args, p, err := parseWatch(call.Args)
	if err != nil {
		return nil, err
	}
	w := &watch{WatchArgs: *args, read: func(ctx context.Context) Reading { return e.look(ctx, p) }, report: call.Report}
	if args.HoldOnPause {
		w.signals = call.Signals
	}
	w.run(ctx)
	return w.tally.summary(w.clock()), nil
}

// checkWatch is the Check of KindWatch.
func (e *Effects) checkWatch(raw json.RawMessage) error {
	_, p, err := parseWatch(raw)
	if err != nil {
		return err
	}
	return p.check(e)
}

// watch is a watch under way.
type watch struct {
	WatchArgs
	read    func(context.Context) Reading
	report  func(any)
	signals <-chan runtime.SignalKind // nil if pauses do not matter

	tally tally
	start time.Time
	// paused is how long it was paused in all, and pausedAt since when it is, or zero.
	paused   time.Duration
	pausedAt time.Time
	finished bool // no other reading begins
}

// clock is the time since the start, without pauses.
func (w *watch) clock() time.Duration {
	now := time.Now()
	if !w.pausedAt.IsZero() {
		now = w.pausedAt
	}
	return now.Sub(w.start) - w.paused
}

// run reads until ctx is done, or it is finished. A reading that the end of ctx interrupts
// counts for nothing.
func (w *watch) run(ctx context.Context) {
	w.start = time.Now()
	w.tally.breaches, w.tally.ignoreErrors, w.tally.ignoreNoData = w.Breaches, w.IgnoreErrors, w.IgnoreNoData
	if _, ok := w.wait(ctx, w.start); !ok {
		return
	}
	for {
		began, at := time.Now(), w.clock()
		reading := w.readOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		w.tally.series.Add(began.Sub(w.start), reading.OK, reading.Elapsed)
		if changed := w.tally.add(at, reading); changed {
			w.report(w.tally.report())
		}
		took := time.Since(began)
		ticks := max((took+w.Every-1)/w.Every, 1) // the next multiple that is not past
		resumed, ok := w.wait(ctx, began.Add(ticks*w.Every))
		if !ok {
			return
		}
		if !resumed {
			w.tally.Missed += int(ticks - 1)
		}
	}
}

// readOnce reads within the limit.
func (w *watch) readOnce(ctx context.Context) Reading {
	late := problem(CodeTimeout, "the reading took longer than its limit of %s", units.FormatDuration(w.Limit))
	ctx, cancel := context.WithTimeoutCause(ctx, w.Limit, late)
	defer cancel()
	began := time.Now()
	reading := w.read(ctx)
	if ctx.Err() != nil && context.Cause(ctx) == error(late) {
		return Reading{Value: reading.Value, Elapsed: time.Since(began), Error: fmt.Sprintf("%s: %s", late.Code, late.Message)}
	}
	return reading
}

// wait waits until then, or for the end of a pause that begins before. It is not
// ok if ctx ended, or no other reading is to begin.
func (w *watch) wait(ctx context.Context, then time.Time) (resumed, ok bool) {
	timer := time.NewTimer(time.Until(then))
	defer timer.Stop()
	for {
		// A signal that is there already comes before a tick that is due already.
		select {
		case sig, open := <-w.signals:
			resumed = w.heed(sig, open) || resumed
			continue
		default:
		}
		tick := timer.C
		if w.finished {
			return resumed, false
		} else if !w.pausedAt.IsZero() {
			tick = nil
		} else if resumed {
			return true, true
		}
		select {
		case <-ctx.Done():
			return resumed, false
		case <-tick:
			return false, true
		case sig, open := <-w.signals:
			resumed = w.heed(sig, open) || resumed
		}
	}
}

// heed does what a signal says and reports whether it ended a pause.
func (w *watch) heed(sig runtime.SignalKind, open bool) (resumed bool) {
	switch {
	case !open:
		w.signals = nil // nothing will come; a pause that is on stays on
	case sig == runtime.SignalFinish:
		w.finished = true
	case sig == runtime.SignalResume && !w.pausedAt.IsZero():
		w.paused += time.Since(w.pausedAt)
		w.pausedAt = time.Time{}
		return true
	case sig != runtime.SignalResume && w.pausedAt.IsZero():
		w.pausedAt = time.Now()
	}
	return false
}

// tally counts readings. Times are by the watch's clock.
type tally struct {
	breaches     int
	ignoreErrors bool
	ignoreNoData bool
	WatchSummary
	state    runtime.WatchState
	inRow    int           // bad ones up to the last
	badSince time.Duration // the first of them
	series   series.Series
}

// add counts a reading that began at that time, and reports whether that makes a
// report due.
func (t *tally) add(at time.Duration, r Reading) bool {
	t.Seen++
	t.Last = &r
	if r.passedOver(t.ignoreErrors, t.ignoreNoData) {
		if t.state == "" {
			t.state = runtime.WatchPending
			return true
		}
		return false
	}
	if r.OK {
		if t.inRow > 0 {
			t.LongestBad = max(t.LongestBad, at-t.badSince)
		}
		t.inRow = 0
	} else {
		if t.FirstBadAfter == nil {
			t.FirstBadAfter = &at
		}
		if t.inRow == 0 {
			t.badSince = at
		}
		t.inRow++
		t.Bad++
	}
	before := t.state
	switch {
	case t.inRow == 0:
		t.state = runtime.WatchHolds
	case t.inRow >= t.breaches:
		t.state = runtime.WatchBad
	case before == "":
		t.state = runtime.WatchPending
	}
	return t.state != before
}

// passedOver reports whether a reading is neither good nor bad. One without data was
// answered: it is no error.
func (r *Reading) passedOver(errors, noData bool) bool {
	if r.NoData {
		return noData
	}
	return errors && !r.OK && r.Value == nil
}

// report is the report of the last reading.
func (t *tally) report() WatchReport {
	return WatchReport{State: t.state, Reading: *t.Last, Seen: t.Seen, Bad: t.Bad, Missed: t.Missed}
}

// summary is the answer of a watch that ends at that time.
func (t *tally) summary(at time.Duration) WatchSummary {
	s := t.WatchSummary
	s.Series = t.series.Points
	if t.inRow > 0 {
		s.LongestBad = max(s.LongestBad, at-t.badSince)
	}
	return s
}
