package builtins

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starquake/effects"
)

// simulatedAnswers are the answers that a test gives.
type simulatedAnswers struct {
	task *task
	// read is nil where there are none.
	read *effects.Answers
	// functions give the answers of some rules, by their number.
	functions map[int]starlark.Callable
	// failed is the first error of one of them.
	failed error
}

// answers reads the argument of that name: rules, or the short form of them.
func (c *Call) answers(t *task) (*simulatedAnswers, error) {
	a := &simulatedAnswers{task: t, functions: map[int]starlark.Callable{}}
	var rules []map[string]json.RawMessage
	var err error
	if d, short := c.Value("answers").(*starlark.Dict); short {
		rules, err = a.short(d)
	} else {
		rules, err = a.rules(c.List("answers"))
	}
	if err != nil {
		return nil, c.Errorf("answers", "%v", err)
	}
	if len(rules) == 0 {
		return a, nil
	}
	text, err := json.Marshal(rules)
	if err == nil {
		a.read, err = effects.ReadAnswers("answers", text)
	}
	if err != nil {
		return nil, c.Errorf("answers", "%v", err)
	}
	a.read.Trouble = func(err error) {
		if a.failed == nil {
			a.failed = c.Errorf("answers", "%v", err)
		}
	}
	for i, fn := range a.functions {
		a.read.Let(i, func(asked effects.Asked) (json.RawMessage, error) { return a.call(fn, asked) })
	}
	return a, nil
}

// short reads the short form: a dict whose keys are globs of URLs, with a method before
// them if need be, of addresses ("shop:9000"), or the names of programs.
func (a *simulatedAnswers) short(d *starlark.Dict) (rules []map[string]json.RawMessage, err error) {
	for k, answer := range d.Entries() {
		key, ok := text(k)
		if !ok || key == "" {
			return nil, fmt.Errorf("expected a text such as \"GET http://shop/**\" as a key, got %s", describe(k))
		}
		match := map[string]string{}
		method, url, hasMethod := strings.Cut(key, " ")
		switch {
		case hasMethod && strings.Contains(url, "://"):
			match["method"], match["url"] = method, url
		case hasMethod:
			match["method"], match["addr"] = method, url
		case strings.Contains(key, "://"):
			match["url"] = key
		case strings.Contains(key, ":"):
			match["addr"] = key
		default:
			match["argv0"] = key
		}
		rule := map[string]json.RawMessage{}
		rule["match"], _ = json.Marshal(match) // texts: cannot fail
		if err := a.answer(rule, len(rules), answer); err != nil {
			return nil, fmt.Errorf("%s: %w", quote(key), err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// rules reads rules as --answers has them, in which an answer can be a function.
func (a *simulatedAnswers) rules(list []starlark.Value) (rules []map[string]json.RawMessage, err error) {
	for i, v := range list {
		d, ok := v.(*starlark.Dict)
		if !ok {
			return nil, fmt.Errorf("expected rules such as {\"match\": {\"kind\": \"http\"}, \"answer\": {…}}, got %s at position %d", describe(v), i)
		}
		rule := map[string]json.RawMessage{}
		for k, v := range d.Entries() {
			key, _ := text(k)
			if fn, ok := v.(starlark.Callable); ok && key == "answer" {
				err = a.answer(rule, i, fn)
			} else {
				rule[key], err = ToJSON(v)
			}
			if err != nil {
				return nil, fmt.Errorf("rule %d: %s: %w", i, key, err)
			}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// answer puts an answer into a rule: one, a list of them, or a function.
func (a *simulatedAnswers) answer(rule map[string]json.RawMessage, number int, answer starlark.Value) error {
	key := "answer"
	switch v := answer.(type) {
	case starlark.Callable:
		a.functions[number] = v
		answer = new(starlark.Dict)
	case *starlark.List, starlark.Tuple:
		key = "sequence"
	}
	raw, err := ToJSON(answer)
	rule[key] = raw
	return err
}

// call asks a function of the test for an answer. It has a thread of its own, on which
// nothing acts: the test's is in simulate.
func (a *simulatedAnswers) call(fn starlark.Callable, asked effects.Asked) (json.RawMessage, error) {
	if a.failed != nil {
		return nil, a.failed
	}
	args, err := FromJSON(asked.Args)
	if err != nil {
		args = starlark.None
	}
	call := NewObject("call",
		Field{Name: "kind", Value: starlark.String(asked.Kind)},
		Field{Name: "path", Value: starlark.String(asked.Path)},
		Field{Name: "method", Value: starlark.String(asked.Method)},
		Field{Name: "url", Value: starlark.String(asked.URL)},
		Field{Name: "addr", Value: starlark.String(asked.Addr)},
		Field{Name: "argv0", Value: starlark.String(asked.Argv0)},
		Field{Name: "name", Value: starlark.String(asked.Name)},
		Field{Name: "query", Value: starlark.String(asked.Query)},
		Field{Name: "args", Value: args},
		Field{Name: "number", Value: starlark.MakeInt(asked.Number)},
	)
	t := a.task.env.newTask(nil, nil)
	t.answers = true
	thread := t.thread
	thread.Print = a.task.thread.Print
	before := a.task.env.executes(thread)
	v, err := starlark.Call(thread, fn, starlark.Tuple{call, Duration(asked.Time)}, nil)
	a.task.env.executes(before)
	var raw json.RawMessage
	switch {
	case err != nil:
		err = fmt.Errorf("the function %s: %w", fn.Name(), err)
	case v != starlark.None:
		if raw, err = ToJSON(v); err != nil {
			err = fmt.Errorf("the function %s: %w", fn.Name(), err)
		}
	}
	if err != nil && a.failed == nil {
		a.failed = err
	}
	return raw, err
}
