package text_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// TestLoadsNow: load that is on has its line, in the tree and between the events; texts
// from outside never reach the terminal as they are.
func TestLoadsNow(t *testing.T) {
	j := viewtest.New("x", "real")
	j.Begin("0", journal.StepBeginBody{Path: "soak"})
	loads := []view.LoadNow{
		{ID: "0:2", Path: "soak", Text: "GET http://shop.test/\x1b[2J", Requests: 201, Answers: 199.8, ErrorRate: 0.0125, P99: 83 * time.Millisecond},
		{ID: "0:3", Text: "shop:9000 a.B/C"},
	}
	opt := text.Options{ASCII: true, Loads: func() []view.LoadNow { return loads }}
	tree := strings.Join(text.Frame(j.Run(), j.Now, opt, 120, 20, 0), "\n")
	for _, want := range []string{"soak  199.8 answers/s, 1.25% errors, p99 83ms", "GET http://shop.test/", "traffic  0 answers/s, 0% errors"} {
		if !strings.Contains(tree, want) {
			t.Errorf("the tree has no %q:\n%s", want, tree)
		}
	}
	var lines bytes.Buffer
	if err := text.LoadNow(&lines, 12*time.Second, loads, text.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := lines.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "12.00s  load     soak") || !strings.Contains(got, "199.8 answers/s, 1.25% errors, p99 83ms") {
		t.Errorf("lines:\n%s", got)
	}
	if strings.Contains(tree+lines.String(), "\x1b[2J") {
		t.Error("an escape sequence of a text reached the output")
	}
	// What came of load: who found no slot was refused by the system, and is not told among
	// those that this machine did not send.
	for figures, want := range map[string]string{
		`{"requests":92693,"dropped":78430,"late":14263,"by_status":{"dropped":78430},"generator_limited":true}`: ", 78430 found no free slot, 14263 late: this machine was the limit",
		`{"requests":10,"dropped":7,"by_status":{"dropped":3}}`:                                                  ", 3 found no free slot, 4 not sent\n",
		`{"requests":10,"dropped":4}`: ", 4 not sent\n",
	} {
		var line bytes.Buffer
		j := viewtest.New("x", "real")
		e := j.Effect("0", "soak", "load", map[string]any{"spec": map[string]any{"http": map[string]string{"url": "http://shop.test/"}}})
		j.EndEffect(e, json.RawMessage(figures))
		fold := view.New()
		for _, rec := range j.Records {
			fold.Add(rec)
		}
		if err := text.Event(&line, j.Records[len(j.Records)-1], fold, text.Options{}); err != nil || !strings.Contains(line.String(), want) {
			t.Errorf("%v; got %q, expected %q", err, line.String(), want)
		}
	}
	ended := j.Pass().Run()
	if tree := strings.Join(text.Frame(ended, ended.Now, opt, 120, 20, 0), "\n"); strings.Contains(tree, "answers/s") {
		t.Errorf("a run that has ended has live load:\n%s", tree)
	}
}
