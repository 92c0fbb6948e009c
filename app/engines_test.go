package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/chaos/mockforge/mockforgetest"
	"starquake/chaos/remote/remotetest"
	"starquake/chaos/toxiproxy/toxiproxytest"
	"starquake/effects"
	"starquake/internal/porttest"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// A run with faults that outlive it starts this program again as its guardian.
var _ = func() bool {
	if app.IsGuardian() {
		os.Exit(app.Guardian())
	}
	return true
}()

// toxic is a Toxiproxy server with a proxy "shop" before a service.
type toxic struct {
	*toxiproxytest.Server
	service *service
	listen  string
}

func toxics(t *testing.T) *toxic {
	t.Helper()
	s := serve(t)
	tox := &toxic{toxiproxytest.Start(t), s, ""}
	tox.listen = tox.Proxy("shop", s.Listener.Addr().String())
	return tox
}

// prelude names the proxy, and a request through it.
func (x *toxic) prelude() string {
	return fmt.Sprintf(`
p = toxiproxy(%q).proxy("shop")
def get(): return http.get("http://" + p.listen, expect = "any")
`, x.URL)
}

// clean expects that nothing is left.
func (x *toxic) clean(t *testing.T) {
	t.Helper()
	if !x.Clean("shop") {
		t.Errorf("something is left on the proxy: %+v", x.State("shop"))
	}
}

// on waits until a run has a fault on, which is a toxic.
func (x *toxic) on(t *testing.T, r *app.Running) {
	t.Helper()
	eventually(t, "a fault", func() bool { return r.View().FaultsOn > 0 })
	if len(x.State("shop").Toxics) == 0 {
		t.Error("a fault is said to be on, and there is no toxic")
	}
}

func TestToxiproxy(t *testing.T) {
	x := toxics(t)
	r := begin(t, x.prelude()+`
def main():
    check("its addresses", p.listen, equals = "`+x.listen+`")
    check("can", p.supports(fault.latency("1s")))
    check("cannot", not p.supports(fault.http_error(500)))
    def body():
        got = get()
        check("slow", got.elapsed, at_least = "150ms")
    step("slow", body, chaos = fault.latency("150ms"), on = p)
    h = apply_chaos(fault.bandwidth("100KB/s"), on = targets())
    check("not counted", h.stats().faults[0].hit == None)
    h.revert()
    wait_until(lambda: get().elapsed < duration("150ms"), "1m")    # fast, but for a busy machine
`, app.RunOptions{})
	res := finish(t, r, journal.VerdictPassed)
	x.clean(t)
	if f := res.View.Faults[0]; !f.Uncounted || f.Target != "shop" || f.State != "off" {
		t.Errorf("the fault is %+v", f)
	}
	if len(res.View.Targets) != 1 || !strings.HasPrefix(res.View.Targets[0].Engine, "toxiproxy http://127.0.0.1:") {
		t.Errorf("targets: %+v", res.View.Targets)
	}
}

// TestToxiproxyEndings ends a run in every way there is: nothing is left.
func TestToxiproxyEndings(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		act          func(t *testing.T, x *toxic, r *app.Running)
		verdict      journal.Verdict
	}{
		{"ok", `step("s", lambda: get(), chaos = fault.latency("1ms"), on = p)`, nil, journal.VerdictPassed},
		{"fail", `step("s", lambda: fail("no"), chaos = fault.latency("1ms"), on = p)`, nil, journal.VerdictFailed},
		{"error", `step("s", lambda: {}["x"], chaos = fault.latency("1ms"), on = p)`, nil, journal.VerdictErrored},
		{"stop", `step("s", lambda: sleep("1h"), chaos = fault.latency("1ms"), on = p)`, func(t *testing.T, x *toxic, r *app.Running) {
			x.on(t, r)
			control(t, r, runtime.ActionStop)
		}, journal.VerdictStopped},
		{"abort", `step("s", lambda: sleep("1h"), chaos = fault.refuse(open_connections = "close"), on = p)`, func(t *testing.T, x *toxic, r *app.Running) {
			x.on(t, r)
			control(t, r, runtime.ActionAbort)
		}, journal.VerdictAborted},
		{"breach", `
    guard("well", probe.http(SERVICE), every = "20ms")
    step("s", lambda: sleep("1h"), chaos = fault.blackhole(), on = p)`, func(t *testing.T, x *toxic, r *app.Running) {
			x.on(t, r)
			x.service.sick.Store(true)
		}, journal.VerdictAborted},
		{"gone by itself", `step("s", lambda: sleep("1h"), chaos = fault.latency("1ms"), on = p)`, func(t *testing.T, x *toxic, r *app.Running) {
			x.on(t, r)
			x.Do(http.MethodPost, "/reset", nil, nil)
			eventually(t, "the fault to be missed", func() bool { return r.View().FaultsOn == 0 })
			control(t, r, runtime.ActionStop)
		}, journal.VerdictStopped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := toxics(t)
			r := begin(t, fmt.Sprintf("SERVICE = %q\n", x.service.URL)+x.prelude()+"\ndef main():\n    "+tt.script, app.RunOptions{})
			if tt.act != nil {
				tt.act(t, x, r)
			}
			finish(t, r, tt.verdict)
			x.clean(t)
		})
	}
}

