package dsl

import (
	"strings"
	"sync"

	"go.starlark.net/syntax"
)

// A Site is one arm of an if whose actions were not reached.
type Site struct {
	File string `json:"file"`
	// Line and Col are those of the if, elif or else.
	Line int `json:"line"`
	Col  int `json:"col"`
	// Condition is the source text of the condition, of its elif for an elif's arm.
	Condition string `json:"condition"`
	// Else is set for the arm that is taken when Condition does not hold.
	Else bool `json:"else,omitempty"`
	// Actions are what the arm would have done, in the order of the text.
	Actions []Action `json:"actions"`
	// Taken says that something of that was reached; only Arms lists such ones.
	Taken bool `json:"-"`
}

// An Action is a call in the arm of an if: of a builtin that acts, or of a function
// of the script that does.
type Action struct {
	Name string `json:"name"` // "step", or the function's name
	// Text is the constant first argument, such as a step's name.
	Text string `json:"text,omitempty"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// Untaken lists the arms of if statements in which something acts and nothing of
// that was reached. Of arms within each other only the outermost is listed.
//
// reached gets the place of a call as a starlark.CallFrame gives it: the opening
// parenthesis. It is to be true for every frame of the script that was on the call
// stack when an acting builtin was called, not only for the innermost, so that an
// arm which acts through a function of the script counts as taken.
func Untaken(u *Unit, opt Options, reached func(file string, line, col int32) bool) []Site {
	return arms(u, opt, reached, false)
}

// Arms lists all arms of if statements in which something acts, each within another too,
// and says which were taken. reached is as for Untaken.
func Arms(u *Unit, opt Options, reached func(file string, line, col int32) bool) []Site {
	return arms(u, opt, reached, true)
}

func arms(u *Unit, opt Options, reached func(file string, line, col int32) bool, all bool) []Site {
	t, err := newTable(opt.Builtins)
	if err != nil {
		return nil // Load has said so
	}
	w := untaken{checker: sync.OnceValue(func() *checker { return newChecker(u, t) }), reached: reached, all: all}
	for _, m := range u.Order {
		if m.File != nil {
			w.module, w.lines = m, sync.OnceValue(func() *lineIndex { return newLineIndex(m.Text) })
			w.node(m.File)
		}
	}
	return w.sites
}

type untaken struct {
	checker func() *checker // made when there is an if
	module  *Module
	lines   func() *lineIndex // likewise
	reached func(file string, line, col int32) bool
	all     bool // list what was taken, too, and go on below what was not
	sites   []Site
}

func (w *untaken) facts() *facts { return w.checker().facts[w.module.Name] }

// node looks for ifs in n and below.
func (w *untaken) node(n syntax.Node) {
	walk(n, func(n syntax.Node, _ []syntax.Node) bool {
		s, ok := n.(*syntax.IfStmt)
		if !ok {
			_, expression := n.(syntax.Expr) // in which there is no if of this sort
			return !expression
		}
		w.arm(s.If, s, false, s.True)
		if elif := asElif(s); elif != nil {
			w.node(elif)
		} else if len(s.False) > 0 {
			w.arm(s.ElsePos, s, true, s.False)
		}
		return false
	})
}

// asElif returns the if that is the elif of s, or nil.
func asElif(s *syntax.IfStmt) *syntax.IfStmt {
	if len(s.False) == 1 {
		if elif, ok := s.False[0].(*syntax.IfStmt); ok && elif.If == s.ElsePos {
			return elif
		}
	}
	return nil
}

// arm notes one arm, or looks deeper if something in it was reached or nothing acts.
func (w *untaken) arm(pos syntax.Position, s *syntax.IfStmt, isElse bool, body []syntax.Stmt) {
	var actions []Action
	taken := false
	for _, stmt := range body {
		walk(stmt, func(n syntax.Node, _ []syntax.Node) bool {
			call, ok := n.(*syntax.CallExpr)
			if !ok {
				return w.checker().spend()
			}
			name := w.action(call)
			if name == "" {
				return true
			}
			start := w.module.locate(syntax.Start(call))
			actions = append(actions, Action{Name: name, Text: w.firstText(call), Line: int(start.Line), Col: int(start.Col)})
			at := w.module.locate(call.Lparen)
			taken = taken || w.reached(at.Filename(), at.Line, at.Col)
			return true
		})
	}
	listed := len(actions) > 0 && (w.all || !taken)
	if listed {
		at := w.module.locate(pos)
		w.sites = append(w.sites, Site{
			File: at.Filename(), Line: int(at.Line), Col: int(at.Col),
			Condition: w.source(s.Cond), Else: isElse, Actions: actions, Taken: taken,
		})
	}
	if w.all || !listed {
		for _, stmt := range body {
			w.node(stmt)
		}
	}
}

// action names what a call does, "" if it does not act.
func (w *untaken) action(call *syntax.CallExpr) string {
	if e := w.checker().table.called(call); e != nil {
		if e.Phase == Acting {
			return e.sig.Name
		}
		return ""
	}
	for _, fn := range w.checker().defined(w.facts(), call.Fn) {
		if w.checker().graph.acts(fn) != "" {
			return sourceName(call.Fn)
		}
	}
	return ""
}

func (w *untaken) firstText(call *syntax.CallExpr) string {
	if len(call.Args) == 0 {
		return ""
	}
	v := w.checker().valueOf(w.facts(), argValue(call.Args[0]))
	if v.kind != "string" {
		return ""
	}
	return v.text
}

// source is the text of an expression on one line, cut to a readable length.
func (w *untaken) source(e syntax.Expr) string {
	start, end := e.Span()
	text := w.lines().span(int(start.Line), int(start.Col), int(end.Line), int(end.Col))
	text = clean(strings.Join(strings.Fields(text), " "))
	if r := []rune(text); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	return text
}
