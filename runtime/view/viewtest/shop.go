package viewtest

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/series"
)

// shopScript is what the run of Shop executes.
const shopScript = `"""Checkout stays within its SLO while the payment provider is slow or failing."""

orchestration(name = "checkout-slow-payments", tags = ["payments", "ci"], owner = "team-checkout")

slo      = param("slo", type = "duration", default = "800ms")
payments = proxy("payments", listen = "127.0.0.1:18081", upstream = "127.0.0.1:8081")
users    = traffic.http("http://127.0.0.1:8080/checkout", rate = 50)

def main():
    steady_state("catalog answers", probe.http("http://127.0.0.1:8080/catalog", below = "500ms"), during = "99%", settle = "30s")
    guard("not burning the house", probe.http("http://127.0.0.1:8080/health"), breaches = 2)

    step("baseline", traffic = users, duration = "30s", below = {"p99": slo, "error_rate": 0.001})
    step("payments slow", traffic = users, duration = "60s", on = payments, on_failure = "tolerate",
         chaos = fault.latency(ramp("50ms", "800ms", over = "30s")), below = {"p99": slo})
    if base.traffic.errors < 1 && True: pass    # <script>alert("escaped?")</script>
    parallel(flaky, lossy)
    step("recovery", traffic = users, duration = "30s", below = {"p99": slo}, retries = 1)
`

