package app

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"go.starlark.net/starlark"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// How a child is told from any other call of the program: both must be there.
const (
	isolatedCommand  = "isolated-script"
	isolatedVariable = "STARQUAKE_ISOLATED"
)

// isolatedSlack is what a child's process may have above its script's heap: the
// interpreter, garbage, and memory that comes in pieces of 64 MiB.
const isolatedSlack = 256 << 20

// isolatedSetup is the first line that a child is given. It has no secrets in it, and
// no permissions: what the script asks for is performed, or refused, by the parent.
type isolatedSetup struct {
	Begin          journal.RunBeginBody `json:"begin"`
	Strict         bool                 `json:"strict,omitempty"`
	PastFailures   bool                 `json:"past_failures,omitempty"`
	CleanupTimeout time.Duration        `json:"cleanup_timeout,omitempty"`
	MemoryLimit    int64                `json:"memory_limit"`
	CPULimit       time.Duration        `json:"cpu_limit"`
	Env            isolatedEnv          `json:"env"`
	// Trail, if set, asks for what the script left besides its records.
	Trail *trailSetup `json:"trail,omitempty"`
}

// isolatedEnv is a builtins.Env as plain data.
type isolatedEnv struct {
	Params       map[string]builtins.GivenParam `json:"params,omitempty"`
	Targets      []isolatedTarget               `json:"targets,omitempty"`
	LeftOut      []string                       `json:"left_out,omitempty"`
	Services     map[string]string              `json:"services,omitempty"`
	Environment  string                         `json:"environment,omitempty"`
	Prometheus   string                         `json:"prometheus,omitempty"`
	Channels     []string                       `json:"channels,omitempty"`
	AskSecrets   bool                           `json:"ask_secrets,omitempty"` // else all are there
	AnyTarget    bool                           `json:"any_target,omitempty"`
	AnyParam     bool                           `json:"any_param,omitempty"`
	ParamAs      string                         `json:"param_as,omitempty"`
	FailSteps    []string                       `json:"fail_steps,omitempty"`
	BreachGuards []string                       `json:"breach_guards,omitempty"`
	HasChaos     bool                           `json:"has_chaos,omitempty"`
	SlowWaits    bool                           `json:"slow_waits,omitempty"`
	Scenarios    map[string]string              `json:"scenarios,omitempty"`
}

type isolatedTarget struct {
	builtins.Target
	Open bool `json:"open,omitempty"`
}

// wireEnv gives the plain data of env.
func wireEnv(env *builtins.Env) isolatedEnv {
	e := isolatedEnv{
		Prometheus: env.Prometheus, Channels: env.Channels,
		Params: env.Params, LeftOut: env.LeftOut, Services: env.Services, Environment: env.Environment, AskSecrets: env.CheckSecret != nil,
		AnyTarget: env.AnyTarget, AnyParam: env.AnyParam, ParamAs: env.ParamAs, FailSteps: env.FailSteps, BreachGuards: env.BreachGuards,
		HasChaos: env.HasChaos, SlowWaits: env.SlowWaits, Scenarios: env.Scenarios,
	}
	for _, t := range env.Targets {
		e.Targets = append(e.Targets, isolatedTarget{*t, t.Open})
	}
	return e
}

// targets are those that the run was given.
func (e *isolatedEnv) targets() []*builtins.Target {
	out := make([]*builtins.Target, len(e.Targets))
	for i := range e.Targets {
		out[i] = &e.Targets[i].Target
	}
	return out
}

// fill sets what e is the plain data of.
func (e *isolatedEnv) fill(env *builtins.Env) {
	env.Params, env.Services, env.Environment, env.LeftOut = e.Params, e.Services, e.Environment, e.LeftOut
	env.Prometheus, env.Channels = e.Prometheus, e.Channels
	env.AnyTarget, env.AnyParam, env.FailSteps, env.BreachGuards = e.AnyTarget, e.AnyParam, e.FailSteps, e.BreachGuards
	env.HasChaos, env.SlowWaits, env.Scenarios, env.ParamAs = e.HasChaos, e.SlowWaits, e.Scenarios, e.ParamAs
	for i := range e.Targets {
		t := &e.Targets[i].Target
		t.Open = e.Targets[i].Open
		env.Targets = append(env.Targets, t)
	}
}