func control(t *testing.T, r *app.Running, action string) {
	t.Helper()
	if err := r.Control(runtime.Control{Action: action}); err != nil {
		t.Error(err)
	}
}

// TestToxiproxyDies looks at an engine that dies while a fault is on: nobody can confirm
// that it is gone, and the run says what to do.
func TestToxiproxyDies(t *testing.T) {
	t.Parallel() // it takes as long as an undoing is tried for
	x := toxics(t)
	r := begin(t, x.prelude()+`
def main():
    step("s", lambda: sleep("1h"), chaos = fault.latency("1ms"), on = p)
`, app.RunOptions{})
	x.on(t, r)
	x.Stop()
	control(t, r, runtime.ActionStop)
	<-r.Done()
	res := r.Wait()
	if res.Outcome.Verdict != journal.VerdictUnclean || !strings.Contains(fmt.Sprint(res.Outcome), "curl -X DELETE "+x.URL+"/proxies/shop/toxics/NAME") {
		t.Errorf("%s: %+v", res.Outcome.Verdict, res.Outcome)
	}
}

// TestToxiproxyRefused looks at what is wrong before a fault is on.
func TestToxiproxyRefused(t *testing.T) {
	x := toxics(t)
	for _, tt := range []struct {
		name, script string
		opt          app.Options
		want         string
	}{
		{"cannot", `apply_chaos(fault.http_error(500), on = p)`, app.Options{}, "Toxiproxy cannot do a fault of kind http_error"},
		{"ramp", `apply_chaos(fault.latency(ramp("1ms", "9ms", over = "1s")), on = p)`, app.Options{}, "it has no ramps"},
		{"hits", `apply_chaos(fault.latency("1ms"), on = p, min_hits = 3)`, app.Options{}, "toxiproxy does not count what meets a fault"},
		{"host", `apply_chaos(fault.latency("1ms"), on = p)`, app.Options{AllowNet: []string{"other.test"}}, "is not permitted"},
		{"window", `p.window()`, app.Options{}, "does not tell of its traffic"},
		{"disconnect", `p.disconnect()`, app.Options{}, "toxiproxy cannot disconnect its clients"},
		{"disconnect by path", `proxy("q", listen = "127.0.0.1:0", upstream = "127.0.0.1:1").disconnect(match = fault.match(path = "/x"))`, app.Options{}, "by their source alone"},
		{"secret in the address", `toxiproxy("http://" + secret("x"))`, app.Options{}, "a secret cannot be part of it"},
		{"no address", `toxiproxy("127.0.0.1:8474")`, app.Options{}, "is no address of an engine"},
		{"two names", `toxiproxy("` + x.URL + `/").proxy("shop", alias = "other")`, app.Options{}, "the run has it already, as target"},
		{"twice", `toxiproxy("http://127.0.0.1:1").proxy("shop")`, app.Options{}, "is declared already"},
	} {
		t.Setenv("STARQUAKE_SECRET_X", "y")
		s, diags := app.LoadText("t.star", []byte(x.prelude()+"\ndef main():\n    "+tt.script))
		if diags.HasErrors() {
			t.Fatal(rendered(diags, s))
		}
		r, err := s.Start(app.RunOptions{Options: tt.opt})
		if err == nil {
			r.Wait()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	r := begin(t, fmt.Sprintf("def main():\n    p = toxiproxy(%q).proxy(\"shpo\")\n", x.URL), app.RunOptions{})
	res := finish(t, r, journal.VerdictErrored)
	if !strings.Contains(res.Outcome.Message, `has no proxy "shpo"`) {
		t.Errorf("got %s", res.Outcome.Message)
	}
	x.clean(t)
}

// TestEnginePlan looks at what a plan says of an engine, which it does not ask.
func TestEnginePlan(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte(`
t = secret("tok")
p = toxiproxy("http://tox.test:8474", token = t).proxy("shop", alias = "shop-eu", labels = {"region": "eu"})
m = mockforge("http://mock.test:3000")
q = starquake("https://quake.test").proxy("orders")
def main():
    step("all", duration = "1m", chaos = [fault.latency("1s").on(p, q), fault.http_error(500).on(m),
        fault.exec("cache", on = ["systemctl", "stop", "redis"], off = ["systemctl", "start", "redis"]),
        fault.http("flag", on = "http://flags.test/on", off = "http://flags.test/off")])
`))
	if diags.HasErrors() {
		t.Fatal(rendered(diags, s))
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil || res.Outcome.Verdict != journal.VerdictPassed {
		t.Fatal(err, res.Outcome)
	}
	v := res.View
	if diff := cmp.Diff([]string{"flags.test", "mock.test:3000", "quake.test", "tox.test:8474"}, v.Hosts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"systemctl start redis", "systemctl stop redis"}, v.Commands); diff != "" {
		t.Error(diff)
	}
	var targets []string
	for _, target := range v.Targets {
		targets = append(targets, target.Name+": "+target.Engine)
	}
	if diff := cmp.Diff([]string{"mockforge: mockforge http://mock.test:3000", "orders: starquake https://quake.test orders", "shop-eu: toxiproxy http://tox.test:8474 shop"}, targets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"tok"}, v.Secrets); diff != "" {
		t.Error(diff)
	}
	if len(v.Log) == 0 || !strings.Contains(v.Log[0].Message, "guardian") {
		t.Errorf("nothing is said of a guardian: %+v", v.Log)
	}
}

