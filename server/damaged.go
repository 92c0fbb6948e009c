package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"starquake/store"
)

// Damaged is something that the server keeps and cannot read, or open. It stays on disk as it is, and
// all else goes on.
type Damaged struct {
	Name   string `json:"name" doc:"What it is called."`
	Detail string `json:"detail" doc:"Why it cannot be read, or opened."`
}

// damagedOf gives what cannot be read as clients get it, by name.
func damagedOf(all map[string]error) (out []Damaged) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, Damaged{name, all[name].Error()})
	}
	return out
}

// damaged counts what the server cannot read, or open, by kind.
func (s *Server) damaged() map[string]int {
	s.runs.mu.Lock()
	starts := s.runs.damaged
	s.runs.mu.Unlock()
	out := map[string]int{"queue": starts, "targets": len(s.targets.unreadable()), "schedules": 0, "orchestrations": s.broken.count(), "tokens": s.deaf.count()}
	if s.schedules != nil {
		out["schedules"] = s.schedules.SetAside()
	}
	return out
}

// known is what is damaged of a kind that is read anew each time it is asked for.
type known struct {
	read func() (map[string]error, error)
	mu   sync.Mutex
	last int
}

// look gives what is damaged now, by name, with why.
func (k *known) look() (map[string]error, error) {
	all, err := k.read()
	if err == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.last = len(all)
	}
	return all, err
}

// count is how many there are. As long as none has been found it costs nothing.
func (k *known) count() int {
	k.mu.Lock()
	n := k.last
	k.mu.Unlock()
	if n > 0 {
		if all, err := k.look(); err == nil {
			return len(all)
		}
	}
	return n
}

// tell says in the log what is damaged of a kind.
func (s *Server) tell(kind, what string, k *known) {
	all, err := k.look()
	if err != nil {
		s.logger.Error("nobody can tell which of a kind can be read", "kind", kind, "error", err)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s.logger.Error(what, kind, name, "error", all[name])
	}
}

// readLibrary gives the orchestrations that are kept, and why others cannot be read.
func (s *Server) readLibrary() ([]Orchestration, map[string]error, error) {
	docs, unread, err := s.shelf.Readable()
	if err != nil {
		return nil, nil, err
	}
	all, damaged := make([]Orchestration, 0, len(docs)), map[string]error{}
	for i := range unread {
		damaged[unread[i].Name] = &unread[i]
	}
	for i := range docs {
		if d, err := s.parse(&docs[i]); err == nil {
			all = append(all, orchestration(d, &docs[i]))
		} else {
			damaged[docs[i].Name] = err
		}
	}
	return all, damaged, nil
}

// parse reads what a document of the library says. The error is a *store.Damaged.
func (s *Server) parse(doc *store.Document) (*definition, error) {
	d := new(definition)
	if err := json.Unmarshal(doc.Body, d); err != nil {
		damaged := s.shelf.Damaged(doc.Name, doc.Version, nil)
		damaged.Err = fmt.Errorf("%s: %w", damaged.Path, err)
		return nil, damaged
	}
	return d, nil
}

// orchestrationDamaged is the problem of an orchestration that cannot be read; other errors stay
// as they are.
func orchestrationDamaged(name string, err error) error {
	var d *store.Damaged
	if !errors.As(err, &d) {
		return err
	}
	p := problemf(409, "orchestration_damaged", "orchestration %q cannot be read: %v", name, d)
	p.Help = "PUT it anew, without If-Match, or DELETE it; a version before it may be readable: ?version=N"
	return p
}
