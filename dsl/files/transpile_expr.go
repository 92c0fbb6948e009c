package files

import (
	"strings"
	"unicode/utf8"
)

// An expr is a Starlark expression on its way to the text. It is, in this order: its
// text, then items in brackets, then whatever follows. Each part may be missing.
type expr struct {
	// pos is the place in the file that it was made of; the zero Pos is that of what is
	// around it.
	pos      Pos
	text     string
	brackets brackets // around items
	items    []item
	then     []expr
}

// brackets tells which stand around items.
type brackets uint8

const (
	noBrackets brackets = iota
	round
	square
	curly
)

func (b brackets) open() string { return [...]string{"", "(", "[", "{"}[b] }
func (b brackets) end() string  { return [...]string{"", ")", "]", "}"}[b] }

// An item stands in brackets: an argument, an element or an entry of a dict.
type item struct {
	// key is what stands before the value, with its sign: "duration = ", `"a": `.
	key   string
	value expr
}

func atom(pos Pos, text string) expr { return expr{pos: pos, text: text} }

// join is one expression made of several, one directly behind the other.
func join(parts ...expr) expr { return expr{then: parts} }

// call is a call of a function. Arguments are added with arg and named.
func call(pos Pos, fn string, args ...expr) expr {
	e := expr{pos: pos, text: fn, brackets: round}
	for _, a := range args {
		e.arg(a)
	}
	return e
}

func list(pos Pos, elements ...expr) expr {
	e := expr{pos: pos, brackets: square}
	for _, x := range elements {
		e.arg(x)
	}
	return e
}

func dict(pos Pos) expr { return expr{pos: pos, brackets: curly} }

// room makes place for items, of which it has none yet.
func (e *expr) room(n int) { e.items = make([]item, 0, n) }

// arg adds an argument or an element.
func (e *expr) arg(value expr) { e.items = append(e.items, item{value: value}) }

// named adds an argument with its name.
func (e *expr) named(name string, value expr) {
	e.items = append(e.items, item{name + " = ", value})
}

// entry adds an entry of a dict.
func (e *expr) entry(key string, value expr) {
	e.items = append(e.items, item{quote(key) + ": ", value})
}

// width is how many columns the expression takes on one line.
func (e *expr) width() int {
	n := utf8.RuneCountInString(e.text) + len(e.brackets.open()) + e.itemsWidth()
	for i := range e.then {
		n += e.then[i].width()
	}
	return n
}

// itemsWidth is how many of them the items take, with the bracket behind them.
func (e *expr) itemsWidth() int {
	n := len(e.brackets.end())
	for i := range e.items {
		if i > 0 {
			n += len(", ")
		}
		n += utf8.RuneCountInString(e.items[i].key) + e.items[i].value.width()
	}
	return n
}

// A stmt is a statement on its way to the text.
type stmt struct {
	comments []string // above it
	remark   string   // at the end of its line
	head     expr     // all of it, or what stands before the ":" of a block
	body     []stmt   // of a block
	orElse   []stmt   // of an if
	feet     []string // comments below it
	step     *Step    // the step whose call it is, or nil
	finishes *Step    // the step whose hooks it runs when it has passed, or nil
	prepares *Step    // the step whose hooks it makes ready, or nil
}

func (s *stmt) isFunction() bool { return strings.HasPrefix(s.head.text, "def ") }

func simple(e expr) stmt { return stmt{head: e} }

func block(head expr, body []stmt) stmt {
	if len(body) == 0 {
		body = []stmt{simple(atom(Pos{}, "pass"))}
	}
	return stmt{head: head, body: body}
}
