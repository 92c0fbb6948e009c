package files

import (
	"math/big"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxExportLen bounds strings and lists that are computed.
const maxExportLen = 10_000

// eval computes an expression. What is not constant is said, once, and unknown.
func (x *exporter) eval(e syntax.Expr) starlark.Value {
	switch e := unparen(e).(type) {
	case *syntax.Literal:
		return literalValue(e)
	case *syntax.Ident:
		return x.name(e)
	case *syntax.UnaryExpr:
		return x.unary(e)
	case *syntax.BinaryExpr:
		return x.operator(e)
	case *syntax.CondExpr:
		yes, known := x.truth(e.Cond, x.eval(e.Cond), "if")
		if !known {
			return unknown{}
		}
		if yes {
			return x.eval(e.True)
		}
		return x.eval(e.False)
	case *syntax.ListExpr:
		return starlark.NewList(x.evalAll(e.List))
	case *syntax.TupleExpr:
		return starlark.Tuple(x.evalAll(e.List))
	case *syntax.DictExpr:
		return x.dict(e)
	case *syntax.LambdaExpr:
		return x.function(e, e.Params)
	case *syntax.Comprehension:
		return x.comprehension(e)
	case *syntax.IndexExpr:
		return x.index(e)
	case *syntax.CallExpr:
		return x.call(e)
	case *syntax.DotExpr:
		switch v := x.eval(e.X).(type) {
		case unknown:
			return v
		case late:
			return x.problem(e, "a file does the same steps in every run", "%s is known only when the script runs", v.what)
		}
	}
	return x.problem(e, "write the value itself", "this is not constant")
}

func literalValue(e *syntax.Literal) starlark.Value {
	switch v := e.Value.(type) {
	case string:
		return starlark.String(v)
	case int64:
		return starlark.MakeInt64(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case float64:
		return starlark.Float(v)
	}
	return unknown{}
}

func (x *exporter) evalAll(list []syntax.Expr) []starlark.Value {
	values := make([]starlark.Value, len(list))
	for i, e := range list {
		values[i] = x.eval(e)
	}
	return values
}

func (x *exporter) name(id *syntax.Ident) starlark.Value {
	if v := variableOf(id); v != nil {
		if value := x.vars[v]; value != nil {
			return value
		}
		return x.problem(id, "", "%s has no value yet", id.Name)
	}
	switch id.Name {
	case "None":
		return starlark.None
	case "True":
		return starlark.True
	case "False":
		return starlark.False
	}
	return builtin{name: id.Name}
}

func (x *exporter) unary(e *syntax.UnaryExpr) starlark.Value {
	v := x.eval(e.X)
	if _, said := v.(unknown); said {
		return v
	}
	if e.Op == syntax.NOT {
		yes, known := x.truth(e, v, "not")
		if !known {
			return unknown{}
		}
		return starlark.Bool(!yes)
	}
	out, err := starlark.Unary(e.Op, v)
	if err != nil {
		return x.problem(e, "", "this is not constant: %v", err)
	}
	return out
}

func (x *exporter) operator(e *syntax.BinaryExpr) starlark.Value {
	left := x.eval(e.X)
	if e.Op == syntax.AND || e.Op == syntax.OR {
		yes, known := x.truth(e.X, left, e.Op.String())
		if !known {
			x.eval(e.Y)
			return unknown{}
		}
		if yes == (e.Op == syntax.OR) {
			return left
		}
		return x.eval(e.Y)
	}
	return x.binary(e, e.Op, left, x.eval(e.Y))
}

// binary computes an operator, of which repetition could make a large value of little.
func (x *exporter) binary(n syntax.Node, op syntax.Token, left, right starlark.Value) starlark.Value {
	for _, v := range []starlark.Value{left, right} {
		switch v := v.(type) {
		case unknown:
			return v
		case late:
			return x.problem(n, "a file does the same steps in every run", "%s is known only when the script runs", v.what)
		}
	}
	if !constant(left) || !constant(right) {
		return x.problem(n, "write the value itself", "this is not constant")
	}
	if l, is := lateIn(right); is && op == syntax.PERCENT {
		return x.problem(n, "a file does the same steps in every run", "%s is known only when the script runs", l.what)
	}
	if op == syntax.STAR && (repeats(left, right) || repeats(right, left)) || op == syntax.LTLT {
		return x.problem(n, "write the value itself", "the value would be too large")
	}
	var v starlark.Value
	var err error
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		var yes bool
		yes, err = starlark.Compare(op, left, right)
		v = starlark.Bool(yes)
	default:
		v, err = starlark.Binary(op, left, right)
	}
	if err != nil {
		return x.problem(n, "", "%v", err)
	}
	return x.bounded(n, v)
}

// repeats reports whether n times v would be too large.
func repeats(v, n starlark.Value) bool {
	times, err := starlark.AsInt32(n)
	return err == nil && starlark.Len(v) > 0 && times > maxExportLen/starlark.Len(v)
}

func (x *exporter) bounded(n syntax.Node, v starlark.Value) starlark.Value {
	if starlark.Len(v) > maxExportLen {
		return x.problem(n, "", "the value has %d elements; at most %d can be exported", starlark.Len(v), maxExportLen)
	}
	return v
}

func (x *exporter) dict(e *syntax.DictExpr) starlark.Value {
	d := starlark.NewDict(len(e.List))
	for _, entry := range e.List {
		entry := entry.(*syntax.DictEntry)
		key, value := x.eval(entry.Key), x.eval(entry.Value)
		if _, said := key.(unknown); said {
			return unknown{}
		}
		if err := d.SetKey(key, value); err != nil {
			return x.problem(entry.Key, "", "%v", err)
		}
	}
	return d
}

func (x *exporter) index(e *syntax.IndexExpr) starlark.Value {
	in, at := x.eval(e.X), x.eval(e.Y)
	switch v := in.(type) {
	case unknown:
		return v
	case late:
		return x.problem(e, "a file does the same steps in every run", "%s is known only when the script runs", v.what)
	case *starlark.Dict:
		if value, found, err := v.Get(at); err == nil && found {
			return value
		}
	case starlark.Indexable:
		i, err := starlark.AsInt32(at)
		if err == nil && i < 0 {
			i += v.Len()
		}
		if err == nil && 0 <= i && i < v.Len() {
			return v.Index(i)
		}
	}
	if _, said := at.(unknown); said {
		return at
	}
	return x.problem(e, "write the value itself", "this is not constant")
}

// comprehension computes a list or dict comprehension.
func (x *exporter) comprehension(e *syntax.Comprehension) starlark.Value {
	list, dict := starlark.NewList(nil), starlark.NewDict(0)
	var clause func(i int)
	clause = func(i int) {
		if x.work++; x.work > maxExportWork {
			return
		}
		if i == len(e.Clauses) {
			if entry, ok := e.Body.(*syntax.DictEntry); ok {
				_ = dict.SetKey(x.eval(entry.Key), x.eval(entry.Value)) // a key that is none was said
				return
			}
			_ = list.Append(x.eval(e.Body)) // nobody iterates over it yet
			return
		}
		switch c := e.Clauses[i].(type) {
		case *syntax.ForClause:
			items, _ := x.items(c.X)
			for _, item := range items {
				x.bind(c.Vars, item)
				clause(i + 1)
			}
		case *syntax.IfClause:
			if yes, known := x.truth(c.Cond, x.eval(c.Cond), "if"); yes && known {
				clause(i + 1)
			}
		}
	}
	clause(0)
	if x.work > maxExportWork {
		return x.problem(e, "", "the script does more than %d things until here, which no file could say", maxExportWork)
	}
	if e.Curly {
		return dict
	}
	return list
}
