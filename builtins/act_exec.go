package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starquake/effects"
	"starquake/runtime"
)

func execRun(c *Call, t *task) (starlark.Value, error) {
	argv, err := c.Strings("argv")
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, c.Errorf("argv", "expected a program and its arguments, got an empty list")
	}
	env := map[string]string{}
	for k, v := range c.Dict("env").Entries() {
		key, ok := k.(starlark.String)
		val, also := text(v) // a secret too
		if !ok || !also {
			return nil, c.Errorf("env", "expected strings, got %s = %s", describe(k), describe(v))
		}
		env[string(key)] = val
	}
	codes, any, err := c.exitCodes("expect")
	if err != nil {
		return nil, err
	}
	args := effects.ExecArgs{Argv: argv, Env: env, Timeout: c.Duration("timeout"), Stdin: c.String("stdin"), PlannedCode: codes[0]}
	ask, err := c.ask(effects.KindExec, &args, &args.Simulated)
	if err != nil {
		return nil, err
	}
	ans, err := t.branch.Perform(ask)
	if err != nil {
		return nil, err
	}
	var a effects.ExecAnswer
	if err := c.answer(ans, &a); err != nil {
		return nil, err
	}
	if a.Error != nil && (a.Error.Code == effects.CodeDenied || a.Error.Code == effects.CodeInvalid) {
		return nil, denied(c, a.Error.Message)
	}
	ok := false
	for _, code := range codes {
		ok = ok || a.Error == nil && a.Code == code
	}
	if !ok && !any {
		got := fmt.Sprintf("got %d", a.Code)
		if a.Error != nil {
			got = a.Error.Message
		} else if last := strings.TrimSpace(a.Stderr); last != "" {
			got += ": " + clip(last, 300)
		}
		return nil, runtime.Failf(runtime.ClassFailed, "unexpected_exit", "%s: expected exit code %s, %s", strings.Join(argv, " "), c.Value("expect"), got)
	}
	problem := starlark.Value(starlark.None)
	if a.Error != nil {
		problem = starlark.String(a.Error.Message)
	}
	return NewObject("exec_result",
		Field{Name: "code", Value: starlark.MakeInt(a.Code)},
		Field{Name: "ok", Value: starlark.Bool(a.Error == nil && a.Code == 0)},
		Field{Name: "stdout", Value: starlark.String(a.Stdout + string(a.StdoutBase64))},
		Field{Name: "stderr", Value: starlark.String(a.Stderr + string(a.StderrBase64))},
		Field{Name: "elapsed", Value: Duration(a.Elapsed)},
		Field{Name: "error", Value: problem},
		Field{Name: "truncated", Value: starlark.Bool(a.Truncated)},
	), nil
}

// exitCodes reads an expectation of exit codes: one, a list, or "any".
func (c *Call) exitCodes(name string) (codes []int, any bool, err error) {
	v := c.Value(name)
	if s, ok := v.(starlark.String); ok {
		if s != "any" {
			return nil, false, c.Errorf(name, "expected an exit code, a list of them or \"any\", got %s", describe(v))
		}
		return []int{0}, true, nil
	}
	items := elements(v)
	if items == nil {
		items = []starlark.Value{v}
	}
	for _, item := range items {
		n, err := starlark.AsInt32(item)
		if err != nil || n < 0 || n > 255 {
			return nil, false, c.Errorf(name, "expected exit codes from 0 to 255, got %s", describe(item))
		}
		codes = append(codes, n)
	}
	if len(codes) == 0 {
		return nil, false, c.Errorf(name, "expected at least one exit code")
	}
	return codes, false, nil
}
