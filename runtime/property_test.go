package runtime_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// grower draws random programs of the tree language.
type grower struct {
	t *rapid.T
	// fails, exits, background and fast allow failures, clean-ups, start, and
	// parallel that stops its siblings.
	fails, exits, background, fast bool
	names                          int
}

func (g *grower) ms(what string, most int) string {
	return fmt.Sprintf("%dms", 10*rapid.IntRange(0, most).Draw(g.t, what))
}

func (g *grower) name(prefix string) string {
	g.names++
	return fmt.Sprint(prefix, g.names)
}

// program is a body of which something is done whatever it draws: one that is made of empty
// loops and branches alone does nothing, and is inconclusive.
func (g *grower) program(depth int) []*node {
	return append([]*node{{op: "log", args: []string{"begins"}, opts: map[string]string{}}}, g.body(depth)...)
}

func (g *grower) body(depth int) []*node {
	nodes := []*node{}
	for range rapid.IntRange(1, 4).Draw(g.t, "statements") {
		nodes = append(nodes, g.statement(depth))
	}
	return nodes
}

func (g *grower) statement(depth int) *node {
	n := &node{opts: map[string]string{}}
	kinds := []string{"sleep", "hold", "effect", "log"}
	if g.fails {
		kinds = append(kinds, "fail", "check")
	}
	if depth > 0 {
		kinds = append(kinds, "step", "step", "attempt", "loop", "parallel", "parallel")
		if g.exits {
			kinds = append(kinds, "on_exit")
		}
		if g.background {
			kinds = append(kinds, "start", "start")
		}
	}
	n.op = rapid.SampledFrom(kinds).Draw(g.t, "kind")
	switch n.op {
	case "sleep":
		n.args = []string{g.ms("sleep", 20)}
	case "hold":
		n.args = []string{g.fault()}
	case "effect":
		n.args = []string{rapid.SampledFrom([]string{"e1", "e2"}).Draw(g.t, "effect")}
	case "log", "fail":
		n.args = []string{g.name("m")}
	case "check":
		n.args = []string{g.name("c")}
		if rapid.Bool().Draw(g.t, "bad") {
			n.args = append(n.args, "bad")
		}
	case "step":
		g.step(n, depth)
	case "attempt":
		n.kids = g.body(depth - 1)
	case "loop":
		n.opts["times"] = fmt.Sprint(rapid.IntRange(0, 3).Draw(g.t, "times"))
		n.kids = g.body(depth - 1)
	case "parallel":
		if !g.fast || rapid.Bool().Draw(g.t, "all") {
			n.args = []string{"all"}
		}
		n.kids = []*node{}
		for range rapid.IntRange(0, 4).Draw(g.t, "branches") {
			n.kids = append(n.kids, &node{op: "branch", opts: map[string]string{}, kids: g.body(depth - 1)})
		}
		if limit := rapid.IntRange(0, 3).Draw(g.t, "limit"); limit > 0 {
			n.opts["limit"] = fmt.Sprint(limit)
		}
	case "on_exit":
		n.args = []string{rapid.SampledFrom([]string{"always", "success", "failure", "stop"}).Draw(g.t, "when")}
		n.kids = []*node{{op: "sleep", args: []string{g.ms("exit", 5)}}}
	case "start":
		n.args = []string{g.name("bg")}
		n.kids = g.body(depth - 1)
	}
	return n
}

func (g *grower) step(n *node, depth int) {
	n.args = []string{g.name("s")}
	if rapid.Bool().Draw(g.t, "chaos") {
		n.opts["chaos"] = g.fault() + "," + g.fault()
	}
	if rapid.Bool().Draw(g.t, "timed") {
		n.opts["dur"] = g.ms("duration", 20)
	}
	if rapid.Bool().Draw(g.t, "delayed") {
		n.opts["delay"] = g.ms("delay", 5)
	}
	if g.fast && rapid.Bool().Draw(g.t, "bounded") {
		n.opts["timeout"] = g.ms("timeout", 30)
	}
	n.opts["on_failure"] = rapid.SampledFrom([]string{"stop", "continue", "tolerate"}).Draw(g.t, "on_failure")
	n.kids = g.body(depth - 1)
}

