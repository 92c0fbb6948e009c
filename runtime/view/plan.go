package view

import (
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime/journal"
)

// Plan is a run in the form of `plan --output json`. All times are seconds from the
// start, as numbers.
type Plan struct {
	Name    string          `json:"name"`
	Verdict journal.Verdict `json:"verdict"`
	// TotalSeconds is nil where the plan has no total: an endless loop that was cut.
	TotalSeconds *float64 `json:"total_seconds"`
	// LongestSeconds is the total if every wait takes all the time it may, where waits
	// decide; for the caller to fill.
	LongestSeconds *float64   `json:"longest_seconds,omitempty"`
	Steps          []PlanStep `json:"steps"`
	// Faults are those outside any step; each of the others is with its step.
	Faults []PlanFault `json:"faults"`

	Reason   string          `json:"reason"`
	Message  string          `json:"message,omitempty"`
	Seed     uint64          `json:"seed,string"`
	Params   json.RawMessage `json:"params,omitempty"`
	Targets  []*Target       `json:"targets"`
	Hosts    []string        `json:"hosts"`
	Commands []string        `json:"commands"`
	Secrets  []string        `json:"secrets"`
	// MaxFaults is the most faults on at once.
	MaxFaults int         `json:"max_faults"`
	Checks    []PlanCheck `json:"checks"`
	Guards    []string    `json:"guards"`
	Steady    []string    `json:"steady_states"`
	// Problems are the failures that came from no step.
	Problems []PlanProblem `json:"problems"`
	// Warnings starts with those of the run; NotTaken, the branches of the script
	// that were not taken, is for the caller to fill, who has the script.
	Warnings []string `json:"warnings"`
	NotTaken []string `json:"not_taken"`
}

// PlanStep is one step of a Plan.
type PlanStep struct {
	Path   string         `json:"path"`
	Name   string         `json:"name"`
	Start  float64        `json:"start"` // of the first try, after delay_before
	End    float64        `json:"end"`
	Status journal.Status `json:"status"`
	Faults []PlanFault    `json:"faults"`

	Begun     float64           `json:"begun"` // when it was called, before delay_before
	Tries     int               `json:"tries"`
	Error     string            `json:"error,omitempty"`
	Reason    string            `json:"reason,omitempty"` // of a skip
	Tolerated bool              `json:"tolerated,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Pos       string            `json:"pos,omitempty"`
}

// PlanFault is one fault of a Plan.
type PlanFault struct {
	Target      string          `json:"target"`
	Kind        string          `json:"kind"`
	Params      json.RawMessage `json:"params"`
	Start       float64         `json:"start"`
	End         float64         `json:"end"`
	Probability json.RawMessage `json:"probability,omitempty"`
	Match       json.RawMessage `json:"match,omitempty"`
	Text        string          `json:"text"`
	State       FaultState      `json:"state"`
	Seen        int64           `json:"seen"`
	Hit         int64           `json:"hit"`
}

// PlanCheck is one check of a Plan.
type PlanCheck struct {
	At    float64         `json:"at"`
	Path  string          `json:"path,omitempty"`
	Name  string          `json:"name"`
	OK    bool            `json:"ok"`
	Value json.RawMessage `json:"value,omitempty"`
	Unit  string          `json:"unit,omitempty"`
	Limit string          `json:"limit,omitempty"`
	// Detail, Pos and Tolerated are of failed checks; Pos is file:line.
	Detail    string `json:"detail,omitempty"`
	Pos       string `json:"pos,omitempty"`
	Tolerated bool   `json:"tolerated,omitempty"`
}

// PlanProblem is one failure that came from no step.
type PlanProblem struct {
	At      float64 `json:"at"`
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Path    string  `json:"path,omitempty"`
	// Pos is file:line of where it came from; Tolerated says that somebody held it.
	Pos       string `json:"pos,omitempty"`
	Tolerated bool   `json:"tolerated,omitempty"`
}

// PlanJSON returns the value whose JSON is the answer of `plan --output json`. It
// shares memory with run.
func PlanJSON(run *Run) *Plan {
	p := &Plan{
		Name: run.Name, Verdict: run.Verdict, Reason: run.Reason, Message: run.Message,
		Seed: run.Seed, Params: run.Params, MaxFaults: run.MaxFaults,
		Steps:    make([]PlanStep, len(run.Steps)),
		Faults:   []PlanFault{},
		Targets:  orEmpty(run.Targets),
		Hosts:    orEmpty(run.Hosts),
		Commands: orEmpty(run.Commands),
		Secrets:  orEmpty(run.Secrets),
		Guards:   names(run.Guards),
		Steady:   names(run.Steady),
		Checks:   []PlanCheck{},
		Problems: []PlanProblem{},
		Warnings: orEmpty(run.Warnings()),
		NotTaken: []string{},
	}
	if total := run.Total(); total != nil {
		s := total.Seconds()
		p.TotalSeconds = &s
	}
	for i, s := range run.Steps {
		ps := PlanStep{
			Path: s.Path, Name: s.Name, Status: s.Status, Faults: []PlanFault{},
			Start: s.Start.Seconds(), End: endOf(s.Over(), s.End, run.Now), Begun: s.Begun.Seconds(),
			Tries: s.Tries, Reason: s.Reason, Tolerated: s.Tolerated, Labels: s.Labels, Pos: s.Pos,
		}
		if s.Error != nil {
			ps.Error = s.Error.Message
		}
		p.Steps[i] = ps
	}
	for _, f := range run.Faults {
		list := &p.Faults
		if f.Step >= 0 {
			list = &p.Steps[f.Step].Faults
		}
		*list = append(*list, planFault(f, run.Now))
	}
	for _, c := range run.Checks {
		p.Checks = append(p.Checks, PlanCheck{c.At.Seconds(), c.Path, c.Name, c.OK, c.Value, c.Unit, c.Limit, c.Detail, Pos(c.Stack), c.Tolerated})
	}
	for _, f := range run.Problems {
		p.Problems = append(p.Problems, PlanProblem{f.At.Seconds(), f.Code, f.Message, f.Path, Pos(f.Stack), f.Tolerated})
	}
	return p
}

func planFault(f *Fault, now time.Duration) PlanFault {
	pf := PlanFault{
		Target: f.Target, Kind: f.Kind, Params: f.Params, Text: f.Text, State: f.State,
		Start: f.Start.Seconds(), End: endOf(f.Over(), f.End, now),
		Probability: f.Probability, Match: f.Match, Seen: f.Seen, Hit: f.Hit,
	}
	if pf.Params == nil {
		pf.Params = json.RawMessage("{}")
	}
	return pf
}

// Pos is the place in the script that a backtrace ends at, as file:line; "" without one.
func Pos(stack []journal.Frame) string {
	if len(stack) == 0 {
		return ""
	}
	in := stack[len(stack)-1]
	return fmt.Sprintf("%s:%d", in.File, in.Line)
}

// endOf is an end in seconds; what goes on is shown up to now.
func endOf(over bool, end, now time.Duration) float64 {
	if over {
		return end.Seconds()
	}
	return now.Seconds()
}

// orEmpty makes a list that is [] in JSON and never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// names are the names of watches in the order of their first record, each once.
func names(watches []*Watch) []string {
	out, seen := []string{}, map[string]bool{}
	for _, w := range watches {
		if !seen[w.Name] {
			seen[w.Name] = true
			out = append(out, w.Name)
		}
	}
	return out
}
