package view_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"starquake/runtime/view/viewtest"
)

// TestUnjudgedLoad: a run that passed although its load met nothing but errors says so, unless
// a check looked at anything, or some of it was answered.
func TestUnjudgedLoad(t *testing.T) {
	for what, test := range map[string]struct {
		errors int
		check  bool
		want   bool
	}{
		"all errors": {10, false, true}, "all errors, and a check": {10, true, false}, "one answer": {9, false, false},
	} {
		j := viewtest.New("x", "real")
		effect := j.Effect("0", "", "load", json.RawMessage(`{"spec":{"http":{"url":"http://shop.test/"}}}`))
		j.Wait(time.Second)
		j.EndEffect(effect, map[string]any{"requests": 10, "errors": test.errors})
		if test.check {
			j.Check("", "as bad as it should be", true, "1", "")
		}
		warned := strings.Join(j.Pass().Run().Warnings(), "\n")
		if got := strings.Contains(warned, "had no answer that was expected (10 requests, all errors)"); got != test.want {
			t.Errorf("%s: %q", what, warned)
		}
	}
}

// TestUnansweredLoad: so does one whose load had no answer at all when it was ended.
func TestUnansweredLoad(t *testing.T) {
	for what, test := range map[string]struct {
		figures map[string]any
		want    bool
	}{
		"none":          {map[string]any{"requests": 0, "unfinished": 7}, true},
		"some":          {map[string]any{"requests": 3, "unfinished": 7}, false},
		"in its warmup": {map[string]any{"requests": 0}, false},
	} {
		j := viewtest.New("x", "real")
		effect := j.Effect("0", "", "load", json.RawMessage(`{"spec":{"http":{"url":"http://shop.test/"}}}`))
		j.Wait(time.Second)
		j.EndEffect(effect, test.figures)
		warned := strings.Join(j.Pass().Run().Warnings(), "\n")
		if got := strings.Contains(warned, "had no answer when it was ended (7 requests were under way)"); got != test.want {
			t.Errorf("%s: %q", what, warned)
		}
	}
}
