package files

import (
	"slices"
	"strings"

	"starquake/chaos"
)

// program writes the whole program: what it is, what it is made for, what its steps
// share, functions, main.
func (t *transpiler) program(p *programText) {
	c := t.doc.Comment
	p.comment(0, append(commentLines(c.Head), commentLines(c.Line)...))
	p.docstring(t.doc.Description)
	p.section([]stmt{t.orchestration()})
	p.section(t.proxies())
	p.section(t.state())
	p.section(t.scenarios.defined)
	functions := append(t.helpers(), t.functions...)
	for i := range functions {
		p.section(functions[i : i+1])
	}
	p.apart = true
	p.comment(0, commentLines(c.Foot))
}

// section writes statements with an empty line before them.
func (t *programText) section(body []stmt) {
	t.apart = true
	t.statements(0, body)
}

// docstring writes the program's first statement, if there is a description.
func (t *programText) docstring(description *Str) {
	text := strings.TrimSpace(valueOr(description, ""))
	if text == "" {
		return
	}
	t.apart = true
	t.begin(0)
	t.of(description.Pos)
	t.put(`"""`)
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		if i > 0 {
			t.newline()
		}
		t.put(docLine(line, i == len(lines)-1))
	}
	t.put(`"""`)
	t.newline()
}

// docLine writes a line of a docstring: quotes as they are, unless they would end it.
func docLine(line string, last bool) string {
	quoted := quote(line)
	plain := strings.NewReplacer(`\t`, "\t", `\"`, `"`, `\\`, `\\`).Replace(quoted[1 : len(quoted)-1])
	if last && strings.HasSuffix(plain, `"`) {
		plain = plain[:len(plain)-1] + `\"`
	}
	return strings.ReplaceAll(plain, `"""`, `\"\"\"`)
}

// orchestration is the program's declaration of itself.
func (t *transpiler) orchestration() stmt {
	e := call(t.doc.Pos, "orchestration")
	if name := t.doc.Name; name != nil {
		if name.Value == "" {
			t.fail(name.Pos, "bad_value", "the orchestration needs a name, and this one is empty")
		}
		e.pos = name.Pos
		e.named("name", str(*name))
	}
	if len(t.doc.Tags) > 0 {
		e.named("tags", list(Pos{}, strs(t.doc.Tags)...))
	}
	s := simple(e)
	switch r, p := t.doc.EnableReporting, t.doc.ReportPath; {
	case r != nil && r.Value:
		s.comments = append(s.comments, "enable_reporting: true")
		if p == nil {
			t.warn(r.Pos, "no_effect", "enable_reporting has no effect without report_path, which names the report's file")
			break
		}
		s.comments = append(s.comments, "report_path: "+oneLine(p.Value))
	case p != nil:
		t.warn(p.Pos, "no_effect", "report_path has no effect without enable_reporting: true")
	}
	return s
}

// addresses checks those of a target, which would otherwise be told of at its name.
func (t *transpiler) addresses(target *Target) {
	for _, a := range []struct {
		name  string
		value *Str
		check func(string) error
	}{{"listen", target.Listen, chaos.CheckAddress}, {"upstream", target.Upstream, chaos.CheckUpstream}} {
		if a.value == nil {
			continue
		}
		if err := a.check(a.value.Value); err != nil {
			t.fail(a.value.Pos, "bad_address", "%s of target %q: %v", a.name, target.Name.Value, err)
		}
	}
	if target.Listen == nil || target.Upstream == nil {
		return
	}
	if err := chaos.CheckLoop(target.Listen.Value, target.Upstream.Value); err != nil {
		t.fail(target.Upstream.Pos, "bad_address", "target %q: %v", target.Name.Value, err)
	}
}

