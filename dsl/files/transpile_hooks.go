package files

import (
	"slices"
	"strings"
	"unicode"
)

// The moments of hooks.
const (
	preStep           = "pre_step"
	postStep          = "post_step"
	preOrchestration  = "pre_orchestration"
	postOrchestration = "post_orchestration"
)

// hooksAt are the hooks of the orchestration for a moment.
func (t *transpiler) hooksAt(moment string) []Hook {
	var hooks []Hook
	for _, h := range t.doc.Hooks {
		if h.HookType != nil && h.HookType.Value == moment {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// hook gives the name of the function that a hook becomes. Hooks that are equal become
// one.
func (t *transpiler) hook(h *Hook) string {
	fn := t.hookFunction(h)
	text := newProgramText()
	text.statement(0, &fn)
	key := h.Name.Value + "\n" + text.out.String()
	if name, have := t.hookNames[key]; have {
		return name
	}
	name := t.names.give(h.Name.Value, "hook")
	t.hookNames[key] = name
	fn.head.text = "def " + name
	t.functions = append(t.functions, fn)
	return name
}

// hookFunction is the function of a hook, as yet without a name.
func (t *transpiler) hookFunction(h *Hook) stmt {
	var body []stmt
	for i := range h.Actions {
		body = append(body, t.action(&h.Actions[i]))
	}
	if h.Condition != nil {
		body = []stmt{block(join(atom(h.Condition.Pos, "if "), t.condition(h.Condition)), body)}
	}
	fn := block(call(h.Name.Pos, "def"), body)
	fn.comments = slices.Concat(commentLines(h.Comment.Head), commentLines(h.Comment.Line))
	fn.feet = commentLines(h.Comment.Foot)
	return fn
}

// action writes one thing that a hook does.
func (t *transpiler) action(a *Action) stmt {
	s := stmt{comments: commentLines(a.Comment.Head), remark: oneLine(a.Comment.Line), feet: commentLines(a.Comment.Foot)}
	switch a.Type.Value {
	case "set_variable":
		value, _ := t.value(*a.Value)
		s.head = t.setVariable(*a.Name, value)
	case "log":
		s.head = call(a.Pos, "log", t.text(*a.Message))
		if level := t.level(a.Level); level != "info" {
			s.head.named("level", atom(a.Level.Pos, quote(level)))
		}
	case "http_request":
		s.head = t.request(a)
	case "command":
		argv := list(a.Command.Pos, t.text(*a.Command))
		for _, arg := range a.Args {
			argv.arg(t.text(arg))
		}
		if len(a.Args) == 0 && strings.ContainsAny(a.Command.Value, " \t") {
			t.warn(a.Command.Pos, "no_shell", "the whole of %q is the name of a program: no shell reads it", clip(a.Command.Value)).
				help("write the program as command and what it is given in args")
		}
		s.head = call(a.Pos, "exec.run", argv)
	case "record_metric":
		value, what := t.value(*a.Value)
		if what&isString != 0 { // which has to become a number when it is filled in
			value = call(a.Value.Pos, "float", value)
		}
		s.head = call(a.Pos, "record", t.text(*a.Name), value)
	}
	return s
}

// setVariable writes an assignment.
func (t *transpiler) setVariable(name Str, value expr) expr {
	return join(atom(name.Pos, "vars["+quote(name.Value)+"] = "), value)
}

// level is how important a line of the log is, as the language says it.
func (t *transpiler) level(level *Str) string {
	switch s := strings.ToLower(valueOr(level, "info")); s {
	case "warning":
		return "warn"
	case "trace":
		t.warn(level.Pos, "log_level", "there is no level trace: it becomes debug")
		return "debug"
	default:
		return s
	}
}

// request writes an HTTP request: http.post(url) and its like, http.request(method,
// url) for the other methods.
func (t *transpiler) request(a *Action) expr {
	method := valueOr(a.Method, "GET")
	e := call(a.Pos, "http.request", atom(a.Pos, quote(strings.ToUpper(method))))
	if name := strings.ToLower(method); slices.Contains([]string{"get", "post", "put", "patch", "delete", "head"}, name) {
		e = call(a.Pos, "http."+name)
	}
	e.arg(t.text(*a.URL))
	if a.Body == nil {
		return e
	}
	if body, ok := a.Body.Value.(string); ok {
		e.named("body", t.text(Str{a.Body.Pos, body}))
		return e
	}
	body, _ := t.value(*a.Body)
	e.named("json", body)
	return e
}

// commentLines splits a comment into lines that can stand behind "# ".
func commentLines(comment string) []string {
	if comment == "" {
		return nil
	}
	lines := strings.FieldsFunc(comment, func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return lines
}

// oneLine is a comment on one line.
func oneLine(comment string) string { return strings.Join(commentLines(comment), " ") }

// printable takes out of a line what a terminal or an editor would act on.
func printable(s string) string {
	return strings.TrimRightFunc(strings.Map(func(r rune) rune {
		if r == '\t' || r >= ' ' && r < 0x7f || r >= 0xa0 && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, "\uFFFD")), unicode.IsSpace)
}
