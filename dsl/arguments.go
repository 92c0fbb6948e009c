package dsl

import (
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// argument is one argument of a call and the parameter it goes to.
type argument struct {
	param *Param
	value syntax.Expr
	// rest is set for the values of *args and **kwargs.
	rest bool
}

// binding of arguments to parameters, as Starlark does it.
type arguments struct {
	list []argument
	// open is set where the call has *x or **x, so that anything may be given.
	open bool
	// extra are positional arguments too many, unknown are keywords that no
	// parameter has, twice are keywords whose parameter has been given by position.
	extra   []syntax.Expr
	unknown []*syntax.Ident
	twice   []*syntax.Ident
	// missing are required parameters not given.
	missing []Param
}

func bindArguments(sig *Signature, call *syntax.CallExpr) arguments {
	out := arguments{list: make([]argument, 0, len(call.Args))}
	next := 0
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				out.open = true
				continue
			}
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				out.keyword(sig, a.X.(*syntax.Ident), a.Y)
				continue
			}
		}
		if next < len(sig.Params) && !sig.Params[next].KeywordOnly {
			out.list = append(out.list, argument{param: &sig.Params[next], value: arg})
			next++
		} else if sig.Args != "" {
			out.list = append(out.list, argument{param: &sig.Rest, value: arg, rest: true})
		} else {
			out.extra = append(out.extra, arg)
		}
	}
	for i := range sig.Params {
		if p := &sig.Params[i]; p.Required && !out.open && out.get(p.Name) == nil {
			out.missing = append(out.missing, *p)
		}
	}
	return out
}

func (a *arguments) keyword(sig *Signature, name *syntax.Ident, value syntax.Expr) {
	p := sig.param(name.Name)
	switch {
	case p != nil && a.get(name.Name) != nil:
		a.twice = append(a.twice, name)
	case p != nil:
		a.list = append(a.list, argument{param: p, value: value})
	case sig.Kwargs != "":
		p := sig.KwRest
		p.Name = name.Name
		a.list = append(a.list, argument{param: &p, value: value, rest: true})
	default:
		a.unknown = append(a.unknown, name)
	}
}

// get returns what is given for a parameter, nil if nothing is.
func (a *arguments) get(name string) syntax.Expr {
	for i := range a.list {
		if arg := &a.list[i]; arg.param.Name == name && !arg.rest {
			return arg.value
		}
	}
	return nil
}

// given tells whether a parameter is given something other than None.
func (a *arguments) given(name string) bool {
	v := a.get(name)
	return v != nil && !isName(v, "None")
}

// isName tells whether e is the universal name, for example None.
func isName(e syntax.Expr, name string) bool {
	id, ok := unparen(e).(*syntax.Ident)
	return ok && id.Name == name && variable(id) == nil
}

// call checks one call of a builtin.
func (c *checker) call(f *facts, call *syntax.CallExpr, parents []syntax.Node) {
	name, e := c.table.callee(call.Fn)
	if name == "" {
		c.topLevelHelper(f, call, parents)
		return
	}
	if e == nil {
		if c.table.namespace(name) {
			c.report(atNode(call.Fn, "not_a_function", "%s is a namespace and cannot be called", name).
				help("write %s", exampleMember(name, c.table.members[name])))
		}
		return
	}
	c.phase(f, call, e, parents)
	args := bindArguments(e.sig, call)
	c.noteChaos(f, call, e, &args)
	if disordered(call) {
		return // the resolver has said so
	}
	c.argumentNames(call, e, &args)
	for _, a := range args.list {
		c.argument(f, e, a)
	}
	c.special(f, call, e, &args)
}

// disordered tells whether an argument without a name follows one with a name.
func disordered(call *syntax.CallExpr) bool {
	named := false
	for _, arg := range call.Args {
		binary, ok := arg.(*syntax.BinaryExpr)
		if ok && binary.Op == syntax.EQ {
			named = true
		} else if _, star := arg.(*syntax.UnaryExpr); named && argShape(arg) == "_" && !star {
			return true
		}
	}
	return false
}

func exampleMember(space string, members []string) string {
	shown := members[:min(len(members), 5)]
	return space + "." + strings.Join(shown, "(…), "+space+".") + "(…)"
}

// argumentNames reports arguments that do not fit the signature.
func (c *checker) argumentNames(call *syntax.CallExpr, e *entry, args *arguments) {
	name := e.sig.Name
	for _, id := range args.unknown {
		var names []string
		for _, p := range e.sig.Params {
			names = append(names, p.Name)
		}
		d := atNode(id, "unknown_keyword", "%s has no parameter %s", name, id.Name)
		d.Help = didYouMean(id.Name, names, "its parameters")
		if len(names) == 0 {
			d.Help = "write " + name + "()"
		}
		c.report(d)
	}
	for _, id := range args.twice {
		c.report(atNode(id, "repeated_argument", "%s is given twice: by its position and by its name", id.Name).
			help("leave one of them out"))
	}
	if len(args.extra) > 0 {
		d := atNode(args.extra[0], "too_many_arguments", "%s takes %s", name, positionalCount(e.sig))
		d.Help = "its signature is " + signatureHelp(e)
		if next := firstKeywordOnly(e.sig, args); next != "" {
			d.Help = fmt.Sprintf("write %s = …; its signature is %s", next, signatureHelp(e))
		}
		c.report(d)
	}
	if len(args.missing) > 0 {
		var missing []string
		for _, p := range args.missing {
			missing = append(missing, p.Name)
		}
		c.report(atNode(call, "missing_argument", "%s needs %s", name, strings.Join(missing, " and ")).
			help("its signature is %s", signatureHelp(e)))
	}
}

// signatureHelp is the signature, without types and defaults where it is long.
func signatureHelp(e *entry) string {
	if len(e.Sig) <= 120 {
		return e.Sig
	}
	var parts []string
	star := false
	for _, p := range e.sig.Params {
		if p.KeywordOnly && !star {
			star = true
			parts = append(parts, "*"+e.sig.Args)
		}
		parts = append(parts, p.Name)
	}
	if e.sig.Kwargs != "" {
		parts = append(parts, "**"+e.sig.Kwargs)
	}
	return e.sig.Name + "(" + strings.Join(parts, ", ") + ")"
}

func positionalCount(sig *Signature) string {
	n := 0
	for _, p := range sig.Params {
		if !p.KeywordOnly {
			n++
		}
	}
	switch n {
	case 0:
		return "no arguments without a name"
	case 1:
		return "one argument without a name"
	}
	return fmt.Sprintf("at most %d arguments without a name", n)
}

func firstKeywordOnly(sig *Signature, args *arguments) string {
	for _, p := range sig.Params {
		if p.KeywordOnly && args.get(p.Name) == nil {
			return p.Name
		}
	}
	return ""
}