// isolatedHello is what a child says before the run: that it has read the script, and
// then, with the orchestration's name, that the script has declared.
type isolatedHello struct {
	Name string `json:"name,omitempty"`
}

// isolatedQuestion is what a script may know without an effect, and, with Trail, what a
// plan tells at its end. The answer is a string.
type isolatedQuestion struct {
	Secret string `json:"secret,omitempty"` // why is there none of that name? "": there is
	Trail  *trail `json:"trail,omitempty"`
}

// IsIsolatedChild reports whether this process was started by a run under
// Options.Isolate. Main asks first of all, and then does nothing but IsolatedChild.
func IsIsolatedChild() bool {
	return len(os.Args) == 2 && os.Args[1] == isolatedCommand && os.Getenv(isolatedVariable) == "1"
}

// IsolatedChild executes one script for the parent process, over standard input and
// output, and gives the exit code.
func IsolatedChild() int {
	if err := executeIsolated(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func executeIsolated(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 1<<16)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading what to execute: %w", err)
	}
	var setup isolatedSetup
	if err := json.Unmarshal(line, &setup); err != nil {
		return fmt.Errorf("reading what to execute: %w", err)
	}
	debug.SetMemoryLimit(setup.MemoryLimit + isolatedSlack/2) // the watch ends what needs it, not an ever busier collector
	if err := confine(setup.MemoryLimit+isolatedSlack, setup.CPULimit); err != nil {
		return err
	}
	opt := Loader{Lenient: true}.options(setup.Begin.Script, new(*ReportPath)) // as strict as it had to be, it has been
	opt.NoCheck = true
	unit, diags := dsl.LoadModules(setup.Begin.Script, setup.Begin.Modules, opt)
	s, diags := newScript(unit, "", diags)
	if diags.HasErrors() {
		return errors.New("the script's process cannot read the script: " + diags[0].String())
	}
	world := runtime.NewPipeWorld(r, out)
	env := s.surroundings(&setup, world)
	turns := processWatch.over(world, setup.MemoryLimit, env, func(code, message string) {
		world.Fail(code, message)
		env.Interrupt(code, message)
	})
	defer turns.leave()
	cfg := runtime.Config{
		Strict: setup.Strict, PastFailures: setup.PastFailures, CleanupTimeout: setup.CleanupTimeout, Describe: builtins.Describe, OnTurn: builtins.OnTurn,
	}
	world.Through = turns
	if setup.Trail != nil {
		tracker := track(env, *setup.Trail)
		cfg.OnEffect = tracker.onEffect()
		world.Through = &telling{turns, world, tracker}
	}
	say := json.NewEncoder(out)
	if err := say.Encode(isolatedHello{}); err != nil {
		return fmt.Errorf("saying that the script was read: %w", err)
	}
	if d, err := s.Declare(setup.Env.Params); err == nil && d.Meta.Name != "" {
		setup.Begin.Name = d.Meta.Name
	}
	if err := say.Encode(isolatedHello{setup.Begin.Name}); err != nil {
		return fmt.Errorf("saying that the script is ready: %w", err)
	}
	cfg.Begin = setup.Begin
	return world.Execute(cfg, env.Script(s.Unit.Main.Name, s.Unit.Main.HasMain))
}

// telling is a world that tells the run's trail before its end.
type telling struct {
	runtime.World
	pipe    *runtime.PipeWorld
	tracker *tracker
}

// Finish implements runtime.World.
func (w *telling) Finish(r *runtime.Ready) {
	var ack string
	_ = w.pipe.Ask(isolatedQuestion{Trail: w.tracker.trail()}, &ack) // a broken pipe shows when the end is written
	w.World.Finish(r)
}

// surroundings makes those of the script.
func (s *Script) surroundings(setup *isolatedSetup, world *runtime.PipeWorld) *builtins.Env {
	env := s.newEnv()
	setup.Env.fill(env)
	if setup.Env.AskSecrets {
		env.CheckSecret = func(name string) error {
			var missing string
			if err := world.Ask(isolatedQuestion{Secret: name}, &missing); err != nil {
				return err
			}
			if missing != "" {
				return errors.New(missing)
			}
			return nil
		}
	}
	env.OnCall = func(thread *starlark.Thread) {
		if thread.CallFrame(0).Name == "on_exit" {
			world.CleanupRegistered()
		}
	}
	return env
}
