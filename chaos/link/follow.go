package link

import (
	"context"
	"sync"
	"time"

	"starquake/chaos"
)

// lookEvery is how often a Follower looks whether the fault is still there.
const lookEvery = 2 * time.Second

// MinPulse is the shortest on and off of a pulse that a Follower keeps: an engine is
// asked for each.
const MinPulse = 100 * time.Millisecond

// Hold is in which way a fault is held. The zero value: in none.
type Hold struct {
	Paused bool // its clock stands
	Lifted bool // likewise, and it is off meanwhile
}

// Following is what a Follower needs of an engine.
type Following struct {
	Fault chaos.Fault
	// Elapsed is for how long the fault had been on before, if it goes on.
	Elapsed time.Duration
	// Hold is how the fault is held to begin with.
	Hold Hold
	// Step is how often a ramp is brought up to date; 0: the engine takes no ramps.
	Step time.Duration
	// Put makes the engine have the fault as it is when elapsed has passed, whether or
	// not it has it already. Take takes it off for a while. Neither is cut short: what was
	// given up might still arrive, after the fault was taken off.
	Put  func(ctx context.Context, elapsed time.Duration) error
	Take func(ctx context.Context) error
	// Look returns a LostError if the fault that was put is not there any more.
	Look func(ctx context.Context) error
	// Warn is told of what will be tried again; it may be nil.
	Warn func(error)
}

// A Follower keeps a fault in an engine that knows no time in step with the clock of
// the run: it holds in pauses, lifts, flaps with a pulse, and climbs ramps.
type Follower struct {
	Following
	stop context.CancelFunc
	done chan struct{}
	lost chan error
	bell chan struct{}

	mu             sync.Mutex
	on             bool // written before done is closed, as is failed: see On
	failed         error
	before         time.Duration // of the clock, until since
	since          time.Time     // zero while it stands
	paused, lifted bool
}

// Follow puts the fault on, unless it is lifted, and follows it until Stop. An error means that
// it may be on in part.
func Follow(ctx context.Context, f Following) (*Follower, error) {
	w := &Follower{Following: f, paused: f.Hold.Paused, lifted: f.Hold.Lifted, before: f.Elapsed, done: make(chan struct{}), lost: make(chan error, 1), bell: make(chan struct{}, 1)}
	if f.Hold == (Hold{}) {
		w.since = time.Now()
	}
	on := !f.Hold.Lifted && f.Fault.ActiveAt(f.Elapsed)
	if on {
		if err := f.Put(context.WithoutCancel(ctx), f.Elapsed); err != nil {
			return nil, err
		}
	}
	inner, stop := context.WithCancel(context.Background())
	w.stop = stop
	go w.follow(inner, on)
	return w, nil
}

// Stop ends the following and returns when nothing is asked of the engine any more. The
// fault stays as it is.
func (w *Follower) Stop() {
	w.stop()
	<-w.done
}

// On reports, after Stop, whether the fault was on, as the engine had confirmed.
func (w *Follower) On() bool { return w.on }

// Failed is, after Stop, why the last that the engine was asked to do may not have been done.
func (w *Follower) Failed() error { return w.failed }

// Lost gives the one error that the fault is gone, when it is.
func (w *Follower) Lost() <-chan error { return w.lost }

// Lose tells that the fault is gone, unless that was told before.
func (w *Follower) Lose(err error) {
	select {
	case w.lost <- err:
	default:
	}
}

// Pause holds the fault's clock; it stays on.
func (w *Follower) Pause() { w.change(func() { w.paused = true }) }

// Resume lets the clock go on.
func (w *Follower) Resume() { w.change(func() { w.paused = false }) }

// Lift takes the fault off for a while and holds its clock.
func (w *Follower) Lift() { w.change(func() { w.lifted = true }) }

// Restore puts it on again.
func (w *Follower) Restore() { w.change(func() { w.lifted = false }) }

