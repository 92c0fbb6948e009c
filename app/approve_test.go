package app_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"starquake/app"
	"starquake/runtime"
	"starquake/runtime/journal"
)

const asks = `
def main():
    ok = approve("go on?", timeout = "1h")
    check("who", (ok.by, ok.comment) == ("ann", "fine"))
`

// asked waits until the journal has the run's question; from then on it can be answered.
func asked(t *testing.T, r *app.Running) {
	t.Helper()
	seen(t, r, "the question", isQuestion)
}

func isQuestion(rec journal.Record) bool {
	start, ok := rec.Body.(*journal.EffectStartBody)
	return ok && start.Kind == "approve"
}

// TestApprovalOutlives: a question that waits when the process dies waits on, and can be
// answered as soon as the run is there.
func TestApprovalOutlives(t *testing.T) {
	t.Parallel()
	r := begin(t, asks, app.RunOptions{CanApprove: true})
	st := killedAt(t, r, "the question", isQuestion)
	r = recovered(t, st, r.ID)
	asked(t, r)
	if message, err := r.Do(t.Context(), &app.ControlRequest{Op: "approve", By: "ann", Comment: "fine"}); err != nil || message != "approved: go on?" {
		t.Errorf("%q, %v", message, err)
	}
	finish(t, r, journal.VerdictPassed)
}

// TestApprovalKeepsItsDeadline: what was nobody's answer in the time before the crash and
// since is nobody's answer.
func TestApprovalKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	r := begin(t, strings.Replace(asks, `"1h"`, `"20ms"`, 1), app.RunOptions{CanApprove: true})
	st := killedAt(t, r, "the question", isQuestion)
	time.Sleep(20 * time.Millisecond) // at least: it came due while nobody ran it
	res := finish(t, recovered(t, st, r.ID), journal.VerdictStopped)
	if !strings.Contains(res.Outcome.Message, `nobody answered "go on?" within 20ms`) {
		t.Errorf("message %q", res.Outcome.Message)
	}
}

// TestApprovalInAPause: an answer in a pause is a fact at once, and lets the run go on
// when the pause ends.
func TestApprovalInAPause(t *testing.T) {
	t.Parallel()
	r := begin(t, asks, app.RunOptions{CanApprove: true})
	asked(t, r)
	do := func(op, comment, says string) {
		t.Helper()
		message, err := r.Do(context.Background(), &app.ControlRequest{Op: op, By: "ann", Comment: comment})
		if err != nil {
			message = err.Error()
		}
		if message != says {
			t.Errorf("%s: %q, expected %q", op, message, says)
		}
	}
	do("pause", "", "paused")
	do("approve", "fine", "approved: go on?")
	if v := r.View(); len(v.Approvals) != 0 || v.Pause == nil {
		t.Errorf("answered in a pause (%+v) it is listed: %+v", v.Pause, v.Approvals)
	}
	do("approve", "again", "the run waits for no approval")
	st := killedAt(t, r, "the answer", func(rec journal.Record) bool {
		_, ok := rec.Body.(*journal.EffectEndBody)
		return ok
	})
	r = recovered(t, st, r.ID)
	eventually(t, "the run, taken up in its pause", func() bool { v := r.View(); return v.Recovered == 1 && v.Pause != nil })
	if err := r.Control(runtime.Control{Action: runtime.ActionResume}); err != nil {
		t.Fatal(err)
	}
	finish(t, r, journal.VerdictPassed)
}

// TestApprovedAtOnce: who sees the question can answer it, however early.
func TestApprovedAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		answered := make(chan error, 1)
		var r *app.Running
		begun := make(chan struct{})
		r = begin(t, asks, app.RunOptions{CanApprove: true, OnRecord: func(rec journal.Record) {
			if isQuestion(rec) { // it is not on its way to who performs it yet
				go func() {
					<-begun
					answered <- r.Answer(rec.Place.String(), true, "ann", "fine")
				}()
			}
		}})
		close(begun)
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		finish(t, r, journal.VerdictPassed)
	}
}
