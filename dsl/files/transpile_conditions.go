package files

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// How tightly a condition binds, for parentheses.
const (
	bindsOr = iota + 1
	bindsAnd
	bindsNot
	bindsComparison
)

// manyConditions is how many are written with "and" and "or" between them, without brackets.
const manyConditions = 20

// condition writes a condition as an expression that is True or False.
func (t *transpiler) condition(c *Condition) expr {
	e, _ := t.bound(c)
	return e
}

// operators are the signs of the comparisons, for conditions and for thresholds.
var operators = map[string]string{
	"equals": "==", "not_equals": "!=", "greater_than": ">", "less_than": "<", "greater_than_or_equal": ">=", "less_than_or_equal": "<=",
}

func (t *transpiler) bound(c *Condition) (e expr, binds int) {
	switch c.Type.Value {
	case "and", "or":
		return t.joined(c)
	case "not":
		if c.Condition.Type.Value == "exists" && !t.isConstant(c.Condition.Variable.Value) {
			return atom(c.Pos, quote(c.Condition.Variable.Value)+" not in vars"), bindsComparison
		}
		inner, binds := t.bound(c.Condition)
		if binds <= bindsNot {
			inner = join(atom(Pos{}, "("), inner, atom(Pos{}, ")"))
		}
		return join(atom(c.Pos, "not "), inner), bindsNot
	case "exists":
		return t.exists(c), bindsComparison
	case "previous_step_succeeded", "previous_step_failed":
		t.uses.previous = true
		t.uses.previousLate = t.uses.previousLate || t.asking == afterStep || t.asking == atEnd
		want := `"passed"`
		if c.Type.Value == "previous_step_failed" {
			want = `"failed"`
		}
		return atom(c.Pos, previousStep+" == "+want), bindsComparison
	case "metric_threshold":
		return join(metric(c.MetricName.Pos, t.text(*c.MetricName)),
			atom(c.Pos, " "+operators[c.Operator.Value]+" "), atom(c.Threshold.Pos, c.Threshold.Text)), bindsComparison
	}
	return t.comparison(c), bindsComparison
}

// comparison compares a variable with a value.
func (t *transpiler) comparison(c *Condition) expr {
	x, xs := t.variable(*c.Variable)
	y, ys := t.value(*c.Value)
	sign := operators[c.Type.Value]
	// Only what can be told for sure is said here; the rest shows when it is compared.
	if ordered := sign != "==" && sign != "!="; ordered && xs&ys&^isOther == 0 {
		t.fail(c.Value.Pos, "not_comparable", "%s compares numbers, or strings: %s is %s, and this is %s", c.Type.Value, clip(c.Variable.Value), xs, ys)
	}
	return join(x, atom(c.Pos, " "+sign+" "), y)
}

func (k kinds) String() string {
	var words []string
	for _, one := range []struct {
		kind kinds
		word string
	}{{isString, "a string"}, {isNumber, "a number"}, {isOther, "neither number nor string"}} {
		if k&one.kind != 0 {
			words = append(words, one.word)
		}
	}
	return strings.Join(words, " or ")
}

// exists asks whether a variable has been set.
func (t *transpiler) exists(c *Condition) expr {
	switch {
	case t.variables[c.Variable.Value] == nil:
		t.warn(c.Variable.Pos, "unknown_variable", "nothing sets a variable %q, so it never exists", clip(c.Variable.Value)).
			help(suggest(c.Variable.Value, slices.Sorted(maps.Keys(t.variables)), "the variables are"))
		return atom(c.Pos, "False")
	case t.isConstant(c.Variable.Value):
		return atom(c.Pos, "True")
	}
	return atom(c.Pos, quote(c.Variable.Value)+" in vars")
}

// isConstant tells whether a variable never changes, or does not exist.
func (t *transpiler) isConstant(name string) bool {
	v := t.variables[name]
	return v == nil || v.constant != ""
}

