package viewtest

import (
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime/journal"
)

// Samples are whole runs by name. Each call makes them anew.
func Samples() map[string]*Journal {
	return map[string]*Journal{
		"simple":    Simple(),
		"nested":    Nested(),
		"hourly":    Hourly(24),
		"turns":     Turns(1000),
		"tolerated": Tolerated(),
		"paused":    Paused(),
		"aborted":   Aborted(),
		"unclean":   Unclean(),
		"plain":     Plain(),
		"endless":   Endless(),
		"hostile":   Hostile(),
		"shop":      Shop(),
	}
}

// Simple is a plan of two steps in turn, the second with a fault, with everything
// a footer can name.
func Simple() *Journal {
	j := New("checkout-slow-payments", "virtual")
	j.Effect("0", "", "proxy", map[string]string{"name": "payments", "listen": "127.0.0.1:18081", "upstream": "127.0.0.1:8081"})
	j.Guard("not burning the house", "holds", "0.02", 1, 0)
	base := j.Begin("0", journal.StepBeginBody{Path: "baseline", Duration: 30 * time.Second})
	h := j.Effect("0", "baseline", "http", map[string]string{
		"method": "GET", "url": "http://127.0.0.1:8080/checkout", "authorization": "Bearer ⟦secret:API_TOKEN⟧"})
	j.EndEffect(h, map[string]int{"status": 200})
	j.Wait(30 * time.Second)
	j.End(base, "baseline")
	slow := j.Begin("0", journal.StepBeginBody{Path: "payments slow", Duration: time.Minute, Delay: 10 * time.Second})
	f := j.Latency("0", "payments slow", "payments")
	j.Wait(time.Minute)
	j.Lift(f, 12000, 12000)
	j.Check("payments slow", "p99", true, "0.72", "below 800ms")
	j.End(slow, "payments slow")
	e := j.Effect("0", "", "exec", map[string]any{"argv": []string{"kubectl", "rollout", "status"}})
	j.EndEffect(e, map[string]int{"code": 0})
	j.Guard("not burning the house", "ended", "", 101, 0)
	return j.Pass()
}

// Nested is a plan with steps within a step, and two branches at once.
func Nested() *Journal {
	j := New("everything-at-once", "virtual")
	outer := j.Begin("0", journal.StepBeginBody{Path: "storm"})
	j.Step("0", "storm/warm up", 20*time.Second)
	j.Branch("0.1", "storm/flaky")
	j.Branch("0.2", "storm/lossy")
	a := j.Begin("0.1", journal.StepBeginBody{Path: "storm/flaky/bursts of 5xx", Name: "bursts of 5xx", Duration: 30 * time.Second})
	fa := j.Fault("0.1", "storm/flaky/bursts of 5xx", "payments", "http_error 500, 503 in 20%", "http_error", `{"codes":[500,503]}`)
	b := j.Begin("0.2", journal.StepBeginBody{Path: "storm/lossy/packet loss", Name: "packet loss", Duration: 45 * time.Second})
	fb := j.Fault("0.2", "storm/lossy/packet loss", "payments", "packet_loss 5%", "packet_loss", `{"percent":5}`)
	fc := j.Fault("0.2", "storm/lossy/packet loss", "orders", "bandwidth 125KB/s", "bandwidth", `{"rate":125000}`)
	j.Wait(30 * time.Second)
	j.Lift(fa, 6000, 1200)
	j.End(a, "storm/flaky/bursts of 5xx")
	j.EndBranch("0.1", "storm/flaky")
	j.Wait(15 * time.Second)
	j.Lift(fc, 900, 900)
	j.Lift(fb, 9000, 450)
	j.End(b, "storm/lossy/packet loss")
	j.EndBranch("0.2", "storm/lossy")
	j.End(outer, "storm")
	j.Step("0", "cool down", 10*time.Second)
	return j.Pass()
}

// Hourly is a plan of n steps of an hour, one after the other in a loop.
func Hourly(n int) *Journal {
	j := New("soak-a-day", "virtual")
	j.Step("0", "baseline", 10*time.Minute)
	j.loop(n, time.Hour)
	return j.Pass()
}

