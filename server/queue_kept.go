package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/store"
)

// keptStart is a start that waits as it is kept on disk, under the id that its run will have:
// all that was asked, by whom, and when.
type keptStart struct {
	Definition definition                 `json:"definition"`
	Name       string                     `json:"name,omitempty"`
	Own        string                     `json:"own,omitempty"`
	Params     map[string]json.RawMessage `json:"params,omitempty"`
	Seed       *uint64                    `json:"seed,omitempty"`
	Labels     map[string]string          `json:"labels,omitempty"`
	Targets    []string                   `json:"targets"`
	Key        string                     `json:"key,omitempty"`
	Request    string                     `json:"request,omitempty"`
	Who        Who                        `json:"who"`
	Since      time.Time                  `json:"since"`
}

// keep writes down a start that has been put into the queue. If it cannot, the start is out
// of the queue again, unless its turn has come meanwhile.
func (m *manager) keep(w *waiting) error {
	defer close(w.kept)
	if m.shelf == nil {
		return nil
	}
	a := w.asked
	body, err := json.Marshal(keptStart{
		Definition: a.loaded.from, Name: a.name, Own: a.own, Params: a.params, Seed: a.seed, Labels: a.labels, Targets: a.targets,
		Key: a.key, Request: a.request, Who: a.who, Since: w.since,
	})
	if err == nil {
		_, err = m.shelf.Put(w.id, w.by, body, "none", w.since)
	}
	if err == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := slices.Index(m.queue, w)
	if at < 0 {
		return nil // a run that goes on keeps itself
	}
	m.queue = slices.Delete(m.queue, at, at+1)
	delete(m.waits, w.id)
	return fmt.Errorf("a start that has to wait cannot be kept: %w", err)
}

// forgetStart takes a start off the disk.
func (m *manager) forgetStart(w *waiting) error {
	if m.shelf == nil {
		return nil
	}
	if err := m.shelf.Delete(w.id, ""); !errors.Is(err, store.ErrNoDocument) {
		return err
	}
	return nil
}

// unkeep is forgetStart of one that waits no more. What stays is found to have begun, or
// tried again, by the next server.
func (m *manager) unkeep(w *waiting) {
	if err := m.forgetStart(w); err != nil {
		m.logger.Error("a start that waited stays on disk", "run", w.id, "error", err)
	}
}

// openQueue has starts that wait kept on disk from now on, and lets those wait on that did
// so when the last server ended. One server has the queue of a data folder.
func (s *Server) openQueue() error {
	m := s.runs
	if m.store == nil {
		return nil
	}
	shelf := m.store.Shelf(store.Queue)
	release, err := shelf.Own()
	if errors.Is(err, store.ErrOwned) {
		s.logger.Warn("another process has the queue of this data folder: starts that wait in this one are not kept")
		return nil
	}
	if err != nil {
		return err
	}
	m.release = release
	docs, err := shelf.List()
	if err != nil {
		return fmt.Errorf("the queue cannot be read: %w", err)
	}
	m.shelf = shelf
	for i := range docs {
		s.waitOn(&docs[i])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	return nil
}

// waitOn puts a start that is on disk into the queue, unless its run has begun. One that
// cannot be read any more has come to nothing.
func (s *Server) waitOn(doc *store.Document) {
	m := s.runs
	w := &waiting{id: doc.Name, by: doc.By, since: doc.Time, settled: make(chan struct{}), kept: make(chan struct{}), asked: &starting{}}
	close(w.kept)
	if m.hasBegun(w.id) {
		m.unkeep(w)
		return
	}
	var kept keptStart
	err := json.Unmarshal(doc.Body, &kept)
	if err == nil {
		w.name, w.labels = cmp.Or(kept.Name, kept.Own), kept.Labels
		w.asked = &starting{
			name: kept.Name, own: kept.Own, params: kept.Params, seed: kept.Seed, labels: kept.Labels, targets: kept.Targets,
			key: kept.Key, request: kept.Request, who: kept.Who, patient: true,
		}
		d := &kept.Definition
		w.asked.loaded, err = s.scripts.load(d.Format, d.Content, d.Lenient)
	}
	if err == nil {
		again := s.waiting(w.asked)
		again.id, again.since, again.settled, again.kept = w.id, kept.Since, w.settled, w.kept
		w = again
		if w.asked.key != "" {
			done := make(chan struct{})
			close(done)
			w.asked.started = &started{request: w.asked.request, done: done, id: w.id}
			m.remember(w.key, w.asked.started)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits[w.id] = w
	if err != nil {
		s.logger.Error("a run that waited cannot begin any more", "run", w.id, "name", w.name, "error", err)
		m.never(w, journal.VerdictErrored, "start_failed", err.Error())
		m.unkeep(w)
		return
	}
	m.queue = append(m.queue, w)
}

// hasBegun reports whether there is a run of a start that is on disk. What is left of one
// that died before it had begun is removed: it has done nothing, and will now.
func (m *manager) hasBegun(id string) bool {
	e, err := m.store.Entry(id)
	if err == nil && (e.End == nil || e.End.Reason != app.ReasonNotBegun) {
		return true
	}
	if err := m.store.Remove(id); err != nil {
		m.logger.Debug("nothing is left of a run that had not begun", "run", id, "error", err)
	}
	return false
}
