package builtins

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/runtime"
)

// KindFaultStats asks a fault that is on for its counts.
const KindFaultStats = "fault.stats"

// FaultStatsArgs name the fault by its place.
type FaultStatsArgs struct {
	ID string `json:"id"`
}

// faultResult is what a fault's end tells.
type faultResult struct {
	Seen         uint64 `json:"seen"`
	Hit          uint64 `json:"hit"`
	Probed       uint64 `json:"probed"`
	Inapplicable uint64 `json:"inapplicable"`
	// Delayed and Dropped are bytes.
	Delayed uint64 `json:"delayed_bytes"`
	Dropped uint64 `json:"dropped_bytes"`
	// Uncounted says that nobody counts what meets the fault.
	Uncounted bool `json:"uncounted"`
}

// countable says of some faults whether anybody counts what meets them.
type countable struct {
	counted bool   // some are
	not     string // why others are not, "" if all are
}

func (h *countable) add(t *Target, f *chaos.Fault) {
	if !f.Counted() {
		h.not = "nobody counts the connections that the system refuses"
		return
	}
	if t.Engine != nil {
		if kind, err := engine.KindOf(t.Engine.Kind); err == nil && !kind.Counts {
			h.not = kind.Name + " does not count what meets a fault"
			return
		}
	}
	h.counted = true
}

// minHits is how many requests must meet the faults: of those that nobody counts, none.
func (c *Call) minHits(h countable) (int, error) {
	n := c.Int("min_hits")
	if h.counted || h.not == "" {
		return n, nil
	}
	if n > 0 && c.Given("min_hits") {
		return 0, c.Errorf("min_hits", "%s", h.not).WithHint("leave it out; a check or the traffic of the step can tell whether the chaos was met")
	}
	return 0, nil
}

// hitTerms are what judges the hits, for the journal: nothing for the usual one.
func hitTerms(min int) json.RawMessage {
	if min == 1 {
		return nil
	}
	return fmt.Appendf(nil, `{"min_hits":%d}`, min)
}

// told says when a fault that is off told its counts.
type told uint8

const (
	toldNever  told = iota
	toldBefore      // they may have grown since
	toldAtEnd
)

// lastCounts reads the counts of a fault that is off: those of its end, or where that tells
// none, as after its lease ran out with nobody there to ask, those that it said last.
func lastCounts(all runtime.Told) (faultResult, told, *runtime.Failure) {
	from, when := all.Answer, toldAtEnd
	if len(from) == 0 {
		from, when = all.Said, toldBefore
		if !bytes.Contains(from, []byte(`"seen"`)) { // it said no more than that it was on
			return faultResult{}, toldNever, nil
		}
	}
	res, err := readCounts(from)
	if err != nil {
		return res, toldNever, runtime.Failf(runtime.ClassErrored, "no_stats", "a fault gave no counts when it went off: %v", err)
	}
	return res, when, nil
}

// readCounts reads what counts a fault, which may be another process: whatever it says, the
// probes' hits are some of the hits.
func readCounts(raw json.RawMessage) (res faultResult, err error) {
	err = json.Unmarshal(raw, &res)
	res.Probed = min(res.Probed, res.Hit)
	return res, err
}

// met sums what several faults that are off have told.
type met struct {
	seen, hit, probed uint64
	// silent says that one told no counts at its end, cut that a crash has cut one off: they
	// may have met more.
	silent, cut bool
}

func (m *met) add(told runtime.Told) *runtime.Failure {
	res, when, f := lastCounts(told)
	m.seen, m.hit, m.probed = m.seen+res.Seen, m.hit+res.Hit, m.probed+res.Probed
	m.silent, m.cut = m.silent || when != toldAtEnd, m.cut || told.Cut
	return f
}

// unknown is the failure of chaos of which nobody can say whether min requests met it, or nil
// where the counts are all that met it.
func (m *met) unknown(hit uint64, min int) *runtime.Failure {
	var why string
	switch {
	case m.cut:
		why = "the process of the run died while it was on, and what came between the last report and then is in no count"
	case m.silent:
		why = "a fault gave no counts when it went off"
	default:
		return nil
	}
	return runtime.Failf(runtime.ClassInconclusive, "no_stats",
		"requests that are known to have met the chaos: %d, expected at least %d; %s, so nobody knows whether more did: it says nothing about the system; run it again with traffic through the target, or say min_hits = 0", hit, min, why)
}

// judgeHits makes the run inconclusive if fewer requests than min met the faults. Where
// the step has load of its own, the run's own probes are none: that they met the faults
// says nothing of the load.
func judgeHits(try *runtime.Try, min int, loaded bool) error {
	if min == 0 {
		return nil
	}
	var sum met
	for _, h := range try.Held {
		if f := sum.add(h.Told()); f != nil {
			return f
		}
	}
	hit, probed := sum.hit, uint64(0)
	if loaded {
		hit, probed = hit-sum.probed, sum.probed
	}
	if hit >= uint64(min) {
		return nil
	}
	if f := sum.unknown(hit, min); f != nil {
		return f
	}
	if probed > 0 {
		return runtime.Failf(runtime.ClassInconclusive, "no_hits",
			"%d requests met the chaos of this step beside %d of the run's own probes, expected at least %d: it says nothing about the load; send it through the target, or say min_hits = 0", hit, probed, min)
	}
	of, help := "", "send traffic through the target, or say min_hits = 0"
	if try.Number > 1 { // what an earlier one met is in the report, and is not counted here
		of = fmt.Sprintf(" in try %d", try.Number)
	}
	if sum.seen > 0 {
		help = "send more of it, or see what its probability and its match leave out, or say min_hits = 0"
	}
	return runtime.Failf(runtime.ClassInconclusive, "no_hits",
		"%d requests met the chaos of this step%s, expected at least %d (%d passed the target): it says nothing about the system; %s", hit, of, min, sum.seen, help)
}