func (j *Journal) loop(n int, d time.Duration) {
	at := j.Place("0")
	for i := range n {
		path := fmt.Sprintf("[%d]/soak", i)
		j.Add(journal.TurnBegin, at, &journal.TurnBody{Path: fmt.Sprintf("[%d]", i), Turn: i})
		s := j.Begin("0", journal.StepBeginBody{Path: path, Name: "soak", Duration: d})
		f := j.Latency("0", path, "payments")
		j.Wait(d)
		j.Lift(f, 100, 80)
		j.End(s, path)
	}
	j.Add(journal.LoopEnd, at, &journal.EndBody{Status: journal.Passed, Turns: n})
}

// Turns is a plan of n loop turns, each of a probing step and every tenth of a
// longer one.
func Turns(n int) *Journal {
	j := New("many-turns", "virtual")
	at := j.Place("0")
	for i := range n {
		j.Add(journal.TurnBegin, at, &journal.TurnBody{Path: fmt.Sprintf("[%d]", i), Turn: i})
		for _, name := range []string{"look", "shake"} {
			d := time.Second
			if name == "shake" && i%10 == 9 {
				d = 5 * time.Second
			}
			path := fmt.Sprintf("[%d]/%s", i, name)
			s := j.Begin("0", journal.StepBeginBody{Path: path, Name: name, Duration: d})
			j.Wait(d)
			j.End(s, path)
		}
	}
	j.Add(journal.LoopEnd, at, &journal.EndBody{Status: journal.Passed, Turns: n})
	return j.Pass()
}

// Plain is a plan of a Python loop over three steps, without loop().
func Plain() *Journal {
	j := New("plain-for", "virtual")
	for i := range 4 {
		suffix := ""
		if i > 0 {
			suffix = fmt.Sprintf("#%d", i+1)
		}
		for k, name := range []string{"calm", "slow", "lossy"} {
			path := name + suffix
			s := j.Begin("0", journal.StepBeginBody{Path: path, Name: name, Duration: time.Minute})
			if k > 0 {
				f := j.Latency("0", path, "payments")
				j.Wait(time.Minute)
				j.Lift(f, 10, 10)
			} else {
				j.Wait(time.Minute)
			}
			j.End(s, path)
		}
	}
	return j.Pass()
}

// Tolerated is a real run that passed although two steps failed, one after a retry.
func Tolerated() *Journal {
	j := New("checkout", "real")
	j.Guard("error rate", "holds", "0.001", 1, 0)
	j.Step("0", "baseline", 30012*time.Millisecond)
	for i, message := range []string{"p99 is 912ms, expected below 800ms", "GET http://127.0.0.1:8080/checkout: connection refused"} {
		path := []string{"payments slow", "payments down"}[i]
		s := j.Begin("0", journal.StepBeginBody{Path: path, Duration: 20 * time.Second})
		f := j.Latency("0", path, "payments")
		j.Wait(20003 * time.Millisecond)
		j.Lift(f, 4000, 3200)
		if i == 0 {
			j.Check(path, "p99", false, "0.912", "below 800ms")
		}
		j.Fail(s, path, message, true)
	}
	s := j.Begin("0", journal.StepBeginBody{Path: "recovery", Retries: 2})
	j.Wait(1400 * time.Millisecond)
	j.Add(journal.StepTry, s, &journal.StepTryBody{Path: "recovery", Try: 2})
	j.Wait(900 * time.Millisecond)
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "recovery", Status: journal.Passed, Tries: 2})
	j.Check("", "orders lost", true, "0", "at most 0")
	j.Add(journal.Figure, j.Place("0"), &journal.FigureBody{Name: "time to recover", Value: 2.3, Unit: "s", Better: "lower"})
	return j.Finish(journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "passed", Tolerated: 2, Flaky: 1})
}

// Paused is a real run that a person holds, with a question open.
func Paused() *Journal {
	j := New("checkout", "real")
	j.Step("0", "baseline", 30*time.Second)
	j.Begin("0", journal.StepBeginBody{Path: "payments slow", Duration: time.Minute})
	j.Latency("0", "payments slow", "payments")
	j.Wait(10 * time.Second)
	j.Branch("0.1", "payments slow/ask")
	j.Effect("0.1", "payments slow", "approve", map[string]string{"message": "go on to production?"})
	j.Log("info", "how much slower", `{"times":3.2}`)
	j.Wait(2 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "pause", By: "anna", Lift: true})
	return j
}

