package dsl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"starquake/internal/nearest"
)

// undefined gives the help for names that people bring from elsewhere.
var undefined = map[string]string{
	"true": "write True", "false": "write False", "null": "write None", "nil": "write None", "none": "write None", "undefined": "write None",
	"__name__": "main() is called by itself", "isinstance": `write type(x) == "string"`, "assert": "write check(name, condition)",
	"input": "write param(name) for what the caller gives, approve(message) for what a person decides", "open": "scripts read no files; write param(name, type = \"json\") for data",
	"map": "write [f(x) for x in xs]", "filter": "write [x for x in xs if …]", "exec": "write exec.run([…])", "eval": "there is no eval",
	"iter": "write for x in xs", "next": "write xs[0]", "format": `write "{}".format(x) or fmt(x, digits)`, "pow": "write math.pow(x, y)",
	"requests": "write http.get(url)", "os": "scripts read no environment; write param(name) or secret(name)", "sys": "write param(name) or fail(message)",
	"datetime": "write now() or time.now()", "Exception": "write fail(message)", "ValueError": "write fail(message)", "struct": "write a dict",
	"assert_that": "write check(name, condition)", "wait": "write sleep(d) or wait_until(probe, timeout)", "setattr": "write a dict",
	"object": "write a dict", "super": "there are no classes", "self": "there are no classes", "callable": `write type(f) == "function"`,
	"frozenset": "write set(…)", "async": "write start(fn)",
	"retry":  `write step(name, f, retries = 3, retry_delay = "1s"), or wait_until(probe, timeout = "30s") for what takes its time`,
	"repeat": "write loop(lambda i: …, times = 3), or for i in range(3)",
	"expect": `write check(name, value, equals = …), or below =, above =, matches =; of an answer http.get(url, expect = "2xx")`,
	"delay":  `write sleep("1s"), or fault.latency("100ms") for chaos`, "inject": `write step(name, chaos = fault.latency("100ms"), on = target, duration = "30s"), or apply_chaos(…)`,
	"assert_equal": "write check(name, value, equals = …)", "assert_true": "write check(name, condition)", "verify": "write check(name, condition)",
	"spawn": "write start(f)", "background": "write start(f)", "repeat_until": "write loop(lambda i: …, until = …)",
}

// unknownMembers gives the help for members that modules of Python have, by their whole name.
var unknownMembers = map[string]string{
	"time.sleep": `write sleep("1s")`, "json.loads": "write json.decode(text)", "json.load": "write json.decode(text)",
	"json.dumps": "write json.encode(value)", "json.dump": "write json.encode(value)", "math.max": "write max(a, b)", "math.min": "write min(a, b)",
	"random.random": "write random.float()", "random.randint": "write random.int(lo, hi)", "random.uniform": "write random.float(lo, hi)",
}

// undefinedNames reports the uses of names that nobody defines.
func undefinedNames(m *Module, t *table, unknown map[string]bool) Diagnostics {
	if len(unknown) == 0 {
		return nil
	}
	var out Diagnostics
	near := nearNames{table: t, module: m, inside: map[syntax.Node][]string{}}
	walk(m.File, func(n syntax.Node, parents []syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if ok && len(out) < maxProblems && scope(id) == resolve.Predeclared && unknown[id.Name] {
			out = append(out, near.explain(id, parents))
		}
		return len(out) < maxProblems
	})
	return out
}

// nearNames finds what a wrong name may have meant.
type nearNames struct {
	table  *table
	module *Module
	// inside holds the names bound in each function that was asked for.
	inside map[syntax.Node][]string
}

func (n nearNames) explain(id *syntax.Ident, parents []syntax.Node) Diagnostic {
	d := atNode(id, "unknown_name", "there is no %s", clean(id.Name))
	var own []string
	for _, p := range parents {
		if _, function := functionBody(p); function {
			own = n.boundIn(p)
			break
		}
	}
	own = append(slices.Clip(own), n.module.globals()...)
	own = own[:min(len(own), 2000)]
	guess := near(id.Name, own)
	if guess == "" || nearest.Slips(guess, id.Name) > 1 {
		if help := undefined[id.Name]; help != "" {
			return d.help("%s", help)
		}
		if better := near(id.Name, n.table.names); better != "" {
			guess = better
		} else if space := n.table.spaceOf(id.Name); space != "" {
			guess = space + "." + id.Name
		}
	}
	if guess != "" {
		d.Help = fmt.Sprintf("did you mean %s?", guess)
	}
	return d
}

// boundIn lists the names that are bound in a function or below.
func (n nearNames) boundIn(fn syntax.Node) []string {
	if names, ok := n.inside[fn]; ok {
		return names
	}
	f := newFacts(n.module)
	walk(fn, func(n syntax.Node, _ []syntax.Node) bool {
		f.node(n)
		return true
	})
	var names []string
	for _, b := range f.binders[:min(len(f.binders), 1000)] {
		names = append(names, b.id.Name)
	}
	n.inside[fn] = names
	return names
}

// resolveProblems turns what the resolver found into diagnostics.
func resolveProblems(m *Module, err error) Diagnostics {
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return Diagnostics{{Severity: Error, Code: "syntax_error", File: m.Name, Message: err.Error()}}
	}
	var out Diagnostics
	for _, e := range list[:min(len(list), maxProblems)] {
		out = append(out, explainResolve(m, e.Pos, e.Msg))
	}
	return out
}

// explainResolve turns one message of the resolver into a diagnostic.
func explainResolve(m *Module, pos syntax.Position, msg string) Diagnostic {
	end := pos
	line := rest(m.Text, pos)
	end.Col += int32(prefixLen(line, wordRune))
	d := at(pos, end, "syntax_error", "%s", msg)
	switch {
	case strings.Contains(msg, "while loops"):
		d.Code, d.Message, d.Help = "while", "there is no while", "write loop(body, until = …), wait_until(…) or for … in range(…)"
	case strings.Contains(msg, "is repeated"):
		d.Code, d.Help = "repeated_argument", "give it once"
	case strings.Contains(msg, "load statement within"):
		d.Code, d.Help = "load_place", "write load(…) at the top level, at the beginning of the file"
	case strings.Contains(msg, "leading underscores"):
		d.Code, d.Help = "private_name", "names that begin with _ belong to their module; rename it there"
	case strings.Contains(msg, "return statement not within"):
		d.Code, d.Help = "return_place", "return stands in functions only; skip(reason) ends a step"
	case strings.HasPrefix(msg, "can't assign to"):
		d.Code, d.Message = "assignment", "a value cannot be assigned to this expression"
		d.Help = "on the left of = stand names, xs[i] and x.field; write == to compare"
	case strings.HasSuffix(msg, "not in a loop"):
		d.Code, d.Help = "loop_place", "break and continue stand in a for of the same function; a function ends with return"
	case strings.HasPrefix(msg, "positional argument may not follow"):
		d.Code, d.Help = "argument_order", "arguments without a name come first"
	}
	return d
}

func wordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// spaceOf returns a namespace that has a member called name, or "".
func (t *table) spaceOf(name string) string {
	for _, space := range t.names {
		if slices.Contains(t.members[space], name) {
			return space
		}
	}
	return ""
}

// rest is the line from pos on.
func rest(text []byte, pos syntax.Position) string {
	line, ok := sourceLine(text, int(pos.Line))
	if !ok {
		return ""
	}
	runes := []rune(line)
	return string(runes[min(int(pos.Col)-1, len(runes)):])
}
