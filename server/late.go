package server

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"starquake/store"
)

// A run that was interrupted and could not be taken up is tried again: another process may have
// held it for a moment, or there were too many open files, or somebody has mended it since.
const (
	lateEvery = 5 * time.Second
	lateMost  = 10 * time.Minute // between two tries of one run
)

// untaken is a run that could not be taken up.
type untaken struct {
	// why is what was said of it last; "" where nothing was, as another process has it.
	why string
	// parked says that it is known to be one that does not go on.
	parked bool
	tries  int
	next   time.Time // not before this
}

// later has a run tried again.
func (m *manager) later(id string, u *untaken) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.next = time.Now().Add(lateEvery)
	m.untaken[id] = u
}

// stays notes a run that cannot be taken up now. The caller sees to what it may have left on.
func (m *manager) stays(id string, why error) {
	m.logger.Error("an interrupted run does not go on; what it may have left on is taken off, and it is tried again", "run", id, "error", why)
	m.later(id, &untaken{why: why.Error(), parked: true})
}

// lets is how many runs do not go on: those that this process has let go as it ends, and those
// that it could not take up. The caller holds mu.
func (m *manager) lets() int {
	n := m.parked
	for _, u := range m.untaken {
		if u.parked {
			n++
		}
	}
	return n
}

// takeUpLate tries runs again until the server ends.
func (m *manager) takeUpLate() {
	defer m.starting.Done()
	ticker := time.NewTicker(lateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-m.ending.Done():
			return
		case now := <-ticker.C:
			for _, id := range m.due(now) {
				if m.ending.Err() == nil {
					m.tryAgain(id)
				}
			}
		}
	}
}

// openLate tries again to open targets until all are there, or the server ends.
func (s *Server) openLate() {
	m := s.runs
	defer m.starting.Done()
	ticker := time.NewTicker(lateEvery)
	defer ticker.Stop()
	for left := 1; left > 0; {
		select {
		case <-m.ending.Done():
			return
		case <-ticker.C:
		}
		var opened int
		if opened, left = s.targets.openLate(m.ending); opened > 0 {
			m.logger.Info("targets that could not be opened are open now", "opened", opened, "left", left)
			m.mended()
		}
	}
}

// due are the runs that are to be tried again now, the oldest first.
func (m *manager) due(now time.Time) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, u := range m.untaken {
		if !now.Before(u.next) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// tryAgain takes up a run, if that can be done by now.
func (m *manager) tryAgain(id string) {
	e, err := m.store.Entry(id)
	over := errors.Is(err, fs.ErrNotExist) || err == nil && (e.Status == store.Ended || e.Imported)
	switch {
	case over || err != nil:
	case e.Status == store.Running:
		err = store.ErrBusy
	default:
		err = m.goOnBeside(&e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.untaken[id]
	if over || err == nil {
		delete(m.untaken, id)
		return
	}
	u.tries++
	u.next = time.Now().Add(min(lateEvery<<min(u.tries, 10), lateMost))
	if why := err.Error(); why != u.why && !errors.Is(err, store.ErrBusy) {
		u.why = why
		m.logger.Error("an interrupted run still does not go on; it is tried again", "run", id, "error", err)
	}
}

// goOnBeside is goOn while other runs go on: not before those have let go of what only one run
// at a time may have. Which of it this one has nobody knows.
func (m *manager) goOnBeside(e *store.Entry) error {
	targets := m.targets()
	m.mu.Lock()
	in, err := m.take(targets)
	if err == nil {
		in.all = true // one may be there by now that was not
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	err = m.goOn(e)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.places, in)
	m.advance()
	return err
}

// mended has what waits for a target that could not be read, or opened, begin, and go on, now that it may be
// another.
func (m *manager) mended() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.untaken {
		u.next = time.Time{}
	}
	m.advance()
}
