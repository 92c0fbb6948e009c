package text_test

import (
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view/viewtest"
)

// everyEvent is a run that has a record of every kind that has a line.
func everyEvent() *viewtest.Journal {
	j := viewtest.New("everything", "real")
	root := journal.Place{Branch: "0"}
	j.Add(journal.Steady, j.Place("0"), &journal.WatchBody{Name: "catalog answers", State: "holds", Phase: "before", Value: json.RawMessage("200"), Seen: 1})
	s := j.Begin("0", journal.StepBeginBody{Path: "late one", Delay: 3 * time.Second, Retries: 3})
	j.Wait(2 * time.Second)
	j.Add(journal.StepTry, s, &journal.StepTryBody{Path: "late one", Try: 2})
	j.Effect("0", "late one", "exec", map[string]any{"argv": []string{"kubectl", "get", "pods"}})
	ask := j.Effect("0", "late one", "approve", map[string]string{"message": "go on?"})
	j.Wait(time.Minute)
	j.EndEffect(ask, map[string]any{"approved": false, "by": "anna", "comment": "not today"})
	ask = j.Effect("0", "late one", "approve", map[string]string{"message": "now?"})
	j.Add(journal.EffectEnd, ask, &journal.EffectEndBody{Error: &journal.EffectError{Code: "timeout", Message: "nobody answered within 1h"}})
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "late one", Status: journal.Passed, Tries: 2, Started: 3 * time.Second})
	skipped := j.Place("0")
	j.Add(journal.StepBegin, skipped, &journal.StepBeginBody{Path: "not this", Name: "not this"})
	j.Add(journal.StepEnd, skipped, &journal.StepEndBody{Path: "not this", Status: journal.Skipped, Reason: "when is False"})
	j.Add(journal.TurnBegin, j.Place("0"), &journal.TurnBody{Path: "[3]", Turn: 3, Late: 1500 * time.Millisecond})
	j.Add(journal.Steady, j.Place("0"), &journal.WatchBody{Name: "catalog answers", State: "deviates", Phase: "during", Detail: "503, expected 2xx", Seen: 9, Bad: 2})
	for _, level := range []string{"debug", "info", "warn", "error"} {
		j.Log(level, "a line of level "+level, `{"b":"two words","a":1.23456789,"c":[1,2]}`)
	}
	j.Add(journal.Figure, j.Place("0"), &journal.FigureBody{Name: "recovery", Value: 12.3456789, Unit: "s"})
	j.Check("late one", "status", false, `"503"`, "equal to 200")
	j.Check("late one", "alone", false, "", "")
	j.Add(journal.Check, j.Place("0"), &journal.CheckBody{Name: "p99", OK: true, Value: json.RawMessage("0.288398"), Unit: "s", Limit: "below 800ms"})
	bad := j.Place("0")
	j.Add(journal.Check, bad, &journal.CheckBody{
		Name: "p99 of all", Value: json.RawMessage("0.8003"), Unit: "s", Limit: "below 800ms",
		Stack: []journal.Frame{{File: "a.star", Line: 9, Func: "main"}, {File: "lib/b.star", Line: 21, Func: "slo"}},
	})
	j.Add(journal.Failure, root, &journal.FailureBody{
		Problem: journal.Problem{Code: "check_failed", Message: "p99 of all"}, Tolerated: true, By: "0:90", Of: []string{bad.String()},
	})
	j.Add(journal.Log, j.Place("0"), &journal.LogBody{
		Level: "info", Message: "units", Fields: json.RawMessage(`{"took":0.288398,"n":0.5,"none":null,"empty":""}`), Units: map[string]string{"took": "s"},
	})
	guard := j.Place("0")
	j.Add(journal.GuardBegin, guard, &journal.GuardBody{Name: "patient", Breaches: 3, Action: "abort"})
	j.Add(journal.Guard, guard, &journal.WatchBody{Name: "patient", State: "pending", Detail: "no answer", Seen: 1, Bad: 1})
	lease := j.Effect("0", "", "fault", map[string]any{
		"target": "orders", "name": "dark", "text": "blackhole (flaps 1s on, 2s off)", "fault": map[string]any{"kind": "blackhole"}})
	j.Add(journal.EffectNote, lease, &journal.EffectNoteBody{Data: json.RawMessage(`{"on":true}`)})
	j.Add(journal.EffectStop, lease, nil)
	j.Add(journal.EffectEnd, lease, &journal.EffectEndBody{Error: &journal.EffectError{Code: journal.CodeExpired, Message: "agent 10.0.0.3:7070 does not answer"}})
	j.Add(journal.Failure, root, &journal.FailureBody{
		Problem: journal.Problem{Code: "failed", Message: "no luck", Stack: []journal.Frame{{File: "a.star", Line: 12, Func: "main"}}}, Tolerated: true, By: "0:91",
	})
	j.Add(journal.Control, root, &journal.ControlBody{Action: "stop", By: "max_duration", Detail: "longer than 30m"})
	j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: journal.Problem{
		Code: "script_error", Message: "key \"x\" not in dict\nperhaps you mean \"y\"",
		Stack: []journal.Frame{{File: "a.star", Line: 3, Func: "main"}, {File: "lib/b.star", Line: 17, Func: "f"}},
	}})
	return j.Finish(journal.RunEndBody{Verdict: journal.VerdictStopped, Reason: "max_duration", Message: "stopped by max_duration: longer than 30m"})
}

// underWay is a real run at 1m50s: finished steps, a parallel, a fault on, a guard.
func underWay() *viewtest.Journal {
	j := viewtest.New("checkout-slow-payments", "real")
	j.Guard("not burning the house", "holds", "0.02", 1, 0)
	for i := range 6 {
		path := fmt.Sprintf("warm up#%d", i+1)
		if i == 1 {
			at := j.Begin("0", journal.StepBeginBody{Path: path, Name: "warm up"})
			j.Wait(10 * time.Second)
			j.Fail(at, path, "p99 is 912ms, expected below 800ms", true)
			continue
		}
		j.Step("0", path, 10*time.Second)
	}
	j.Log("info", "warm", `{"p99":"120ms"}`)
	j.Begin("0", journal.StepBeginBody{Path: "storm"})
	j.Latency("0", "storm", "payments")
	j.Step("0", "storm/calm", 20*time.Second)
	j.Branch("0.1", "storm/flaky")
	j.Branch("0.2", "storm/lossy")
	j.Begin("0.1", journal.StepBeginBody{Path: "storm/flaky/bursts of 5xx", Name: "bursts of 5xx", Duration: time.Minute})
	f := j.Fault("0.1", "storm/flaky/bursts of 5xx", "payments", "http_error 500, 503 in 20%", "http_error", `{}`)
	j.Add(journal.Sleep, j.Place("0.1"), &journal.SleepBody{For: 45 * time.Second})
	j.Add(journal.StepBegin, j.Place("0.2"), &journal.StepBeginBody{Path: "storm/lossy/packet loss", Name: "packet loss", Delay: 40 * time.Second})
	j.Add(journal.Sleep, j.Place("0.2"), &journal.SleepBody{For: 40 * time.Second, Why: "delay"})
	j.Wait(15 * time.Second)
	j.Add(journal.EffectNote, f, &journal.EffectNoteBody{Data: json.RawMessage(`{"seen":3000,"hit":612}`)})
	j.Wait(15 * time.Second)
	j.Log("warn", "queue grows", `{"length":1800}`)
	return j
}