// Aborted is a real run that a guard's breach ended.
func Aborted() *Journal {
	j := New("checkout", "real")
	j.Guard("not burning the house", "holds", "0.02", 1, 0)
	s := j.Begin("0", journal.StepBeginBody{Path: "payments slow", Duration: time.Minute})
	f := j.Latency("0", "payments slow", "payments")
	j.Wait(12340 * time.Millisecond)
	j.GuardReads(journal.WatchBody{
		Name: "not burning the house", State: "breached", Value: json.RawMessage("0.73"),
		Detail: "error_rate is 0.73, expected below 0.5", Seen: 13, Bad: 2,
	})
	j.Add(journal.EffectStop, f, nil)
	j.Wait(20 * time.Millisecond)
	j.EndEffect(f, map[string]int{"seen": 2400, "hit": 1920})
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "payments slow", Status: journal.Stopped, Tries: 1})
	j.Guard("not burning the house", "ended", "", 13, 2)
	return j.Finish(journal.RunEndBody{
		Verdict: journal.VerdictAborted, Reason: "guard_breached",
		Message: `guard "not burning the house" was breached: error_rate is 0.73, expected below 0.5`,
	})
}

// Unclean is a real run that could not take a fault off, and whose clean-up failed.
func Unclean() *Journal {
	j := New("checkout", "real")
	s := j.Begin("0", journal.StepBeginBody{Path: "orders dark", Duration: 10 * time.Second})
	ok := j.Latency("0", "orders dark", "payments")
	f := j.Fault("0", "orders dark", "orders", "blackhole", "blackhole", `{}`)
	never := j.Effect("0", "orders dark", "fault", map[string]any{
		"target": "stock", "text": "refuse", "fault": map[string]any{"kind": "refuse"}})
	j.Add(journal.EffectEnd, never, &journal.EffectEndBody{Error: &journal.EffectError{
		Code: "unsupported", Message: "stock: 127.0.0.1:9: connection refused"}})
	j.Wait(10 * time.Second)
	j.Add(journal.EffectStop, f, nil)
	j.Lift(ok, 50, 40)
	j.Add(journal.EffectEnd, f, &journal.EffectEndBody{
		Data: json.RawMessage(`{"seen":3,"hit":3}`),
		Error: &journal.EffectError{
			Code: "unclean", Message: "agent 10.0.0.3:7070 does not answer: dial tcp 10.0.0.3:7070: connection refused"},
	})
	j.End(s, "orders dark")
	j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: journal.Problem{
		Code: "cleanup_failed", Message: "on_exit restart_orders: exit status 1",
		Stack: []journal.Frame{{File: "checkout.star", Line: 12, Col: 5, Func: "main"}, {File: "checkout.star", Line: 31, Col: 9, Func: "restart_orders"}},
	}})
	return j.Finish(journal.RunEndBody{
		Verdict: journal.VerdictUnclean, Reason: "unclean", Message: "agent 10.0.0.3:7070 does not answer: dial tcp 10.0.0.3:7070: connection refused",
		Unclean: []journal.Problem{
			{Code: "unclean", Message: "agent 10.0.0.3:7070 does not answer: dial tcp 10.0.0.3:7070: connection refused", Path: "orders dark"},
			{Code: "cleanup_failed", Message: "on_exit restart_orders: exit status 1"},
		},
	})
}

// Endless is a plan that was cut at its horizon.
func Endless() *Journal {
	j := New("for-ever", "virtual")
	j.loop(48, time.Hour)
	return j.Finish(journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "horizon"})
}

// Hostile is a real run of which every text tries to own the terminal.
func Hostile() *Journal {
	const bad = "\x1b[2J\x1b]0;owned\x07 \u202egnp\xff\u009b31m 表示 e\u0301 👩"
	j := New(bad, "real")
	s := j.Begin("0", journal.StepBeginBody{Path: bad + "\nsecond line\r\x00"})
	j.Fault("0", bad, bad, bad+"\nfault", "latency", `{}`)
	j.Effect("0", bad, "approve", map[string]string{"message": bad})
	j.Log(bad, bad+"\nlog", `{"k":"\u001b[31m"}`)
	j.Guard(bad, "breach", `"\u001b[31m"`, 1, 1)
	j.Check(bad, bad, false, `"\u001b[31m"`, bad)
	j.Wait(time.Second)
	j.Fail(s, bad, bad+"\nsecond line", false)
	return j.Finish(journal.RunEndBody{Verdict: "\x1b[31m", Reason: bad, Message: bad, Unclean: []journal.Problem{{Code: bad, Message: bad}}})
}
