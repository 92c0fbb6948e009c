package builtins

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// stepBudget is how many steps of the interpreter one turn may take, some 45 ms: more
// is a runaway script. It is armed anew whenever a branch goes on.
const stepBudget = 10_000_000

// heedEvery is after how many steps of the interpreter it is seen whether the script is
// held: no more lie between two joins of texts in statements of their own.
const heedEvery = 4

// Env is what one run's builtins know of their surroundings. Package app makes it; a
// run has one, and nothing in it outlives the run.
type Env struct {
	// Names are the predeclared names, from Compile.
	Names starlark.StringDict
	// Init executes the top level of a module, by its canonical name.
	Init func(thread *starlark.Thread, module string) (starlark.StringDict, error)
	// Resolve gives the canonical name for what a load statement in a module says.
	Resolve func(from, module string) (string, error)
	// Params are the given parameters by name, each a JSON value or, from the command
	// line, plain text.
	Params map[string]GivenParam
	// Scenarios are those of the user's library, the module that defines each by its name.
	Scenarios map[string]string
	// Targets are those given to the run: by --proxy, --env or the server.
	Targets []*Target
	// LeftOut are the names of targets that whoever started the run has not given it.
	LeftOut []string
	// Services are the addresses that the environment defines.
	Services map[string]string
	// Prometheus is the address of the environment's, "" without one, and Channels are
	// the names of those that notify knows.
	Prometheus string
	Channels   []string
	// Environment is the environment's name, "" without one.
	Environment string
	// CheckSecret says why a secret is not there, and what to do; nil: all are (planning).
	CheckSecret func(name string) error
	// AnyTarget lets chaos name targets that nobody gave: nothing real is done.
	AnyTarget bool
	// AnyParam lets required parameters be missing: the script is only looked at.
	AnyParam bool
	// ParamAs is how parameters are given, for help: see GivenAs.
	ParamAs string

	// OnCall is told of every call of a builtin that acts or looks; it may be nil.
	OnCall func(*starlark.Thread)
	// Simulate runs an orchestration in the virtual world; nil but in a test.
	Simulate func(Simulation) (*Simulated, error)
	// FailSteps and BreachGuards name steps and guards that are to fail, in a plan.
	FailSteps, BreachGuards []string
	// HasChaos says that the script makes faults somewhere.
	HasChaos bool

	// SlowWaits makes wait_until and approve take all the time they may, in a plan, and
	// Waited says that one was called: together they tell how long a run can take.
	SlowWaits, Waited bool

	// Meta, Declared and Secrets are what the script said of itself.
	Meta     Meta
	Declared []Param
	Secrets  []string
	// Notices are what a person should know of how the script met its surroundings.
	Notices []Notice

	interrupts
	saidGuarded bool // see guarded
	declaring   bool // the top level of a script with main(): nothing acts
	modules     map[string]*module
	targets     []*Target // given, then declared
	figures     map[string]starlark.Value
	described   map[string]bool // traffic by its id: see Traffic.ready
}

// GivenParam is a parameter's value from outside.
type GivenParam struct {
	Text string // as written on a command line
	JSON []byte // as sent to the API; nil: Text holds
}

// Meta is what orchestration(…) says.
type Meta struct {
	Name         string        `json:"name,omitempty"`
	Description  string        `json:"description,omitempty"`
	Tags         []string      `json:"tags,omitempty"`
	Owner        string        `json:"owner,omitempty"`
	Runbook      string        `json:"runbook,omitempty"`
	MaxDuration  time.Duration `json:"max_duration,omitempty"`
	Environments []string      `json:"environments,omitempty"`
	declared     bool
}

type module struct {
	globals starlark.StringDict
	err     error
	loading bool
}

// task is one branch's side of the interpreter: its thread, and how it came about.
type task struct {
	env    *Env
	thread *starlark.Thread
	branch *runtime.Branch // nil while declaring
	// budget is the number of the interpreter's step at which the turn has had its steps.
	budget uint64
	// spawned is the call stack of the call that made the branch.
	spawned []journal.Frame
	// answers says that it executes a function of a test that gives answers.
	answers bool
}

// taskKey is the key of a thread's task.
const taskKey = "starquake"

