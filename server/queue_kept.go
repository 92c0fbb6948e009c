package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/store"
)

// keptStart is a start that waits as it is kept on disk, under the id that its run will have
// and with when it was asked for: all that was asked, and by whom.
type keptStart struct {
	Definition definition                 `json:"definition"`
	Name       string                     `json:"name"`
	Params     map[string]json.RawMessage `json:"params,omitempty"`
	Seed       *uint64                    `json:"seed,omitempty"`
	Labels     map[string]string          `json:"labels,omitempty"`
	Targets    []string                   `json:"targets"`
	Chosen     bool                       `json:"chosen,omitempty"` // as in starting
	Key        string                     `json:"key,omitempty"`
	Request    string                     `json:"request,omitempty"`
	Who        Who                        `json:"who"`
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
		Definition: a.loaded.from, Name: w.name, Params: a.params, Seed: a.seed, Labels: a.labels, Targets: a.targets, Chosen: a.chosen,
		Key: a.key, Request: a.request, Who: a.who,
	})
	if err == nil {
		_, err = m.shelf.Put(w.id, w.by, body, "none", w.since)
	}
	if err == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.came {
		return nil // a run that goes on keeps itself
	}
	m.queue = slices.DeleteFunc(m.queue, func(other *waiting) bool { return other == w }) // or the server ends
	delete(m.waits, w.id)
	err = fmt.Errorf("a start that has to wait cannot be kept: %w", err)
	w.end = &neverBegun{journal.VerdictErrored, "start_failed", err.Error(), time.Now()} // for who has seen it in the queue
	close(w.settled)
	return err
}

// Waiting are the starts that wait on disk for their turn, as a data folder lists runs, the
// oldest first.
func Waiting(st *store.Store) ([]store.Entry, error) {
	docs, damaged, err := st.Shelf(store.Queue).Readable()
	if err != nil {
		return nil, fmt.Errorf("the queue cannot be read: %w", err)
	}
	var out []store.Entry
	for i := range damaged { // it is told of, though it cannot begin
		e := store.Entry{Status: statusQueued}
		e.ID, e.Name, e.Started = damaged[i].Name, "(damaged)", changed(damaged[i].Path)
		out = append(out, e)
	}
	for i := range docs {
		var kept keptStart
		if err := json.Unmarshal(docs[i].Body, &kept); err != nil {
			return nil, fmt.Errorf("the start %s of the queue: %w", docs[i].Name, err)
		}
		e := store.Entry{Status: statusQueued}
		e.ID, e.Name, e.Started, e.Labels, e.By = docs[i].Name, kept.Name, docs[i].Time, kept.Labels, docs[i].By
		out = append(out, e)
	}
	return out, nil
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

// besideHelp says what to do where another server has the data folder.
func (s *Server) besideHelp() string {
	const own = "or give this server a data folder of its own with --data"
	if url, err := s.config.Store.Shelf(store.Queue).Owner(); err == nil && url != "" {
		return "ask the server that has it, at " + url + ", " + own
	}
	return "ask the server that has it, " + own
}

// openQueue has starts that wait kept on disk from now on, and lets those wait on that did
// so when the last server ended. One server has the queue of a data folder.
func (s *Server) openQueue() error {
	m := s.runs
	if m.store == nil {
		return nil
	}
	shelf := m.store.Shelf(store.Queue)
	release, err := shelf.Own(s.config.URL)
	if errors.Is(err, store.ErrOwned) {
		s.logger.Warn("another process has the queue of this data folder: starts that wait in this one are not kept", "help", s.besideHelp())
		return nil
	}
	if err != nil {
		return err
	}
	m.release = release
	docs, damaged, err := shelf.Readable()
	if err != nil {
		return fmt.Errorf("the queue cannot be read: %w", err)
	}
	m.shelf = shelf
	for i := range damaged {
		s.cannotWait(&damaged[i])
	}
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
	begun, err := m.hasBegun(doc.Name)
	if err != nil {
		s.logger.Error("nobody can tell whether a run that waited has begun: it stays on disk, and is not begun", "run", doc.Name, "error", err)
		return
	}
	w := &waiting{by: doc.By, asked: &starting{}}
	if !begun {
		var asked *starting
		if asked, err = s.askedBefore(doc); err == nil {
			w = s.waiting(asked)
		}
	}
	w.id, w.since, w.settled, w.kept = doc.Name, doc.Time, make(chan struct{}), make(chan struct{})
	close(w.kept)
	if begun || err != nil {
		m.unkeep(w)
	}
	if begun {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits[w.id] = w
	if err != nil {
		s.logger.Error("a run that waited cannot begin any more", "run", w.id, "error", err)
		m.never(w, journal.VerdictErrored, "start_failed", err.Error())
		return
	}
	m.queue = append(m.queue, w)
	if w.asked.key != "" {
		done := make(chan struct{})
		close(done)
		w.asked.started = &started{request: w.asked.request, done: done, id: w.id}
		m.remember(w.key, w.asked.started)
	}
}

// cannotWait tells of a start that is on disk and cannot be read, unless its run has begun: it
// was accepted, and comes to nothing. It stays on disk for who can make something of it.
func (s *Server) cannotWait(d *store.Damaged) {
	m := s.runs
	w := &waiting{id: d.Name, since: changed(d.Path), asked: &starting{}, settled: make(chan struct{}), kept: make(chan struct{})}
	close(w.kept)
	begun, err := m.hasBegun(w.id)
	switch {
	case err != nil:
		s.logger.Error("nobody can tell whether a run that waited has begun: it stays on disk, and is not begun", "run", w.id, "error", errors.Join(d, err))
		return
	case begun:
		m.unkeep(w)
		return
	}
	s.logger.Error("what was asked for a run that waited cannot be read: it never begins, and stays on disk; ask for it again", "run", w.id, "error", d)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.damaged++
	m.waits[w.id] = w
	m.never(w, journal.VerdictErrored, "start_failed", fmt.Sprintf("it waited for its turn, and what was asked for it cannot be read: %v; ask for it again", d))
}

// changed is when a file was changed; now where nobody can tell.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

// askedBefore reads what was asked of the server that put a start on disk.
func (s *Server) askedBefore(doc *store.Document) (*starting, error) {
	var kept keptStart
	if err := json.Unmarshal(doc.Body, &kept); err != nil {
		return nil, fmt.Errorf("what is on disk of it cannot be read: %w", err)
	}
	d := &kept.Definition
	l, err := s.scripts.load(d.Format, d.Content, d.Lenient)
	if err != nil {
		return nil, err
	}
	return &starting{
		loaded: l, name: kept.Name, params: kept.Params, seed: kept.Seed, labels: kept.Labels, targets: kept.Targets, chosen: kept.Chosen,
		key: kept.Key, request: kept.Request, who: kept.Who, patient: true,
	}, nil
}

// hasBegun reports whether there is a run of a start that is on disk. What is left of one
// that died before it had begun is removed: it has done nothing, and will now. Of a run that
// cannot be read nobody knows, and it is left as it is.
func (m *manager) hasBegun(id string) (bool, error) {
	if _, err := os.Lstat(m.store.RunDir(id)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	e, err := m.store.Entry(id)
	if err != nil {
		return false, err
	}
	if e.Status == store.Interrupted { // it could not be taken up
		if _, recs, err := m.store.Read(id); err != nil || len(recs) == 0 {
			return false, cmp.Or(err, errors.New("its journal is empty, and it could not be taken up"))
		}
	}
	if e.End == nil || e.End.Reason != app.ReasonNotBegun {
		return true, nil
	}
	return false, m.store.Remove(id)
}