func TestMockForge(t *testing.T) {
	t.Setenv("STARQUAKE_SECRET_TOK", "sesame")
	fake := mockforgetest.Start(t, "sesame")
	theirs := mockforgetest.Initial()
	theirs["enabled"] = true
	theirs["latency"] = map[string]any{"enabled": true, "fixed_delay_ms": 7., "jitter_percent": 0., "probability": 1.}
	fake.Set(theirs)
	r := begin(t, fmt.Sprintf(`
m = mockforge(%q, token = secret("tok"))
def main():
    def inner(): step("errors", chaos = fault.http_error(503, probability = 0.5), on = m, duration = "1h")
    def outer(): step("slow", inner, chaos = scenario("slow_backend"), on = m)
    parallel(outer)
`, fake.URL), app.RunOptions{})
	eventually(t, "both", func() bool {
		return fake.Block("latency")["fixed_delay_ms"] == 2000. && fake.Block("fault_injection")["http_error_probability"] == 0.5
	})
	both := fake.Config()
	control(t, r, runtime.ActionStop)
	res := finish(t, r, journal.VerdictStopped)
	if diff := cmp.Diff(theirs, fake.Config()); diff != "" {
		t.Errorf("theirs has not come back: %s", diff)
	}
	for _, rec := range res.Records {
		if body, ok := rec.Body.(*journal.EffectStartBody); ok && strings.Contains(string(body.Args), "sesame") {
			t.Error("the journal has the secret")
		}
	}

	// The same from the journal alone, as after a crash: up to the moment both were on.
	fake.Set(both)
	undo := app.Undoing{Run: r.ID, Policy: effects.Policy{Network: []string{"*"}}, Secret: func(string) (string, error) { return "sesame", nil }}
	for _, req := range openFaults(t, res.Records) {
		if !app.Outlives(&req) {
			t.Errorf("%s does not outlive its process", req.Args)
		}
		if err := undo.Undo(context.Background(), req); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(theirs, fake.Config()); diff != "" {
		t.Errorf("undone from the journal: %s", diff)
	}
}

// openFaults are the held effects of a journal that was cut off before the first of them
// ended.
func openFaults(t *testing.T, recs []journal.Record) []runtime.Request {
	t.Helper()
	var upTo []journal.Record
	for _, rec := range recs {
		if rec.Kind == journal.EffectStop {
			break
		}
		upTo = append(upTo, rec)
	}
	open := runtime.OpenEffects(upTo)
	if len(open) == 0 {
		t.Fatal("the journal has no open effects")
	}
	return open
}

func TestRemoteStarquake(t *testing.T) {
	fake := remotetest.Start(t)
	r := begin(t, fmt.Sprintf(`
p = starquake(%q).proxy("orders")
def main():
    check("labels", p.labels.get("tier"), equals = "back")
    check("protocol", p.protocol, equals = "http")
    check("cannot", not p.supports(fault.bandwidth("1MB/s")))
    check("window", p.window("10s").requests, equals = 42)
    h = apply_chaos(fault.latency("1s"), on = p)
    check("hits", h.stats().hit, equals = 4)
    sleep("1h")
`, fake.URL), app.RunOptions{})
	eventually(t, "the fault", func() bool { return len(fake.Leases()) == 1 })
	for id := range fake.Leases() {
		if !strings.HasPrefix(id, r.ID+"-0-") {
			t.Errorf("the fault is called %s", id)
		}
	}
	control(t, r, runtime.ActionStop)
	res := finish(t, r, journal.VerdictStopped)
	if len(fake.Leases()) != 0 || res.View.Faults[0].Hit != 4 {
		t.Errorf("left: %v; the fault: %+v", fake.Leases(), res.View.Faults[0])
	}
	for _, c := range res.View.Checks {
		if !c.OK {
			t.Errorf("check %+v", c)
		}
	}
}

// TestBeginsLifted: a fault that is asked for while faults are lifted does not go on first.
func TestBeginsLifted(t *testing.T) {
	fake := remotetest.Start(t)
	r := begin(t, fmt.Sprintf(`
p = starquake(%q).proxy("orders")
def late():
    sleep("1ms")
    apply_chaos(fault.latency("1s"), on = p)
    sleep("1h")
def main(): parallel(lambda: approve("go on?", faults = "lift"), late)
`, fake.URL), app.RunOptions{CanApprove: true})
	eventually(t, "the fault", func() bool { return len(fake.Leases()) == 1 })
	for id, l := range fake.Leases() {
		if !l.BeganLifted {
			t.Errorf("%s went on first: %+v", id, l)
		}
	}
	if err := r.Answer("", true, "ann", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the fault's return", func() bool {
		for _, l := range fake.Leases() {
			return !l.Lifted
		}
		return false
	})
	control(t, r, runtime.ActionStop)
	finish(t, r, journal.VerdictStopped)
}