func (g *grower) fault() string {
	return rapid.SampledFrom([]string{"f1", "f2", "f3"}).Draw(g.t, "fault")
}

// propertyAnswers: f1 is on at once, f2 after a while, effects take theirs.
var propertyAnswers = answers{"f2": {"on=30ms"}, "f3": {"on=10ms"}, "e1": {"20ms"}, "e2": {"70ms"}}

// TestRandomRuns: whatever the program and whenever it is controlled, the journal
// keeps its invariants, a second execution writes the same bytes, and a run that was
// stopped says so.
func TestRandomRuns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &grower{t: rt, fails: true, exits: true, background: true, fast: true}
		c := &testCase{program: g.program(4), answers: propertyAnswers}
		drawControls(rt, c)
		first, out := record(rt, c)
		second, _ := record(rt, c)
		if !bytes.Equal(first, second) {
			rt.Fatalf("two executions differ:\n%s\n%s", first, second)
		}
		stopped := bytes.Contains(first, []byte(`"action":"stop"`))
		if stopped != (out.Verdict == journal.VerdictStopped) && out.Verdict != journal.VerdictAborted {
			rt.Fatalf("verdict %s, stopped %t\n%s", out.Verdict, stopped, source(c))
		}
	})
}

// drawControls gives the run one control, a pause with its resume.
func drawControls(t *rapid.T, c *testCase) {
	action := rapid.SampledFrom([]string{"none", "stop", "abort", "pause", "skip"}).Draw(t, "control")
	at := 5 * time.Millisecond * time.Duration(rapid.IntRange(0, 120).Draw(t, "at"))
	if action == "none" {
		return
	}
	c.controls = []timedControl{{at, runtime.Control{Action: action}}}
	if action == "pause" {
		next := rapid.SampledFrom([]string{"resume", "stop", "abort"}).Draw(t, "after the pause")
		c.controls = append(c.controls, timedControl{at + 100*time.Millisecond, runtime.Control{Action: next}})
	}
}

// record executes the case and gives its journal as bytes.
func record(t *rapid.T, c *testCase) ([]byte, runtime.Outcome) {
	j := &journal.Memory{}
	out := c.execute(j)
	recs := j.Records()
	if err := invariants(recs); err != nil {
		t.Fatalf("%v\n%s\n%s", err, source(c), render(recs))
	}
	if out.Reason == "deadlock" || out.Reason == "internal_error" || out.Reason == "endless" {
		t.Fatalf("%s: %s\n%s\n%s", out.Reason, out.Message, source(c), render(recs))
	}
	var b bytes.Buffer
	if err := journal.Write(&b, recs); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), out
}

func source(c *testCase) string {
	var b strings.Builder
	for _, n := range c.program {
		b.WriteString(n.String())
	}
	return b.String()
}

// TestRandomTimes: without failures and control a run ends when a sum and a maximum
// over its tree say.
func TestRandomTimes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &grower{t: rt, exits: true}
		c := &testCase{program: g.program(4), answers: propertyAnswers}
		_, out := record(rt, c)
		if want := lasts(c.program); out.Took != want || out.Verdict != journal.VerdictPassed {
			rt.Fatalf("took %s, %s (%s); the model says %s and passed\n%s", out.Took, out.Verdict, out.Message, want, source(c))
		}
	})
}

// TestBackgroundTimes: background branches do not lengthen their scope.
func TestBackgroundTimes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &grower{t: rt, background: true}
		c := &testCase{program: g.program(4), answers: propertyAnswers}
		_, out := record(rt, c)
		if want := lasts(c.program); out.Took != want {
			rt.Fatalf("took %s; the model says %s\n%s", out.Took, want, source(c))
		}
	})
}