// Declare executes the top level of a script that has main(): it declares and does
// not act. The result are the script's globals.
func (e *Env) Declare(main string) (starlark.StringDict, error) {
	e.reset()
	e.declaring = true
	defer func() { e.declaring = false }()
	thread := e.newTask(nil, nil).thread
	before := e.executes(thread)
	defer func() { e.executes(before) }()
	return e.Init(thread, main)
}

// Script gives the root body of a script: its top level and then, where it has one,
// main().
func (e *Env) Script(name string, hasMain bool) runtime.Body {
	return func(b *runtime.Branch) (any, error) {
		e.reset()
		t := e.newTask(b, nil)
		if err := e.openGiven(t); err != nil {
			return nil, err
		}
		if !hasMain {
			_, err := e.Init(t.thread, name)
			if err == nil { // known only now; a plan before the run has found it earlier
				err = e.checkParams()
			}
			return nil, err
		}
		main, err := e.declareMain(name)
		if err == nil {
			err = e.checkParams()
		}
		if err != nil {
			return nil, err
		}
		if err := e.openDeclared(t); err != nil {
			return nil, err
		}
		for _, n := range e.Notices {
			n.log(b)
		}
		if d := e.Meta.MaxDuration; d > 0 {
			b.Run().SetMaxDuration(d)
		}
		return starlark.Call(t.thread, main, nil, nil)
	}
}

// declareMain declares and gives main. The globals, which no load asks for, go.
func (e *Env) declareMain(name string) (starlark.Value, error) {
	globals, err := e.Declare(name)
	return globals["main"], err
}

// Function gives the root body that calls one function of a script whose top level
// only declares.
func (e *Env) Function(script, function string) runtime.Body {
	return func(b *runtime.Branch) (any, error) {
		t := e.newTask(b, nil)
		globals, err := e.Declare(script)
		if err != nil {
			return nil, err
		}
		return starlark.Call(t.thread, globals[function], nil, nil)
	}
}

// reset forgets what an earlier pass over the script declared.
func (e *Env) reset() {
	e.Meta, e.Declared, e.Secrets, e.Notices = Meta{}, nil, nil, nil
	e.modules = nil
	e.figures, e.described = nil, nil
	e.saidGuarded = false
	e.targets = append([]*Target(nil), e.Targets...)
}

// load executes a module once and gives its globals. They are not frozen: of all
// branches of a run one executes at any time.
func (e *Env) load(thread *starlark.Thread, name string) (starlark.StringDict, error) {
	m := e.modules[name]
	if m == nil {
		if e.modules == nil {
			e.modules = make(map[string]*module)
		}
		m = &module{loading: true}
		e.modules[name] = m
		before := e.executes(thread)
		m.globals, m.err = e.Init(thread, name)
		e.executes(before)
		m.loading = false
	}
	if m.loading {
		return nil, fmt.Errorf("module %s is being loaded by itself", name)
	}
	return m.globals, m.err
}

// loadFor serves a load statement. The top level of a loaded module only declares,
// whatever the script that loads it does; what it declares is opened for a script
// that acts at its top level.
func (t *task) loadFor(thread *starlark.Thread, module string) (starlark.StringDict, error) {
	name, err := t.env.Resolve(thread.CallFrame(0).Pos.Filename(), module)
	if err != nil {
		return nil, err
	}
	globals, err := t.env.load(t.env.newTask(nil, nil).thread, name)
	if err == nil && t.branch != nil && !t.env.declaring {
		err = t.env.openDeclared(t)
	}
	return globals, err
}

// newTask makes the interpreter's side of a branch.
func (e *Env) newTask(b *runtime.Branch, spawned []journal.Frame) *task {
	t := &task{env: e, branch: b, spawned: spawned}
	t.thread = &starlark.Thread{
		Name:  "main",
		Load:  t.loadFor,
		Print: func(_ *starlark.Thread, msg string) { t.print(msg) },
	}
	t.thread.SetLocal(taskKey, t)
	t.thread.OnMaxSteps = t.steps
	t.arm()
	if b != nil {
		b.Local = t
		e.executes(t.thread)
	}
	return t
}

// arm gives the task the steps of a turn.
func (t *task) arm() {
	t.budget = t.thread.ExecutionSteps() + stepBudget
	t.thread.SetMaxExecutionSteps(t.thread.ExecutionSteps() + heedEvery)
}

