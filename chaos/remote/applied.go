package remote

import (
	"context"
	"net/http"
	"sync"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/units"
)

// Applied is a fault that is on, with its lease being renewed.
type Applied struct {
	t    *Target
	id   string
	warn func(error)
	stop context.CancelFunc
	done chan struct{}
	lost chan error
	bell chan struct{}

	mu      sync.Mutex
	renewed time.Time // when the last lease that was granted was asked for
	asked   time.Time // until when one may have been granted, whether that was heard or not
	want    link.Hold // as it should be held
	told    link.Hold // as the other side knows it
	unsure  bool      // it may know it otherwise: what it was told last it has not confirmed
}

// Lost gives the one error that the fault is gone, when it is.
func (a *Applied) Lost() <-chan error { return a.lost }

// Pause holds the fault's clock; it stays on.
func (a *Applied) Pause() { a.change(func() { a.want.Paused = true }) }

// Resume lets the clock go on.
func (a *Applied) Resume() { a.change(func() { a.want.Paused = false }) }

// Lift takes the fault off for a while and holds its clock.
func (a *Applied) Lift() { a.change(func() { a.want.Lifted = true }) }

// Restore puts it on again.
func (a *Applied) Restore() { a.change(func() { a.want.Lifted = false }) }

func (a *Applied) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	select {
	case a.bell <- struct{}{}:
	default: // it will look
	}
}

// Stats asks for what the fault has done so far.
func (a *Applied) Stats(ctx context.Context) (chaos.Stats, error) {
	var answer struct{ Stats chaos.Stats }
	err := a.t.Call(ctx, http.MethodGet, a.t.path("faults", a.id), nil, &answer)
	return answer.Stats, err
}

// Remove takes the fault off. A LostError means that it is off, but not because it was
// asked to be: how often it was met, nobody knows.
func (a *Applied) Remove(ctx context.Context) (chaos.Stats, error) {
	a.stop()
	<-a.done
	a.mu.Lock()
	expires := a.asked.Add(a.t.ttl() + grace)
	a.mu.Unlock()
	return a.t.remove(ctx, a.id, expires)
}

// keep renews the lease, and tells the other side of pauses.
func (a *Applied) keep(ctx context.Context) {
	defer close(a.done)
	ttl := a.t.ttl()
	timer := time.NewTimer(ttl / 3)
	defer timer.Stop()
	due := time.Now().Add(ttl / 3)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-a.bell:
		}
		err := a.tell(ctx)
		if !isGone(err) && !time.Now().Before(due) { // also if it cannot be told to hold it
			if lost := a.renew(ctx); lost != nil {
				err = lost
			} else {
				due = time.Now().Add(ttl / 3)
			}
		}
		if ctx.Err() != nil {
			return
		}
		a.mu.Lock()
		expired := time.Since(a.renewed) > ttl+grace
		a.mu.Unlock()
		switch {
		case isGone(err):
			err = link.Lost("starquake at %s does not have the fault any more: it was started anew, or the lease ran out", a.t.Base)
		case err != nil && expired:
			err = link.Lost("starquake at %s could not be reached, and the lease has run out: %v", a.t.Base, err)
		case err != nil:
			if a.warn != nil {
				a.warn(err)
			}
			timer.Reset(min(time.Second, ttl/10))
			continue
		}
		if err != nil {
			a.lost <- err
			<-ctx.Done()
			return
		}
		timer.Reset(time.Until(due))
	}
}

// renew prolongs the lease.
func (a *Applied) renew(ctx context.Context) error {
	asked := time.Now()
	err := a.t.Call(ctx, http.MethodPost, a.t.path("faults", a.id, "renew"), map[string]string{"ttl": units.FormatDuration(a.t.ttl())}, nil)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.renewed = asked
	}
	if !link.IsUnsent(err) {
		a.asked = time.Now()
	}
	return err
}

// tell makes the other side hold the fault as it should be held.
func (a *Applied) tell(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	want, told, unsure := a.want, a.told, a.unsure
	if want == told && !unsure {
		return nil
	}
	a.unsure = true
	a.mu.Unlock()
	err := a.hold(ctx, want, unsure || told.Lifted)
	a.mu.Lock()
	if err == nil {
		a.told, a.unsure = want, false
	}
	return err
}

// hold asks the other side to hold the fault so; it may be lifted there. A pause lifts, but
// only the end of all holding restores.
func (a *Applied) hold(ctx context.Context, want link.Hold, lifted bool) error {
	faults := []string{a.id}
	if lifted && !want.Lifted || want == (link.Hold{}) {
		if err := a.t.Call(ctx, http.MethodPost, "/v1/resume", map[string]any{"faults": faults}, nil); err != nil || want == (link.Hold{}) {
			return err
		}
	}
	return a.t.Call(ctx, http.MethodPost, "/v1/pause", map[string]any{"faults": faults, "lift": want.Lifted}, nil)
}
