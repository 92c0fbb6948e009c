package chaos

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// Shape says how a ramp goes from its start to its end.
type Shape string

// The shapes of a ramp.
const (
	Linear      Shape = "linear"
	Exponential Shape = "exponential" // equal factors in equal times; both ends above 0
	Steps       Shape = "steps"       // Value.Steps jumps at equal distances, the last one at the end
	Sine        Shape = "sine"        // start, end and back once in each Value.Period
)

// MaxSteps bounds the jumps of a ramp of shape Steps.
const MaxSteps = 10_000

// Value is a number that is constant or changes with the time since its fault went
// on. A duration is in nanoseconds, a share 0..1, a percentage 0..100, a bandwidth in
// bytes per second. Values are comparable; the zero Value is a constant 0.
type Value struct {
	// Start is the value at once, and of a constant the value.
	Start float64
	// End is the value from Over on. Of a constant it equals Start.
	End float64
	// Over is the length of the ramp; 0 marks a constant.
	Over time.Duration
	// Shape is empty for a constant.
	Shape Shape
	// Steps is the number of jumps of the shape Steps, else 0.
	Steps int
	// Period is that of the shape Sine, else 0.
	Period time.Duration
}

// Const returns the constant n.
func Const(n float64) Value { return Value{Start: n, End: n} }

// Ramp returns a ramp of a shape written as in a script: "linear", "exponential",
// "steps(4)" or "sine(10s)".
func Ramp(start, end float64, over time.Duration, shape string) (Value, error) {
	v := Value{Start: start, End: end, Over: over}
	if err := v.setShape(shape); err != nil {
		return Value{}, err
	}
	return v, v.check()
}

// IsRamp reports whether v changes with time.
func (v Value) IsRamp() bool { return v.Over > 0 }

// At returns the value when elapsed has passed since the fault went on. Before 0 it
// is the value at 0, from Over on it is End.
func (v Value) At(elapsed time.Duration) float64 {
	if elapsed >= v.Over {
		return v.End
	}
	part := math.Max(0, float64(elapsed)/float64(v.Over))
	switch v.Shape {
	case Exponential:
		return v.Start * math.Pow(v.End/v.Start, part)
	case Steps:
		part = math.Floor(part*float64(v.Steps)) / float64(v.Steps)
	case Sine:
		turns := float64(max(elapsed, 0)) / float64(v.Period)
		part = (1 - math.Cos(2*math.Pi*turns)) / 2
	}
	return v.Start + (v.End-v.Start)*part
}

// Duration is At for a duration.
func (v Value) Duration(elapsed time.Duration) time.Duration { return time.Duration(v.At(elapsed)) }

// Int is At for a whole number: between its ends a ramp is rounded.
func (v Value) Int(elapsed time.Duration) int { return int(math.Round(v.At(elapsed))) }

// Max returns the largest value that v takes.
func (v Value) Max() float64 { return math.Max(v.Start, v.End) }

// Min returns the smallest value that v takes.
func (v Value) Min() float64 { return math.Min(v.Start, v.End) }

// shapeText writes the shape as a script does.
func (v Value) shapeText() string {
	switch v.Shape {
	case Steps:
		return "steps(" + strconv.Itoa(v.Steps) + ")"
	case Sine:
		return "sine(" + units.FormatDuration(v.Period) + ")"
	}
	return string(v.Shape)
}

// setShape reads a shape as a script writes it; an empty one is linear.
func (v *Value) setShape(text string) error {
	name, arg, called := strings.Cut(strings.TrimSpace(text), "(")
	if called {
		var closed bool
		if arg, closed = strings.CutSuffix(arg, ")"); !closed {
			return fmt.Errorf("shape %q: the bracket is not closed", text)
		}
	}
	arg = strings.TrimSpace(arg)
	switch Shape(name) {
	case "", Linear, Exponential:
		if called {
			return fmt.Errorf("shape %q: %s takes no argument", text, name)
		}
		v.Shape = Linear
		if name != "" {
			v.Shape = Shape(name)
		}
		return nil
	case Steps:
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > MaxSteps {
			return fmt.Errorf("shape %q: expected a number of steps from 1 to %d, as in \"steps(4)\"", text, MaxSteps)
		}
		v.Shape, v.Steps = Steps, n
		return nil
	case Sine:
		d, err := units.ParseDuration(arg)
		if err != nil || d <= 0 {
			return fmt.Errorf("shape %q: expected a period above 0, as in \"sine(10s)\"", text)
		}
		v.Shape, v.Period = Sine, d
		return nil
	}
	return fmt.Errorf("shape %q is unknown; expected linear, exponential, steps(n) or sine(period)", text)
}

// check says what is wrong with v whatever it is used for.
func (v Value) check() error {
	for _, n := range []float64{v.Start, v.End} {
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Errorf("%v is not a finite number", n)
		}
	}
	switch {
	case v.Over < 0:
		return fmt.Errorf("a ramp over %s: expected a duration above 0", units.FormatDuration(v.Over))
	case v.Over == 0 && (v.Shape != "" || v.Start != v.End || v.Steps != 0 || v.Period != 0):
		return errors.New("a ramp over 0s: expected a duration above 0, or a plain value instead of a ramp")
	case v.Over == 0:
		return nil
	case v.Shape == Exponential && v.Min() <= 0:
		return errors.New("an exponential ramp that starts or ends at 0: both ends must be above 0, such as 1ms")
	case v.Shape == Steps && (v.Steps < 1 || v.Steps > MaxSteps):
		return fmt.Errorf("a ramp of %d steps: expected 1 to %d", v.Steps, MaxSteps)
	case v.Shape == Sine && v.Period <= 0:
		return errors.New("a sine ramp without a period: expected sine(period) with a period above 0")
	case v.Shape != Linear && v.Shape != Exponential && v.Shape != Steps && v.Shape != Sine:
		return fmt.Errorf("shape %q is unknown; expected linear, exponential, steps(n) or sine(period)", v.Shape)
	}
	return nil
}