// TestRemoteMissed looks at faults that were not on until they were taken off, or of which
// nobody knows: an experiment that did not happen never passes. They are off.
func TestRemoteMissed(t *testing.T) {
	for _, tt := range []struct {
		name, why string
		happens   func(*remotetest.Server)
	}{
		{"taken off", "does not have the fault any more", (*remotetest.Server).Forget},
		{"out of reach", "could not be reached", func(fake *remotetest.Server) { fake.Die(true) }}, // its lease is waited for
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fake := remotetest.Start(t)
			trouble := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tt.happens(fake) }))
			defer trouble.Close()
			r := begin(t, fmt.Sprintf(`
p = starquake(%q).proxy("orders")
def main():
    step("s", lambda: http.get(%q), chaos = fault.latency("1s"), on = p, min_hits = 0)
`, fake.URL, trouble.URL), app.RunOptions{})
			<-r.Done()
			res := r.Wait()
			if v := res.Outcome.Verdict; v != journal.VerdictErrored || len(res.Outcome.Failures) != 1 || res.Outcome.Failures[0].Problem.Code != "fault_lost" ||
				!strings.Contains(res.Outcome.Failures[0].Problem.Message, tt.why) {
				t.Errorf("%s: %+v", v, res.Outcome)
			}
			if f := res.View.Faults[0]; f.State != view.FaultExpired || len(fake.Leases()) != 0 {
				t.Errorf("left: %v; the fault: %+v", fake.Leases(), f)
			}
		})
	}
}

// TestEngineUnreachable looks at an engine that is not there: nothing was injected.
func TestEngineUnreachable(t *testing.T) {
	for _, script := range []string{`toxiproxy(URL).proxy("shop")`, `mockforge(URL)`, `starquake(URL).proxy("orders")`} {
		r := begin(t, fmt.Sprintf("URL = \"http://%s\"\np = %s\ndef main(): apply_chaos(fault.latency(\"1s\"), on = p)\n", porttest.Refused, script), app.RunOptions{})
		res := finish(t, r, journal.VerdictErrored)
		if !strings.Contains(res.Outcome.Message, "connection refused") {
			t.Errorf("%s: %s", script, res.Outcome.Message)
		}
	}
}