// Shop is a real run with everything that a report can tell: load and probes before,
// while and after faults, a failure that was tolerated, a retry, a pause.
func Shop() *Journal {
	j := New("checkout-slow-payments", "real")
	begin := j.Records[0].Body.(*journal.RunBeginBody)
	begin.Script, begin.Interpreter = "checkout.star", "go.starlark.net v1"
	begin.Modules = map[string]string{"checkout.star": shopScript, "lib/payments.star": "def flaky():\n    pass\n"}
	begin.Params = json.RawMessage(`{"slo":"800ms","token":"⟦secret:SHOP_TOKEN⟧"}`)
	begin.Meta = json.RawMessage(`{"name":"checkout-slow-payments","description":"Checkout stays within its SLO while the payment provider is slow or failing.","tags":["payments","ci"],"owner":"team-checkout","runbook":"https://wiki.shop.test/payments"}`)
	j.Effect("0", "", "proxy", map[string]string{"name": "payments", "listen": "127.0.0.1:18081", "upstream": "127.0.0.1:8081"})
	catalog := j.watch(journal.SteadyBegin, &journal.SteadyBody{Name: "catalog answers", Before: true, During: true, After: true, Share: 0.99, Every: time.Second, Kind: "http", Args: json.RawMessage(catalogProbe)}, catalogProbe)
	j.Add(journal.Steady, catalog.at, &journal.WatchBody{Name: "catalog answers", State: "holds", Phase: "before", Value: json.RawMessage("200"), Seen: 1})
	health := j.watch(journal.GuardBegin, &journal.GuardBody{Name: "not burning the house", Every: time.Second, Breaches: 2, Action: "abort"}, healthProbe)
	j.Add(journal.Guard, health.at, &journal.WatchBody{Name: "not burning the house", State: "holds", Value: json.RawMessage("200"), Seen: 1})

	base := j.Begin("0", journal.StepBeginBody{Path: "baseline", Duration: 30 * time.Second, Pos: "checkout.star:13"})
	j.load("baseline", 30, func(int) (time.Duration, int) { return 42 * time.Millisecond, 0 }, 0)
	j.checked("baseline", "p99", true, "0.0512", "below 800ms", 13)
	j.checked("baseline", "error_rate", true, "0", "below 0.001", 13)
	j.End(base, "baseline")

	slow := j.Begin("0", journal.StepBeginBody{Path: "payments slow", Duration: time.Minute, Pos: "checkout.star:14"})
	latency := j.Fault("0", "payments slow", "payments", "latency 50ms → 800ms over 30s", "latency", `{"delay":"800ms"}`)
	j.load("payments slow", 60, func(s int) (time.Duration, int) {
		return 42*time.Millisecond + time.Duration(min(s, 30))*25*time.Millisecond, max(0, min(s-28, 3))
	}, 0)
	j.Lift(latency, 3000, 2987)
	j.Add(journal.Steady, catalog.at, &journal.WatchBody{Name: "catalog answers", State: "deviates", Phase: "during", Value: json.RawMessage("0.62"), Detail: "took 620ms, expected below 500ms", Seen: 71, Bad: 3})
	j.checked("payments slow", "p99", false, "0.9312", "below 800ms", 14)
	j.Add(journal.Failure, journal.Place{Branch: "0"}, &journal.FailureBody{
		Problem:   journal.Problem{Code: "check_failed", Message: "p99 is 931ms, expected below 800ms", Path: "payments slow"},
		Tolerated: true, By: slow.String(), Of: []string{journal.Place{Branch: "0", Op: j.op}.String()},
	})
	j.Fail(slow, "payments slow", "p99 is 931ms, expected below 800ms", true)
	j.Log("info", "how much slower", `{"times":18.2}`)

	j.Branch("0.1", "flaky")
	j.Branch("0.2", "lossy")
	a := j.Begin("0.1", journal.StepBeginBody{Path: "flaky/bursts of 5xx", Name: "bursts of 5xx", Duration: 30 * time.Second, Pos: "checkout.star:17"})
	b := j.Begin("0.2", journal.StepBeginBody{Path: "lossy/packet loss", Name: "packet loss", Duration: 30 * time.Second, Pos: "checkout.star:17"})
	errs := j.Fault("0.1", "flaky/bursts of 5xx", "payments", "http_error 500, 503 in 20%", "http_error", `{"codes":[500,503]}`)
	loss := j.Fault("0.2", "lossy/packet loss", "payments", "packet_loss 5%", "packet_loss", `{"percent":5}`)
	j.load("flaky/bursts of 5xx", 30, func(s int) (time.Duration, int) { return 60 * time.Millisecond, 8 + s%5 }, 0)
	j.Lift(errs, 1500, 301)
	j.End(a, "flaky/bursts of 5xx")
	j.EndBranch("0.1", "flaky")
	j.Lift(loss, 1500, 74)
	j.End(b, "lossy/packet loss")
	j.EndBranch("0.2", "lossy")

	rec := j.Begin("0", journal.StepBeginBody{Path: "recovery", Duration: 30 * time.Second, Retries: 1, Pos: "checkout.star:18"})
	j.load("recovery", 10, func(s int) (time.Duration, int) { return 45 * time.Millisecond, max(0, 6-2*s) }, 0)
	j.Add(journal.StepTry, rec, &journal.StepTryBody{Path: "recovery", Try: 2})
	j.load("recovery", 30, func(int) (time.Duration, int) { return 43 * time.Millisecond, 0 }, 12)
	j.checked("recovery", "p99", true, "0.0522", "below 800ms", 18)
	j.Add(journal.StepEnd, rec, &journal.StepEndBody{Path: "recovery", Status: journal.Passed, Tries: 2})
	skip := j.Begin("0", journal.StepBeginBody{Path: "soak", Pos: "checkout.star:19"})
	j.Add(journal.StepEnd, skip, &journal.StepEndBody{Path: "soak", Status: journal.Skipped, Reason: "only at night"})
	j.Add(journal.Figure, j.Place("0"), &journal.FigureBody{Name: "orders a second", Value: 49.3, Unit: "1/s", Better: "higher"})
	j.Log("warn", "some orders were retried", `{"orders":17}`)

	j.read(catalog, func(at time.Duration) (bool, time.Duration) {
		if at >= 85*time.Second && at < 88*time.Second {
			return false, 620 * time.Millisecond
		}
		return true, 20*time.Millisecond + time.Duration(at.Seconds())%7*time.Millisecond
	})
	j.Add(journal.Steady, catalog.at, &journal.WatchBody{Name: "catalog answers", State: "ended", Phase: "after", Seen: 160, Bad: 3})
	j.read(health, func(at time.Duration) (bool, time.Duration) { return true, 3 * time.Millisecond })
	j.Add(journal.Guard, health.at, &journal.WatchBody{Name: "not burning the house", State: "ended", Seen: 160})
	deviated := journal.Problem{Code: "steady_state_deviated", Message: `steady state "catalog answers" held for 96.67% of 90 readings while faults were on, expected 99%`, Steady: catalog.at.String()}
	j.Add(journal.Failure, j.Place("0"), &journal.FailureBody{Problem: deviated})
	return j.Finish(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: deviated.Code, Message: deviated.Message, Tolerated: 1, Flaky: 1})
}