func (w *Follower) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	switch now, runs := time.Now(), !w.paused && !w.lifted; {
	case runs && w.since.IsZero():
		w.since = now
	case !runs && !w.since.IsZero():
		w.before, w.since = w.before+now.Sub(w.since), time.Time{}
	}
	select {
	case w.bell <- struct{}{}:
	default: // it will look
	}
}

// wanted says how the fault should be now, and when that is next different; 0 is when
// somebody says so.
func (w *Follower) wanted() (on bool, elapsed, next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	elapsed = w.before
	runs := !w.since.IsZero()
	if runs {
		elapsed += time.Since(w.since)
	}
	on = !w.lifted && w.Fault.ActiveAt(elapsed)
	if !runs {
		return on, elapsed, 0
	}
	if p := w.Fault.Pulse; p != nil {
		next = p.On - elapsed%(p.On+p.Off)
		if next <= 0 {
			next += p.Off
		}
	}
	if on && w.Step > 0 && ramps(&w.Fault, elapsed) && (next == 0 || w.Step < next) {
		next = w.Step
	}
	return on, elapsed, next
}

// ramps reports whether a value of the fault still changes.
func ramps(f *chaos.Fault, elapsed time.Duration) bool {
	moving := func(v chaos.Value) bool { return v.IsRamp() && elapsed < v.Over }
	if moving(f.Probability) {
		return true
	}
	for _, p := range f.Params {
		switch v := p.(type) {
		case chaos.Value:
			if moving(v) {
				return true
			}
		case [2]chaos.Value:
			if moving(v[0]) || moving(v[1]) {
				return true
			}
		}
	}
	return false
}

// HasRamp reports whether any value of the fault changes with time.
func HasRamp(f *chaos.Fault) bool { return ramps(f, -1) }

func (w *Follower) follow(ctx context.Context, is bool) {
	climbs := false // the ramp has to be brought to its end once more
	unsure := false // what was asked last has failed, and may be done in part
	var coming lateness
	defer func() {
		w.on = is && !unsure
		close(w.done)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	looked := time.Now()
	for {
		on, elapsed, next := w.wanted()
		var err error
		switch {
		case on && (!is || climbs || unsure):
			unsure = true
			err = w.Put(context.WithoutCancel(ctx), elapsed)
		case !on && (is || unsure):
			unsure = true
			err = w.Take(context.WithoutCancel(ctx))
		case is && time.Since(looked) >= lookEvery:
			looked = time.Now()
			err = w.Look(ctx)
		}
		var again time.Duration
		if unsure {
			again, w.failed = coming.after(err)
		}
		switch {
		case ctx.Err() != nil:
			return
		case IsLost(err):
			is = false
			w.Lose(err)
			<-ctx.Done()
			return
		case err != nil:
			next = min(orElse(next, time.Second), time.Second) // again soon
			if w.Warn != nil {
				w.Warn(err)
			}
		case again > 0:
			is, next = on, min(orElse(next, again), again)
		default:
			climbs = on && w.Step > 0 && ramps(&w.Fault, elapsed)
			is, unsure = on, false
		}
		timer.Reset(min(orElse(next, lookEvery), lookEvery))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.bell:
		}
	}
}

// lateness is what is known of calls that nobody answered, and that may still arrive.
type lateness struct {
	err   error     // of the last of them; nil: there are none
	until time.Time // zero until something was answered again
}

// after takes how the next call went, and gives for how long the engine may come to be otherwise, and
// why: then what was asked is to be asked again.
func (l *lateness) after(err error) (again time.Duration, failed error) {
	switch {
	case IsUnanswered(err):
		*l = lateness{err: err}
	case l.err == nil:
		return 0, err
	case err == nil && l.until.IsZero():
		l.until = time.Now().Add(late)
		return late, l.err
	case err == nil:
		if again = time.Until(l.until); again <= 0 {
			*l = lateness{}
			return 0, nil
		}
	}
	return again, l.err
}

func orElse(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}
