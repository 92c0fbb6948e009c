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
	Unit   string // of Value: journal.UnitSeconds for a duration
	Limit  string // for people
	Detail string
}

// Check records a verdict and goes on; a failed one fails the innermost step, attempt
// or run when its body ends.
func (b *Branch) Check(c CheckSpec) error {
	if err := b.check(); err != nil {
		return err
	}
	place := b.place()
	body := &journal.CheckBody{
		Path: b.scope.path, Name: c.Name, OK: c.OK, Value: c.Value, Unit: c.Unit, Limit: c.Limit, Detail: c.Detail,
	}
	if !c.OK {
		f := b.failedCheck(&c, place)
		body.Stack = f.Problem.Stack
		s := b.checkScope()
		s.pending = append(s.pending, f)
	}
	b.run.record(journal.Check, place, body)
	return nil
}

// failedCheck is the failure of a check, described where the check stands.
func (b *Branch) failedCheck(c *CheckSpec, place journal.Place) *Failure {
	msg := fmt.Sprintf("check %q failed", c.Name)
	if c.Limit != "" {
		msg += fmt.Sprintf(": %s is not %s", journal.Measured(c.Value, c.Unit, c.Limit), c.Limit)
	}
	if c.Detail != "" {
		msg += ": " + c.Detail
	}
	f := Failf(ClassFailed, "check_failed", "%s", msg)
	f.Problem.Path = b.scope.path
	f.told, f.of = true, []journal.Place{place}
	return b.run.failure(b, f)
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
		return journal.Measured(p.Value, "", "")
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
	// Watch makes the request that watches it as one held effect. Its reports are
	// WatchReports, sent at first and whenever the state changes; its answer is a last
	// one, of which only the counts are set.
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

// WatchReport is what a watch says of a probe value.
type WatchReport struct {
	State WatchState `json:"state"`
	// Reading is the reading that made the report.
	Reading Reading `json:"reading"`
	// Seen counts the readings so far, this one included, Bad those of them that did
	// not hold, Missed those that were due while another was under way.
	Seen   int `json:"seen"`
	Bad    int `json:"bad,omitempty"`
	Missed int `json:"missed,omitempty"`
}

// unreported is how many readings there were in a time after the report that none came of:
// each was as that one, for a change is reported at once.
func (w *WatchReport) unreported(in, every time.Duration) int {
	if w.Seen == 0 || in <= 0 {
		return 0
	}
	apart := every * max((w.Reading.Elapsed+every-1)/every, 1) // as a watch has it
	return int(in / apart)
}

// WatchState is what a watch makes of the readings so far.
type WatchState string

// The states of a watch.
const (
	// WatchPending: neither of the others yet. The first readings were bad, and fewer
	// than WatchOptions.Breaches, or gave nothing to judge.
	WatchPending WatchState = "pending"
	// WatchHolds: the last reading that could be judged was good, or of bad ones in a
	// row after it there were fewer than Breaches.
	WatchHolds WatchState = "holds"
	// WatchBad: Breaches readings in a row were bad, and none since was good.
	WatchBad WatchState = "bad"
)

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
