package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/builtins"
	"starquake/internal/porttest"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// patience is how long a test waits for what must come; only a defect reaches it.
const patience = 4 * time.Minute

// service is a real server behind the proxies of these tests.
type service struct {
	*httptest.Server
	requests atomic.Int64
	sick     atomic.Bool // it answers 500
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if s.sick.Load() {
			http.Error(w, "sick", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s %s", r.URL.Path, r.Header.Get("Authorization"))
	}))
	t.Cleanup(s.Close)
	return s
}

// prelude declares a proxy before the service, and a request through it.
func (s *service) prelude() string {
	return fmt.Sprintf(`
p = proxy("p", listen = "127.0.0.1:0", upstream = %q, protocol = "http")
def get(path = "/"): return http.get("http://" + p.listen + path, expect = "any")
`, s.Listener.Addr())
}

// begin starts a script in the real world; the test stops it at the latest.
func begin(t *testing.T, script string, opt app.RunOptions) *app.Running {
	t.Helper()
	s, diags := app.LoadText("t.star", []byte(script))
	if diags.HasErrors() {
		t.Fatal(rendered(diags, s))
	}
	r, err := s.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Control(runtime.Control{Action: runtime.ActionStop}) // most have ended
		r.Wait()
	})
	return r
}

// finish waits for the end: whatever happened, no fault is on.
func finish(t *testing.T, r *app.Running, verdict journal.Verdict) *app.Result {
	t.Helper()
	select {
	case <-r.Done():
	case <-time.After(patience):
		t.Fatalf("the run goes on: %+v", r.View().Log)
	}
	res := r.Wait()
	if res.Outcome.Verdict != verdict {
		t.Errorf("verdict %s, expected %s: %s", res.Outcome.Verdict, verdict, res.Outcome.Message)
		for _, f := range res.Outcome.Failures {
			t.Logf("%s: %s %+v", f.Problem.Code, f.Problem.Message, f.Problem.Stack)
		}
	}
	if left := r.LeftBehind(); res.View.FaultsOn != 0 || len(left) != 0 {
		t.Errorf("%d faults are on, left behind: %v", res.View.FaultsOn, left)
	}
	return res
}

// eventually waits for something that another goroutine brings about.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s: %s", patience, what)
		}
	}
}

// seen follows the run until a record fits.
func seen(t *testing.T, r *app.Running, what string, fits func(journal.Record) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found := errors.New("found")
	err := r.Follow(ctx, func(recs []journal.Record) error {
		for _, rec := range recs {
			if fits(rec) {
				return found
			}
		}
		return nil
	})
	if !errors.Is(err, found) {
		t.Fatalf("no record of %s: %v", what, err)
	}
}

// said waits for a line of the run's log.
func said(t *testing.T, r *app.Running, message string) {
	t.Helper()
	seen(t, r, message, func(rec journal.Record) bool {
		line, ok := rec.Body.(*journal.LogBody)
		return ok && line.Message == message
	})
}

// proxied is the address of the run's only proxy.
func proxied(t *testing.T, r *app.Running) (url string) {
	t.Helper()
	seen(t, r, "the proxy", func(rec journal.Record) bool {
		note, ok := rec.Body.(*journal.EffectNoteBody)
		var rep builtins.ProxyReport
		if !ok || json.Unmarshal(note.Data, &rep) != nil || rep.Listen == "" {
			return false
		}
		url = "http://" + rep.Listen
		return true
	})
	return url
}

