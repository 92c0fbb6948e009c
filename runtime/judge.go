package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime/journal"
)

// CheckSpec is one verdict on one value.
type CheckSpec struct {
	Name   string
	OK     bool
	Value  json.RawMessage
	Limit  string // for people
	Detail string
}

// Check records a verdict and goes on; a failed one fails the innermost step, attempt
// or run when its body ends.
func (b *Branch) Check(c CheckSpec) error {
	if err := b.check(); err != nil {
		return err
	}
	b.run.record(journal.Check, b.place(), &journal.CheckBody{
		Path: b.scope.path, Name: c.Name, OK: c.OK, Value: c.Value, Limit: c.Limit, Detail: c.Detail,
	})
	if c.OK {
		return nil
	}
	msg := fmt.Sprintf("check %q failed", c.Name)
	if c.Limit != "" {
		msg += fmt.Sprintf(": %s is not %s", c.Value, c.Limit)
	}
	if c.Detail != "" {
		msg += ": " + c.Detail
	}
	f := Failf(ClassFailed, "check_failed", "%s", msg)
	f.Problem.Path = b.scope.path
	s := b.checkScope()
	s.pending = append(s.pending, b.run.failure(b, f)) // described here, where the check stands
	return nil
}

// Reading is what a probe says once.
type Reading struct {
	OK      bool            `json:"ok"`
	Value   json.RawMessage `json:"value,omitempty"`
	Error   string          `json:"error,omitempty"`
	NoData  bool            `json:"no_data,omitempty"`
	Elapsed time.Duration   `json:"elapsed,omitempty"`
}

// String is the reading for people.
func (p Reading) String() string {
	switch {
	case p.Error != "":
		return p.Error
	case len(p.Value) > 0:
		return string(p.Value)
	case p.OK:
		return "ok"
	}
	return "not ok"
}

// Probe is something to look at: a value that the world reads or watches, or a
// function that a branch calls. Exactly one of Kind and Func is set.
type Probe struct {
	// Kind is the kind of effect that reads it once; its answer is a Reading.
	Kind string
	// Args are that effect's arguments.
	Args json.RawMessage
	// Watch makes the request that watches it as one held effect, whose reports are
	// {"state":"holds"|"bad","seen":n,"bad":n,…} with the reading, sent at first and
	// whenever the state changes.
	Watch func(w WatchOptions) (Ask, error)
	// Func is a function probe.
	Func func(*Branch) (Reading, error)

	// last is the last answer and what it says: most readings of a probe are equal, and
	// decoding one costs more than all else about a planned reading.
	last struct {
		data    json.RawMessage
		reading Reading
	}
}

// WatchOptions are what a watch is asked for.
type WatchOptions struct {
	Every    time.Duration
	Breaches int  // how many bad readings in a row change the state
	Hold     bool // no readings during a pause
	// IgnoreErrors and IgnoreNoData make such a reading neither good nor bad.
	IgnoreErrors, IgnoreNoData bool
}

// Read reads the probe once, on b.
func (b *Branch) Read(p *Probe) (Reading, error) {
	if p.Func != nil {
		return p.Func(b)
	}
	ans, err := b.Perform(Ask{Kind: p.Kind, Args: p.Args, Repeat: true})
	if err != nil {
		return Reading{}, err
	}
	if ans.Err == nil && bytes.Equal(ans.Data, p.last.data) && len(ans.Data) > 0 {
		return p.last.reading, nil
	}
	r, err := reading(ans)
	if err == nil && ans.Err == nil {
		p.last.data, p.last.reading = ans.Data, r
	}
	return r, err
}

func reading(ans Answer) (Reading, error) {
	if ans.Err != nil {
		return Reading{Error: ans.Err.Message}, nil
	}
	var r Reading
	if err := json.Unmarshal(ans.Data, &r); err != nil {
		return Reading{}, fmt.Errorf("the answer of a probe is no reading: %w", err)
	}
	return r, nil
}
