package files

import "starquake/dsl"

// Transpile turns a document into the program that a person would have written, in the
// layout of dsl.Format, and says for each place of it which place of the file it was
// made of. Where the diagnostics, which name no file, hold an error the program is not
// to be run.
//
// What a step does becomes one call of step, at its place among the others. A step with
// hooks or assertions becomes a function besides: the chaos of a step goes on before the
// step does anything, so a pre-hook can fail it before its chaos only if the function
// puts the chaos on itself.
func Transpile(doc *Doc) (text []byte, origin *dsl.Origin, diags dsl.Diagnostics) {
	t := newTranspiler(doc)
	t.functions = append(t.functions, block(call(doc.Pos, "def main"), t.main()))
	t.keepState()
	p := newProgramText()
	t.program(p)
	return p.out.Bytes(), p.origin, t.diags
}

// transpiler is one Transpile under way.
type transpiler struct {
	doc        *Doc
	diags      dsl.Diagnostics
	saidBefore map[string]bool
	names      *names
	scenarios  scenarios

	variables   map[string]*variable // all that are ever set
	targetNames map[string]string    // what the file's targets are called in the program
	hookNames   map[string]string    // the functions of hooks, by name and text

	functions []stmt
	uses      uses
	asking    asking // who asks for what is being written
}

// uses is what the program needs besides its steps.
type uses struct {
	status              map[string]bool // steps whose status is asked for
	running             map[string]bool // those of them that may not be over when it is asked for
	previous, iteration bool            // state["previous"], state["iteration"]
	afterwards, text    bool            // the functions of these names
	// What hooks ask for that run after a failure, too: those of steps, by step, and those of
	// the orchestration.
	statusAfter, statusAtEnd map[string]bool
	previousLate             bool
}

// asking is who asks how a step has ended: whether that step may not be over, and whether
// it may have failed and ended everything.
type asking uint8

const (
	inBetween asking = iota // a step, or what stands before it
	afterStep               // the hooks behind a step
	atEnd                   // the hooks behind the orchestration
	atGoodEnd               // what is done behind them if nothing has failed
)

// variable is what is known of a variable of the file.
type variable struct {
	constant string // its name in the program, if it never changes
	kinds    kinds
}

func newTranspiler(doc *Doc) *transpiler {
	t := &transpiler{
		doc: doc, saidBefore: map[string]bool{}, names: newNames(), variables: map[string]*variable{},
		targetNames: map[string]string{}, hookNames: map[string]string{},
		uses: uses{status: map[string]bool{}, running: map[string]bool{}, statusAfter: map[string]bool{}, statusAtEnd: map[string]bool{}},
	}
	t.scenarios = scenarios{t: t, made: map[*Config]madeChaos{}, uses: map[scenarioKey]int{}, constants: map[scenarioKey]string{}}
	for _, target := range doc.Targets {
		t.targetNames[target.Name.Value] = t.names.give(target.Name.Value, "target")
	}
	t.gatherVariables()
	t.scenarios.makeAll(doc)
	eachStep(doc, t.scenarios.count)
	return t
}

// eachStep calls fn for every step of a document.
func eachStep(doc *Doc, fn func(*Step)) {
	each := func(steps []Step) {
		for i := range steps {
			fn(&steps[i])
		}
	}
	each(doc.Steps)
	each(doc.AdvancedSteps)
	for _, c := range doc.ConditionalSteps {
		each(c.ThenSteps)
		each(c.ElseSteps)
	}
}

// gatherVariables finds out which variables there are. One that only the file's head
// sets is a constant.
func (t *transpiler) gatherVariables() {
	changed := map[string]bool{}
	set := func(name string, value Any) {
		if t.variables[name] == nil {
			t.variables[name] = new(variable)
		}
		t.variables[name].kinds |= kindOf(value)
	}
	hooks := func(hooks []Hook) {
		for _, h := range hooks {
			for _, a := range h.Actions {
				if a.Type.Value == "set_variable" {
					set(a.Name.Value, *a.Value)
					changed[a.Name.Value] = true
				}
			}
		}
	}
	for _, v := range t.doc.Variables {
		set(v.Key.Value, v.Value)
		changed[v.Key.Value] = hasTemplate(v.Value)
	}
	hooks(t.doc.Hooks)
	eachStep(t.doc, func(s *Step) {
		hooks(s.PreHooks)
		hooks(s.PostHooks)
		for _, v := range s.Variables {
			set(v.Key.Value, v.Value)
			changed[v.Key.Value] = true
		}
	})
	for _, v := range t.doc.Variables {
		if name := v.Key.Value; !changed[name] {
			t.variables[name].constant = t.names.give(name, "variable")
		}
	}
}

