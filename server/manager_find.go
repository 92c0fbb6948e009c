package server

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// find gives the run of an id that this process has, or nil.
func (m *manager) find(id string) *app.Running {
	m.mu.Lock()
	defer m.mu.Unlock()
	if taken := m.reviving[id]; taken != nil && m.live[id] == nil { // taking up is bounded
		m.mu.Unlock()
		<-taken
		m.mu.Lock()
	}
	if r := m.live[id]; r != nil {
		return r
	}
	for _, r := range m.ended {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// idsFresh is for how long the names of the runs' folders are not read again: those of
// this process are known at once, those that others make or remove soon.
const idsFresh = time.Second

// ids lists all runs, the oldest first. It must not be changed.
func (m *manager) ids() ([]string, error) {
	m.mu.Lock()
	known, stale := m.known, time.Since(m.knownAt) > idsFresh
	if m.store == nil {
		known, stale = slices.Collect(maps.Keys(m.live)), false
		for _, r := range m.ended {
			known = append(known, r.ID)
		}
		slices.Sort(known)
	}
	m.mu.Unlock()
	if !stale {
		return known, nil
	}
	read, err := m.store.IDs()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.known); n > len(known) { // begun meanwhile: their folders may be too young
		for _, id := range m.known[len(known):] {
			read = insert(read, id)
		}
	}
	m.known, m.knownAt = read, time.Now()
	return read, nil
}

// insert puts an id in its place; nearly always that is the end. What was read before from
// the slice stays as it was.
func insert(ids []string, id string) []string {
	if len(ids) == 0 || ids[len(ids)-1] < id {
		return append(ids, id)
	}
	at, found := slices.BinarySearch(ids, id)
	if found {
		return ids
	}
	return slices.Concat(ids[:at], []string{id}, ids[at:])
}

// newestLive is the id of the newest run that goes on here; "" if none does.
func (m *manager) newestLive() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	newest := ""
	for id := range m.live {
		newest = max(newest, id)
	}
	return newest
}

// noRun is the error of a run that is not there.
func noRun(id string) *Problem { return problemf(404, "run_not_found", "there is no run %q", id) }

// steered gives a run that can be asked something.
func (m *manager) steered(id string) (*app.Running, error) {
	if err := m.notBegun(id); err != nil {
		return nil, err
	}
	if r := m.find(id); r != nil {
		if v := r.View(); v.State == view.Ended { // of which this process may not have let go
			return nil, problemf(409, codeRunEnded, "run %s has ended, %s", id, v.Verdict)
		}
		return r, nil
	}
	if m.store == nil {
		return nil, noRun(id)
	}
	e, err := m.store.Entry(id)
	switch {
	case err != nil:
		return nil, noRun(id)
	case e.Status == store.Ended:
		return nil, problemf(409, codeRunEnded, "run %s has ended, %s", id, e.End.Verdict)
	case e.Status == store.Running:
		p := problemf(409, "run_elsewhere", "run %s goes on in another process", id)
		p.Help = fmt.Sprintf("on the server's machine `starquake status %s` finds that process, or tells the address of the server that has the run", id)
		return nil, p
	}
	return nil, problemf(409, "run_interrupted", "run %s was interrupted and does not go on", id)
}

// read gives a run and its records as they stand.
func (m *manager) read(id string) (store.Entry, []journal.Record, error) {
	if m.store == nil {
		return store.Entry{}, nil, noRun(id)
	}
	e, recs, err := m.store.Read(id)
	if err != nil {
		if _, absent := m.store.Entry(id); absent != nil {
			return e, nil, noRun(id)
		}
		return e, nil, fmt.Errorf("run %s: %w", id, err)
	}
	return e, recs, nil
}

// reading waits until a run may be read from disk as a whole, which ends with done. As many as
// there are processors are read at once, which is as quick: each is in memory meanwhile, and
// people ask for large ones by the hundred.
func (m *manager) reading() (done func()) {
	m.reads <- struct{}{}
	return func() { <-m.reads }
}

// using lists live runs that were given a target, and says of those that are being started
// that they are.
func (m *manager) using(target string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for id := range m.live {
		given, known := m.given[id]
		if !known || slices.Contains(given, target) { // of a recovered one nobody knows
			ids = append(ids, id)
		}
	}
	for in := range m.places { // it may have its environment by now
		if in.has(target) {
			ids = append(ids, "one that is being started")
		}
	}
	slices.Sort(ids)
	return ids
}