// steps is called by the interpreter, between two of its steps.
func (t *task) steps(thread *starlark.Thread) {
	t.env.heed()
	if thread.Steps >= t.budget {
		thread.Cancel("too many steps")
		return
	}
	thread.SetMaxExecutionSteps(thread.Steps + heedEvery)
}

// print sends what a script prints to the run's log. While declaring there is none.
func (t *task) print(msg string) {
	if t.branch != nil {
		t.branch.Log("info", msg, nil)
	}
}

// OnTurn re-arms the step budget; it is a run's Config.OnTurn.
func OnTurn(b *runtime.Branch) {
	if t, ok := b.Local.(*task); ok {
		t.arm()
		t.env.executes(t.thread)
	}
}

// taskOf is the task of the calling thread.
func taskOf(thread *starlark.Thread) *task { return thread.Local(taskKey).(*task) }

// acts makes the function of a builtin that acts: it has a branch, which is not one
// that may only look.
func acts(fn func(c *Call, t *task) (starlark.Value, error)) func(*Call) (starlark.Value, error) {
	return func(c *Call) (starlark.Value, error) {
		t := taskOf(c.Thread)
		if t.branch == nil {
			return nil, c.onlyDeclares()
		}
		t.called()
		if t.branch.Watching() {
			return nil, runtime.Failf(runtime.ClassScript, runtime.CodeProbeActs,
				"%s: a function probe may only look; call it in the branch itself, not in a function given to guard or steady_state", c.Name)
		}
		if err := t.branch.Alive(); err != nil {
			return nil, err
		}
		return fn(c, t)
	}
}

// looks is acts for builtins that only look, which function probes may call.
func looks(fn func(c *Call, t *task) (starlark.Value, error)) func(*Call) (starlark.Value, error) {
	return func(c *Call) (starlark.Value, error) {
		t := taskOf(c.Thread)
		if t.branch == nil {
			return nil, c.onlyDeclares()
		}
		t.called()
		if err := t.branch.Alive(); err != nil {
			return nil, err
		}
		return fn(c, t)
	}
}

func (t *task) called() {
	if t.env.OnCall != nil {
		t.env.OnCall(t.thread)
	}
}

func (c *Call) onlyDeclares() error {
	if taskOf(c.Thread).answers {
		return &ArgError{Builtin: c.Name, Message: "acts, but a function that gives answers only computes one", Hint: "look at call and the time, and return a dict, or None for the planned answer"}
	}
	return &ArgError{Builtin: c.Name, Message: "acts, but the top level of a script with main(), and of a loaded module, only declares", Hint: "call it in main()"}
}

// declares makes the function of a builtin that declares.
func declares(fn func(c *Call, e *Env) (starlark.Value, error)) func(*Call) (starlark.Value, error) {
	return func(c *Call) (starlark.Value, error) { return fn(c, taskOf(c.Thread).env) }
}

// callBody makes the body that calls fn on the branch that runs it: on the same
// thread where the branch is the caller's, on a new one for a new branch.
func (t *task) callBody(fn starlark.Callable, args starlark.Tuple) runtime.Body {
	if fn == nil {
		return nil
	}
	return func(b *runtime.Branch) (any, error) {
		return starlark.Call(t.on(b).thread, fn, args, nil)
	}
}

// on gives the task of a branch: t itself, one that the branch has, or a new one
// that remembers where t stood.
func (t *task) on(b *runtime.Branch) *task {
	if b == t.branch {
		return t
	}
	if have, ok := b.Local.(*task); ok {
		return have
	}
	return t.env.newTask(b, t.spawned)
}

// spawnBody is callBody for branches to be made: they remember the calls that made
// them, for the backtraces of their errors.
func (t *task) spawnBody(fn starlark.Callable, args starlark.Tuple, from []journal.Frame) runtime.Body {
	return func(b *runtime.Branch) (any, error) {
		return starlark.Call(t.env.newTask(b, from).thread, fn, args, nil)
	}
}

// value gives what a body returned as a Starlark value.
func value(v any) starlark.Value {
	if s, ok := v.(starlark.Value); ok && s != nil {
		return s
	}
	return starlark.None
}
