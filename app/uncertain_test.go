package app_test

import (
	"testing"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/store"
)

// newStore is an empty store; the test closes it.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	return openStore(t, t.TempDir())
}

// TestUncertain: a call that was under way when the process died, and must not be made
// twice, is a failure like any other: expect and whoever holds failures decide.
func TestUncertain(t *testing.T) {
	s := serve(t)
	for _, test := range []struct {
		name, script string
		verdict      journal.Verdict
		reason       string
	}{
		{"nobody holds it", `http.post(url)`, journal.VerdictFailed, "unexpected_answer"},
		{"in a step", `step("a", lambda: http.post(url))`, journal.VerdictFailed, "unexpected_answer"},
		{"tolerated", `step("a", lambda: http.post(url), on_failure = "tolerate")`, journal.VerdictPassed, "passed"},
		{"in an attempt", `check("why", attempt(lambda: http.post(url)).error, matches = "may have been done, or not")`, journal.VerdictPassed, "passed"},
		{"expect any", `check("why", http.post(url, expect = "any").error, matches = "may have been done, or not")`, journal.VerdictPassed, "passed"},
		{"gRPC", `attempt(lambda: grpc.call(addr, "a.B/C"))`, journal.VerdictPassed, "passed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			script := "url = \"" + s.URL + "\"\naddr = \"" + s.Listener.Addr().String() + "\"\n" + test.script + "\n"
			st := interrupted(t, script)
			r, err := app.Recover("20260101-000000-00000001", false, app.RunOptions{Store: st})
			if err != nil {
				t.Fatal(err)
			}
			res := finish(t, r, test.verdict)
			if res.Outcome.Reason != test.reason {
				t.Errorf("reason %s: %s", res.Outcome.Reason, res.Outcome.Message)
			}
		})
	}
	if n := s.requests.Load(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// interrupted is a store with a run whose process died when it had asked for its first
// effect.
func interrupted(t *testing.T, text string) *store.Store {
	t.Helper()
	s, diags := app.LoadText("t.star", []byte(text))
	if diags.HasErrors() {
		t.Fatal(rendered(diags, s))
	}
	plan, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	begin := *plan.Records[0].Body.(*journal.RunBeginBody)
	begin.Origin, begin.World = time.Now(), "real"
	recs := []journal.Record{{Kind: journal.RunBegin, Place: plan.Records[0].Place, Body: &begin}}
	for _, rec := range plan.Records[1:] {
		if recs = append(recs, rec); rec.Kind == journal.EffectStart {
			break
		}
	}
	r, err := st.Create(store.Info{ID: "20260101-000000-00000001", Name: "t", Script: "t.star"})
	if err == nil {
		err = r.Append(recs)
	}
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return st
}
