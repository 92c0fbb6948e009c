package dsl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
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
}

// resolveProblems turns what the resolver found into diagnostics.
func resolveProblems(m *Module, t *table, err error) Diagnostics {
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return Diagnostics{{Severity: Error, Code: "syntax_error", File: m.Name, Message: err.Error()}}
	}
	var out Diagnostics
	for _, e := range list[:min(len(list), maxProblems)] {
		out = append(out, explainName(m, t, e.Pos, e.Msg))
	}
	return out
}

// explainName turns one message of the resolver into a diagnostic.
func explainName(m *Module, t *table, pos syntax.Position, msg string) Diagnostic {
	end := pos
	if n := prefixLen(rest(m.Text, pos), wordRune); n > 0 {
		end.Col += int32(len([]rune(rest(m.Text, pos)[:n])))
	}
	d := at(pos, end, "syntax_error", "%s", msg)
	name, isUndefined := strings.CutPrefix(msg, "undefined: ")
	switch {
	case isUndefined:
		name, guess, _ := strings.Cut(name, " (did you mean ")
		d.Code, d.Message = "unknown_name", fmt.Sprintf("there is no %s", name)
		if help := undefined[name]; help != "" {
			return d.help("%s", help)
		}
		if guess = strings.TrimSuffix(guess, "?)"); guess != "" && distance(name, guess) <= 1 {
			return d.help("did you mean %s?", guess)
		}
		if space := t.spaceOf(name); space != "" && nearest(name, t.names) == "" {
			return d.help("did you mean %s.%s?", space, name)
		}
		d.Help = didYouMean(name, t.names, "")
		if d.Help == "" && guess != "" {
			d.Help = fmt.Sprintf("did you mean %s?", guess)
		}
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
