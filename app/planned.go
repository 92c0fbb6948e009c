package app

import (
	"encoding/json"
	"time"

	"starquake/dsl"
	"starquake/store"
)

// Planned is what the plan that is made before a run said of it.
type Planned struct {
	// Total is how long the run takes if all goes as planned; nil if it has no end.
	Total *time.Duration `json:"total,omitempty"`
	// Steps is how many steps an orchestration file has as it is written, or a script as
	// it is planned.
	Steps int `json:"steps,omitempty"`
}

func (s *Script) planOf(res *Result) Planned {
	p := Planned{Steps: res.View.Counts.Steps}
	if s.Unit.Main.Origin != nil || res.Cut {
		p.Steps = s.Steps()
	}
	if !res.Cut {
		p.Total = res.View.Total()
	}
	return p
}

// Steps is how many steps are written in the script, however often each is done.
func (s *Script) Steps() int { return s.steps() }

func stepsIn(unit *dsl.Unit) int {
	n := 0
	for call := range dsl.Calls(unit, dsl.Options{Builtins: rows()}) {
		if call.Name == "step" {
			n++
		}
	}
	return n
}

// Planned is what the plan said that was made before the run.
func (r *Running) Planned() Planned { return r.planned }

// PlannedOf is what the plan said that was made before a run which the store keeps.
func PlannedOf(info *store.Info) Planned {
	var r struct {
		Planned Planned `json:"planned"`
	}
	_ = json.Unmarshal(info.Resume, &r) // one that came as a file may have none
	return r.Planned
}
