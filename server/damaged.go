package server

import (
	"maps"
	"slices"
)

// Damaged is something that the server keeps and cannot read. It stays on disk as it is, and
// all else goes on.
type Damaged struct {
	Name   string `json:"name" doc:"What it is called."`
	Detail string `json:"detail" doc:"Why it cannot be read."`
}

// damagedOf gives what cannot be read as clients get it, by name.
func damagedOf(all map[string]error) (out []Damaged) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, Damaged{name, all[name].Error()})
	}
	return out
}

// damaged counts what cannot be read, by kind.
func (s *Server) damaged() map[string]int {
	s.runs.mu.Lock()
	starts := s.runs.damaged
	s.runs.mu.Unlock()
	out := map[string]int{"queue": starts, "targets": len(s.targets.unreadable()), "schedules": 0}
	if s.schedules != nil {
		out["schedules"] = s.schedules.SetAside()
	}
	return out
}
