package server

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"starquake/app"
	"starquake/store"
)

// A start that waited was accepted, and nobody asks for it again. What keeps it from beginning when its
// turn has come, and passes, does not end it: it waits on, and is tried again.

// short reports whether an error is for want of what there may be in a moment, or in the next server:
// a disk that takes the run, files that may be open. It says nothing of the start.
func short(err error) bool {
	kept := !errors.Is(err, app.ErrNotKept) || errors.Is(err, fs.ErrExist)
	return !kept || errors.Is(err, store.ErrNoRoom) || store.Passes(err)
}

// waitsOn has a start wait on whose turn had come, and could not be used.
func (m *manager) waitsOn(w *waiting, in *place, why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.places, in)
	if text := why.Error(); w.why != text {
		w.why = text
		m.logger.Error("a run that waited cannot begin now; it waits on, and is tried again", "run", w.id, "name", w.name, "error", why)
	}
	w.came = false
	at := slices.IndexFunc(m.queue, func(other *waiting) bool { return other.since.After(w.since) })
	if at < 0 {
		at = len(m.queue)
	}
	m.queue = slices.Insert(m.queue, at, w)
	if m.closing {
		m.leaveQueue()
		return
	}
	time.AfterFunc(lateEvery, func() { // what ends meanwhile lets it be tried, too
		m.mu.Lock()
		defer m.mu.Unlock()
		m.advance()
	})
}

// undone ends a run that could not be kept, and reports whether nothing is left of it: it may begin
// once more.
func (m *manager) undone(r *app.Running) bool {
	m.dismiss(r)
	_, err := m.store.Entry(r.ID)
	return errors.Is(err, fs.ErrNotExist)
}
