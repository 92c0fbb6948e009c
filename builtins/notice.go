package builtins

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// A Notice is what a person should know of how the script met its surroundings,
// although nothing is wrong: what a plan had to assume, and what gave way to something
// that the run was given.
type Notice struct {
	Message string `json:"message"`
	// Code names the rule of a warning: that the experiment is not what it seems, or
	// CodeNotGiven for what has to be given to a run. Others, of the script's surroundings,
	// have none.
	Code string `json:"code,omitempty"`
	// At is the call that it is about.
	At journal.Frame `json:"at"`

	// fact says that it is one of the run, real or planned, and goes to its log. What
	// a plan assumed is none.
	fact bool
}

// log writes a notice to the run's log, if it belongs there.
func (n *Notice) log(b *runtime.Branch) {
	if n.fact {
		b.Log("info", n.Message, nil)
	}
}

// maxNotices bounds the notices of a run: a loop may assume as many targets as it turns.
const maxNotices = 100

// notice adds a notice, once, and gives it; nil where it is there already.
func (e *Env) notice(c *Call, fact bool, format string, args ...any) *Notice {
	return e.noticed(c, fact, fmt.Sprintf(format, args...))
}

// noticed is notice of a text.
func (e *Env) noticed(c *Call, fact bool, message string) *Notice {
	n := Notice{Message: message, fact: fact}
	if len(e.Notices) == maxNotices || slices.ContainsFunc(e.Notices, func(o Notice) bool { return o.Message == n.Message }) {
		return nil
	}
	n.At = c.at()
	e.Notices = append(e.Notices, n)
	return &e.Notices[len(e.Notices)-1]
}

// warn says of an experiment that it is not what it seems, in a plan and in a run.
func (e *Env) warn(c *Call, b *runtime.Branch, code, format string, args ...any) {
	if n := e.notice(c, false, format, args...); n != nil {
		n.Code = code
		b.Log("warn", n.Message, nil)
	}
}

// at is the place of the call in the script.
func (c *Call) at() journal.Frame {
	if stack := frames(c.Thread.CallStack()); len(stack) > 0 {
		return stack[len(stack)-1]
	}
	return journal.Frame{}
}

// assumed notes what a plan takes for granted and a run must be given.
func (e *Env) assumed(c *Call, format string, args ...any) {
	e.assumedAs(c, CodeNotGiven, format, args...)
}

func (e *Env) assumedAs(c *Call, code, format string, args ...any) {
	if n := e.notice(c, false, format, args...); n != nil {
		n.Code = code
	}
}

const everyTarget = "every target"

// assumeEvery gives what stands for all targets where a script without any is only
// planned.
func (e *Env) assumeEvery(c *Call, why string) *Target {
	e.noticed(c, false, why+`, and "`+everyTarget+`" stands for those that it will have; declare one with proxy(…), in an orchestration file under targets:, or give one with --proxy NAME=LISTEN,UPSTREAM or --env`)
	return &Target{Name: everyTarget, Protocol: "auto"}
}

// giveWay lets a proxy that the script declares give way to the target of that name
// that the run was given. The script goes on to find it by the labels it knows; where
// both have one the given one wins.
func (e *Env) giveWay(c *Call, declared, given *Target) {
	labels := maps.Clone(declared.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, given.Labels)
	given.Labels = labels
	n := e.notice(c, true, "target %q"+gaveWay+" (%s → %s); for the script's own proxy, leave it out of --proxy and --env",
		given.Name, given.Listen, given.Upstream)
	if t := taskOf(c.Thread); n != nil && t.branch != nil && !e.declaring {
		n.log(t.branch) // the script has no main() and acts as it declares
	}
}

// gaveWay marks the notice of giveWay.
const gaveWay = " is the one that was given"

// GaveWay reports whether a line of a run's log says that a proxy of the script gave way to a
// target that the run was given.
func GaveWay(message string) bool {
	return strings.HasPrefix(message, "target ") && strings.Contains(message, gaveWay)
}

// Where gives the place in the script at which a branch stands: the innermost call,
// or the one that made the branch. It is the zero Frame where there is none.
func Where(b *runtime.Branch) journal.Frame {
	t, ok := b.Local.(*task)
	if !ok {
		return journal.Frame{}
	}
	for depth := range t.thread.CallStackDepth() {
		f := t.thread.CallFrame(depth)
		if f.Pos.Line > 0 {
			return journal.Frame{File: f.Pos.Filename(), Line: int(f.Pos.Line), Col: int(f.Pos.Col), Func: f.Name}
		}
	}
	if n := len(t.spawned); n > 0 {
		return t.spawned[n-1]
	}
	return journal.Frame{}
}
