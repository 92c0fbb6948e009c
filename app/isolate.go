package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/runtime"
	"starquake/units"
)

// Under Options.Isolate a child process executes the script: it holds interpreter and
// scheduler, and speaks with this one over a pipe (package runtime, PipeWorld and
// ServePipe). Journal, clock, effects, faults and secrets stay here, so whatever the
// script does to its process, it can be killed and the faults are off.
//
// A child is this same program, started again. Its main must begin with
//
//	if app.IsIsolatedChild() {
//		os.Exit(app.IsolatedChild())
//	}

const (
	// DefaultIsolatedMemory is how large the heap of a script may grow in a process of
	// its own.
	DefaultIsolatedMemory = 320 << 20
	// DefaultIsolatedCPU is how much processor time a script may use up in a process of its
	// own. It is far away: a turn is bounded by its steps and by its own limit.
	DefaultIsolatedCPU = 24 * time.Hour
	// isolatedTurnLimit bounds a turn of such a script, in processor time.
	isolatedTurnLimit = 2 * time.Second
	// isolatedStart bounds the start of the process, which takes long on a busy machine.
	isolatedStart = time.Minute
)

// isolated is a child that is ready to begin.
type isolated struct {
	process *scriptProcess
	said    *bufio.Reader
	setup   isolatedSetup
	// checkSecret answers for the secrets that the script declares; nil in a plan.
	checkSecret func(name string) error
	trail       *trail // what it told; nil before its run has ended
}

// isolate starts a child for the script, which leaves a trail if it is asked for one.
// Refusals say that the script is to blame.
func (s *Script) isolate(opt *Options, cfg runtime.Config, env *builtins.Env, trail *trailSetup) (*isolated, error) {
	c := &isolated{checkSecret: env.CheckSecret, setup: isolatedSetup{
		Begin: cfg.Begin, Strict: cfg.Strict, PastFailures: cfg.PastFailures, CleanupTimeout: cfg.CleanupTimeout, MemoryLimit: opt.MemoryLimit, CPULimit: opt.CPULimit, Env: wireEnv(env), Trail: trail,
	}}
	if c.setup.MemoryLimit <= 0 {
		c.setup.MemoryLimit = DefaultIsolatedMemory
	}
	if c.setup.CPULimit <= 0 {
		c.setup.CPULimit = DefaultIsolatedCPU
	}
	line, err := json.Marshal(&c.setup)
	if err != nil {
		return nil, fmt.Errorf("telling the script's process what to execute: %w", err)
	}
	if c.process, err = startScriptProcess(); err != nil {
		return nil, err
	}
	c.process.mu.Lock()
	c.process.cpu = c.setup.CPULimit
	c.process.mu.Unlock()
	c.said = bufio.NewReaderSize(c.process.out, 1<<16)
	if err := c.greet(line); err != nil {
		why := c.process.died(err)
		c.process.close()
		if why.Script {
			return nil, Refusals{{Severity: dsl.Error, Code: why.Code, File: s.Unit.Main.Name, Message: why.Message}}
		}
		return nil, errors.New(why.Message)
	}
	return c, nil
}

// greet tells the child what to execute and waits until it is ready. An error says
// that it has ended, or must.
func (c *isolated) greet(setup []byte) error {
	late := time.AfterFunc(isolatedStart, func() {
		c.process.kill(&runtime.Death{Code: runtime.CodeScriptKilled, Message: "the script's process was not ready within " + units.FormatDuration(isolatedStart)})
	})
	defer late.Stop()
	if _, err := c.process.in.Write(append(setup, '\n')); err != nil {
		return err
	}
	if _, err := c.hello(); err != nil {
		return err
	}
	late.Stop()
	turn := runtime.TurnTimer{Limit: isolatedTurnLimit, Used: c.process.used(), Late: func() {
		c.process.kill(&runtime.Death{Code: runtime.CodeScriptTime, Script: true, Message: "the script computed for more than " + units.FormatDuration(isolatedTurnLimit) + " before it began"})
	}}
	turn.Begin()
	defer turn.End()
	hello, err := c.hello()
	c.setup.Begin.Name = hello.Name
	return err
}

// hello reads one greeting.
func (c *isolated) hello() (hello isolatedHello, err error) {
	line, err := c.said.ReadSlice('\n')
	if err != nil && err != bufio.ErrBufferFull {
		return hello, err
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&hello); err != nil {
		c.process.kill(&runtime.Death{Code: runtime.CodeProtocol, Message: "the script's process did not say that it is ready"})
		return hello, err
	}
	return hello, nil
}

// execute carries out in world what the child asks for, until its run has ended, and
// ends the child. Killed is called first where somebody else has ended it.
func (c *isolated) execute(world runtime.World, killed func()) runtime.Outcome {
	defer c.process.close()
	return runtime.ServePipe(c.said, c.process.in, world, runtime.PipeOptions{
		Begin: &c.setup.Begin, Strict: c.setup.Strict, TurnLimit: isolatedTurnLimit, Used: c.process.used(),
		Kill: func() { c.process.kill(nil) }, Died: func(err error) runtime.Death {
			why := c.process.died(err)
			if why.Code == runtime.CodeScriptKilled && killed != nil && c.process.killedByOthers() {
				killed()
			}
			return why
		},
		Answer: c.answer,
	})
}

// answer answers what the child asks within a turn.
func (c *isolated) answer(question json.RawMessage) (any, error) {
	var q isolatedQuestion
	err := json.Unmarshal(question, &q)
	switch {
	case err == nil && q.Trail != nil && c.setup.Trail != nil && c.trail == nil:
		c.trail = q.Trail
		return "", nil
	case err == nil && q.Trail == nil && c.checkSecret != nil:
		if missing := c.checkSecret(q.Secret); missing != nil {
			return missing.Error(), nil
		}
		return "", nil
	}
	return nil, errors.New("a question that nobody can answer")
}