// TestOwnFaults looks at faults of the user's own: made, seen and undone by programs and
// requests.
func TestOwnFaults(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "broken")
	flags := serveFlags(t)
	script := fmt.Sprintf(`
MARK, FLAGS = %q, %q
cache = fault.exec("cache", on = ["touch", MARK], off = ["rm", "-f", MARK], check = probe.exec(["test", "!", "-e", MARK]))
flag = fault.http("flag", on = FLAGS + "/on", off = {"url": FLAGS + "/off", "method": "DELETE"}, check = probe.http(FLAGS, contains = "off"))
`, mark, flags.URL)
	opt := app.RunOptions{Options: app.Options{AllowExec: []string{"touch", "rm", "test", "false", "sleep"}}}

	r := begin(t, script+`
def main():
    step("both", lambda: sleep("1h"), chaos = [cache, flag])
`, opt)
	eventually(t, "both", func() bool { return r.View().FaultsOn == 2 })
	if _, err := os.Stat(mark); err != nil || !flags.on.Load() {
		t.Error("they are said to be on, and are not")
	}
	control(t, r, runtime.ActionStop)
	res := finish(t, r, journal.VerdictStopped)
	if _, err := os.Stat(mark); err == nil || flags.on.Load() {
		t.Error("something is left")
	}
	if f := res.View.Faults[0]; f.Kind != "exec" || f.Target != "" || !f.Uncounted {
		t.Errorf("the fault is %+v", f)
	}

	// From the journal alone, as after a crash.
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	flags.on.Store(true)
	undo := app.Undoing{Run: r.ID, Policy: effects.Policy{Network: []string{"*"}, AllowExec: opt.AllowExec}}
	for _, req := range openFaults(t, res.Records) {
		if err := undo.Undo(context.Background(), req); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(mark); err == nil || flags.on.Load() {
		t.Error("something is left after it was undone from the journal")
	}

	for _, tt := range []struct {
		name, script string
		verdict      journal.Verdict
		want         string
	}{
		{"half on", `apply_chaos(fault.exec("x", on = [["touch", MARK], ["false"]], off = ["rm", "-f", MARK]))`, journal.VerdictErrored, "false ended with code 1"},
		{"check holds not before", `apply_chaos(fault.exec("x", on = ["touch", MARK], off = ["rm", "-f", MARK], check = probe.exec(["false"])))`, journal.VerdictErrored, "does not hold before it begins"},
		{"unconfirmed", `apply_chaos(fault.exec("x", on = ["touch", MARK], off = ["rm", "-f", MARK + "x"], check = probe.exec(["test", "!", "-e", MARK]), off_timeout = "500ms"))`, journal.VerdictUnclean, "do it by hand: rm -f " + mark + "x"},
		{"half on and stuck", `apply_chaos(fault.exec("x", on = [["touch", MARK], ["false"]], off = ["false"], off_timeout = "500ms"))`, journal.VerdictUnclean, "a part of it may be on"},
		{"on a target", `apply_chaos(cache, on = proxy("p", listen = "127.0.0.1:0", upstream = "127.0.0.1:1"))`, journal.VerdictErrored, "put on no target"},
	} {
		_ = os.Remove(mark) // of the case before
		s, diags := app.LoadText("t.star", []byte(script+"\ndef main():\n    "+tt.script))
		if diags.HasErrors() {
			t.Fatal(rendered(diags, s))
		}
		r, err := s.Start(opt)
		if err != nil {
			if tt.verdict != journal.VerdictErrored || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: refused: %v", tt.name, err)
			}
			continue
		}
		out := r.Wait().Outcome
		if out.Verdict != tt.verdict || !strings.Contains(fmt.Sprint(out), tt.want) {
			t.Errorf("%s: %s, want %s and %q: %+v", tt.name, out.Verdict, tt.verdict, tt.want, out)
		}
		if _, err := os.Stat(mark); err == nil && tt.verdict != journal.VerdictUnclean {
			t.Errorf("%s: something is left", tt.name)
		}
	}

	s, _ := app.LoadText("t.star", []byte(script+"\ndef main(): apply_chaos(cache)\n"))
	_, err := s.Start(app.RunOptions{Options: app.Options{AllowExec: []string{"touch"}}})
	if err == nil || !strings.Contains(err.Error(), "running rm is not permitted") {
		t.Errorf("off is not permitted: %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was done all the same")
	}
}