// status asks on a connection of its own.
func status(t *testing.T, url string) int {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// figures are the numbers that the run recorded, by name.
func figures(res *app.Result) map[string]float64 {
	m := map[string]float64{}
	for _, f := range res.View.Figures {
		m[f.Name] = f.Value
	}
	return m
}

// TestInjects puts faults on a real proxy: they act, add up across nested scopes, are
// counted, and a target tells its traffic.
func TestInjects(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := begin(t, s.prelude()+`
def main():
    check("through", get().text.startswith("/"))
    def outer():
        check("slow", get().elapsed, at_least = "40ms")
        inner = step("inner", lambda: check("both", get().elapsed, at_least = "70ms"), chaos = fault.latency("30ms"), on = p)
        check("inner counts", (inner.faults[0].seen, inner.faults[0].hit) == (1, 1))
        check("slow again", get().elapsed, at_least = "40ms")
        errors = step("errors", lambda: [get("/a").status, get("/b").status], chaos = fault.http_error([503], match = fault.match(path = "/a")), on = p)
        check("one of two", errors.value, equals = [503, 200])
        check("one met it", errors.faults[0].hit, equals = 1)
    done = step("outer", outer, chaos = fault.latency("40ms"), on = p)
    check("all met the outer one", done.faults[0].hit, equals = 5)

    on = apply_chaos(fault.http_error([500]), fault.latency("1ms"), on = [p, p])
    get()
    check("counted while on", [f.hit for f in on.stats().faults], equals = [1, 1])
    on.revert()
    check("off", get().status, equals = 200)
    check("still counted", on.stats().hit, equals = 2)
    wait_until(lambda: p.window().requests == 8, "1m", every = "10ms")
    w = p.window(last = "10m")
    check("errors of the target", w.errors, equals = 2)
    check("faulted", (w.faulted.count, w.clean.count) == (6, 2))
    check("bytes", w.bytes_out, above = 0)
`, app.RunOptions{})
	finish(t, r, journal.VerdictPassed)
	if n := s.requests.Load(); n != 6 { // the three injected errors never came here
		t.Errorf("%d requests reached the service, expected 6", n)
	}
}

// TestGone ends runs in every way there is, with a fault on: a clean-up, which comes
// last, meets it no more.
func TestGone(t *testing.T) {
	t.Parallel()
	control := func(action string) func(*testing.T, *service, *app.Running) {
		return func(t *testing.T, _ *service, r *app.Running) {
			said(t, r, "on")
			if err := r.Control(runtime.Control{Action: action, By: "test"}); err != nil {
				t.Error(err)
			}
		}
	}
	for _, test := range []struct {
		name, body string
		meta       string
		verdict    journal.Verdict
		act        func(*testing.T, *service, *app.Running)
	}{
		{name: "passed", body: `pass`, verdict: journal.VerdictPassed},
		{name: "failed", body: `fail("no")`, verdict: journal.VerdictFailed},
		{name: "inconclusive", body: `inconclusive("no")`, verdict: journal.VerdictInconclusive},
		{name: "script error", body: `{}["x"]`, verdict: journal.VerdictErrored},
		{name: "step budget", body: `[i for i in range(20000000) if i < 0]`, verdict: journal.VerdictErrored},
		{name: "stopped", body: `sleep("1h")`, verdict: journal.VerdictStopped, act: control(runtime.ActionStop)},
		{name: "aborted", body: `parallel(lambda: sleep("1h"), lambda: sleep("2h"))`, verdict: journal.VerdictAborted, act: control(runtime.ActionAbort)},
		{name: "max_duration", body: `sleep("1h")`, meta: `orchestration("short", max_duration = "%s")`, verdict: journal.VerdictStopped},
		{name: "timeout", body: `step("late", lambda: sleep("1h"), timeout = "20ms")`, verdict: journal.VerdictFailed},
		{name: "background", body: `start(lambda: fail("behind")); sleep("1h")`, verdict: journal.VerdictFailed},
		{name: "guard", body: `sleep("1h")`, verdict: journal.VerdictAborted,
			act: func(t *testing.T, s *service, r *app.Running) { said(t, r, "on"); s.sick.Store(true) }},
	} {
		for how, chaos := range map[string]string{
			"step":        `step("broken", body, chaos = fault.http_error([503]), on = p)`,
			"apply_chaos": "apply_chaos(fault.http_error([503]), on = p)\n    body()",
			"branch":      `parallel(lambda: step("broken", body, chaos = fault.http_error([503]), on = p), lambda: sleep("1h" if slow else "0s"))`,
		} {
			t.Run(test.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := serve(t)
				script := s.prelude() + fmt.Sprintf(`
slow = %s
def body():
    record("during", get().status)
    log("on")
    %s

def main():
    on_exit(lambda: record("after", get().status))
    guard("healthy", probe.http(%q), every = "10ms")
    %s
`, map[bool]string{true: "True", false: "False"}[test.verdict != journal.VerdictPassed], test.body, s.URL, chaos)
				end := func(meta string) *app.Result {
					r := begin(t, meta+script, app.RunOptions{})
					if test.act != nil {
						test.act(t, s, r)
					}
					return finish(t, r, test.verdict)
				}
				var res *app.Result
				if limited := strings.Contains(test.meta, "%s"); !limited {
					res = end(test.meta)
				} else { // a busy machine needs longer until the fault is on
					for limit := 200 * time.Millisecond; limit < patience; limit *= 2 {
						if res = end(fmt.Sprintf(test.meta, limit)); figures(res)["during"] != 0 {
							break
						}
					}
				}
				want := map[string]float64{"during": 503, "after": 200}
				if s.sick.Load() {
					want["after"] = 500 // the service's own
				}
				if diff := cmp.Diff(want, figures(res)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestApproves answers questions as a person does; a lifted fault is off meanwhile.
func TestApproves(t *testing.T) {
	t.Parallel()
	script := func(s *service, faults string) string {
		return s.prelude() + fmt.Sprintf(`
def main():
    apply_chaos(fault.http_error([503]), on = p)
    ok = approve("go on?", faults = %q)
    check("who", (ok.ok, ok.by, ok.comment) == (True, "ann", "fine"))
    check("when", now() - ok.at, below = "1m")
    wait_until(probe.http("http://" + p.listen + "/", status = 503), timeout = "1m")    # on again
`, faults)
	}
	for faults, meanwhile := range map[string]int{"keep": 503, "lift": 200} {
		t.Run(faults, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			r := begin(t, script(s, faults), app.RunOptions{CanApprove: true})
			if err := r.Answer("0:99", true, "ann", ""); err == nil {
				t.Error("an approval that nobody asked for was given")
			}
			url := proxied(t, r)
			eventually(t, "the question", func() bool { return len(r.View().Approvals) == 1 })
			eventually(t, "the fault's state", func() bool { return status(t, url) == meanwhile })
			if err := r.Answer("", true, "ann", "fine"); err != nil { // it is a record: it can be answered
				t.Error(err)
			}
			finish(t, r, journal.VerdictPassed)
		})
	}
	t.Run("reject", func(t *testing.T) {
		t.Parallel()
		r := begin(t, script(serve(t), "keep"), app.RunOptions{CanApprove: true})
		eventually(t, "the answer", func() bool { return r.Answer("", false, "bob", "not now") == nil })
		res := finish(t, r, journal.VerdictStopped)
		if !strings.Contains(res.Outcome.Message, "bob") || !strings.Contains(res.Outcome.Message, "not now") {
			t.Errorf("message %q, expected who and why", res.Outcome.Message)
		}
	})
}

// TestPauses pauses a run with a fault on, lifts it, and resumes.
func TestPauses(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := begin(t, s.prelude()+`
def main():
    apply_chaos(fault.http_error([503]), on = p)
    log("on")
    sleep("1h")
`, app.RunOptions{})
	url := proxied(t, r)
	said(t, r, "on")
	for _, c := range []struct {
		control runtime.Control
		status  int
	}{
		{runtime.Control{Action: runtime.ActionPause}, 503},
		{runtime.Control{Action: runtime.ActionPause, Lift: true}, 200},
		{runtime.Control{Action: runtime.ActionResume}, 503},
		{runtime.Control{Action: runtime.ActionPause, Lift: true}, 200},
		{runtime.Control{Action: runtime.ActionResume}, 503},
	} {
		if err := r.Control(c.control); err != nil {
			t.Fatal(err)
		}
		eventually(t, fmt.Sprintf("status %d after %+v", c.status, c.control), func() bool { return status(t, url) == c.status })
	}
	if err := r.Control(runtime.Control{Action: runtime.ActionStop}); err != nil {
		t.Fatal(err)
	}
	finish(t, r, journal.VerdictStopped)
}

// TestAsPlanned runs a script for real whose effects answer as planned: what happened
// is what the plan shows, operation by operation.
func TestAsPlanned(t *testing.T) {
	t.Parallel()
	s := serve(t)
	script := s.prelude() + fmt.Sprintf(`
def traffic_load():
    for i in range(3):
        check("ok", get().status, equals = 200)
    return random.int(1, 6)

def main():
    on_exit(lambda: log("bye"))
    on_exit(lambda: log("never"), when = "abort")
    steady_state("up", probe.http(%[1]q), settle = "1s")
    guard("up", probe.http(%[1]q))
    check("observed", observe(probe.http(%[1]q)).ok)
    wait_until(probe.http(%[1]q), "10s")
    wait_until(lambda: True, "10s")
    first = step("first", traffic_load, chaos = [fault.latency("1ms"), fault.latency("2ms", match = fault.match(path = "/"))], on = p)
    check("counted", [f.kind for f in first.faults], equals = ["latency", "latency"])
    step("timed", traffic_load, duration = "3s", delay_before = "1ms", chaos = fault.latency("1ms").on(p), labels = {"a": "b"})
    def failing(): fail("on purpose")
    step("tolerated", failing, retries = 1, retry_delay = "1ms", on_failure = "tolerate")
    step("skipped", lambda: skip("not today"))
    step("not now", traffic_load, when = lambda: False)
    parallel(a = lambda: sleep("2s"), b = lambda: sleep("1ms"))
    parallel(lambda x: log(x), over = ["x", "y"], limit = 1)
    loop(lambda i: step("turn", lambda: sleep("1ms")), times = 2)
    bg = start(lambda: sleep("1h"), name = "behind")
    attempt(failing)
    bg.stop()
    start(traffic_load).wait()
    record("dice", random.int(1, 6))
    on = apply_chaos(fault.latency("1ms"), on = p)
    get()
    on.stats()
    on.revert()
    p.window()
    p.window(last = "1s")
`, s.URL)
	r := begin(t, script, app.RunOptions{})
	ran := finish(t, r, journal.VerdictPassed)
	sc, diags := app.LoadText("t.star", []byte(script))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	plan, err := sc.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	actual := strings.ReplaceAll(operations(t, ran.Records), strings.TrimPrefix(proxied(t, r), "http://"), "127.0.0.1:0")
	if diff := cmp.Diff(operations(t, plan.Records), actual); diff != "" {
		t.Errorf("the plan and the run differ (-plan +run):\n%s", diff)
	}
}

// operations is what the script asked for and decided, without times and without the
// answers, which in the real world come in the order in which they come.
func operations(t *testing.T, recs []journal.Record) string {
	t.Helper()
	var b strings.Builder
	for _, rec := range recs {
		what := ""
		switch body := rec.Body.(type) {
		case *journal.EffectNoteBody, *journal.EffectEndBody:
			continue
		case *journal.RunBeginBody, *journal.WatchBody, *journal.RunEndBody:
		case *journal.StepEndBody:
			what = string(body.Status)
		default:
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			what = string(raw)
		}
		fmt.Fprintf(&b, "%s %s %s\n", rec.Kind, rec.Place, what)
	}
	return b.String()
}

// TestSecrets sends a secret out and gets it back: no record, no error and no log line
// has its text.
func TestSecrets(t *testing.T) {
	const text = "hunter2-hunter2"
	s := serve(t)
	t.Setenv("STARQUAKE_SECRET_TOKEN", text)
	t.Setenv("STARQUAKE_SECRET_HOOK", s.URL+"/hook-"+text)
	var logs bytes.Buffer
	opt := app.RunOptions{Options: app.Options{Env: &app.Environment{AllowExec: []string{"printenv", "cat"}}, AllowNet: []string{"127.0.0.1"}}, Logger: slog.New(slog.NewTextHandler(&logs, nil))}
	r := begin(t, s.prelude()+`
token = secret("token")
def main():
    r = http.get("http://" + p.listen + "/x", headers = {"Authorization": token})
    log("came back", text = r.text)
    attempt(lambda: http.get("http://" + p.listen + "/" + token, expect = 404))
    attempt(lambda: http.post(secret("hook"), body = token, expect = 404))
    log("hook", text = http.get(secret("hook")).text)
    e = exec.run(["printenv", "T"], env = {"T": token})
    log("printed", out = e.stdout)
    log("piped", out = exec.run(["cat"], stdin = token).stdout)
    observe(probe.http(secret("hook"), contains = "nothing", body = token))
    lost = proxy("lost " + token, listen = "127.0.0.1:0", upstream = "`+porttest.Refused+`", protocol = "tcp")
    http.get("http://" + lost.listen, expect = "any")
    check("equal", e.stdout, equals = "something else")
`, opt)
	res := finish(t, r, journal.VerdictFailed)
	var all bytes.Buffer
	all.WriteString(logs.String())
	for _, v := range []any{res.View, res.Outcome} {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	all.WriteString(events(t, res.Records))
	if i := strings.Index(all.String(), text); i >= 0 {
		t.Errorf("the secret stands in …%s…", all.String()[max(0, i-200):min(all.Len(), i+100)])
	}
	if !strings.Contains(all.String(), "⟦secret:token⟧") {
		t.Error("the secret's name stands nowhere")
	}
	if strings.Contains(all.String(), "[secret:") {
		t.Error("a placeholder was broken up")
	}
	if !strings.Contains(logs.String(), "cannot reach the upstream") {
		t.Errorf("the log is %q, expected the unreachable upstream in it", &logs)
	}
	if n := s.requests.Load(); n != 5 {
		t.Errorf("%d requests reached the service, expected 5", n)
	}
}

// TestProbesAreRequests: a probe through a faulted target meets the fault like any other
// request, and that the system holds then says something about it.
func TestProbesAreRequests(t *testing.T) {
	s := serve(t)
	script := s.prelude() + `
steady_state("answers", probe.http("http://" + p.listen + "/"), every = "10ms")
step("slow", duration = "300ms", chaos = fault.latency("1ms"), on = p)
`
	res := finish(t, begin(t, script, app.RunOptions{}), journal.VerdictPassed)
	if len(res.View.Faults) != 1 || res.View.Faults[0].Hit == 0 {
		t.Errorf("faults: %+v", res.View.Faults)
	}
	watchedElsewhere := s.prelude() + `
steady_state("answers", probe.http("` + s.URL + `"), every = "10ms")
step("slow", duration = "300ms", chaos = fault.latency("1ms"), on = p)
`
	finish(t, begin(t, watchedElsewhere, app.RunOptions{}), journal.VerdictInconclusive)
}

// TestReadDuring: a hypothesis that a fault breaks fails the run, however short the fault is on:
// its reading begins when the fault is on and comes to its end, also behind the fault's.
func TestReadDuring(t *testing.T) {
	s := serve(t)
	res := finish(t, begin(t, s.prelude()+`
steady_state("is quick", probe.http("http://" + p.listen + "/", below = "100ms"), when = ["during"])
step("slow", get, chaos = fault.latency("300ms"), on = p)
`, app.RunOptions{}), journal.VerdictFailed)
	if res.Outcome.Reason != "steady_state_deviated" {
		t.Error(res.Outcome.Reason, res.Outcome.Message)
	}
}

// TestLoadPastTarget: where the load of a step goes past the target, the run's own probes are
// not what meets the chaos in its place, and a plan and the run say where it goes.
func TestLoadPastTarget(t *testing.T) {
	s := serve(t)
	script := func(url string) string {
		return s.prelude() + `
steady_state("answers", probe.http("http://" + p.listen + "/"), every = "10ms")
guard("answers a function", lambda: get().status == 200, every = "10ms", breaches = 1000)
step("slow", traffic = traffic.http(` + url + `, rate = 20), duration = "300ms", chaos = fault.latency("1ms"), on = p)
`
	}
	past := finish(t, begin(t, script(`"`+s.URL+`/"`), app.RunOptions{}), journal.VerdictInconclusive)
	if !strings.Contains(past.View.Message, "0 requests met the chaos of this step beside") || past.View.Faults[0].Hit == 0 {
		t.Errorf("%s; %d hits", past.View.Message, past.View.Faults[0].Hit)
	}
	warned := func(res *app.Result) bool {
		return slices.ContainsFunc(res.View.Log, func(l view.Line) bool {
			return l.Level == "warn" && strings.Contains(l.Message, strings.TrimPrefix(s.URL, "http://")+`, which is the upstream of target "p"`)
		})
	}
	through := finish(t, begin(t, script(`"http://" + p.listen + "/"`), app.RunOptions{}), journal.VerdictPassed)
	if !warned(past) || warned(through) {
		t.Errorf("warned past the target: %t, through it: %t", warned(past), warned(through))
	}
}

// TestDisconnect ends the connections of a target's clients from a script, and looks at
// its traffic since a moment.
func TestDisconnect(t *testing.T) {
	s := serve(t)
	script := s.prelude() + `
def main():
    began = now()
    get()
    wait_until(lambda: p.window(since = began).requests == 1, "1m", every = "10ms")
    check("others", p.disconnect(match = fault.match(source = "10.0.0.0/8")), equals = 0)
    check("one", p.disconnect(how = "fin"), equals = 1)
    wait_until(lambda: p.window(since = began).active == 0, "1m", every = "10ms")
    get()
    wait_until(lambda: p.window(since = began).requests == 2, "1m", every = "10ms")
    check("again", p.disconnect(), equals = 1)
`
	for range 9 { // a client on a busy machine now and then keeps no connection, or opens another one
		if begin(t, script, app.RunOptions{}).Wait().Outcome.Verdict == journal.VerdictPassed {
			return
		}
	}
	finish(t, begin(t, script, app.RunOptions{}), journal.VerdictPassed)
}