// joined writes several conditions.
func (t *transpiler) joined(c *Condition) (expr, int) {
	word, binds, many := " and ", bindsAnd, "all"
	if c.Type.Value == "or" {
		word, binds, many = " or ", bindsOr, "any"
	}
	grouped := false
	switch n := len(c.Conditions); {
	case n == 0:
		return call(c.Pos, many, list(c.Pos)), bindsComparison
	case n == 1:
		return t.bound(&c.Conditions[0])
	case n > manyConditions:
		c, grouped = c.grouped(), true
	}
	var e expr
	for i := range c.Conditions {
		if i > 0 {
			e.then = append(e.then, atom(c.Pos, word))
		}
		inner, tight := t.bound(&c.Conditions[i])
		if tight < binds || grouped && tight == binds {
			inner = join(atom(Pos{}, "("), inner, atom(Pos{}, ")"))
		}
		e.then = append(e.then, inner)
	}
	return e, binds
}

// grouped is the same condition in groups of at most that many, so that an expression of very
// many is not as deep. Those behind one that decides are not asked, as among few.
func (c *Condition) grouped() *Condition {
	size := manyConditions
	for size*manyConditions < len(c.Conditions) {
		size *= manyConditions
	}
	out := &Condition{Pos: c.Pos, Type: c.Type}
	for part := range slices.Chunk(c.Conditions, size) {
		out.Conditions = append(out.Conditions, Condition{Pos: c.Pos, Type: c.Type, Conditions: part})
	}
	return out
}

// words say a condition for people, as the name of a check.
func (c *Condition) words() string {
	switch c.Type.Value {
	case "and", "or":
		var all []string
		for i := range c.Conditions {
			all = append(all, c.Conditions[i].words())
		}
		return clip(strings.Join(all, " "+c.Type.Value+" "))
	case "not":
		return clip("not " + c.Condition.words())
	case "exists":
		return clip(c.Variable.Value + " exists")
	case "previous_step_succeeded", "previous_step_failed":
		return strings.ReplaceAll(c.Type.Value, "_", " ")
	case "metric_threshold":
		return clip(fmt.Sprintf("%s %s %s", c.MetricName.Value, operators[c.Operator.Value], c.Threshold.Text))
	}
	value, ok := c.Value.Value.(string)
	if !ok {
		e := literal(*c.Value)
		value = exprText(&e)
	}
	return clip(fmt.Sprintf("%s %s %s", c.Variable.Value, operators[c.Type.Value], value))
}

// assertion writes a check of a step; of the orchestration if that is nil. A step that has come
// as far as its own assertions has not failed by then: what it did would have failed it.
func (t *transpiler) assertion(of *Step, a *Assertion) stmt {
	s := stmt{comments: commentLines(a.Comment.Head), remark: oneLine(a.Comment.Line), feet: commentLines(a.Comment.Foot)}
	check := func(name string, value expr) expr {
		return call(a.Pos, "check", atom(a.Pos, quote(name)), value)
	}
	switch a.Type.Value {
	case "variable_equals":
		x, _ := t.variable(*a.Variable)
		expected, _ := t.value(*a.Expected)
		if a.Expected.Value == nil { // which would be no limit
			s.head = check(a.Variable.Value, join(x, atom(a.Pos, " == None")))
			break
		}
		s.head = check(a.Variable.Value, x)
		s.head.named("equals", expected)
	case "metric_in_range":
		s.head = call(a.Pos, "check", t.text(*a.Metric), call(a.Metric.Pos, "recorded", t.text(*a.Metric)))
		switch {
		case a.Min != nil && a.Max != nil:
			s.head.named("between", call(Pos{}, "", atom(a.Min.Pos, a.Min.Text), atom(a.Max.Pos, a.Max.Text)))
		case a.Min != nil:
			s.head.named("at_least", atom(a.Min.Pos, a.Min.Text))
		case a.Max != nil:
			s.head.named("at_most", atom(a.Max.Pos, a.Max.Text))
		}
	case "step_succeeded", "step_failed":
		status := "passed"
		if a.Type.Value == "step_failed" {
			status = "failed"
		}
		if of != nil && of.Name.Value == a.StepName.Value {
			so := "True"
			if status == "failed" {
				so = "False"
			}
			s.head = check(a.StepName.Value+" "+status, atom(a.StepName.Pos, so))
			if s.remark == "" {
				s.remark = "as far as this"
			}
			break
		}
		t.asksStatus(a.StepName.Value)
		s.head = check(a.StepName.Value+" "+status, join(call(a.StepName.Pos, "status.get", str(*a.StepName)), atom(a.Pos, " == "+quote(status))))
	default:
		s.head = check(a.Condition.words(), t.condition(a.Condition))
	}
	return s
}
