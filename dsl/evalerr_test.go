package dsl

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.starlark.net/starlark"
)

// execute runs a script with builtins of Go functions.
func execute(t *testing.T, text string, names starlark.StringDict) error {
	t.Helper()
	var table []Builtin
	for name := range names {
		table = append(table, Builtin{Sig: name + "(*args, **kwargs)"})
	}
	u, diags := LoadText("x.star", []byte(text), Options{Builtins: table, NoCheck: true})
	if diags != nil {
		t.Fatal(diags)
	}
	_, err := u.Main.Program.Init(&starlark.Thread{Name: "main"}, names)
	return err
}

type goBuiltin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

func TestFromEvalError(t *testing.T) {
	// fork calls a function on a thread of its own, as parallel does, and call on the same.
	fork := func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		_, err := starlark.Call(&starlark.Thread{Name: "branch"}, args[0], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("branch failed: %w", err)
		}
		return starlark.None, nil
	}
	call := func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		_, err := starlark.Call(thread, args[0], nil, nil)
		if err != nil {
			return nil, fmt.Errorf("in call: %w", err)
		}
		return starlark.None, nil
	}
	boom := func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		return nil, errors.New("boom")
	}
	names := starlark.StringDict{}
	for name, fn := range map[string]goBuiltin{"fork": fork, "call": call, "boom": boom} {
		names[name] = starlark.NewBuiltin(name, fn)
	}
	tests := []struct{ name, text, want string }{
		{"plain", "def f():\n    return 1 // 0\nf()\n", "2:14 floored division by zero [3:2 <toplevel>] [2:14 f]"},
		{"in a builtin", "def f():\n    boom(1)\nf()\n", "2:9 boom [3:2 <toplevel>] [2:9 f]"},
		{"through a builtin", "def f():\n    boom()\ncall(f)\n", "2:9 in call: boom [3:5 <toplevel>] [2:9 f]"},
		{"in a branch", "def f():\n    boom()\ndef g():\n    fork(f)\nfork(g)\n",
			"2:9 branch failed: branch failed: boom [5:5 <toplevel> fork] [4:9 g fork] [2:9 f]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := FromEvalError(execute(t, test.text, names))
			got := fmt.Sprintf("%d:%d %s", d.Line, d.Col, d.Message)
			for _, f := range d.Stack {
				got += fmt.Sprintf(" [%s]", strings.TrimSpace(fmt.Sprintf("%d:%d %s %s", f.Line, f.Col, f.Func, f.Spawned)))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.File != "x.star" || d.Severity != Error {
				t.Errorf("got file %q and severity %q", d.File, d.Severity)
			}
		})
	}
}

// TestFromEvalErrorSpawned gives the spawning stacks apart from the error.
func TestFromEvalErrorSpawned(t *testing.T) {
	var outer starlark.CallStack
	var inner error
	fork := func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		outer = thread.CallStack()
		_, inner = starlark.Call(&starlark.Thread{}, args[0], nil, nil)
		return starlark.None, nil
	}
	if err := execute(t, "def f():\n    return [][0]\nfork(f)\n", starlark.StringDict{"fork": starlark.NewBuiltin("fork", fork)}); err != nil {
		t.Fatal(err)
	}
	d := FromEvalError(inner, outer)
	want := []Frame{{"x.star", 3, 5, "<toplevel>", "fork"}, {"x.star", 2, 14, "f", ""}}
	if diff := cmp.Diff(want, d.Stack); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d.Help == "" {
		t.Errorf("no help for %q", d.Message)
	}
	if d := FromEvalError(errors.New("plain")); d.Message != "plain" || d.File != "" {
		t.Errorf("an error without a place: %+v", d)
	}
}

// A method that is not called is the slip of those who know a library in which it is a member.
func TestIndexOfMethod(t *testing.T) {
	d := FromEvalError(execute(t, "x = {}.get\ny = x[\"a\"]\n", nil))
	if !strings.Contains(d.Help, "it is a method: call it") {
		t.Errorf("%s: help %q", d.Message, d.Help)
	}
}

// The helps of slips with what parallel gives.
func TestSlipsWithResults(t *testing.T) {
	for text, want := range map[string]string{"x = [1].ok\n": "these are several", "x = r > 2\n": "in its .value"} {
		if d := FromEvalError(execute(t, text, starlark.StringDict{"r": namedValue{}})); !strings.Contains(d.Help, want) {
			t.Errorf("%s: help %q", d.Message, d.Help)
		}
	}
}

// namedValue is a value of the type of what a step gives.
type namedValue struct{ starlark.NoneType }

func (namedValue) Type() string { return "step_result" }

// TestCallPosition holds what Untaken relies on: a frame's place is the opening
// parenthesis of the call under way.
func TestCallPosition(t *testing.T) {
	var at string
	look := func(thread *starlark.Thread, _ *starlark.Builtin, _ starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		at = thread.CallFrame(1).Pos.String()
		return starlark.None, nil
	}
	text := "x = [1,\n  look (2)]\n"
	names := starlark.StringDict{"look": starlark.NewBuiltin("look", look)}
	if err := execute(t, text, names); err != nil {
		t.Fatal(err)
	}
	u, _ := LoadText("x.star", []byte(text), Options{Builtins: []Builtin{{Sig: "look(*args)"}}})
	for c := range Calls(u, Options{Builtins: []Builtin{{Sig: "look(*args)"}}}) {
		if c.At.String() != at || at != "x.star:2:8" {
			t.Errorf("the frame is at %s, Calls says %s", at, c.At)
		}
		return
	}
	t.Error("Calls found no call")
}
