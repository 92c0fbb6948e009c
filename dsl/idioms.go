package dsl

import (
	"slices"
	"strings"
)

// around is a syntax error with the tokens next to it. Where there is none, the
// token is empty.
type around struct {
	msg string
	// bad is the token at which the parser gave up; before and before2 stand in
	// front of it, after behind it.
	before2, before, bad, after token
	// line holds the tokens of the statement's line up to and beyond bad.
	line []token
	// first is the first word of that line.
	first string
}

// An idiom is something of Python or of another language that Starlark lacks.
type idiom struct {
	code    string
	matches func(a around) bool
	message string
	help    string
	// first says that the word at the beginning of the line is at fault.
	first bool
}

// idioms are tried in order; the first that matches explains the error.
var idioms = []idiom{
	{"f_string", func(a around) bool {
		return a.bad.kind == stringToken && a.before.kind == wordToken && touches(a.before, a.bad) &&
			slices.Contains([]string{"f", "F", "fr", "rf", "Rf", "fR", "FR", "RF"}, a.before.text)
	}, "there are no f-strings", `write "… {}".format(x) or "… %s" % x`, false},
	{"string_prefix", func(a around) bool {
		return a.bad.kind == stringToken && a.before.kind == wordToken && touches(a.before, a.bad)
	}, "a string has no such prefix", `write "…", r"…" for raw text or b"…" for bytes`, false},
	{"print_statement", func(a around) bool { return a.before.text == "print" && a.bad.kind != punctToken },
		"print is a function", `write print(…)`, false},
	{"implicit_concatenation", func(a around) bool { return a.bad.kind == stringToken && a.before.kind == stringToken },
		"strings next to each other are not joined", `write + between them`, false},
	keywordIdiom("try", "there is no try", "write result = attempt(lambda: …) and ask result.ok; on_exit(fn) does what finally does"),
	keywordIdiom("except", "there is no except", "write result = attempt(lambda: …) and ask result.ok"),
	keywordIdiom("finally", "there is no finally", "write on_exit(fn)"),
	keywordIdiom("raise", "there is no raise", `write fail("why"), skip("why") or inconclusive("why")`),
	keywordIdiom("import", "there is no import", `write load("lib/x.star", "name"); json, math and time are there without`),
	{"import", func(a around) bool { return a.bad.text == "from" || a.first == "from" },
		"there is no import", `write load("lib/x.star", "name"); json, math and time are there without`, true},
	keywordIdiom("class", "there are no classes", "write a dict, or a function that returns one"),
	keywordIdiom("with", "there is no with", "faults and branches end with the step, branch or attempt they belong to: write step(name, run = fn, chaos = …)"),
	keywordIdiom("async", "there is no async", "write parallel(f, g) or start(f): a builtin that waits lets the other branches run"),
	keywordIdiom("await", "there is no await", "call the function: a builtin that waits lets the other branches run"),
	keywordIdiom("global", "there is no global", "keep what changes in a dict or a list at the top level, or return it"),
	keywordIdiom("nonlocal", "there is no nonlocal", "keep what changes in a dict or a list, or return it"),
	keywordIdiom("yield", "there is no yield", "append to a list and return it"),
	keywordIdiom("del", "there is no del", "write d.pop(key), or xs.pop(i)"),
	keywordIdiom("is", "there is no is", "write ==, for example x == None or x != None"),
	{"assert", func(a around) bool { return a.first == "assert" },
		"there is no assert statement", `write check("what must hold", condition)`, true},
	{"switch", func(a around) bool { return a.first == "match" || a.first == "switch" || a.first == "case" },
		"there is no such statement", "write if … elif … else", true},
	{"else_if", func(a around) bool {
		return a.before.text == "else" && a.bad.text == "if" || a.first == "elseif" || a.first == "elsif"
	}, "there is no else if", "write elif", false},
	{"while", func(a around) bool { return a.bad.text == "while" },
		"there is no while", "write loop(body, until = …), wait_until(…) or for … in range(…)", false},
	{"load_name", func(a around) bool { return a.before.text == "load" || a.bad.text == "load" },
		"load is a keyword and can be no name", `choose another name, for example traffic_load; load("lib/x.star", "f") loads a module`, false},
	{"power", func(a around) bool { return a.bad.text == "**" || a.bad.text == "**=" },
		"there is no ** operator", "write math.pow(x, y), or x * x", false},
	{"walrus", func(a around) bool {
		return a.bad.text == ":=" || a.bad.text == ":" && a.after.text == "=" && touches(a.bad, a.after)
	}, "there is no := operator", "assign on a line of its own", false},
	{"chained_comparison", func(a around) bool { return strings.Contains(a.msg, "does not associate with") },
		"comparisons cannot be chained", "write a < b and b < c", false},
	{"conditional_without_else", func(a around) bool { return strings.Contains(a.msg, "without else") },
		"a conditional expression needs an else", "write x if condition else None, or an if statement", false},
	{"increment", func(a around) bool {
		return a.bad.text == "++" || a.bad.text == "--" || a.before.text == "++" || a.before.text == "--"
	}, "there is no ++ or --", "write x += 1 or x -= 1", false},
	{"and_or", func(a around) bool { return has(a, "&&") || has(a, "||") },
		"there is no && or ||", "write and, or", false},
	{"not", func(a around) bool { return a.bad.text == "!" },
		"there is no ! operator", "write not x", false},
	{"decorator", func(a around) bool { return a.bad.text == "@" },
		"there are no decorators", "call the function yourself: f = decorate(f)", false},
	{"annotation", func(a around) bool {
		return a.bad.text == "->" || a.before.text == "->" || a.first == "def" && a.bad.text == ":" && a.before.kind == wordToken ||
			a.bad.text == ":" && a.before.kind == wordToken && len(a.line) > 1 && a.line[1].text == ":"
	}, "there are no type annotations", "leave the type out", false},
	{"generator", func(a around) bool { return a.bad.text == "for" && a.first != "for" },
		"there are no generators", "write a list: [… for x in xs]", false},
	{"set_literal", func(a around) bool {
		return strings.Contains(a.msg, "want ':'") && (a.bad.text == "," || a.bad.text == "}")
	}, "there are no set literals", "write set([a, b]); a dict is {key: value}", false},
	{"assign_in_condition", func(a around) bool {
		return a.bad.text == "=" && slices.Contains([]string{"if", "elif"}, a.first)
	}, "an assignment is no condition", "write == to compare", false},
	{"starred", func(a around) bool { return a.bad.text == "*" && strings.Contains(a.msg, "primary expression") },
		"values cannot be unpacked here", "write xs + ys for lists; f(*args) in a call", false},
	{"ellipsis", func(a around) bool { return a.bad.text == "..." || a.bad.text == "." && a.after.text == "." },
		"there is no ...", "write pass for an empty body", false},
	{"missing_colon", func(a around) bool { return strings.Contains(a.msg, "want ':'") && a.bad.kind == newlineToken },
		"a colon is missing at the end of this line", "write : behind the condition or the function's head", false},
	{"brace", func(a around) bool { return a.bad.text == "{" && a.before.text == ")" },
		"blocks are indented, not in braces", "write : and indent the lines below", false},
	{"octal", func(a around) bool { return strings.Contains(a.msg, "obsolete form of octal") },
		"a number does not begin with 0", "write 0o17 for octal, 17 for decimal", false},
	{"digit_separator", func(a around) bool {
		return a.before.kind == numberToken && a.bad.kind == wordToken && strings.HasPrefix(a.bad.text, "_")
	}, "numbers have no _ in them", "leave it out", false},
}

// keywordIdiom explains a word that Starlark reserves, whichever token of its line
// the parser stumbles over.
func keywordIdiom(word, message, help string) idiom {
	return idiom{word, func(a around) bool { return a.bad.text == word || a.first == word }, message, help, true}
}

func touches(a, b token) bool { return a.endLine == b.line && a.endCol == b.col }

func has(a around, text string) bool {
	return a.bad.text == text || a.before.text == text || text[:1] == a.bad.text && text[1:] == a.after.text
}
