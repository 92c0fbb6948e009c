package builtins

import (
	"encoding/json"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/effects/load"
	"starquake/runtime"
)

// stepTraffic is the load of one step.
type stepTraffic struct {
	traffic  *Traffic
	duration time.Duration // of the step
	limits   []trafficLimit
	held     *runtime.Held // of the last try
}

// trafficLimit is one entry of below or above.
type trafficLimit struct {
	figure, word string
	bound        starlark.Value
	text         string
	op           syntax.Token
}

// stepTraffic adds what traffic, below and above ask for; nil where there is none.
func (c *Call) stepTraffic(t *task, spec *runtime.StepSpec) (*stepTraffic, error) {
	if !c.Has("traffic") {
		for _, name := range []string{"below", "above"} {
			if d := c.Dict(name); d != nil && d.Len() > 0 && !c.Given("traffic") {
				return nil, c.Errorf(name, "limits the figures of traffic, and there is none").WithHint("add traffic = traffic.http(…), or leave %s out", name)
			}
		}
		return nil, nil
	}
	st := &stepTraffic{traffic: c.Value("traffic").(*Traffic), duration: spec.Duration}
	if st.traffic.spec.Duration == 0 && !spec.Timed && spec.Run == nil {
		return nil, c.Errorf("traffic", "there is neither run nor duration, so the load would never end").WithHint(`add duration = "30s" to the step or to the traffic`)
	}
	if st.traffic.spec.Duration == 0 && spec.Duration == 0 && spec.Run == nil {
		return nil, c.Errorf("duration", "load for 0s says nothing").WithHint("give a longer one, or leave the traffic out")
	}
	if _, err := st.traffic.ask(spec.Duration); err != nil {
		return nil, c.Errorf("traffic", "%v", err)
	}
	for _, op := range []syntax.Token{syntax.LT, syntax.GT} {
		name := limitName[op]
		limits, err := c.trafficLimits(name, op)
		switch {
		case err != nil && isNone(c.Dict(name)): // as what a step gives that failed only as planned
			return nil, err
		case err != nil:
			return nil, runtime.Failf(runtime.ClassScript, CodeBadLimit, "%w", err)
		}
		st.limits = append(st.limits, limits...)
	}
	slices.SortStableFunc(st.limits, func(a, b trafficLimit) int { return int(b.op) - int(a.op) })
	spec.Ready = func(b *runtime.Branch) error { return st.traffic.ready(t.env, b) }
	run := spec.Run
	spec.Run = func(b *runtime.Branch) (any, error) { return st.send(b, run) }
	return st, nil
}

// isNone reports whether one of the limits is None: a value that is not there.
func isNone(limits *starlark.Dict) bool {
	for _, v := range limits.Entries() {
		if v == starlark.None {
			return true
		}
	}
	return false
}

func (c *Call) trafficLimits(name string, op syntax.Token) ([]trafficLimit, error) {
	var out []trafficLimit
	empty := figuresObject(&load.Figures{Requests: 1})
	for k, v := range c.Dict(name).Entries() {
		figure, _ := text(k)
		value, err := empty.Attr(figure)
		if err != nil {
			return nil, c.Errorf(name, "%v", err)
		}
		bound := likeValue(value, v)
		if _, err := compare(op, value, bound); err != nil {
			return nil, c.cannotCompare(name, value, v)
		}
		if n, ok := number(bound); ok {
			if err := c.shareLimit(name, figure, n); err != nil {
				return nil, err
			}
		}
		out = append(out, trafficLimit{figure, name, bound, name + " " + limitText(v, bound), op})
	}
	return out, nil
}

// send runs the body under load.
func (st *stepTraffic) send(b *runtime.Branch, run runtime.Body) (v any, err error) {
	if st.held, err = st.traffic.hold(b, st.duration, nil); err != nil {
		return nil, err
	}
	if run != nil {
		if v, err = run(b); err != nil {
			return v, err
		}
	}
	if st.traffic.spec.Duration > 0 || st.duration > 0 {
		return v, b.AwaitEnd(st.held)
	}
	return v, b.Release(st.held)
}

// judge checks the figures. Those of a generator that was the limit say nothing, and
// those of load that a crash has torn.
func (st *stepTraffic) judge(b *runtime.Branch) error {
	if torn := st.held.Torn(); torn != nil {
		return torn
	}
	f, failure := figuresOf(st.held.Answer())
	if failure == nil {
		failure = judgeGenerator(f)
	}
	if failure != nil {
		return failure
	}
	figures := figuresObject(f)
	for _, l := range st.limits {
		value, err := figures.Attr(l.figure)
		if err != nil {
			return err
		}
		ok, err := compare(l.op, value, l.bound)
		if err != nil {
			return err
		}
		raw, err := ToJSON(value)
		if err != nil {
			return err
		}
		spec := runtime.CheckSpec{Name: "traffic " + l.figure, OK: ok, Value: raw, Unit: unitOf(value), Limit: l.text}
		if value == starlark.None {
			spec.Detail = "no request was sent that could have been measured"
		}
		if err := b.Check(spec); err != nil {
			return err
		}
	}
	if failure := judgeRequests(f); failure != nil {
		return failure
	}
	return nil
}

// doubt is what makes a failed try say nothing about the system: its generator was the limit.
func (st *stepTraffic) doubt() error {
	if st.held == nil || !st.held.Off() {
		return nil
	}
	if f, failure := figuresOf(st.held.Answer()); failure == nil {
		if limited := judgeGenerator(f); limited != nil {
			return limited
		}
	}
	return nil
}

// object is the figures of a step, None where there are none.
func (st *stepTraffic) object() (starlark.Value, error) {
	if st == nil || st.held == nil || !st.held.Off() {
		return starlark.None, nil
	}
	if f, failure := figuresOf(st.held.Answer()); failure == nil {
		return figuresObject(f), nil
	}
	return starlark.None, nil
}

// judges makes the step judge its load, before its chaos: of load that could not be
// sent no request met it.
func (st *stepTraffic) judges(spec *runtime.StepSpec) {
	if st == nil {
		return
	}
	hits := spec.Judge
	spec.Judge = func(b *runtime.Branch, try *runtime.Try) error {
		if err := st.judge(b); err != nil || hits == nil {
			return err
		}
		return hits(b, try)
	}
	met := spec.Doubt
	spec.Doubt = func(try *runtime.Try) error {
		if err := st.doubt(); err != nil || met == nil {
			return err
		}
		return met(try)
	}
	if len(st.limits) == 0 {
		return
	}
	terms := map[string]any{}
	if spec.Terms != nil {
		_ = json.Unmarshal(spec.Terms, &terms) // an object of this package
	}
	for _, l := range st.limits {
		terms[l.figure+" "+l.word] = l.text
	}
	spec.Terms, _ = json.Marshal(terms) // strings and numbers
}