// faultStats are the counts of faults that are off.
func faultStats(held []*runtime.Held) starlark.Value {
	var out []starlark.Value
	for _, h := range held {
		var args FaultArgs
		if json.Unmarshal(h.Args(), &args) != nil {
			continue // what this package marshalled can be read
		}
		res, when, f := lastCounts(h.Told())
		if f != nil || when == toldNever {
			continue // it never was on, or never said
		}
		out = append(out, statsObject(args, res))
	}
	return starlark.NewList(out)
}

func statsObject(args FaultArgs, res faultResult) *Object {
	n := func(n uint64) starlark.Value {
		if res.Uncounted {
			return starlark.None
		}
		return starlark.MakeUint64(n)
	}
	return NewObject("fault_stats",
		Field{Name: "target", Value: starlark.String(args.Target)},
		Field{Name: "kind", Value: starlark.String(args.Fault.Kind)},
		Field{Name: "seen", Value: n(res.Seen)},
		Field{Name: "hit", Value: n(res.Hit)},
		Field{Name: "inapplicable", Value: n(res.Inapplicable)},
		Field{Name: "delayed_bytes", Value: n(res.Delayed)},
		Field{Name: "dropped_bytes", Value: n(res.Dropped)},
	)
}

// currentStats asks faults that are on for their counts, and takes the last ones of
// those that are off. The result has the sums, and each fault's own.
func currentStats(t *task, held []*runtime.Held) (starlark.Value, error) {
	var each []starlark.Value
	var sum faultResult
	for _, h := range held {
		var args FaultArgs
		if err := json.Unmarshal(h.Args(), &args); err != nil {
			return nil, err
		}
		res, err := counts(t, h, args)
		if err != nil {
			return nil, err
		}
		sum.Seen, sum.Hit, sum.Inapplicable = sum.Seen+res.Seen, sum.Hit+res.Hit, sum.Inapplicable+res.Inapplicable
		sum.Delayed, sum.Dropped = sum.Delayed+res.Delayed, sum.Dropped+res.Dropped
		each = append(each, statsObject(args, res))
	}
	return NewObject("chaos_stats",
		Field{Name: "seen", Value: starlark.MakeUint64(sum.Seen)},
		Field{Name: "hit", Value: starlark.MakeUint64(sum.Hit)},
		Field{Name: "inapplicable", Value: starlark.MakeUint64(sum.Inapplicable)},
		Field{Name: "delayed_bytes", Value: starlark.MakeUint64(sum.Delayed)},
		Field{Name: "dropped_bytes", Value: starlark.MakeUint64(sum.Dropped)},
		Field{Name: "faults", Value: starlark.NewList(each)},
	), nil
}

// counts are those of a fault now, or its last ones.
func counts(t *task, h *runtime.Held, args FaultArgs) (faultResult, error) {
	if !h.Off() {
		if !args.Counted() { // nobody to ask
			return faultResult{Uncounted: true}, nil
		}
		ask, _ := json.Marshal(FaultStatsArgs{ID: h.ID().String()}) // a string: cannot fail
		ans, err := t.branch.Perform(runtime.Ask{Kind: KindFaultStats, Args: ask, Repeat: true})
		if err != nil {
			return faultResult{}, err
		}
		if ans.Err != nil {
			return faultResult{}, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "the counts of %s on %q: %s", args.Fault.Kind, args.Target, ans.Err.Message)
		}
		if !h.Off() {
			res, err := readCounts(ans.Data)
			if err != nil {
				return res, runtime.Failf(runtime.ClassErrored, "no_stats", "the counts of %s on %q cannot be read: %v", args.Fault.Kind, args.Target, err)
			}
			return res, nil
		}
	}
	res, when, f := lastCounts(h.Told())
	switch {
	case f != nil:
		return res, f
	case when == toldNever:
		return res, runtime.Failf(runtime.ClassErrored, "no_stats", "%s on %q gave no counts when it went off", args.Fault.Kind, args.Target)
	}
	return res, nil
}

// judgeTogether makes the run inconclusive if fewer requests than min have met all the
// faults of one apply_chaos when the last of them is off.
func judgeTogether(asks []runtime.Ask, min int) {
	if min == 0 {
		return
	}
	left, sum := len(asks), met{}
	judge := func(told runtime.Told) *runtime.Failure {
		if f := sum.add(told); f != nil {
			return f
		}
		if left--; left > 0 || sum.hit >= uint64(min) {
			return nil
		}
		if f := sum.unknown(sum.hit, min); f != nil {
			return f
		}
		return runtime.Failf(runtime.ClassInconclusive, "no_hits",
			"%d requests met the chaos of an apply_chaos, expected at least %d: it says nothing about the system; send traffic through the target, or say min_hits = 0", sum.hit, min)
	}
	for i := range asks {
		asks[i].Judge = judge
	}
}
