package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// A run under Isolate starts this program again: the test binary is then the child. It
// is asked here, before TestMain and any flag, as a main would.
var _ = func() bool {
	if app.IsIsolatedChild() {
		os.Exit(app.IsolatedChild())
	}
	return true
}()

// bombs are what a hostile script does to its process. They go off in the real world
// only, unless now is "True".
var bombs = map[string]string{
	"string":   `x = ["x" * (1 << 29) for _ in range(64)]`,
	"one list": `x = [0] * 1000000000`,
	"lists":    `x = [[0] * 1000000 for _ in range(10000)]`,
	"doubling": "x = 'x'\n    for _ in range(60): x = x + x",
	"nesting":  "x = ()\n    for _ in range(1500000): x = (x,)\n    y = str(x)",
	"stuck":    "x = range(3000000)\n    for _ in range(1000): y = sorted(x)",
	"turns":    "x = []\n    loop(lambda i: x.append('x' * (1 << 20)) or sleep(0.001), times = 1000000)",
	"journal":  "x = 'x' * (1 << 20)\n    loop(lambda i: [log(x) for _ in range(10)] and sleep(0.001), times = 1000000)",
}

func load(t testing.TB, name, text string) *app.Script {
	t.Helper()
	s, diags := app.LoadText(name, []byte(text))
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	return s
}

// target serves requests and gives the flag of a proxy before it.
func target(t testing.TB) (*app.Environment, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	t.Cleanup(server.Close)
	probe := httptest.NewServer(http.NotFoundHandler()) // its address is free once it is closed
	listen := probe.Listener.Addr().String()
	probe.Close()
	env := &app.Environment{}
	if err := env.AddProxy("shop=" + listen + "," + server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return env, "http://" + listen
}

// start starts a run under Isolate.
func start(t testing.TB, s *app.Script, opt app.RunOptions) *app.Running {
	t.Helper()
	r, err := s.Start(opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// result waits for the end, with a deadline that only a defect reaches.
func result(t testing.TB, r *app.Running) *app.Result {
	t.Helper()
	select {
	case <-r.Done():
		return r.Wait()
	case <-time.After(60 * time.Second):
		t.Fatalf("the run has not ended after 60s; verdict %q", r.View().Verdict)
		return nil
	}
}

// TestBombs lets every bomb go off in the middle of a step with a fault.
func TestBombs(t *testing.T) {
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			env, url := target(t)
			s := load(t, "bomb.star", fmt.Sprintf(`
def bomb():
    %s

def main():
    apply_chaos(fault.latency("1ms"), on = target("shop"))
    if time.now().year > 2000:
        bomb()
    sleep("1h")
`, bomb))
			r := start(t, s, app.RunOptions{Options: app.Options{Env: env, Isolate: true}})
			began := time.Now()
			res := result(t, r)
			took := time.Since(began)
			t.Logf("%s after %s: %s", res.Outcome.Reason, took.Round(time.Millisecond), res.Outcome.Message)
			if res.Outcome.Verdict != journal.VerdictErrored || !strings.HasPrefix(res.Outcome.Reason, "script_") {
				t.Errorf("got %v", res.Outcome.RunEndBody)
			}
			if left := r.LeftBehind(); len(left) != 0 || res.View.FaultsOn != 0 {
				t.Errorf("left on: %v, %d", left, res.View.FaultsOn)
			}
			if resp, err := http.Get(url); err == nil {
				resp.Body.Close()
				t.Error("the proxy still listens")
			}
			if n := children(t); n != 0 {
				t.Errorf("%d processes are left", n)
			}
			whole(t, res.Records)
		})
	}
}

// whole checks that a journal begins, ends, and leaves no effect open.
func whole(t testing.TB, recs []journal.Record) {
	t.Helper()
	open := map[journal.Place]bool{}
	for i, rec := range recs {
		switch rec.Kind {
		case journal.EffectStart, journal.StepBegin, journal.BranchBegin:
			open[rec.Place] = true
		case journal.EffectEnd, journal.StepEnd, journal.BranchEnd:
			delete(open, rec.Place)
		}
		if (rec.Kind == journal.RunBegin) != (i == 0) || (rec.Kind == journal.RunEnd) != (i == len(recs)-1) {
			t.Errorf("record %d of %d is %s", i, len(recs), rec.Kind)
		}
	}
	if len(open) > 0 {
		t.Errorf("still open: %v", open)
	}
}

// children counts the processes that this one has started and that have not ended.
func children(t testing.TB) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Skip("no /proc: processes cannot be counted")
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		n += len(strings.Fields(string(text)))
	}
	return n
}

// TestBombsBeforeTheStart are found by the plan that is made first: nothing is started.
func TestBombsBeforeTheStart(t *testing.T) {
	for _, name := range []string{"string", "one list", "nesting", "stuck"} {
		for where, text := range map[string]string{
			"top level": "def bomb():\n    %s\nbomb()\ndef main(): sleep(1)\n",
			"main":      "def main():\n    %s\n",
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				s := load(t, "bomb.star", fmt.Sprintf(text, bombs[name]))
				_, err := s.Start(app.RunOptions{Options: app.Options{Isolate: true}})
				var refused app.Refusals
				if !errors.As(err, &refused) || !strings.HasPrefix(refused[0].Code, "script_") {
					t.Fatalf("got %v, expected to be refused", err)
				}
				if n := children(t); n != 0 {
					t.Errorf("%d processes are left", n)
				}
			})
		}
	}
}