// lasts is how long a scope with this body takes when nothing fails.
func lasts(nodes []*node) time.Duration {
	var body, exits time.Duration
	for _, n := range nodes {
		switch n.op {
		case "sleep":
			body += mustDuration(n.arg(0))
		case "hold":
			body += takesOn(n.arg(0))
		case "effect":
			body += mustDuration(propertyAnswers[n.arg(0)][0])
		case "attempt":
			body += lasts(n.kids)
		case "loop":
			body += time.Duration(atoi(n.opts["times"])) * lasts(n.kids)
		case "on_exit":
			if n.arg(0) == "always" || n.arg(0) == "success" {
				exits += lasts(n.kids)
			}
		case "step":
			body += n.dur("delay") + stepLasts(n)
		case "parallel":
			body += parallelLasts(n)
		}
	}
	return body + exits
}

func takesOn(fault string) time.Duration {
	on, _ := propertyAnswers.opt(fault, "on")
	return on
}

// stepLasts: the chaos' duration counts from when it is on, beside the body; the
// clean-ups follow both.
func stepLasts(n *node) time.Duration {
	var on, exits time.Duration
	for _, f := range strings.Split(n.opts["chaos"], ",") {
		on = max(on, takesOn(f))
	}
	body := lasts(n.kids)
	for _, kid := range n.kids {
		if kid.op == "on_exit" {
			exits += lasts([]*node{kid})
		}
	}
	return on + max(body-exits, n.dur("dur")) + exits
}

// parallelLasts gives each branch to the slot that is free first.
func parallelLasts(n *node) time.Duration {
	limit := len(n.kids)
	if l := n.opts["limit"]; l != "" {
		limit = min(limit, atoi(l))
	}
	free := make([]time.Duration, limit)
	var end time.Duration
	for _, kid := range n.kids {
		first := 0
		for i := range free {
			if free[i] < free[first] {
				first = i
			}
		}
		free[first] += lasts(kid.kids)
		end = max(end, free[first])
	}
	return end
}

// TestRandomVerdicts: where no branch stops another, the verdict and the number of
// tolerated failures follow from the tree alone.
func TestRandomVerdicts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := &grower{t: rt, fails: true, exits: true}
		c := &testCase{program: g.program(4), answers: propertyAnswers}
		_, out := record(rt, c)
		var m verdictModel
		failed := m.scope(c.program)
		want := journal.VerdictPassed
		if failed+m.failed > 0 {
			want = journal.VerdictFailed
		}
		if out.Verdict != want || out.Tolerated != m.tolerated {
			rt.Fatalf("%s, %d tolerated; the model says %s, %d\n%s", out.Verdict, out.Tolerated, want, m.tolerated, source(c))
		}
		if n := failed + m.failed + m.tolerated; len(out.Failures) != n {
			rt.Fatalf("%d failures are listed, the model has %d\n%s", len(out.Failures), n, source(c))
		}
	})
}

// verdictModel counts failures: those a step went on after, and the tolerated.
type verdictModel struct{ failed, tolerated int }

// scope gives how many failures leave a scope that checks count in.
func (m *verdictModel) scope(nodes []*node) int {
	failed, checks := m.body(nodes)
	return failed + checks
}

// body gives how many failures ended a body, and how many checks failed in it.
func (m *verdictModel) body(nodes []*node) (failed, checks int) {
	for _, n := range nodes {
		switch n.op {
		case "fail":
			return 1, checks
		case "check":
			if n.has("bad") {
				checks++
			}
		case "attempt":
			m.tolerated += m.scope(n.kids)
		case "step":
			switch f := m.scope(n.kids); n.opts["on_failure"] {
			case "continue":
				m.failed += f
			case "tolerate":
				m.tolerated += f
			default:
				failed += f
			}
		case "loop":
			for i := 0; i < atoi(n.opts["times"]) && failed == 0; i++ {
				f, c := m.body(n.kids)
				failed, checks = failed+f, checks+c
			}
		case "parallel":
			for _, kid := range n.kids {
				f, c := m.body(kid.kids)
				failed, checks = failed+f, checks+c
			}
		}
		if failed > 0 {
			return failed, checks
		}
	}
	return 0, checks
}
