package builtins

import (
	"strconv"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// branching are the builtins that make branches, turns and attempts.
func branching() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig: `parallel(*branches: function, over: iterable|None = None, limit: int|None = None, fail_fast: bool = True, **named: function)`,
			Doc: "Calls every branch concurrently and waits for all. It returns result objects in order (.ok .status .error .value), a dict of them for named branches. parallel(f, over = items) calls f(item) for each item; limit bounds how many go at once. " +
				"A failure stops the siblings, unless fail_fast = False; once all have ended the first failure in branch order is raised.",
			Family: "structure", Phase: dsl.Acting, Blocks: true,
			Ranges: map[string][2]float64{"limit": {1, 1e6}},
			Help: map[string]string{
				"branches": "functions", "named": "functions by name", "over": "what the one function is called with, an item each",
				"limit": "how many go at once; without it all", "fail_fast": "whether a failure stops the others",
			},
		}, acts(parallel)},
		{dsl.Builtin{
			Sig:    `loop(body: function, times: int|None = None, duration: duration|None = None, until: function = None, every: duration|None = None, forever: bool = False)`,
			Doc:    "Calls body(i) again and again, or body() if it takes no argument. until(result) is asked after each turn; no turn begins after duration; every is from start to start, and a late turn begins at once and is noted. Without times, duration or until forever = True must be said. It returns the number of turns.",
			Family: "structure", Phase: dsl.Acting, Blocks: true,
			Ranges: map[string][2]float64{"times": {0, 1e12}},
			Help: map[string]string{
				"body": "called with the number of the turn, from 0", "times": "how many turns at most", "duration": "after which no turn begins",
				"until": "called with what body returned; where it is true the loop ends", "every": "from the start of a turn to that of the next; without it they follow at once",
				"forever": "said where nothing else ends the loop",
			},
		}, acts(loop)},
		{dsl.Builtin{
			Sig:    `start(fn: function, name: string|None = None)`,
			Doc:    "Starts a background branch, which is ended with its scope. The handle has .wait(), .stop() and .done. If the branch fails it fails its scope at once, unless someone is in .wait(), which raises there.",
			Family: "structure", Phase: dsl.Acting, Blocks: true,
		}, acts(start)},
		{dsl.Builtin{
			Sig:    `attempt(fn: function)`,
			Doc:    "Runs fn and returns a result (.ok .error .value) instead of raising. A failure stopped there is tolerated: it is shown and counted. Errors of the script and cancellation pass through.",
			Family: "structure", Phase: dsl.Acting, Blocks: true,
		}, acts(attempt)},
		{dsl.Builtin{
			Sig:    `on_exit(fn: function, when: string = "always")`,
			Doc:    "Calls fn when the scope ends, after its branches are ended and its faults off, last in first out, on a branch of its own that a stop cannot cancel, within --cleanup-timeout. It may look, log, send and execute, not inject. Failing or overdue it makes the run unclean, and the others still run.",
			Family: "structure", Phase: dsl.Acting,
			Choices: map[string][]string{"when": {"always", "success", "failure", "abort", "stop"}},
		}, acts(onExit)},
	}
}

func parallel(c *Call, t *task) (starlark.Value, error) {
	specs, names, err := c.branches(t)
	if err != nil {
		return nil, err
	}
	results, err := t.branch.Parallel(specs, runtime.ParallelOptions{Limit: c.Int("limit"), RunAll: !c.Bool("fail_fast")})
	if err != nil {
		return nil, err
	}
	values := make([]starlark.Value, len(results))
	for i, res := range results {
		values[i] = branchObject(res.Status, res.Err, res.Value)
	}
	if names == nil {
		return starlark.NewList(values), nil
	}
	dict := starlark.NewDict(len(values))
	for i, name := range names {
		if err := dict.SetKey(name, values[i]); err != nil {
			return nil, err
		}
	}
	return dict, nil
}

