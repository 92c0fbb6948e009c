package builtins

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// frames is the call stack of the task, through the calls that made its branch.
func (t *task) frames() []journal.Frame {
	return append(append([]journal.Frame(nil), t.spawned...), frames(t.thread.CallStack())...)
}

// frames converts a call stack, innermost last. Builtins have no position: the call
// of one stands in the frame before it.
func frames(stack starlark.CallStack) []journal.Frame {
	var out []journal.Frame
	for _, f := range stack {
		if f.Pos.Line == 0 {
			continue
		}
		out = append(out, journal.Frame{File: f.Pos.Filename(), Line: int(f.Pos.Line), Col: int(f.Pos.Col), Func: f.Name})
	}
	return out
}

// noValue says which variable of an orchestration file has no value. Its program keeps them in a
// dict, which nobody who wrote the file has seen. It gives "" for other errors.
func noValue(eval *starlark.EvalError) string {
	stack := frames(eval.CallStack)
	key, is := strings.CutSuffix(eval.Msg, " not in dict")
	name, has := strings.CutPrefix(key, "key ")
	if !is || !has || len(stack) == 0 || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(stack[len(stack)-1].File)) {
		return ""
	}
	return "the variable " + name + " has no value: nothing has set it so far"
}

// Describe completes what is said of an error of the script or of a builtin: its
// code, its hint, and its backtrace through the calls that made the branch. It is a
// run's Config.Describe.
func Describe(b *runtime.Branch, err error, p *journal.Problem) {
	var eval *starlark.EvalError
	for e := err; e != nil; {
		var inner *starlark.EvalError
		if !errors.As(e, &inner) {
			break
		}
		eval = inner
		e = errors.Unwrap(inner)
	}
	var arg *ArgError
	if errors.As(err, &arg) && p.Code == "script_error" {
		p.Code, p.Message = "bad_argument", arg.Error()
	} else if eval != nil && p.Code == "script_error" {
		p.Message = cmp.Or(noValue(eval), eval.Msg)
		t, _ := b.Local.(*task)
		switch hint := cmp.Or(ExplainOperator(p.Message), dsl.RuntimeHelp(p.Message)); {
		case t != nil && t.env.describe(eval.Msg, p):
		case strings.Contains(eval.Msg, "too many steps"):
			p.Code = "step_budget"
			p.Message = fmt.Sprintf("the script computed for more than %d steps without waiting for anything; an endless loop?", stepBudget)
		case strings.HasSuffix(p.Message, "not in dict") && b.Run().Virtual():
			p.Message += "; if the dict is of a planned answer, say what that has: simulated = {…} beside the call, or --answers FILE"
		case hint != "" && !strings.Contains(p.Message, hint):
			p.Message += "; " + hint
		}
	}
	t, ok := b.Local.(*task)
	if len(p.Stack) > 0 || !ok {
		return
	}
	// What the runtime itself found out (a time-out, a failed check) has no error of
	// the interpreter: it is where the branch stands.
	stack := t.thread.CallStack()
	if eval != nil {
		stack = eval.CallStack
	}
	p.Stack = append(append(p.Stack, t.spawned...), frames(stack)...)
}

// errorText is a failure as a script sees it: its message, or None.
func errorText(f *runtime.Failure) starlark.Value {
	if f == nil {
		return starlark.None
	}
	return starlark.String(f.Error())
}
