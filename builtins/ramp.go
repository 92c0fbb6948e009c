package builtins

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starquake/units"
)

// Ramp is a quantity that changes with time, written by a script as
// ramp("50ms", "800ms", over = "30s"). What its ends mean is known only where it is
// used: the binder checks them against the parameter that takes the ramp.
type Ramp struct {
	Start, End starlark.Value
	Over       time.Duration
	Shape      Shape
}

// Shape says how a ramp gets from its start to its end.
type Shape struct {
	// Name is "linear", "exponential", "steps" or "sine".
	Name string
	// Steps is the number of jumps of "steps".
	Steps int
	// Period is that of "sine".
	Period time.Duration
}

// String writes the shape as a script does, without quotes: "steps(4)", "linear".
func (s Shape) String() string {
	switch s.Name {
	case "steps":
		return fmt.Sprintf("steps(%d)", s.Steps)
	case "sine":
		return fmt.Sprintf("sine(%q)", units.FormatDuration(s.Period))
	}
	return s.Name
}

// Plain writes the shape as packages below read it: "sine(10s)".
func (s Shape) Plain() string {
	if s.Name == "sine" {
		return "sine(" + units.FormatDuration(s.Period) + ")"
	}
	return s.String()
}

// String writes the ramp as a script does.
func (r *Ramp) String() string {
	shape := r.Shape.String()
	if r.Shape.Steps == 0 && r.Shape.Period == 0 {
		shape = fmt.Sprintf("%q", shape)
	}
	return fmt.Sprintf("ramp(%s, %s, over = %q, shape = %s)", r.Start, r.End, units.FormatDuration(r.Over), shape)
}

func (r *Ramp) Type() string          { return "ramp" }
func (r *Ramp) Freeze()               {}
func (r *Ramp) Truth() starlark.Bool  { return true }
func (r *Ramp) Hash() (uint32, error) { return 0, fmt.Errorf("a ramp cannot be a key of a dict") }

// shapeValue is a Shape with an argument, as steps(n) and sine(period) return it.
type shapeValue struct{ Shape }

func (s shapeValue) Type() string          { return "shape" }
func (s shapeValue) Freeze()               {}
func (s shapeValue) Truth() starlark.Bool  { return true }
func (s shapeValue) Hash() (uint32, error) { return starlark.String(s.Shape.String()).Hash() }