// branches reads what parallel is to call; names is set for named branches.
func (c *Call) branches(t *task) (specs []runtime.BranchSpec, names []starlark.Value, err error) {
	rest, named := c.Rest(), c.Named()
	from := t.frames()
	switch {
	case c.Has("over"):
		if len(rest) != 1 || len(named) > 0 {
			return nil, nil, c.Errorf("over", "expected exactly one function beside it").WithHint("write parallel(f, over = items)")
		}
		fn, err := c.CheckCallable("branches", rest[0])
		if err != nil {
			return nil, nil, err
		}
		for _, item := range c.List("over") {
			label := ""
			if s, ok := item.(starlark.String); ok && len(s) <= 40 {
				label = string(s)
			}
			specs = append(specs, runtime.BranchSpec{Label: label, Body: t.spawnBody(fn, starlark.Tuple{item}, from)})
		}
		return specs, nil, nil
	case len(rest) > 0 && len(named) > 0:
		return nil, nil, c.Errorf("", "branches are either all named or none")
	}
	for _, v := range rest {
		fn, err := c.CheckCallable("branches", v)
		if err != nil {
			return nil, nil, err
		}
		specs = append(specs, runtime.BranchSpec{Label: functionName(fn), Body: t.spawnBody(fn, nil, from)})
	}
	for _, kv := range named {
		name, _ := text(kv[0])
		fn, err := c.CheckCallable(name, kv[1])
		if err != nil {
			return nil, nil, err
		}
		specs = append(specs, runtime.BranchSpec{Label: name, Body: t.spawnBody(fn, nil, from)})
		names = append(names, kv[0])
	}
	return specs, names, nil
}

// functionName is the name for a path: a def's own, "" for a lambda.
func functionName(fn starlark.Callable) string {
	if f, ok := fn.(*starlark.Function); ok && f.Name() != "lambda" {
		return f.Name()
	}
	return ""
}

// branchObject is how a branch or an attempt ended, as a script sees it.
func branchObject(status journal.Status, err *runtime.Failure, v any) *Object {
	return NewObject("result",
		Field{Name: "ok", Value: starlark.Bool(status == journal.Passed)},
		Field{Name: "status", Value: starlark.String(status)},
		Field{Name: "error", Value: errorText(err)},
		Field{Name: "value", Value: value(v)},
	)
}

func loop(c *Call, t *task) (starlark.Value, error) {
	spec := &runtime.LoopSpec{Times: c.Int("times"), Bounded: c.Has("times"), Duration: c.Duration("duration"), Every: c.Duration("every")}
	if !spec.Bounded && !c.Has("duration") && !c.Has("until") && !c.Bool("forever") {
		return nil, c.Errorf("", "has no bound").WithHint("give times, duration or until, or say forever = True")
	}
	if c.Bool("forever") && (spec.Bounded || c.Has("duration")) {
		return nil, c.Errorf("forever", "has a bound besides")
	}
	if c.Has("duration") && spec.Duration == 0 {
		return starlark.MakeInt(0), nil
	}
	body := c.Callable("body")
	takesTurn := takesArgument(body)
	spec.Body = func(b *runtime.Branch, turn int) (any, error) {
		var args starlark.Tuple
		if takesTurn {
			args = starlark.Tuple{starlark.MakeInt(turn)}
		}
		return starlark.Call(t.thread, body, args, nil)
	}
	if until := c.Callable("until"); until != nil {
		wrong := c.Errorf("until", "expected the function to return True or False")
		spec.Until = func(b *runtime.Branch, v any) (bool, error) {
			return t.asks(wrong, until, value(v))(b)
		}
	}
	turns, err := t.branch.Loop(spec)
	if err != nil {
		return nil, err
	}
	return starlark.MakeInt(turns), nil
}

// takesArgument reports whether a function can be called with one positional
// argument; builtins are taken to.
func takesArgument(fn starlark.Callable) bool {
	f, ok := fn.(*starlark.Function)
	return !ok || f.NumParams()-f.NumKwonlyParams() > 0
}

func start(c *Call, t *task) (starlark.Value, error) {
	fn := c.Callable("fn")
	label := orElse(c.String("name"), orElse(functionName(fn), "background"))
	bg, err := t.branch.Start(label, t.spawnBody(fn, nil, t.frames()))
	if err != nil {
		return nil, err
	}
	return NewObject("background",
		Method(Builtin{dsl.Builtin{Sig: `wait()`}, acts(func(c *Call, t *task) (starlark.Value, error) {
			res, err := bg.Wait(t.branch)
			if err != nil {
				return nil, err
			}
			return branchObject(res.Status, res.Err, res.Value), nil
		})}),
		Method(Builtin{dsl.Builtin{Sig: `stop()`}, acts(func(c *Call, t *task) (starlark.Value, error) {
			return starlark.None, bg.Stop(t.branch)
		})}),
		Field{Name: "done", Always: func() starlark.Value { return starlark.Bool(bg.Done()) }},
	), nil
}

func attempt(c *Call, t *task) (starlark.Value, error) {
	res, err := t.branch.Attempt(t.callBody(c.Callable("fn"), nil))
	if err != nil {
		return nil, err
	}
	status := journal.Passed
	if res.Err != nil {
		status = journal.Failed
	}
	return branchObject(status, res.Err, res.Value), nil
}

