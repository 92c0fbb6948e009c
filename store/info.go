package store

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// Info is what was asked when a run was started. It says nothing that comes later.
type Info struct {
	// ID names the run and its folder; it sorts by the time of the start.
	ID string `json:"id"`
	// Name is the orchestration's, Script its main module.
	Name   string `json:"name"`
	Script string `json:"script"`
	// Started is the wall time of the start.
	Started time.Time         `json:"started"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Params are the parameters as given; secrets by name only.
	Params map[string]string `json:"params,omitempty"`
	Seed   uint64            `json:"seed,string"`
	// By is who started it, where that is known.
	By string `json:"by,omitempty"`
	// Key is what makes asking for the run twice one start, Request a digest of what was
	// asked with it. Both are for who started it.
	Key     string `json:"key,omitempty"`
	Request string `json:"request,omitempty"`
	// Resume is what the one who started the run needs to take it up again, beyond
	// the journal: targets, permissions, limits. The store does not look into it.
	Resume json.RawMessage `json:"resume,omitempty"`
	// Imported says that it ran somewhere else and came as a file: it is never resumed.
	Imported bool `json:"imported,omitempty"`
	// Version is that of the program.
	Version string `json:"version,omitempty"`
}

// End is how a run ended.
type End struct {
	Verdict journal.Verdict `json:"verdict"`
	// Reason is a stable code, Message is for people.
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	// Duration is from the start to the end, by the run's clock.
	Duration time.Duration `json:"duration"`
	// Paused is how much of it was pauses.
	Paused time.Duration `json:"paused,omitempty"`
}

// Status says how a run stands.
type Status string

// The statuses.
const (
	// Running: a process holds it.
	Running Status = "running"
	// Ended: its journal has its end.
	Ended Status = "ended"
	// Interrupted: it has no end, and no process holds it.
	Interrupted Status = "interrupted"
)

// Entry is a run in a list.
type Entry struct {
	Info
	Status Status `json:"status"`
	// End is nil until the run has ended.
	End *End `json:"end,omitempty"`
	// Cleaned is what was taken off of a run that was interrupted or ended unclean.
	Cleaned *Cleaned `json:"cleaned,omitempty"`
}

// MayBeOn reports whether something of a run that nobody runs may still be on, as far as
// the list tells: it was interrupted or ended unclean, and was not cleaned up since.
func (e *Entry) MayBeOn() bool {
	left := e.Status == Interrupted || e.End != nil && e.End.Verdict == journal.VerdictUnclean
	return left && !e.Imported && (e.Cleaned == nil || !e.Cleaned.All)
}
