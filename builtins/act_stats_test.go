package builtins

import (
	"testing"

	"starquake/runtime"
)

// Counts come from other processes, too: hits of probes that are more than all hits are no
// reason to take the load's for huge.
func TestProbedAreSomeOfTheHits(t *testing.T) {
	for _, from := range []struct{ answer, said string }{{answer: `{"seen":3,"hit":1,"probed":2}`}, {said: `{"seen":3,"hit":1,"probed":2}`}} {
		res, _, f := lastCounts(runtime.Told{Answer: []byte(from.answer), Said: []byte(from.said)})
		if f != nil || res.Hit != 1 || res.Probed != 1 {
			t.Errorf("%+v: %+v, %v, expected 1 hit, of a probe", from, res, f)
		}
	}
}