// loops tells whether the orchestration is done more than once.
func (t *transpiler) loops() bool {
	return t.doc.LoopOrchestration != nil && t.doc.LoopOrchestration.Value && t.turns() != 1
}

// turns is how often the orchestration is done if it loops; 0: for ever.
func (t *transpiler) turns() float64 {
	if t.doc.MaxIterations == nil {
		return 1
	}
	return t.doc.MaxIterations.Value
}

// main is the body of main.
func (t *transpiler) main() []stmt {
	body := t.all()
	if n := t.doc.MaxIterations; n != nil && n.Value != 1 && !t.loops() {
		t.warn(n.Pos, "no_effect", "max_iterations has no effect without loop_orchestration: true")
	}
	if l := t.doc.LoopOrchestration; l != nil && l.Value && t.doc.MaxIterations == nil {
		t.warn(l.Pos, "no_effect", "loop_orchestration has no effect without max_iterations, which is 1").help("write how often, or max_iterations: 0 for ever")
	}
	if t.loops() {
		body = t.loop(body)
	}
	return append(t.filledIn(), t.around(nil, t.hooksAt(preOrchestration), body, t.hooksAt(postOrchestration), t.doc.Assertions)...)
}

// filledIn sets the variables of the file's head whose values have templates.
func (t *transpiler) filledIn() []stmt {
	var body []stmt
	for _, v := range t.doc.Variables {
		if hasTemplate(v.Value) {
			value, _ := t.value(v.Value)
			body = append(body, simple(t.setVariable(v.Key, value)))
		}
	}
	return body
}

// turnName is the function that does the orchestration once.
const turnName = "turn"

// loop makes a turn of body, and does it over and over.
func (t *transpiler) loop(body []stmt) []stmt {
	pos := t.doc.LoopOrchestration.Pos
	t.functions = append(t.functions, block(call(pos, "def "+turnName), body))
	e := call(pos, "loop", atom(pos, turnName))
	if t.turns() == 0 {
		e.named("forever", atom(t.doc.MaxIterations.Pos, "True"))
	} else {
		e.named("times", atom(t.doc.MaxIterations.Pos, plainNumber(t.turns())))
	}
	return []stmt{simple(e)}
}

// all does every step.
func (t *transpiler) all() []stmt {
	steps := make([]*Step, 0, len(t.doc.Steps)+len(t.doc.AdvancedSteps))
	for i := range t.doc.Steps {
		steps = append(steps, &t.doc.Steps[i])
	}
	for i := range t.doc.AdvancedSteps {
		steps = append(steps, &t.doc.AdvancedSteps[i])
	}
	body := make([]stmt, 0, len(steps)+len(t.doc.ConditionalSteps))
	if t.doc.Parallel != nil && t.doc.Parallel.Value && len(steps) > 1 {
		body = t.parallel(steps)
	} else {
		for _, s := range steps {
			body = append(body, t.step(s)...)
		}
	}
	for i := range t.doc.ConditionalSteps {
		body = append(body, t.conditional(&t.doc.ConditionalSteps[i]))
	}
	return body
}

// maxArguments is how many arguments a call may have that are written out.
const maxArguments = 255

// parallel makes a branch of every step.
func (t *transpiler) parallel(steps []*Step) []stmt {
	e := call(t.doc.Parallel.Pos, "parallel")
	for _, s := range steps {
		e.arg(atom(s.Name.Pos, t.define(s.Name, "step", t.step(s))))
	}
	return []stmt{simple(spread(e))}
}

// spread gives a call its arguments as a list where they are too many to be written out.
func spread(e expr) expr {
	if len(e.items) <= maxArguments {
		return e
	}
	all := list(e.pos)
	all.items, e.items = e.items, nil
	e.items = []item{{"*", all}}
	return e
}

// conditional writes an if.
func (t *transpiler) conditional(c *Conditional) stmt {
	steps := func(steps []Step) []stmt {
		var body []stmt
		for i := range steps {
			body = append(body, t.step(&steps[i])...)
		}
		return body
	}
	condition, then, orElse := c.Condition, steps(c.ThenSteps), steps(c.ElseSteps)
	if len(then) == 0 && len(orElse) > 0 {
		condition = Condition{Pos: c.Condition.Pos, Type: Str{c.Condition.Pos, "not"}, Condition: &c.Condition}
		then, orElse = orElse, nil
	}
	s := block(join(atom(c.Name.Pos, "if "), t.condition(&condition)), then)
	s.orElse = orElse
	s.comments = append(commentLines(c.Comment.Head), commentLines(c.Name.Value)...)
	s.comments = append(s.comments, commentLines(c.Condition.Comment.Head)...)
	s.remark, s.feet = oneLine(c.Comment.Line), commentLines(c.Comment.Foot)
	return s
}
