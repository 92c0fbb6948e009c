package dsl

import (
	"fmt"

	"go.starlark.net/syntax"
)

// stepNames warns of one constant step name at two places of one body that a run may both
// reach for all that is known. The arms of an if exclude each other, and those of two ifs
// may: as where one says mode == "a" and the other mode == "b".
func (c *checker) stepNames(body []syntax.Stmt) {
	s := stepScan{checker: c, seen: map[string]syntax.Node{}, perhaps: map[string]int{}}
	s.body(body)
}

// stepScan is one walk over a body.
type stepScan struct {
	checker *checker
	seen    map[string]syntax.Node
	added   []string // the names of seen, in the order in which they came
	depth   int      // how many ifs are around
	// perhaps says of names that came in an arm of an if how many ifs are around that one:
	// an arm of a later if beside it may exclude it.
	perhaps map[string]int
}

func (s *stepScan) body(body []syntax.Stmt) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *syntax.DefStmt:
		case *syntax.IfStmt:
			s.steps(stmt.Cond)
			mark := len(s.added)
			s.depth++
			s.body(stmt.True)
			yes := s.takeBack(mark)
			s.body(stmt.False)
			s.depth--
			if leaves(stmt.False) {
				s.takeBack(mark)
			}
			if !leaves(stmt.True) {
				for name, n := range yes {
					s.add(name, n)
					s.seen[name] = n // the first of both arms
				}
			}
			for _, name := range s.added[mark:] {
				s.perhaps[name] = s.depth
			}
		case *syntax.ForStmt:
			s.body(stmt.Body)
		default:
			s.steps(stmt)
		}
	}
}

// leaves reports whether what stands behind an arm is not reached from it.
func leaves(arm []syntax.Stmt) bool {
	if len(arm) == 0 {
		return false
	}
	switch last := arm[len(arm)-1].(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.BranchStmt:
		return last.Token != syntax.PASS
	}
	return false
}

// takeBack forgets the names that came behind mark, and returns them.
func (s *stepScan) takeBack(mark int) map[string]syntax.Node {
	taken := map[string]syntax.Node{}
	for _, name := range s.added[mark:] {
		taken[name] = s.seen[name]
		delete(s.seen, name)
		delete(s.perhaps, name)
	}
	s.added = s.added[:mark]
	return taken
}

func (s *stepScan) add(name string, n syntax.Node) {
	if s.seen[name] == nil {
		s.seen[name] = n
		s.added = append(s.added, name)
	}
}

// steps looks at the steps that n makes itself, not in a function.
func (s *stepScan) steps(n syntax.Node) {
	walk(n, func(n syntax.Node, _ []syntax.Node) bool {
		if _, inner := functionBody(n); inner {
			return false
		}
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		if name, _ := s.checker.table.callee(call.Fn); name != "step" {
			return true
		}
		name, ok := unparen(argValue(call.Args[0])).(*syntax.Literal)
		if !ok || name.Token != syntax.STRING {
			return true
		}
		text := name.Value.(string)
		beside, perhaps := s.perhaps[text]
		if first := s.seen[text]; first != nil && !(perhaps && s.depth > beside) {
			s.checker.report(sameStep(text, first, name))
		}
		s.add(text, name)
		return true
	})
}

func sameStep(name string, first, again syntax.Node) Diagnostic {
	return atNode(again, "repeated_step", "another step here is called %q; this one will be shown as %q", name, fmt.Sprintf("%s#2", name)).
		as(Warning).help("give it a name of its own").note(syntax.Start(first), "the other one")
}
