package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starquake/builtins"
	"starquake/chaos/link"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// settles is until when something of a fault may still arrive, although it was taken off: its
// process died, and what that had asked for last may be under way at an engine or service that
// takes its time. asked is when it was asked for, and on says that it was confirmed on since. An
// engine is asked for more then, too: a ramp, a pulse, the end of a pause.
func settles(raw json.RawMessage, on bool, asked, died time.Time) time.Time {
	var args builtins.FaultArgs
	if err := json.Unmarshal(raw, &args); err != nil || on && args.Engine == nil {
		return time.Time{}
	}
	last := died.Add(link.AfterLast)
	if on {
		return last
	}
	late := link.Late
	if c, ok := changeOf(&args.Fault); ok && c.On.Send != nil { // it says itself for how long it is waited for
		late = min(c.On.Send.Timeout, maxLate) + link.AfterLast
	}
	if whole := asked.Add(late); whole.After(last) {
		return whole
	}
	return last
}

// maxLate bounds for how long a request is taken to be under way.
const maxLate = time.Minute

// lateness says of a run whose process has died until when something of its faults may still
// arrive. The zero value knows of nothing.
type lateness struct {
	alive time.Time // when the process was last known to be there
	on    map[journal.Place]bool
	cut   chan struct{} // is closed when it is not to be waited for any more; nil: it always is
}

// aliveWithin is how long after alive a process may have died that was known to be there then.
const aliveWithin = time.Second

func latenessOf(recs []journal.Record, alive time.Time) lateness {
	l := lateness{alive: alive, on: map[journal.Place]bool{}}
	for i := range recs {
		if _, ok := recs[i].Body.(*journal.EffectNoteBody); ok {
			l.on[recs[i].Place] = true
		}
	}
	return l
}

// await returns when nothing of a fault can arrive any more, and whether there was something to
// wait for: then it is to be taken off once more.
func (l *lateness) await(ctx context.Context, req *runtime.Request) (waited bool, err error) {
	if l.alive.IsZero() || !Outlives(req) {
		return false, nil
	}
	until := func(alive time.Time) time.Duration {
		return time.Until(settles(req.Args, l.on[req.ID], alive, alive.Add(aliveWithin)))
	}
	wait := min(until(l.alive), until(time.Now())) // a clock that was wrong tells of the future
	if wait <= 0 {
		return false, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	const may = "what its dead process had asked for may still arrive"
	select {
	case <-timer.C:
		return true, nil
	case <-l.cut:
		return true, errors.New(may + ", which whoever takes the run up next waits for")
	case <-ctx.Done():
		return true, fmt.Errorf(may+": %w", ctx.Err())
	}
}
