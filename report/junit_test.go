package report_test

import (
	"bytes"
	"testing"

	"starquake/report"
	"starquake/report/junit/junittest"
	"starquake/runtime/journal"
	"starquake/runtime/view/viewtest"
)

// TestJUnitSchema validates the reports of all samples.
func TestJUnitSchema(t *testing.T) {
	for name := range viewtest.Samples() {
		t.Run(name, func(t *testing.T) {
			out := write(t, "junit", sample(name))
			if err := junittest.Validate(out); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestSteadyOfOneName: of two steady states of one name the one that failed is said to have.
func TestSteadyOfOneName(t *testing.T) {
	j := viewtest.New("x", "real")
	deviates := func() journal.Place {
		at := j.Place("0")
		j.Add(journal.SteadyBegin, at, &journal.SteadyBody{Name: "answers", During: true})
		j.Add(journal.Steady, at, &journal.WatchBody{Name: "answers", Phase: "during", State: "deviates", Seen: 2, Bad: 1})
		return at
	}
	failed := journal.Problem{Code: "steady_state_deviated", Message: `steady state "answers" held for 50% of 2 readings`, Steady: deviates().String()}
	deviates() // as much as it may
	j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: failed})
	run := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: failed.Code, Message: failed.Message}).Run()}
	if out := write(t, "junit", run); bytes.Count(out, []byte(`type="steady_state_deviated"`)) != 2 { // the verdict's, too
		t.Errorf("the failure is not told once:\n%s", out)
	}
	out := write(t, "html", run)
	if bytes.Count(out, []byte("pill\">did not hold<")) != 1 || bytes.Count(out, []byte("pill\">deviated<")) != 1 {
		t.Errorf("one did not hold, and one deviated:\n%s", out)
	}
}

// TestOlderJournal: one that does not say which steady state failed lets none pass that deviated.
func TestOlderJournal(t *testing.T) {
	j := viewtest.New("x", "real")
	for _, state := range []string{"deviates", "holds"} {
		at := j.Place("0")
		j.Add(journal.SteadyBegin, at, &journal.SteadyBody{Name: state, During: true})
		j.Add(journal.Steady, at, &journal.WatchBody{Name: state, Phase: "during", State: state, Seen: 1})
	}
	failed := journal.Problem{Code: "steady_state_deviated", Message: `steady state "deviates" held for 0% of 1 readings`}
	j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: failed})
	run := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: failed.Code, Message: failed.Message}).Run()}
	if out := write(t, "junit", run); bytes.Count(out, []byte("<skipped message=\"it deviated, ")) != 1 {
		t.Errorf("expected one that deviated to be skipped:\n%s", out)
	}
}

// TestNotRead: what was never read has not held.
func TestNotRead(t *testing.T) {
	j := viewtest.New("x", "real")
	j.Add(journal.SteadyBegin, j.Place("0"), &journal.SteadyBody{Name: "answers", During: true})
	ended := j.Place("0")
	j.Add(journal.GuardBegin, ended, &journal.GuardBody{Name: "there"})
	j.Add(journal.Guard, ended, &journal.WatchBody{Name: "there", State: "ended"})
	run := &report.Run{Run: j.Pass().Run()}
	for format, want := range map[string]string{"junit": "<skipped message=\"not read: ", "html": "pill\">not read<", "json": `"held": false`} {
		if out := write(t, format, run); bytes.Count(out, []byte(want)) != 2 {
			t.Errorf("%s: expected %q of both:\n%s", format, want, out)
		}
	}
}

// write writes a run in a format.
func write(t *testing.T, format string, r *report.Run) []byte {
	t.Helper()
	f, err := report.Named(format)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Write(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestJUnitSaysNothing: a step that says nothing about the system is an error, one that says
// that it is not well a failure.
func TestJUnitSaysNothing(t *testing.T) {
	for _, test := range []struct {
		code    string
		verdict journal.Verdict
		reason  string
		want    string
	}{
		{"no_hits", journal.VerdictInconclusive, "no_hits", "error"},
		{"no_stats", journal.VerdictFailed, "check_failed", "error"},
		{"fault_not_on", journal.VerdictErrored, "fault_not_on", "error"},
		{"check_failed", journal.VerdictErrored, "fault_not_on", "failure"},
		{"check_failed", journal.VerdictFailed, "check_failed", "failure"},
	} {
		j := viewtest.New("x", "real")
		step := j.Begin("0", journal.StepBeginBody{Path: "a"})
		j.Add(journal.StepEnd, step, &journal.StepEndBody{
			Path: "a", Status: journal.Failed, Tries: 1, Error: &journal.Problem{Code: test.code, Message: "the step's", Path: "a"},
		})
		run := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: test.verdict, Reason: test.reason, Message: "the run's"}).Run()}
		if out := write(t, "junit", run); !bytes.Contains(out, []byte(`<`+test.want+` message="the step&#39;s"`)) {
			t.Errorf("%s in a run that ended %s (%s) is no %s:\n%s", test.code, test.verdict, test.reason, test.want, out)
		}
	}
}
