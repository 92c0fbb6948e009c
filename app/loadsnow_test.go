package app_test

import (
	"fmt"
	"testing"

	"starquake/app"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// Of less than a second no rate is told: the first answer, after a millisecond, was a
// thousand a second, and in a pause stayed that.
func TestLoadsNowAtFirst(t *testing.T) {
	s := serve(t)
	r := begin(t, fmt.Sprintf(`
def main():
    traffic.run(traffic.http(%q, rate = 1, duration = "3s"))
`, s.URL), app.RunOptions{Options: app.Options{AllowLoad: []string{"*"}}})
	eventually(t, "an answer", func() bool {
		loads := r.LoadsNow()
		if len(loads) == 0 || loads[0].Requests == 0 {
			return false
		}
		if l := loads[0]; l.Requests > 2 || l.Answers > 2 { // one is due at once, one after a second
			t.Errorf("%g answers and %g requests a second at a rate of 1", l.Answers, l.Requests)
		}
		return true
	})
	if err := r.Control(runtime.Control{Action: runtime.ActionStop}); err != nil {
		t.Error(err)
	}
	finish(t, r, journal.VerdictStopped)
}
