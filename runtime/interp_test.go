package runtime_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// interp executes the tree language on a run. Names of held effects and background
// branches are global to the run, as closures over variables would be.
type interp struct {
	answers answers
	held    map[string]*runtime.Held
	started map[string]*runtime.Background
	tried   map[*node]int // how often "fail tries=n" was met
}

func newInterp(a answers) *interp {
	return &interp{answers: a, held: map[string]*runtime.Held{}, started: map[string]*runtime.Background{}, tried: map[*node]int{}}
}

func (in *interp) body(nodes []*node) runtime.Body {
	return func(b *runtime.Branch) (any, error) {
		if err := in.run(b, nodes); err != nil {
			return nil, raised{err}
		}
		return nil, nil
	}
}

// raised is an error as an interpreter hands it on: behind one of its own.
type raised struct{ error }

func (r raised) Unwrap() error { return r.error }

func (in *interp) run(b *runtime.Branch, nodes []*node) error {
	for _, n := range nodes {
		if err := in.one(b, n); err != nil {
			return err
		}
	}
	return nil
}

// one executes a statement.
func (in *interp) one(b *runtime.Branch, n *node) error {
	switch n.op {
	case "sleep": // sleep 3s
		return b.Sleep(mustDuration(n.arg(0)))
	case "log": // log "text"
		b.Log("info", n.arg(0), nil)
		return nil
	case "fail": // fail "text" [tries=n]: only the first n times
		if tries := n.opts["tries"]; tries != "" {
			if in.tried[n]++; in.tried[n] > atoi(tries) {
				return nil
			}
		}
		return runtime.Failf(runtime.ClassFailed, "failed", "%s", n.arg(0))
	case "skip":
		return runtime.Failf(runtime.ClassSkip, "skip", "%s", n.arg(0))
	case "inconclusive":
		return runtime.Failf(runtime.ClassInconclusive, "inconclusive", "%s", n.arg(0))
	case "err": // an error of the script
		return errors.New(n.arg(0))
	case "panic":
		panic(n.arg(0))
	case "check": // check name [bad]
		return b.Check(runtime.CheckSpec{Name: n.arg(0), OK: !n.has("bad"), Value: json.RawMessage("1"), Limit: "below 2"})
	case "effect", "within":
		return in.effect(b, n)
	case "found": // found ground: a held effect that the run needs to its end
		_, err := b.HoldForRun(ask("load", n.arg(0)))
		return err
	case "hold", "load", "release":
		return in.hold(b, n)
	case "wait", "guard", "steady":
		return in.watch(b, n)
	case "lift": // lift { … }
		return b.Lift(func() error { return in.run(b, n.kids) })
	case "step":
		return in.step(b, n)
	case "parallel":
		return in.parallel(b, n)
	case "loop":
		return in.loop(b, n)
	case "attempt":
		res, err := b.Attempt(in.body(n.kids))
		if err == nil && res.Err != nil {
			b.Log("info", "attempt: "+res.Err.Error(), nil)
		}
		return err
	case "start", "await", "stop":
		return in.background(b, n)
	case "on_exit": // on_exit [when] { … }
		when := runtime.ExitWhen(n.arg(0))
		if when == "" {
			when = runtime.ExitAlways
		}
		return b.OnExit(when, "exit", in.body(n.kids))
	}
	panic(fmt.Sprintf("line %d: unknown statement %q", n.line, n.op))
}

func (in *interp) effect(b *runtime.Branch, n *node) error {
	var ans runtime.Answer
	var late bool
	var err error
	if n.op == "within" { // within NAME 3s
		ans, late, err = b.PerformWithin(ask("effect", n.arg(0)), mustDuration(n.arg(1)))
	} else { // effect NAME
		ans, err = b.Perform(ask("effect", n.arg(0)))
	}
	switch {
	case err != nil:
		return err
	case late:
		b.Log("info", n.arg(0)+" is late", nil)
	case ans.Err != nil:
		return runtime.Failf(runtime.ClassFailed, ans.Err.Code, "%s", ans.Err.Message)
	}
	return nil
}

func (in *interp) hold(b *runtime.Branch, n *node) error {
	if n.op == "release" { // release f1 …
		var all []*runtime.Held
		for _, name := range n.args {
			all = append(all, in.held[name])
		}
		return b.Release(all...)
	}
	kind := "fault" // hold f1 …
	if n.op == "load" {
		kind = "load"
	}
	var asks []runtime.Ask
	for _, name := range n.args {
		asks = append(asks, ask(kind, name))
	}
	held, err := b.Hold(asks...)
	for i, h := range held {
		in.held[n.args[i]] = h
	}
	return err
}

// probe is a value, or a function for "func".
func (in *interp) probe(n *node) *runtime.Probe {
	name := n.opts["probe"]
	if n.has("func") {
		return &runtime.Probe{Func: func(b *runtime.Branch) (runtime.Reading, error) {
			switch {
			case in.answers.has(name, "raise"):
				return runtime.Reading{}, errors.New("no such key")
			case in.answers.has(name, "panic"):
				panic("a defect")
			case in.answers.has(name, "inconclusive"):
				return runtime.Reading{}, runtime.Failf(runtime.ClassInconclusive, "inconclusive", "cannot tell")
			}
			return b.Read(&runtime.Probe{Kind: "read", Args: ask("read", name).Args})
		}}
	}
	return &runtime.Probe{
		Kind: "read", Args: ask("read", name).Args,
		Watch: func(o runtime.WatchOptions) (runtime.Ask, error) {
			args, err := json.Marshal(effectArgs{Name: name, Every: o.Every, Breaches: o.Breaches})
			return runtime.Ask{Kind: "watch", Args: args}, err
		},
	}
}

