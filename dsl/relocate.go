package dsl

import "go.starlark.net/syntax"

// relocated copies the tree of a module that was made of another file: every place that can
// come up at run time is that of the person's file. The tree itself may be resolved and
// checked meanwhile: what the resolver sets in it is not copied, and what nobody sets is
// shared.
func (m *Module) relocated(file *syntax.File) *syntax.File {
	r := &relocation{origin: m.Origin, near: -1}
	return &syntax.File{Path: file.Path, Stmts: r.stmts(file.Stmts), Options: file.Options}
}

// relocation is one copy under way. It goes nearly in the order of the text, and so do the
// marks.
type relocation struct {
	origin *Origin
	near   int // the mark of the place before
}

// to gives a place of the person's file for one of the module.
func (r *relocation) to(pos syntax.Position) syntax.Position {
	r.near = r.origin.index(mark{line: pos.Line, col: pos.Col}, r.near)
	pos.Line, pos.Col = 0, 0
	if r.near >= 0 {
		of := &r.origin.marks[r.near]
		pos.Line, pos.Col = of.ofLine, of.ofCol
	}
	return pos
}

func (r *relocation) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil
	}
	out := make([]syntax.Stmt, len(list))
	for i, s := range list {
		out[i] = r.stmt(s)
	}
	return out
}

func (r *relocation) exprs(list []syntax.Expr) []syntax.Expr {
	if list == nil {
		return nil
	}
	out := make([]syntax.Expr, len(list))
	for i, e := range list {
		out[i] = r.expr(e)
	}
	return out
}

func (r *relocation) ident(id *syntax.Ident) *syntax.Ident {
	return &syntax.Ident{NamePos: r.to(id.NamePos), Name: id.Name}
}

func (r *relocation) stmt(s syntax.Stmt) syntax.Stmt {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		return &syntax.AssignStmt{LHS: r.expr(s.LHS), OpPos: r.to(s.OpPos), Op: s.Op, RHS: r.expr(s.RHS)}
	case *syntax.DefStmt:
		return &syntax.DefStmt{Def: r.to(s.Def), Name: r.ident(s.Name), Lparen: s.Lparen, Params: r.exprs(s.Params), Rparen: s.Rparen, Body: r.stmts(s.Body)}
	case *syntax.ExprStmt:
		return &syntax.ExprStmt{X: r.expr(s.X)}
	case *syntax.ForStmt:
		return &syntax.ForStmt{For: r.to(s.For), Vars: r.expr(s.Vars), X: r.expr(s.X), Body: r.stmts(s.Body)}
	case *syntax.IfStmt:
		return &syntax.IfStmt{If: s.If, Cond: r.expr(s.Cond), True: r.stmts(s.True), ElsePos: s.ElsePos, False: r.stmts(s.False)}
	case *syntax.LoadStmt:
		out := &syntax.LoadStmt{Load: r.to(s.Load), Module: s.Module, From: s.From, Rparen: s.Rparen}
		for _, id := range s.To {
			out.To = append(out.To, &syntax.Ident{NamePos: id.NamePos, Name: id.Name})
		}
		return out
	case *syntax.ReturnStmt:
		return &syntax.ReturnStmt{Return: s.Return, Result: r.expr(s.Result)}
	case *syntax.WhileStmt:
		return &syntax.WhileStmt{While: s.While, Cond: r.expr(s.Cond), Body: r.stmts(s.Body)}
	}
	return s // break, continue and pass
}

func (r *relocation) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.BinaryExpr:
		return &syntax.BinaryExpr{X: r.expr(e.X), OpPos: r.to(e.OpPos), Op: e.Op, Y: r.expr(e.Y)}
	case *syntax.CallExpr:
		return &syntax.CallExpr{Fn: r.expr(e.Fn), Lparen: r.to(e.Lparen), Args: r.exprs(e.Args), Rparen: e.Rparen}
	case *syntax.Comprehension:
		out := &syntax.Comprehension{Curly: e.Curly, Lbrack: e.Lbrack, Body: r.expr(e.Body), Rbrack: e.Rbrack}
		for _, clause := range e.Clauses {
			switch clause := clause.(type) {
			case *syntax.ForClause:
				out.Clauses = append(out.Clauses, &syntax.ForClause{For: r.to(clause.For), Vars: r.expr(clause.Vars), In: clause.In, X: r.expr(clause.X)})
			case *syntax.IfClause:
				out.Clauses = append(out.Clauses, &syntax.IfClause{If: clause.If, Cond: r.expr(clause.Cond)})
			}
		}
		return out
	case *syntax.CondExpr:
		return &syntax.CondExpr{If: e.If, Cond: r.expr(e.Cond), True: r.expr(e.True), ElsePos: e.ElsePos, False: r.expr(e.False)}
	case *syntax.DictEntry:
		return &syntax.DictEntry{Key: r.expr(e.Key), Colon: r.to(e.Colon), Value: r.expr(e.Value)}
	case *syntax.DictExpr:
		return &syntax.DictExpr{Lbrace: e.Lbrace, List: r.exprs(e.List), Rbrace: e.Rbrace}
	case *syntax.DotExpr:
		return &syntax.DotExpr{X: r.expr(e.X), Dot: r.to(e.Dot), NamePos: e.NamePos, Name: e.Name}
	case *syntax.Ident:
		return r.ident(e)
	case *syntax.IndexExpr:
		return &syntax.IndexExpr{X: r.expr(e.X), Lbrack: r.to(e.Lbrack), Y: r.expr(e.Y), Rbrack: e.Rbrack}
	case *syntax.LambdaExpr:
		return &syntax.LambdaExpr{Lambda: r.to(e.Lambda), Params: r.exprs(e.Params), Body: r.expr(e.Body)}
	case *syntax.ListExpr:
		return &syntax.ListExpr{Lbrack: e.Lbrack, List: r.exprs(e.List), Rbrack: e.Rbrack}
	case *syntax.ParenExpr:
		return &syntax.ParenExpr{Lparen: e.Lparen, X: r.expr(e.X), Rparen: e.Rparen}
	case *syntax.SliceExpr:
		return &syntax.SliceExpr{X: r.expr(e.X), Lbrack: r.to(e.Lbrack), Lo: r.expr(e.Lo), Hi: r.expr(e.Hi), Step: r.expr(e.Step), Rbrack: e.Rbrack}
	case *syntax.TupleExpr:
		return &syntax.TupleExpr{Lparen: e.Lparen, List: r.exprs(e.List), Rparen: e.Rparen}
	case *syntax.UnaryExpr:
		return &syntax.UnaryExpr{OpPos: r.to(e.OpPos), Op: e.Op, X: r.expr(e.X)}
	}
	return e // a literal, or nothing
}