const (
	catalogProbe = `{"kind":"http","url":"http://127.0.0.1:8080/catalog","below":500000000}`
	healthProbe  = `{"kind":"http","url":"http://127.0.0.1:8080/health"}`
)

// watched is a guard or steady state and the effect that reads its probe.
type watched struct{ at, effect journal.Place }

func (j *Journal) watch(kind journal.Kind, body any, probe string) watched {
	w := watched{at: j.Place("0")}
	j.Add(kind, w.at, body)
	w.effect = j.Effect("0", "", "watch", map[string]any{"probe": json.RawMessage(probe), "every": time.Second})
	return w
}

// read ends what read a probe every second since the run's beginning.
func (j *Journal) read(w watched, reading func(at time.Duration) (ok bool, took time.Duration)) {
	var s series.Series
	for at := time.Duration(0); at < j.Now; at += time.Second {
		ok, took := reading(at)
		s.Add(at, ok, took)
	}
	j.EndEffect(w.effect, map[string]any{"series": s.Points})
}

// checked is a check at a line of the script.
func (j *Journal) checked(path, name string, ok bool, value, limit string, line int) {
	unit := ""
	if name == "p99" {
		unit = journal.UnitSeconds
	}
	body := &journal.CheckBody{Path: path, Name: name, OK: ok, Value: raw(value), Unit: unit, Limit: limit}
	if !ok {
		body.Stack = []journal.Frame{{File: "checkout.star", Line: line, Col: 9, Func: "main"}}
	}
	j.Add(journal.Check, j.Place("0"), body)
}

// load sends 50 requests a second for so many seconds; at says how long they take in
// each, and how many fail. In the middle of it there is a pause of so many seconds.
func (j *Journal) load(path string, seconds int, at func(second int) (took time.Duration, errors int), pause int) {
	const rate = 50
	e := j.Effect("0", path, "load", map[string]any{"traffic": "f00d", "spec": map[string]any{"http": map[string]string{"url": "http://127.0.0.1:8080/checkout"}}})
	j.Add(journal.EffectNote, e, &journal.EffectNoteBody{Data: json.RawMessage(`{}`)})
	var points []map[string]any
	var all series.Histogram
	errors := 0
	for s := range seconds {
		took, bad := at(s)
		var h series.Histogram
		for i := range rate {
			// A tail as real services have it, the same every time.
			h.Add(time.Duration(float64(took)*(1+0.6*math.Pow(float64((i*17+s)%rate)/rate, 6))), 1)
		}
		all.Merge(h)
		errors += bad
		points = append(points, map[string]any{"at": time.Duration(s) * time.Second, "requests": rate, "errors": bad, "p50": h.Quantile(0.5), "p99": h.Quantile(0.99), "took": h})
	}
	j.Wait(time.Duration(seconds) * time.Second / 2)
	if pause > 0 {
		j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "pause", By: "anna"})
		j.Wait(time.Duration(pause) * time.Second)
		j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "resume", By: "anna"})
	}
	j.Wait(time.Duration(seconds) * time.Second / 2)
	n := rate * seconds
	j.EndEffect(e, map[string]any{
		"requests": n, "errors": errors, "error_rate": float64(errors) / float64(n), "throughput": float64(n-errors) / float64(seconds),
		"p50": all.Quantile(0.5), "p90": all.Quantile(0.9), "p95": all.Quantile(0.95), "p99": all.Quantile(0.99), "p999": all.Quantile(0.999), "max": all.Quantile(1),
		"by_status": map[string]int{"200": n - errors, "503": errors}, "longest_outage": 0,
		"span": time.Duration(seconds) * time.Second, "step": time.Second, "series": points,
	})
	if errors > 0 {
		j.Log("debug", fmt.Sprintf("%d of %d requests failed", errors, n), "")
	}
}
