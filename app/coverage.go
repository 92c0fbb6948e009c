package app

import (
	"fmt"
	"strings"

	"starquake/dsl"
)

// Coverage notes what tests reach of the orchestrations that they simulate. The zero
// value is empty; it is for one goroutine at a time.
type Coverage struct {
	order []*covered
}

// covered is one orchestration under test.
type covered struct {
	path    string
	script  *Script // as last read
	reached map[callPlace]bool
}

// Covered is what tests reached of one orchestration.
type Covered struct {
	File string `json:"file"`
	// Steps are the calls of step in its text and in that of what it loads, and Branches
	// the arms of its ifs in which something is done.
	Steps           int `json:"steps"`
	StepsReached    int `json:"steps_reached"`
	Branches        int `json:"branches"`
	BranchesReached int `json:"branches_reached"`
	// Missed are those that no test reached, in the order of the text.
	Missed []Missed `json:"missed"`
}

// Missed is a step or a branch that no test reached.
type Missed struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
	What string `json:"what"` // for people
}

// of gives where to note what a simulation of the script at path reaches.
func (c *Coverage) of(path string, s *Script) map[callPlace]bool {
	for _, have := range c.order {
		if have.path == path {
			have.script = s
			return have.reached
		}
	}
	c.order = append(c.order, &covered{path, s, map[callPlace]bool{}})
	return c.order[len(c.order)-1].reached
}

// Covered is what was reached so far, an entry for each orchestration in the order in
// which they were first simulated.
func (c *Coverage) Covered() []Covered {
	out := make([]Covered, 0, len(c.order))
	for _, o := range c.order {
		out = append(out, o.covered())
	}
	return out
}

func (o *covered) covered() Covered {
	sum := Covered{File: o.path, Missed: []Missed{}}
	reached := func(file string, line, col int32) bool { return o.reached[callPlace{file, line, col}] }
	opt := dsl.Options{Builtins: rows()}
	for call := range dsl.Calls(o.script.Unit, opt) {
		if call.Name != "step" || builtin(call.Module) {
			continue
		}
		sum.Steps++
		if reached(call.At.Filename(), call.At.Line, call.At.Col) {
			sum.StepsReached++
			continue
		}
		what := "step"
		if name, ok := call.Text("name"); ok {
			what += fmt.Sprintf(" %q", name)
		}
		sum.Missed = append(sum.Missed, Missed{call.At.Filename(), call.Line, call.Col, what})
	}
	for _, arm := range dsl.Arms(o.script.Unit, opt, reached) {
		if builtin(arm.File) {
			continue
		}
		sum.Branches++
		if arm.Taken {
			sum.BranchesReached++
			continue
		}
		sum.Missed = append(sum.Missed, Missed{arm.File, arm.Line, arm.Col, armText(arm)})
	}
	return sum
}

// builtin reports whether a module is part of the product.
func builtin(module string) bool { return strings.HasPrefix(module, "@starquake/") }
