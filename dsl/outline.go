package dsl

import (
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// outline writes a syntax tree without places, parentheses and spelling: two texts
// with the same outline are the same program.
func outline(file *syntax.File) string {
	var b strings.Builder
	writeOutline(&b, file)
	return b.String()
}

func writeOutline(b *strings.Builder, n syntax.Node) {
	if p, ok := n.(*syntax.ParenExpr); ok {
		writeOutline(b, p.X)
		return
	}
	fmt.Fprintf(b, "(%T", n)
	switch n := n.(type) {
	case *syntax.Ident:
		b.WriteString(" " + n.Name)
	case *syntax.Literal:
		fmt.Fprintf(b, " %v %q", n.Token, fmt.Sprint(n.Value))
	case *syntax.BranchStmt:
		fmt.Fprintf(b, " %v", n.Token)
	case *syntax.DotExpr:
		b.WriteString(" ." + n.Name.Name)
	case *syntax.BinaryExpr:
		fmt.Fprintf(b, " %v", n.Op)
	case *syntax.UnaryExpr:
		fmt.Fprintf(b, " %v", n.Op)
	case *syntax.AssignStmt:
		fmt.Fprintf(b, " %v", n.Op)
	case *syntax.DefStmt:
		fmt.Fprintf(b, " %s %d %s", n.Name.Name, len(n.Body), paramShape(n.Params))
	case *syntax.LambdaExpr:
		b.WriteString(" " + paramShape(n.Params))
	case *syntax.IfStmt:
		fmt.Fprintf(b, " %d", len(n.True))
	case *syntax.Comprehension:
		fmt.Fprintf(b, " %t", n.Curly)
	case *syntax.SliceExpr:
		fmt.Fprintf(b, " %t %t %t", n.Lo != nil, n.Hi != nil, n.Step != nil)
	case *syntax.LoadStmt:
		fmt.Fprintf(b, " %q", n.ModuleName())
		for i := range n.From {
			fmt.Fprintf(b, " %s=%s", n.To[i].Name, n.From[i].Name)
		}
	case *syntax.CallExpr:
		for _, arg := range n.Args {
			b.WriteString(" " + argShape(arg))
		}
	}
	for _, c := range children(n) {
		writeOutline(b, c)
	}
	b.WriteString(")")
}

// argShape tells how an argument is given: "", "k=", "*" or "**".
func argShape(arg syntax.Expr) string {
	switch a := arg.(type) {
	case *syntax.BinaryExpr:
		if a.Op == syntax.EQ {
			return a.X.(*syntax.Ident).Name + "="
		}
	case *syntax.UnaryExpr:
		if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
			return a.Op.String()
		}
	}
	return "_"
}

func paramShape(list []syntax.Expr) string {
	var shape []string
	for _, p := range list {
		shape = append(shape, argShape(p))
	}
	return strings.Join(shape, ",")
}
