package dsl

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"go.starlark.net/syntax"
)

// maxDepth bounds the nesting of a syntax tree, chains such as a + b + … and
// if … elif … included. Starlark's parser bounds what it recurses into, but builds
// such chains in a loop, and its resolver and compiler then recurse into them.
const maxDepth = 1000

// parse reads a module's text. It removes a byte order mark from m.Text.
func parse(m *Module, maxFile int64) (*syntax.File, Diagnostics) {
	if int64(len(m.Text)) > maxFile {
		d := fileProblem(m.Name, fmt.Errorf("%w: %d bytes, at most %d", errTooBig, len(m.Text), maxFile))
		m.Text = nil
		return nil, Diagnostics{d}
	}
	m.Text = bytes.TrimPrefix(m.Text, utf8BOM)
	if offset, what, bad := badText(m.Text); bad {
		line, col := lineCol(m.Text, offset)
		return nil, Diagnostics{{
			Severity: Error, Code: "not_text", File: m.Name, Line: line, Col: col,
			Message: "the file holds " + what, Help: "save it as UTF-8 text",
		}}
	}
	if d := longNumber(m); d != nil {
		return nil, Diagnostics{*d}
	}
	file, err := FileOptions().Parse(m.Name, m.Text, 0)
	if err != nil {
		return nil, Diagnostics{syntaxProblem(m, err)}
	}
	if deep := tooDeep(file); deep != nil {
		return nil, Diagnostics{nesting(m.Name, deep)}
	}
	return file, nil
}

// maxDigits bounds the length of a number, as it does in files: Starlark's scanner reads
// a decimal one in quadratic time, three million digits in most of a minute, and nothing
// can interrupt it.
const maxDigits = 1000

// longNumber says where a number is too long, if one is.
func longNumber(m *Module) *Diagnostic {
	run, longest := 0, 0
	for _, c := range m.Text {
		if c < '0' || c > '9' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	if longest <= maxDigits {
		return nil // as in nearly every script; one of hexadecimal letters is read quickly
	}
	var found *Diagnostic
	eachToken(m.Text, math.MaxInt, func(t token) {
		if t.kind == numberToken && len(t.text) > maxDigits && found == nil {
			found = &Diagnostic{
				Severity: Error, Code: "number_too_long", File: m.Name, Line: t.line, Col: t.col,
				Message: fmt.Sprintf("a number of %d characters; expected at most %d", len(t.text), maxDigits),
			}
		}
	})
	return found
}

func nesting(file string, pos *syntax.Position) Diagnostic {
	return Diagnostic{
		Severity: Error, Code: "too_deep", File: file, Line: int(pos.Line), Col: int(pos.Col),
		Message: "the code is nested too deeply here",
		Help:    "give parts of it names, or put them into functions or a list",
	}
}

// tooDeep returns a place at which the tree is deeper than maxDepth, or nil. It looks at
// nothing that is deeper than twice that.
func tooDeep(file *syntax.File) *syntax.Position {
	var deep *syntax.Position
	depth, over := 0, false
	var visit func(syntax.Node)
	visit = func(n syntax.Node) {
		if depth > maxDepth {
			if over = true; deep == nil {
				deep = firstToken(n)
			}
			if deep != nil || depth > 2*maxDepth {
				return
			}
		}
		depth++
		eachChild(n, visit)
		depth--
	}
	visit(file)
	if over && deep == nil { // nothing there has a place of its own
		begin := syntax.MakePosition(&file.Path, 1, 1)
		deep = &begin
	}
	return deep
}

// firstToken gives the place of a node without recursing into its operands.
func firstToken(n syntax.Node) *syntax.Position {
	switch n := n.(type) {
	case *syntax.Ident:
		return &n.NamePos
	case *syntax.Literal:
		return &n.TokenPos
	case *syntax.BinaryExpr:
		return &n.OpPos
	case *syntax.CallExpr:
		return &n.Lparen
	case *syntax.DotExpr:
		return &n.Dot
	case *syntax.IndexExpr:
		return &n.Lbrack
	case *syntax.SliceExpr:
		return &n.Lbrack
	case *syntax.IfStmt:
		return &n.If
	}
	return nil
}

// syntaxProblem turns an error of the parser into a diagnostic that says what to write.
func syntaxProblem(m *Module, err error) Diagnostic {
	var e syntax.Error
	if !errors.As(err, &e) {
		return Diagnostic{Severity: Error, Code: "syntax_error", File: m.Name, Message: err.Error()}
	}
	if e.Msg == "excessive nesting" {
		return nesting(m.Name, &e.Pos)
	}
	return explainSyntax(m, int(e.Pos.Line), int(e.Pos.Col), e.Msg)
}