// TestEnvironmentEngines looks at targets of engines that an environment's file names, so
// that a script stays portable.
func TestEnvironmentEngines(t *testing.T) {
	x := toxics(t)
	fake := mockforgetest.Start(t, "sesame")
	t.Setenv("MOCK_TOKEN", "sesame")
	file := filepath.Join(t.TempDir(), "env.yaml")
	write := func(text string) (*app.Environment, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return app.LoadEnvironment(file)
	}
	env, err := write(fmt.Sprintf(`
targets:
  store: {toxiproxy: %q, proxy: shop, labels: {tier: back}}
  mocks: {mockforge: %q, token: mock, labels: {tier: back}}
  dead: {toxiproxy: "http://127.0.0.1:1"}
secrets:
  mock: {env: MOCK_TOKEN}
`, x.URL, fake.URL))
	if err != nil {
		t.Fatal(err)
	}
	script := `
def main():
    step("slow", lambda: sleep("1h"), chaos = fault.latency("1ms"), on = targets(tier = "back"))
`
	for _, isolate := range []bool{false, true} {
		r := begin(t, script, app.RunOptions{Options: app.Options{Env: env, Isolate: isolate}})
		eventually(t, "both", func() bool { return r.View().FaultsOn == 2 })
		if len(x.State("shop").Toxics) != 1 || fake.Block("latency") == nil {
			t.Error("they are said to be on, and are not")
		}
		control(t, r, runtime.ActionStop)
		finish(t, r, journal.VerdictStopped)
		x.clean(t)
		if diff := cmp.Diff(mockforgetest.Initial(), fake.Config()); diff != "" {
			t.Error(diff)
		}
	}
	for text, want := range map[string]string{
		`{toxiproxy: "http://a:1", mockforge: "http://b:1"}`:   "expected one engine",
		`{toxiproxy: "http://a:1", listen: "127.0.0.1:1"}`:     "the engine's own affair",
		`{proxy: "x", listen: "127.0.0.1:1", upstream: "a:1"}`: "are for a target of an engine",
		`{mockforge: "http://a:1", proxy: x}`:                  "has no proxies",
		`{starquake: "a:1"}`:                                   "is no address of an engine",
		`{starquake: "http://u:p@a:1"}`:                        "user or password",
		`{starquake: "http://a:1", token: "no good"}`:          "no name of a secret",
	} {
		if _, err := write("targets:\n  t: " + text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// TestUndoing takes off from the journal alone what a killed run has left on engines.
func TestUndoing(t *testing.T) {
	x := toxics(t)
	fake := remotetest.Start(t)
	r := begin(t, x.prelude()+fmt.Sprintf(`
q = starquake(%q).proxy("orders")
def main():
    step("all", chaos = [fault.latency("1s").on(p, q), fault.refuse(open_connections = "close").on(p)], duration = "1h")
`, fake.URL), app.RunOptions{})
	eventually(t, "all", func() bool { return r.View().FaultsOn == 3 })
	undo := app.Undoing{Run: r.ID, Policy: effects.Policy{Network: []string{"127.0.0.1"}}}
	var recs []journal.Record
	ctx, cancel := context.WithCancel(context.Background())
	_ = r.Follow(ctx, func(all []journal.Record) error { // ends with the context
		recs = append(recs, all...)
		if len(runtime.OpenEffects(recs)) == 3 {
			cancel()
		}
		return nil
	})
	closed := undo
	closed.Policy.Network = nil
	for _, req := range openFaults(t, recs) {
		if app.Outlives(&req) { // others go by themselves, which would be waited for
			if err := closed.Undo(context.Background(), req); err == nil || !strings.Contains(err.Error(), "not permitted") {
				t.Errorf("where nothing is permitted: %v", err)
			}
		}
		if err := undo.Undo(context.Background(), req); err != nil {
			t.Error(err)
		}
		if outlives := app.Outlives(&req); outlives == strings.Contains(string(req.Args), "starquake") {
			t.Errorf("%s outlives its process: %v", req.Args, outlives)
		}
	}
	x.clean(t)
	if len(fake.Leases()) != 0 {
		t.Errorf("left: %v", fake.Leases())
	}
	eventually(t, "the run to miss its faults", func() bool { return r.View().FaultsOn == 0 })
	control(t, r, runtime.ActionStop)
	if res := finish(t, r, journal.VerdictStopped); len(res.Outcome.Failures) == 0 || res.Outcome.Failures[0].Problem.Code != "fault_lost" {
		t.Errorf("got %+v", res.Outcome)
	}
}
