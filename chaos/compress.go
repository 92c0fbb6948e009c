package chaos

import (
	"maps"
	"time"
)

// Compress gives the fault for a run whose time passes factor times faster than the wall
// clock, on which engines are: its ramps and its pulse are as much shorter. What a client
// sees, such as a delay, is not: it is of the client's time. Patterns are the client's, too.
func (f Fault) Compress(factor int) Fault {
	if factor <= 1 {
		return f
	}
	k := time.Duration(factor)
	f.Params = maps.Clone(f.Params)
	for name, p := range f.Params {
		switch v := p.(type) {
		case Value:
			f.Params[name] = v.compress(k)
		case [2]Value:
			f.Params[name] = [2]Value{v[0].compress(k), v[1].compress(k)}
		}
	}
	f.Probability = f.Probability.compress(k)
	if p := f.Pulse; p != nil {
		f.Pulse = &Pulse{On: max(p.On/k, time.Millisecond), Off: max(p.Off/k, time.Millisecond)}
	}
	return f
}

// compress shortens a ramp.
func (v Value) compress(k time.Duration) Value {
	if v.IsRamp() {
		v.Over = max(v.Over/k, 1)
		if v.Period > 0 {
			v.Period = max(v.Period/k, 1)
		}
	}
	return v
}
