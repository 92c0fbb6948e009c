package text_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// deviated is a run whose steady state deviated at a share of its readings.
func deviated(end journal.RunEndBody, lost bool) *viewtest.Journal {
	j := viewtest.New("x", "real")
	at := j.Place("0")
	j.Add(journal.SteadyBegin, at, &journal.SteadyBody{Name: "answers", During: true})
	j.Add(journal.Steady, at, &journal.WatchBody{Name: "answers", Phase: "during", State: "deviates", Seen: 4, Bad: 1})
	if lost {
		j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: journal.Problem{Code: "steady_state_deviated", Message: "m", Steady: at.String()}})
	}
	return j.Finish(end)
}

// TestSteadyHeading: a steady state that deviated no more than it may is not said to have not
// held.
func TestSteadyHeading(t *testing.T) {
	for _, test := range []struct {
		j    *viewtest.Journal
		want string
	}{
		{deviated(journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "passed"}, false), "  steady state deviated, no more than it may\n"},
		{deviated(journal.RunEndBody{Verdict: journal.VerdictStopped, Reason: "stopped"}, false), "  steady state deviated\n"},
		{deviated(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: "steady_state_deviated"}, true), "  steady state did not hold\n"},
		{deviated(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: "steady_state_deviated"}, false), "  steady state did not hold\n"}, // an older journal
	} {
		if out := summary(t, test.j.Run(), text.Options{}); !bytes.Contains(out, []byte(test.want)) {
			t.Errorf("without %q:\n%s", test.want, out)
		}
	}
}

// TestSaysNothing: a step that says nothing about the system is not counted as failed.
func TestSaysNothing(t *testing.T) {
	j := viewtest.New("x", "real")
	s := j.Begin("0", journal.StepBeginBody{Path: "slow", Duration: time.Second})
	j.Wait(time.Second)
	p := &journal.Problem{Code: "no_hits", Message: "no request met the fault", Path: "slow"}
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "slow", Status: journal.Failed, Tries: 1, Error: p})
	out := string(summary(t, j.Finish(journal.RunEndBody{Verdict: journal.VerdictInconclusive, Reason: "no_hits", Message: p.Message}).Run(), text.Options{}))
	if !strings.Contains(out, "1 step · 1 inconclusive") || !strings.Contains(out, "  steps that say nothing\n") || strings.Contains(out, "failed") {
		t.Errorf("nothing failed:\n%s", out)
	}
}

// TestUncleanOnce: what keeps a fault on is said once, without the fault's name again.
func TestUncleanOnce(t *testing.T) {
	const why = "http://127.0.0.1:8474 does not answer"
	j := viewtest.New("x", "real")
	f := j.Fault("0", "", "web", "latency 200ms", "latency", `{}`)
	message := "latency 200ms on web: " + why
	j.Add(journal.EffectEnd, f, &journal.EffectEndBody{Error: &journal.EffectError{Code: "unclean", Message: message}})
	j.Finish(journal.RunEndBody{Verdict: journal.VerdictUnclean, Reason: "unclean", Message: message,
		Unclean: []journal.Problem{{Code: "unclean", Message: message}}})
	out := string(summary(t, j.Run(), text.Options{Width: 200}))
	if strings.Count(out, why) != 1 || !strings.Contains(out, "latency 200ms may still be on: "+why) {
		t.Errorf("the summary:\n%s", out)
	}
	if lines := events(t, j.Records, text.Options{}); bytes.Count(lines, []byte(why)) != 1 {
		t.Errorf("the events:\n%s", lines)
	}
}

// TestRepeatGiven: the line that repeats a run has what its journal does not say.
func TestRepeatGiven(t *testing.T) {
	out := string(summary(t, viewtest.New("x", "real").Pass().Run(), text.Options{Given: []string{"--proxy", "shop=127.0.0.1:1,127.0.0.1:2", "--isolate"}}))
	if want := "--seed 7321 --proxy shop=127.0.0.1:1,127.0.0.1:2 --isolate\n"; !strings.HasSuffix(out, want) {
		t.Errorf("expected %q at the end:\n%s", want, out)
	}
}

// events are the lines of all records.
func events(t *testing.T, recs []journal.Record, opt text.Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	fold := view.New()
	for _, rec := range recs {
		fold.Add(rec)
		if err := text.Event(&buf, rec, fold, opt); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// TestPacketLoss: what packet_loss has hit is not said to be lost.
func TestPacketLoss(t *testing.T) {
	j := viewtest.New("x", "real")
	j.Lift(j.Fault("0", "", "web", "packet_loss 0.5%", "packet_loss", `{}`), 491, 491)
	if out := string(summary(t, j.Pass().Run(), text.Options{})); !strings.Contains(out, "seen 491, hit 491, of which it may lose packets\n") {
		t.Errorf("the summary:\n%s", out)
	}
}
