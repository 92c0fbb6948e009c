package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// Nobody sees the connections that the system refuses: they are not counted, and no hit is
// invented for them. With a match they are accepted first, and counted.
func TestRefusedNotCounted(t *testing.T) {
	s := serve(t)
	r := begin(t, s.prelude()+`
def main():
    def body():
        for _ in range(3):
            check("refused", get().error, matches = "refused")
    step("refused", body, chaos = fault.refuse(open_connections = "close"), on = p)
    h = apply_chaos(fault.refuse(), on = p)
    approve("go on?", faults = "keep")
    check("hit", h.stats().faults[0].hit == None)
    h.revert()
    step("some", get, chaos = fault.refuse(open_connections = "close", match = fault.match(source = ["127.0.0.0/8"])), on = p)
`, app.RunOptions{CanApprove: true})
	// Also while they are on nobody is told of a zero that nobody has counted.
	eventually(t, "the question", func() bool { return len(r.View().Approvals) == 1 })
	if text, err := json.Marshal(r.View().Faults); err != nil || !strings.Contains(string(text), `"uncounted":true`) || strings.Contains(string(text), `"hit"`) || strings.Contains(string(text), `"seen"`) {
		t.Errorf("while they are on: %s, %v", text, err)
	}
	if err := r.Answer("", true, "ann", ""); err != nil {
		t.Error(err)
	}
	res := finish(t, r, journal.VerdictPassed)
	for i, f := range res.View.Faults {
		if counted := i == 2; f.Uncounted == counted || f.Hit > 0 != counted || f.Seen > 0 != counted {
			t.Errorf("fault %d: uncounted %t, seen %d, hit %d", i, f.Uncounted, f.Seen, f.Hit)
		}
	}
}

// A step that wants hits of what nobody counts is told so, where its traffic can say it.
func TestRefusedWantsHits(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte(`
p = proxy("p", listen = "127.0.0.1:0", upstream = "127.0.0.1:1")
def main():
    step("s", duration = "1s", chaos = fault.refuse(), on = p, min_hits = 1)
`))
	if diags.HasErrors() {
		t.Fatal(rendered(diags, s))
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil || !strings.Contains(res.View.Message, "nobody counts the connections that the system refuses") {
		t.Errorf("%v, %s", err, res.View.Message)
	}
}