func onExit(c *Call, t *task) (starlark.Value, error) {
	fn := c.Callable("fn")
	label := orElse(functionName(fn), "on_exit")
	if pos := c.Pos(); label == "on_exit" && pos.Line > 0 {
		label += ":" + strconv.Itoa(int(pos.Line))
	}
	return starlark.None, t.branch.OnExit(runtime.ExitWhen(c.String("when")), label, t.spawnBody(fn, nil, t.frames()))
}

// waiting are the builtins about time and people.
func waiting() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig: `sleep(d: duration)`, Doc: "Waits. A pause of the run does not count.",
			Family: "structure", Phase: dsl.Acting, Blocks: true,
		}, acts(func(c *Call, t *task) (starlark.Value, error) {
			return starlark.None, t.branch.Sleep(c.Duration("d"))
		})},
		{dsl.Builtin{
			Sig: `now()`, Doc: "Gives the time of the world: in a plan it is the virtual clock, which starts at 2000-01-01T00:00:00Z.",
			Family: "structure", Phase: dsl.Acting, Looks: true,
		}, looks(func(c *Call, t *task) (starlark.Value, error) { return Time(t.branch.Now().UTC()), nil })},
		{dsl.Builtin{
			Sig: `elapsed()`, Doc: "Gives the time since the run began, without its pauses.",
			Family: "structure", Phase: dsl.Acting, Looks: true,
		}, looks(func(c *Call, t *task) (starlark.Value, error) { return Duration(t.branch.Elapsed()), nil })},
		{dsl.Builtin{
			Sig:     `wait_until(probe: probe|function, timeout: duration, every: duration = "1s", stable: duration = "0s", must: bool = True)`,
			Doc:     "Waits until the probe holds, and has held for stable without a bad reading. The result has .ok .elapsed .attempts .last. With must a time-out fails with the last value.",
			Planned: "the probe holds at once, and for stable; a function is called",
			Help: map[string]string{
				"probe": "a probe, or a function that is called without arguments", "timeout": "how long it waits at most", "every": "from a reading to the next",
				"stable": "for how long it must hold without a bad reading", "must": "whether a time-out is a failure; else .ok tells",
			},
			Family: "structure", Phase: dsl.Acting, Blocks: true,
		}, acts(waitUntil)},
		{dsl.Builtin{
			Sig:     `approve(message: string, timeout: duration = "1h", on_timeout: string = "stop", faults: string = "refuse", *, simulated: dict|None = None)`,
			Doc:     "Holds until a person answers, with starquake approve or reject. The result has .by .at .comment; a rejection stops the run. While a fault is on it is an error, unless faults is keep or lift. Without a terminal or a server it is refused before the start.",
			Planned: "approved at once",
			Family:  "structure", Phase: dsl.Acting, Blocks: true,
			Choices: map[string][]string{"on_timeout": {"stop", "fail", "continue"}, "faults": {"refuse", "keep", "lift"}},
		}, acts(approve)},
	}
}

// waitLong lets all the time of a wait pass, where the plan asks for the longest run.
func (t *task) waitLong(d time.Duration) error {
	t.env.Waited = true
	if !t.env.SlowWaits {
		return nil
	}
	return t.branch.Sleep(d)
}

func waitUntil(c *Call, t *task) (starlark.Value, error) {
	p, err := c.probe(t, "probe")
	if err != nil {
		return nil, err
	}
	spec := &runtime.WaitSpec{Probe: p, Timeout: c.Duration("timeout"), Every: c.Duration("every"), Stable: c.Duration("stable"), Must: c.Bool("must")}
	if spec.Every < time.Millisecond {
		return nil, c.Errorf("every", "expected at least 1ms, got %s", Duration(spec.Every))
	}
	if spec.Stable > spec.Timeout {
		return nil, c.Errorf("stable", "it must hold for %s, and the wait is over after %s", Duration(spec.Stable), Duration(spec.Timeout)).
			WithHint("write a longer timeout")
	}
	if err := t.waitLong(spec.Timeout); err != nil {
		return nil, err
	}
	res, err := t.branch.WaitUntil(spec)
	if err != nil {
		return nil, err
	}
	last, err := readingValue(res.Last)
	if err != nil {
		return nil, err
	}
	return NewObject("wait_result",
		Field{Name: "ok", Value: starlark.Bool(res.OK)},
		Field{Name: "elapsed", Value: Duration(res.Elapsed)},
		Field{Name: "attempts", Value: starlark.MakeInt(res.Attempts)},
		Field{Name: "last", Value: last},
	), nil
}