func (in *interp) watch(b *runtime.Branch, n *node) error {
	every := time.Second
	if n.opts["every"] != "" {
		every = n.dur("every")
	}
	p := in.probe(n)
	switch n.op {
	case "guard": // guard NAME probe=p [func] [every=] [breaches=] [action=] [errors_ok]
		spec := &runtime.GuardSpec{Name: n.arg(0), Probe: p, Every: every, Breaches: 1, Action: runtime.GuardAction(n.opts["action"]), IgnoreErrors: n.has("errors_ok")}
		if n.opts["breaches"] != "" {
			spec.Breaches = atoi(n.opts["breaches"])
		}
		return b.Guard(spec)
	case "steady": // steady NAME probe=p [func] [settle=] [share=0.5] [nobefore] [noduring] [noafter]
		spec := &runtime.SteadySpec{
			Name: n.arg(0), Probe: p, Every: every, Settle: n.dur("settle"), Share: 1,
			Before: !n.has("nobefore"), During: !n.has("noduring"), After: !n.has("noafter"),
		}
		if n.opts["share"] != "" {
			spec.Share, _ = strconv.ParseFloat(n.opts["share"], 64)
		}
		return b.SteadyState(spec)
	}
	// wait probe=p timeout=10s [every=] [stable=] [func]
	res, err := b.WaitUntil(&runtime.WaitSpec{Probe: p, Timeout: n.dur("timeout"), Every: every, Stable: n.dur("stable")})
	if err == nil {
		b.Log("info", fmt.Sprintf("waited %s: ok=%t attempts=%d last=%s", res.Elapsed, res.OK, res.Attempts, res.Last), nil)
	}
	return err
}

// step NAME [dur=] [delay=] [timeout=] [chaos=f1,f2] [retries=] [retry_delay=]
// [backoff=] [on_failure=] [no] [judge=fail] [recovered=]
func (in *interp) step(b *runtime.Branch, n *node) error {
	spec := &runtime.StepSpec{
		Name: n.arg(0), Delay: n.dur("delay"), Duration: n.dur("dur"), Timed: n.opts["dur"] != "", Timeout: n.dur("timeout"),
		RetryDelay: n.dur("retry_delay"), Backoff: 1, OnFailure: runtime.OnFailure(n.opts["on_failure"]), Recovered: n.dur("recovered"),
	}
	if n.opts["retries"] != "" {
		spec.Retries = atoi(n.opts["retries"])
	}
	if n.opts["backoff"] != "" {
		spec.Backoff = float64(atoi(n.opts["backoff"]))
	}
	if n.has("no") {
		spec.When = func(*runtime.Branch) (bool, error) { return false, nil }
	}
	if n.opts["chaos"] != "" {
		spec.Chaos = func() ([]runtime.Ask, error) {
			var asks []runtime.Ask
			for _, name := range strings.Split(n.opts["chaos"], ",") {
				asks = append(asks, ask("fault", name))
			}
			return asks, nil
		}
	}
	if n.opts["judge"] == "fail" {
		spec.Judge = func(*runtime.Branch, *runtime.Try) error {
			return runtime.Failf(runtime.ClassFailed, "above", "the figures are too high")
		}
	}
	if n.kids != nil {
		spec.Run = in.body(n.kids)
	}
	res, err := b.Step(spec)
	if err == nil && res.Status == journal.Failed {
		b.Log("info", "went on after: "+res.Err.Error(), nil)
	}
	return err
}

// parallel [limit=] [all] { branch [label] { … } … }
func (in *interp) parallel(b *runtime.Branch, n *node) error {
	opt := runtime.ParallelOptions{RunAll: n.has("all")}
	if n.opts["limit"] != "" {
		opt.Limit = atoi(n.opts["limit"])
	}
	var specs []runtime.BranchSpec
	for _, kid := range n.kids {
		specs = append(specs, runtime.BranchSpec{Label: kid.arg(0), Body: in.body(kid.kids)})
	}
	_, err := b.Parallel(specs, opt)
	return err
}

// loop [times=] [every=] [duration=] [until=n] { … }
func (in *interp) loop(b *runtime.Branch, n *node) error {
	spec := &runtime.LoopSpec{Every: n.dur("every"), Duration: n.dur("duration")}
	if n.opts["times"] != "" {
		spec.Bounded, spec.Times = true, atoi(n.opts["times"])
	}
	spec.Body = func(b *runtime.Branch, turn int) (any, error) { return turn, in.run(b, n.kids) }
	if n.opts["until"] != "" {
		spec.Until = func(_ *runtime.Branch, v any) (bool, error) { return v.(int)+1 >= atoi(n.opts["until"]), nil }
	}
	_, err := b.Loop(spec)
	return err
}

func (in *interp) background(b *runtime.Branch, n *node) error {
	name := n.arg(0)
	switch n.op {
	case "start": // start NAME { … }
		bg, err := b.Start(name, in.body(n.kids))
		in.started[name] = bg
		return err
	case "stop": // stop NAME
		return in.started[name].Stop(b)
	}
	_, err := in.started[name].Wait(b) // await NAME
	return err
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