// proxies declare the targets of the file.
func (t *transpiler) proxies() []stmt {
	var body []stmt
	for _, target := range t.doc.Targets {
		t.addresses(&target)
		e := call(target.Name.Pos, "proxy", str(target.Name))
		for _, arg := range []struct {
			name  string
			value *Str
		}{{"listen", target.Listen}, {"upstream", target.Upstream}, {"protocol", target.Protocol}} {
			if arg.value != nil && !(arg.name == "protocol" && arg.value.Value == "auto") {
				e.named(arg.name, str(*arg.value))
			}
		}
		if target.TLS != nil {
			e.named("tls", literal(*target.TLS))
		}
		s := simple(join(atom(target.Name.Pos, t.targetNames[target.Name.Value]+" = "), e))
		s.comments, s.remark, s.feet = commentLines(target.Comment.Head), oneLine(target.Comment.Line), commentLines(target.Comment.Foot)
		body = append(body, s)
	}
	return body
}

// state is what the steps and hooks share: variables, and what is asked of steps that
// are over.
func (t *transpiler) state() []stmt {
	var body []stmt
	var comments []string
	vars, mutable := dict(Pos{}), false
	for _, v := range t.doc.Variables {
		if name := t.variables[v.Key.Value].constant; name != "" {
			s := simple(join(atom(v.Key.Pos, name+" = "), literal(v.Value)))
			s.comments, s.remark, s.feet = commentLines(v.Comment.Head), oneLine(v.Comment.Line), commentLines(v.Comment.Foot)
			body = append(body, s)
			continue
		}
		if !hasTemplate(v.Value) {
			vars.entry(v.Key.Value, literal(v.Value))
		}
		comments = slices.Concat(comments, commentLines(v.Comment.Head), commentLines(v.Comment.Line), commentLines(v.Comment.Foot))
	}
	for _, v := range t.variables {
		mutable = mutable || v.constant == ""
	}
	if mutable {
		body = append(body, stmt{head: join(atom(Pos{}, "vars = "), vars), comments: comments})
	}
	if t.uses.iteration || t.uses.previous {
		e := dict(Pos{})
		if t.uses.iteration {
			e.entry("iteration", atom(Pos{}, "0"))
		}
		if t.uses.previous {
			e.entry("previous", atom(Pos{}, `"passed"`))
		}
		body = append(body, simple(join(atom(Pos{}, "state = "), e)))
	}
	if len(t.uses.status) > 0 {
		body = append(body, simple(atom(Pos{}, "status = {}")))
	}
	return body
}

// keepState adds to the steps what keeps their status, and to the turns their number.
// It is known only now who asks for them.
func (t *transpiler) keepState() {
	for i := range t.functions {
		fn := &t.functions[i]
		if len(t.uses.status) > 0 || t.uses.previous {
			fn.body = t.keepStatus(fn.body)
		}
		if t.uses.iteration && fn.head.text == "def "+turnName {
			fn.body = append([]stmt{simple(atom(Pos{}, `state["iteration"] += 1`))}, fn.body...)
		}
	}
}

// keepStatus keeps the status of the steps of a body. A step that fails gives nobody
// its status: the hooks that run after that say so themselves.
func (t *transpiler) keepStatus(body []stmt) []stmt {
	out := make([]stmt, 0, len(body))
	for _, s := range body {
		s.body, s.orElse = t.keepBelow(s.body), t.keepBelow(s.orElse)
		if s.finishes != nil {
			out = append(out, t.hasPassed(s.finishes)...)
		}
		if s.prepares != nil && t.uses.statusAfter[s.prepares.Name.Value] {
			s.head.then[1].named("of", atom(Pos{}, quote(s.prepares.Name.Value)))
		}
		if s.step == nil {
			out = append(out, s)
			continue
		}
		name, pos := s.step.Name.Value, s.step.Name.Pos
		var places []string
		if t.uses.status[name] {
			places = append(places, statusOf(name))
		}
		if t.uses.previous {
			places = append(places, previousStep)
		}
		if t.uses.running[name] {
			before := simple(atom(pos, statusOf(name)+` = "running"`))
			before.comments, s.comments = s.comments, nil
			out = append(out, before)
		}
		if len(places) > 0 {
			s.head = join(atom(pos, places[0]+" = "), s.head, atom(Pos{}, ".status"))
		}
		out = append(out, s)
		if len(places) > 1 {
			out = append(out, simple(atom(pos, places[1]+" = "+places[0])))
		}
	}
	return out
}