// ordinary uses what crosses the pipe: parameters, secrets, targets, faults, checks,
// branches, clean-ups, random numbers, failures.
const ordinary = `
orchestration(name = "ordinary", tags = ["a"])
n = param("n", default = 1)
token = secret("token")
url = param("url")

def main():
    on_exit(lambda: log("bye"))
    check("n", n, equals = 3)
    with_fault = step("slow", chaos = fault.latency("5ms"), on = target("shop"), min_hits = 1,
                      run = lambda: http.get(url, headers = {"Authorization": "Bearer " + token}).status)
    log("status", value = with_fault.value, dice = random.int(1, 1000000))
    def a(): sleep("2ms")
    def b(): log("b <&> \u2028 ü")
    parallel(a, b)
    loop(lambda i: log("turn %d" % i), times = 3)
    r = attempt(lambda: fail("no luck"))
    check("failed", r.ok, equals = False)
    record("figure", 1.5, unit = "ms")
`

// TestIsolatedIsTheSame runs a script both ways, in both worlds: the journals are equal
// but for times and what depends on them.
func TestIsolatedIsTheSame(t *testing.T) {
	t.Setenv("STARQUAKE_SECRET_TOKEN", "s3cr3t-text")
	env, url := target(t)
	s := load(t, "ordinary.star", ordinary)
	params, err := app.ParseParams([]string{"n=3", "url=" + url})
	if err != nil {
		t.Fatal(err)
	}
	run := func(isolate bool) string {
		r := start(t, s, app.RunOptions{Options: app.Options{Env: env, Params: params, Isolate: isolate}})
		res := result(t, r)
		if res.Outcome.Verdict != journal.VerdictPassed {
			t.Errorf("isolate %t: %v", isolate, res.Outcome.RunEndBody)
		}
		return timeless(t, res.Records)
	}
	if diff := cmp.Diff(run(false), run(true)); diff != "" {
		t.Errorf("real (-here +isolated):\n%s", diff)
	}
	plan := func(isolate bool) string {
		res, err := s.Plan(app.PlanOptions{Options: app.Options{Env: env, Params: params, Isolate: isolate}})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := journal.Write(&b, res.Records); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if diff := cmp.Diff(plan(false), plan(true)); diff != "" {
		t.Errorf("virtual (-here +isolated):\n%s", diff)
	}
}

// timeless writes records without what differs from run to run.
func timeless(t testing.TB, recs []journal.Record) string {
	t.Helper()
	var out strings.Builder
	for _, rec := range recs {
		rec.At = 0
		switch b := rec.Body.(type) {
		case *journal.RunBeginBody:
			c := *b
			c.Origin = time.Time{}
			rec.Body = &c
		case *journal.StepEndBody:
			c := *b
			c.Started = 0
			rec.Body = &c
		case *journal.EffectEndBody: // latencies and connection counts
			rec.Body = &journal.EffectEndBody{Error: b.Error}
		}
		line, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(line), "s3cr3t-text") {
			t.Errorf("a secret's text is in the journal: %s", line)
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.String()
}

// TestStopWhileItComputes: under Isolate and without, a stop takes the faults off at
// once, while the script computes in a builtin that nothing interrupts.
func TestStopWhileItComputes(t *testing.T) {
	for _, isolate := range []bool{false, true} {
		t.Run(strconv.FormatBool(isolate), func(t *testing.T) {
			env, _ := target(t)
			s := load(t, "stuck.star", `
def main():
    apply_chaos(fault.latency("1ms"), on = target("shop"))
    if time.now().year > 2000:
        x = range(3000000)
        for _ in range(3):
            y = sorted(x)
    sleep("1h")
`)
			r := start(t, s, app.RunOptions{Options: app.Options{Env: env, Isolate: isolate}})
			poll(t, "a fault to be on", func() bool { return r.View().FaultsOn == 1 || len(r.LeftBehind()) == 1 })
			time.Sleep(20 * time.Millisecond) // into the turn; a stop at any other time works as well
			began := time.Now()
			if err := r.Control(runtime.Control{Action: runtime.ActionStop, By: "tester"}); err != nil {
				t.Fatal(err)
			}
			poll(t, "the fault to be off", func() bool { return len(r.LeftBehind()) == 0 })
			off := time.Since(began)
			res := result(t, r)
			t.Logf("off after %s, ended after %s", off, time.Since(began))
			if off > 50*time.Millisecond {
				t.Errorf("the fault was off after %s", off)
			}
			if res.Outcome.Verdict != journal.VerdictStopped {
				t.Errorf("got %v", res.Outcome.RunEndBody)
			}
		})
	}
}

func poll(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for 30s: %s", what)
		}
	}
}
