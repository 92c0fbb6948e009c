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
	Name    string          `json:"name" doc:"The orchestration's name."`
	Verdict journal.Verdict `json:"verdict" doc:"How the run would end if every effect answers as planned."`
	// TotalSeconds is nil where the plan has no total: an endless loop that was cut.
	TotalSeconds *float64 `json:"total_seconds" doc:"How long it would take; null where a loop has no end."`
	// LongestSeconds is the total if every wait takes all the time it may, where waits
	// decide; for the caller to fill.
	LongestSeconds *float64   `json:"longest_seconds,omitempty" doc:"How long it would take if every wait took all the time it may; absent where no wait decides."`
	Steps          []PlanStep `json:"steps" doc:"The steps in the order in which they begin."`
	// Faults are those outside any step; each of the others is with its step.
	Faults []PlanFault `json:"faults" doc:"The faults outside any step; each of the others is with its step."`

	Reason   string          `json:"reason" doc:"A stable code of the verdict."`
	Message  string          `json:"message,omitempty" doc:"The reason, for people."`
	Seed     uint64          `json:"seed,string" doc:"The seed of all randomness."`
	Params   json.RawMessage `json:"params,omitempty" doc:"The parameters by name."`
	Targets  []*Target       `json:"targets" doc:"The targets that it puts faults on or asks."`
	Hosts    []string        `json:"hosts" doc:"The hosts that it reaches."`
	Commands []string        `json:"commands" doc:"The programs that it executes."`
	Secrets  []string        `json:"secrets" doc:"The names of the secrets that it uses."`
	// MaxFaults is the most faults on at once.
	MaxFaults int         `json:"max_faults" doc:"The most faults that are on at once."`
	Checks    []PlanCheck `json:"checks" doc:"The checks in their order."`
	Guards    []string    `json:"guards" doc:"The names of the guards."`
	Steady    []string    `json:"steady_states" doc:"The names of the steady states."`
	// Problems are the failures that came from no step.
	Problems []PlanProblem `json:"problems" doc:"Failures that come from no step."`
	// Warnings starts with those of the run; NotTaken, the branches of the script
	// that were not taken, is for the caller to fill, who has the script.
	Warnings []string `json:"warnings" doc:"What one should know although nothing fails."`
	NotTaken []string `json:"not_taken" doc:"The branches of the script that the plan does not take."`
}

// PlanStep is one step of a Plan.
type PlanStep struct {
	Path   string         `json:"path" doc:"Its path: the names of the steps around it, and its own."`
	Name   string         `json:"name" doc:"Its name."`
	Start  float64        `json:"start" doc:"When its first try begins, in seconds; after delay_before."` // of the first try, after delay_before
	End    float64        `json:"end" doc:"When it ends, in seconds."`
	Status journal.Status `json:"status" doc:"How it ends."`
	Faults []PlanFault    `json:"faults" doc:"Its faults."`

	Begun     float64           `json:"begun" doc:"When it is called, in seconds; before delay_before."` // when it was called, before delay_before
	Tries     int               `json:"tries" doc:"How many tries it takes."`
	Error     string            `json:"error,omitempty" doc:"Why it fails."`
	Reason    string            `json:"reason,omitempty" doc:"Why it is skipped."` // of a skip
	Tolerated bool              `json:"tolerated,omitempty" doc:"Its failure fails nothing else."`
	Labels    map[string]string `json:"labels,omitempty" doc:"Its labels."`
	Pos       string            `json:"pos,omitempty" doc:"Where it is in the script."`
}

// PlanFault is one fault of a Plan.
type PlanFault struct {
	Target      string          `json:"target" doc:"The target that it is on."`
	Kind        string          `json:"kind" doc:"Its kind."`
	Params      json.RawMessage `json:"params" doc:"Its parameters."`
	Start       float64         `json:"start" doc:"When it goes on, in seconds."`
	End         float64         `json:"end" doc:"When it is off, in seconds."`
	Probability json.RawMessage `json:"probability,omitempty" doc:"How likely it hits what it meets."`
	Match       json.RawMessage `json:"match,omitempty" doc:"What it meets."`
	Text        string          `json:"text" doc:"The fault in words."`
	State       FaultState      `json:"state" doc:"How it stands at the end."`
	Seen        int64           `json:"seen" doc:"How many planned requests it meets."`
	Hit         int64           `json:"hit" doc:"How many of them it hits."`
}

// PlanCheck is one check of a Plan.
type PlanCheck struct {
	At    float64         `json:"at" doc:"When it is made, in seconds."`
	Path  string          `json:"path,omitempty" doc:"The step in which it is made."`
	Name  string          `json:"name" doc:"Its name."`
	OK    bool            `json:"ok" doc:"Whether it holds."`
	Value json.RawMessage `json:"value,omitempty" doc:"What was found."`
	Unit  string          `json:"unit,omitempty" doc:"The unit of value."`
	Limit string          `json:"limit,omitempty" doc:"What was expected."`
	// Detail, Pos and Tolerated are of failed checks; Pos is file:line.
	Detail    string `json:"detail,omitempty" doc:"Why it does not hold."`
	Pos       string `json:"pos,omitempty" doc:"Where a check that does not hold is in the script."`
	Tolerated bool   `json:"tolerated,omitempty" doc:"Its failure fails nothing else."`
}

// PlanProblem is one failure that came from no step.
type PlanProblem struct {
	At      float64 `json:"at" doc:"When it happens, in seconds."`
	Code    string  `json:"code" doc:"A stable code."`
	Message string  `json:"message" doc:"What happens."`
	Path    string  `json:"path,omitempty" doc:"The step in which it happens."`
	// Pos is file:line of where it came from; Tolerated says that somebody held it.
	Pos       string `json:"pos,omitempty" doc:"Where it is in the script."`
	Tolerated bool   `json:"tolerated,omitempty" doc:"It fails nothing else."`
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