// hasPassed says so of a step whose hooks are about to run.
func (t *transpiler) hasPassed(s *Step) []stmt {
	if !t.uses.previousLate {
		return nil
	}
	return []stmt{simple(atom(s.Name.Pos, previousStep+` = "passed"`))}
}

// The places in which the program keeps how steps ended.
const previousStep = `state["previous"]`

func statusOf(step string) string { return "status[" + quote(step) + "]" }

func (t *transpiler) keepBelow(body []stmt) []stmt {
	if body == nil {
		return nil
	}
	return t.keepStatus(body)
}

// helpers are the functions that transpiled programs share, where this one needs them.
func (t *transpiler) helpers() []stmt {
	line := func(text string) stmt { return simple(atom(Pos{}, text)) }
	var all []stmt
	if t.uses.text {
		all = append(all, block(atom(Pos{}, "def text(value)"), []stmt{
			line(`"""Gives a value as text: true, not True."""`),
			line(`return value if type(value) == "string" else json.encode(value)`),
		}))
	}
	if t.uses.afterwards {
		all = append(all, t.afterwards())
	}
	if len(t.uses.statusAtEnd) > 0 {
		all = append(all, block(atom(Pos{}, "def "+nowOver+"()"), []stmt{
			line(`"""Gives the steps that a failure has ended their status."""`),
			block(atom(Pos{}, "for name, how in status.items()"), []stmt{
				block(atom(Pos{}, `if how == "running"`), []stmt{line(`status[name] = "failed"`)}),
			}),
		}))
	}
	return all
}

// nowOver is the hook that runs before those of the orchestration that ask for a status.
const nowOver = "now_over"

// afterwards is the function with which a body makes its hooks ready. To them the step
// that they belong to has ended; to others it runs until they have. A hook that fails behind
// another failure is attempted: it is shown, and the first failure is how the step ended.
func (t *transpiler) afterwards() stmt {
	line := func(text string) stmt { return simple(atom(Pos{}, text)) }
	head, ended, passed, failed := "def afterwards(*hooks)", "", "", ""
	run := []stmt{block(atom(Pos{}, "for _ in hooks"), []stmt{
		block(atom(Pos{}, "if left"), []stmt{line("each(left.pop(0))")}),
	})}
	if len(t.uses.statusAfter) > 0 {
		head, ended, passed, failed = "def afterwards(*hooks, of = None)", ", ended", `, "passed"`, `, "failed"`
		says := func(how string) stmt { return block(atom(Pos{}, "if of"), []stmt{line("status[of] = " + how)}) }
		run = append(append([]stmt{says("ended")}, run...), says(`"running"`))
	}
	body := []stmt{
		line(`"""Runs hooks once: when what it returns is called, or when the scope has ended without that."""`),
		line("left = list(hooks)"),
	}
	finish, fails := []stmt{line("run(lambda hook: hook()" + passed + ")")}, []stmt{line("run(attempt" + failed + ")")}
	if t.uses.previousLate {
		fails = append([]stmt{line(previousStep + ` = "failed"`)}, fails...)
	}
	if t.uses.previousLate || len(t.uses.statusAfter) > 0 {
		body = append(body, line("done = []"))
		finish = append(finish, line("done.append(True)"))
		fails = []stmt{block(atom(Pos{}, "if not done"), fails)}
	}
	return block(atom(Pos{}, head), append(body,
		block(atom(Pos{}, "def run(each"+ended+")"), run),
		block(atom(Pos{}, "def finish()"), finish), block(atom(Pos{}, "def after_failure()"), fails),
		block(atom(Pos{}, "for _ in hooks"), []stmt{line("on_exit(after_failure)")}), // one that is overdue ends its handler
		line("return finish"),
	))
}

func valueOr(s *Str, other string) string {
	if s == nil {
		return other
	}
	return s.Value
}
