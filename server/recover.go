package server

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"starquake/app"
	"starquake/store"
)

// maxRevivals is how often a run is taken up because the process of its script was killed:
// what happens again and again is no accident.
const maxRevivals = 3

// recover takes up the runs that were interrupted, the oldest first. They may do what permits
// gives for them, of what they were permitted when they began; targets are those there are now.
func (m *manager) recover(permits func() app.Options) {
	m.takeUp = func(id string) (*app.Running, error) { return m.resume(id, permits) }
	var left []string // runs that may have left something on, and do not go on
	defer func() {
		m.starting.Add(1)
		if len(left) == 0 {
			m.takeOffAll(nil)
		} else {
			go m.takeOffAll(left)
		}
	}()
	if m.store == nil {
		return
	}
	m.targets = func() (names []string) {
		for _, target := range permits().Env.Targets {
			names = append(names, target.Name)
		}
		return names
	}
	m.starting.Add(1)
	go m.takeUpLate()
	ids, err := m.store.IDs()
	if err != nil {
		m.logger.Error("interrupted runs cannot be found", "error", err)
		return
	}
	for _, id := range ids {
		e, err := m.store.Entry(id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was pruned meanwhile, or is none
			continue
		case err != nil:
			m.logger.Error("nobody can tell whether a run was interrupted; it is tried again", "run", id, "error", err)
			m.later(id, &untaken{why: err.Error()})
			continue
		case e.Status == store.Ended && e.MayBeOn():
			left = append(left, id)
			continue
		case e.Imported || e.Status != store.Interrupted:
			continue
		}
		switch err := m.goOn(&e); {
		case errors.Is(err, store.ErrBusy): // another process has it
			m.later(id, &untaken{})
		case err != nil:
			m.stays(id, err)
			left = append(left, id)
		}
	}
}

// goOn takes up a run that was interrupted. The error says why it does not go on though it
// should.
func (m *manager) goOn(e *store.Entry) error {
	var r *app.Running
	err := spared(func() (err error) {
		r, err = m.takeUp(e.ID)
		return err
	})
	switch {
	case errors.Is(err, app.ErrNotBegun):
		m.logger.Info("a run had not begun when its server died", "run", e.ID, "name", e.Name)
		m.mu.Lock()
		defer m.mu.Unlock()
		if key := (startKey{e.By, e.Key}); m.keys[key] != nil && m.keys[key].id == e.ID {
			m.unkey(key) // whoever asked got no answer, and may ask again
		}
		return nil
	case errors.Is(err, app.ErrEnded): // in another process, meanwhile
		return nil
	case err != nil:
		return err
	}
	m.logger.Info("an interrupted run goes on", "run", r.ID, "name", e.Name)
	return nil
}

// takeOffWithin is how long it is tried to take off what one run has left on.
const takeOffWithin = 10 * time.Second

// takeOffAll tries to take off what runs have left on that ended unclean, or were interrupted
// and cannot be taken up. The server answers meanwhile; runs that are started wait for it.
func (m *manager) takeOffAll(left []string) {
	defer m.starting.Done()
	for _, id := range left {
		if m.ending.Err() == nil {
			m.takeOff(id)
		}
	}
	close(m.readied)
}

// ready reports whether the server takes requests.
func (m *manager) ready() bool {
	select {
	case <-m.readied:
		return m.ending.Err() == nil
	default:
		return false
	}
}

// keeps is the problem of a server that can keep no run now, nil if it can.
func (m *manager) keeps() error {
	if m.store == nil {
		return nil
	}
	err := m.store.Check()
	if err == nil {
		return nil
	}
	why := "its log could not be written"
	if no := syscall.Errno(0); errors.As(err, &no) { // anybody may ask: the log of the server has the paths
		why = no.Error()
	}
	p := problemf(503, "not_ready", "no run can be kept, so none is started: %s", why)
	p.Help = "see to the disk, then restart the server: it goes on with its runs from what was kept; until then nobody can know what the disk has"
	if errors.Is(err, store.ErrNoRoom) {
		p.Help = makeRoom
	}
	return p
}

func (m *manager) takeOff(id string) {
	ctx, cancel := context.WithTimeout(m.ending, takeOffWithin)
	defer cancel()
	done, err := app.TakeOff(ctx, m.store, id, m.logger)
	switch {
	case errors.Is(err, store.ErrBusy): // somebody cleans it up
	case err != nil:
		m.logger.Error("what a run may have left on cannot be found out", "run", id, "error", err)
	default:
		for _, what := range done.Off {
			m.logger.Warn("a run that does not go on had left on, and now is off", "run", id, "fault", what)
		}
		for _, what := range done.Left {
			m.logger.Error("a run that does not go on may have left on; mend what keeps it on, then starquake cleanup takes it off", "run", id, "fault", what)
		}
	}
}

// resume takes up a run that does not go on. What permits gives is read when all its targets
// are known to be there: read before, a target opened meanwhile would be none of it, and the run
// at its end.
func (m *manager) resume(id string, permits func() app.Options) (*app.Running, error) {
	e, err := m.store.Entry(id)
	if err != nil {
		return nil, err
	}
	if m.readable != nil { // it would go on without it, and fail
		if err := m.readable(app.TargetsOf(&e.Info)); err != nil {
			return nil, err
		}
	}
	opt, known := m.options(id), func(*app.Running) {}
	opt.Options = permits()
	if app.IsolatedOf(&e.Info) { // it is of somebody below admin
		known = m.limit(&opt)
	}
	r, err := app.Recover(id, m.config.Rollback, opt)
	if err != nil {
		return nil, err
	}
	m.adopt(r, nil)
	known(r)
	return r, nil
}

// revives says whether a run whose script's process was killed is taken up again. As the server
// ends it is by the next one: who ends a system, or a service, may tell all processes at once.
func (m *manager) revives(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.store == nil:
		return false
	case m.closing:
		return true
	case m.revivals[id] >= maxRevivals:
		return false
	}
	m.revivals[id]++
	return true
}

// revive takes up a run that was parked because its script's process was killed. The caller
// holds mu, and has added to starting; in is the run's place.
func (m *manager) revive(id string, in *place) {
	defer m.starting.Done()
	m.logger.Warn("the process of a run's script was killed; the run is taken up again", "run", id)
	_, err := m.takeUp(id)
	if err != nil {
		m.stays(id, err)
		m.takeOff(id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[id] != nil && !in.all {
		m.given[id] = in.targets
	}
	delete(m.places, in)
	m.advance()
	if taken := m.reviving[id]; taken != nil {
		close(taken)
		delete(m.reviving, id)
	}
}

// successor gives the run that goes on with one that was parked here, when it is there; nil
// where none does.
func (m *manager) successor(r *app.Running) *app.Running {
	m.mu.Lock()
	taken := m.reviving[r.ID]
	if taken == nil && m.live[r.ID] == r && !m.closing { // it is parked, and not yet forgotten
		taken = make(chan struct{})
		m.reviving[r.ID] = taken
	}
	m.mu.Unlock()
	if taken != nil {
		<-taken // taking up is bounded
	}
	if next := m.find(r.ID); next != r {
		return next
	}
	return nil
}
