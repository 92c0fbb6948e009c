//go:build linux

package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/internal/porttest"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// A run under Isolate starts this program again: the test binary is then the child. It
// is asked here, before TestMain and any flag, as a main would.
var _ = func() bool {
	if app.IsIsolatedChild() {
		os.Exit(app.IsolatedChild())
	}
	if os.Getenv(parentVariable) != "" {
		beParent()
	}
	return true
}()

// parentVariable makes this program a parent that can be killed; see TestParentKilled.
const parentVariable = "STARQUAKE_TEST_PARENT"

// beParent starts a run under Isolate whose script is busy, and waits to be killed.
func beParent() {
	s, _ := app.LoadText("busy.star", []byte(busy))
	if _, err := s.Start(app.RunOptions{Options: app.Options{Isolate: true}}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

const busy = `
def main():
    if time.now().year > 2000:
        x = range(3000000)
        for _ in range(1000):
            y = sorted(x)
`

// bombs are what a hostile script does to its process. They go off in the real world
// only, unless now is "True".
var bombs = map[string]string{
	"string":   `x = ["x" * (1 << 29) for _ in range(64)]`,
	"one list": `x = [0] * 1000000000`,
	"lists":    `x = [[0] * 1000000 for _ in range(10000)]`,
	"doubling": "x = 'x'\n    for _ in range(60): x = x + x",
	"nesting":  "x = [()]\n    loop(lambda i: [x.append((x.pop(),)) for _ in range(500000)] and sleep(0.001), times = 8)\n    y = str(x)",
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
	listen := porttest.Free(t)
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

// notes counts reports of effects: the first is the proxy's, that it listens, the
// second the fault's, that it is on.
func notes(opt *app.RunOptions) (on <-chan struct{}) {
	c := make(chan struct{})
	n := 0
	opt.OnRecord = func(rec journal.Record) {
		if rec.Kind == journal.EffectNote {
			if n++; n == 2 {
				close(c)
			}
		}
	}
	return c
}

// result waits for the end.
func result(t testing.TB, r *app.Running) *app.Result {
	t.Helper()
	select {
	case <-r.Done():
		return r.Wait()
	case <-time.After(patience):
		t.Fatalf("the run has not ended after %s", patience)
		return nil
	}
}

// TestBombs lets every bomb go off in the middle of a step with a fault.
func TestBombs(t *testing.T) {
	// Each in a test process of its own: a child's peak is never below that of the process
	// which forked it, and other tests and bombs here have had large heaps and journals.
	alone := os.Getenv("STARQUAKE_TEST_ALONE")
	for name, bomb := range bombs {
		if alone != "" && alone != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if alone == "" {
				cmd := exec.Command(os.Args[0], "-test.run=^TestBombs$", "-test.timeout=5m")
				cmd.Env = append(os.Environ(), "STARQUAKE_TEST_ALONE="+name)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return
			}
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
			t.Logf("%s after %s: %s", res.Outcome.Reason, time.Since(began).Round(time.Millisecond), res.Outcome.Message)
			if res.Outcome.Verdict != journal.VerdictErrored || !blamed(res.Outcome.Reason) {
				t.Errorf("got %v", res.Outcome.RunEndBody)
			}
			if left := r.LeftBehind(); len(left) != 0 || res.View.FaultsOn != 0 {
				t.Errorf("left on: %v, %d", left, res.View.FaultsOn)
			}
			if resp, err := http.Get(url); err == nil {
				resp.Body.Close()
				t.Error("the proxy still listens")
			}
			if n := len(childPIDs(t)); n != 0 {
				t.Errorf("%d processes are left", n)
			}
			whole(t, res.Records)
			if peak := peakOfChildren(t); peak > memoryFactor<<30 {
				t.Errorf("the process used %d MiB", peak>>20)
			}
		})
	}
}

// blamed reports whether a code says what the script did.
func blamed(code string) bool {
	return code == runtime.CodeScriptMemory || code == runtime.CodeScriptTime || code == runtime.CodeScriptOutput
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

// childPIDs are the processes that this one has started and that have not ended.
func childPIDs(t testing.TB) []int {
	t.Helper()
	return pidsIn(t, "/proc/self/task/*/children")
}

func pidsIn(t testing.TB, pattern string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Skipf("no %s: processes cannot be counted", pattern)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpuTimeOfChildren is what the children that have not ended have taken of processors.
func cpuTimeOfChildren(t testing.TB) (d time.Duration) {
	t.Helper()
	for _, pid := range childPIDs(t) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ") // the third field comes next
		for _, ticks := range strings.Fields(after)[11:13] {
			n, err := strconv.Atoi(ticks)
			if err != nil {
				t.Fatal(err)
			}
			d += time.Duration(n) * (time.Second / 100)
		}
	}
	return d
}

// peakOfChildren is the most that any child that has ended had in memory.
func peakOfChildren(t testing.TB) int64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		t.Fatal(err)
	}
	return usage.Maxrss << 10
}

// TestBombsBeforeTheStart are found by the plan that is made first: nothing is started.
func TestBombsBeforeTheStart(t *testing.T) {
	for _, name := range []string{"string", "one list", "stuck"} {
		for where, text := range map[string]string{
			"top level": "def bomb():\n    %s\nbomb()\ndef main(): sleep(1)\n",
			"main":      "def main():\n    %s\n",
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				s := load(t, "bomb.star", fmt.Sprintf(text, bombs[name]))
				_, err := s.Start(app.RunOptions{Options: app.Options{Isolate: true}})
				var refused app.Refusals
				if !errors.As(err, &refused) || !blamed(refused[0].Code) {
					t.Fatalf("got %v, expected to be refused", err)
				}
				if n := len(childPIDs(t)); n != 0 {
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
		res, err := s.Plan(app.PlanOptions{Options: app.Options{Env: env, Params: params, Isolate: isolate}, Details: true})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		fmt.Fprintln(&b, res.NotTakenText(), res.Longest, res.Warnings)
		if err := journal.Write(&b, res.Records); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if diff := cmp.Diff(plan(false), plan(true)); diff != "" {
		t.Errorf("virtual (-here +isolated):\n%s", diff)
	}
}

// TestIsolatedPlanTells: the plan of a script in a process of its own knows as much of it
// as any other, where it has been and what it took for granted.
func TestIsolatedPlanTells(t *testing.T) {
	s := load(t, "tells.star", `
def main():
    wait_until(lambda: exec.run(["kubectl"]).ok, timeout = "1m")
    if now() == None:
        log("never")
    step("slow", duration = "1m", chaos = fault.latency("1s"), on = target("shop"))
    on_exit(lambda: log("late", url = service("web").url("/")))
    if elapsed() == duration(0):
        step("not now", duration = "1s")
    approve("go on?", timeout = "30m")
`)
	want := &app.Result{Longest: time.Minute + time.Minute + 30*time.Minute, Warnings: []string{
		`tells.star:6:75: target "shop" is not defined, and shop.invalid:1 → upstream.shop.invalid:1 stands for it; give it with --proxy shop=LISTEN,UPSTREAM or in --env`,
		`tells.star:7:46: service "web" is not defined, and http://web.invalid stands for it; name its address under services in --env`,
		`tells.star:3:32: run would refuse this: running kubectl is not permitted: the policy permits no program; --allow-exec=kubectl would permit it`,
	}}
	wantNotTaken := []string{`tells.star:4: if now() == None: log "never"`, `tells.star:8: if elapsed() == duration(0): step "not now"`}
	for _, isolate := range []bool{false, true} {
		res, err := s.Plan(app.PlanOptions{Options: app.Options{Isolate: isolate}, Details: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantNotTaken, res.NotTakenText()); diff != "" {
			t.Errorf("isolate %t: branches not taken (-want +got):\n%s", isolate, diff)
		}
		if diff := cmp.Diff(want.Warnings, res.Warnings); diff != "" || res.Longest != want.Longest {
			t.Errorf("isolate %t: the longest is %s, warnings (-want +got):\n%s", isolate, res.Longest, diff)
		}
	}
}

// timeless writes records without what differs from run to run.
func timeless(t testing.TB, recs []journal.Record) string {
	t.Helper()
	var out strings.Builder
	noted := map[journal.Place]bool{}
	for _, rec := range recs {
		if rec.Kind == journal.EffectNote { // a fault tells its counts again after a second
			if noted[rec.Place] {
				continue
			}
			noted[rec.Place] = true
		}
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
    x = [i * 7919 % 400009 for i in range(400000)] * `+strconv.Itoa(9/memoryFactor)+` # one call sorts that for a second or longer
    apply_chaos(fault.latency("1ms"), on = target("shop"))
    if time.now().year > 2000:
        y = sorted(x)
    sleep("1h")
`)
			r := start(t, s, app.RunOptions{Options: app.Options{Env: env, Isolate: isolate}})
			eventually(t, "a fault to be asked for", func() bool { return len(r.LeftBehind()) == 1 })
			worked := func() time.Duration { return cpuTime(t) }
			if isolate {
				worked = func() time.Duration { return cpuTimeOfChildren(t) }
			}
			// computes waits until the script has computed for a while, unless the run ends before.
			// Nothing else here takes so much of a processor.
			computes := func() (it bool) {
				from := worked()
				eventually(t, "the script or its end", func() bool {
					select {
					case <-r.Done():
						return true
					default:
					}
					it = worked()-from >= 200*time.Millisecond
					return it
				})
				return it
			}
			if !computes() {
				t.Fatal("the script does not compute")
			}
			if err := r.Control(runtime.Control{Action: runtime.ActionStop, By: "tester"}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the fault to be off", func() bool { return len(r.LeftBehind()) == 0 })
			// How soon it is, is a benchmark's business (ControlLatency in package runtime). What
			// waits for the script is off when that has computed.
			if !computes() {
				t.Error("the script computes no more now that the fault is off: it was waited for")
			}
			res := result(t, r)
			if res.Outcome.Verdict != journal.VerdictStopped {
				t.Errorf("got %v", res.Outcome.RunEndBody)
			}
		})
	}
}

// TestKilled kills the script's process from outside while the script sleeps.
func TestKilled(t *testing.T) {
	env, _ := target(t)
	s := load(t, "sleeper.star", `
def main():
    on_exit(lambda: log("bye"))
    step("held", run = lambda: sleep("1h"), chaos = fault.latency("1ms"), on = target("shop"))
`)
	opt := app.RunOptions{Options: app.Options{Env: env, Isolate: true}}
	on := notes(&opt)
	r := start(t, s, opt)
	<-on
	for _, pid := range childPIDs(t) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	res := result(t, r)
	// The clean-up could not run: somebody must be told.
	if res.Outcome.Verdict != journal.VerdictUnclean || res.Outcome.Reason != "cleanup_not_run" {
		t.Errorf("got %v", res.Outcome.RunEndBody)
	}
	if len(res.Outcome.Failures) != 1 || res.Outcome.Failures[0].Problem.Code != runtime.CodeScriptKilled {
		t.Errorf("failures %v", res.Outcome.Failures)
	}
	if res.View.FaultsOn != 0 || len(r.LeftBehind()) != 0 {
		t.Error("the fault is still on")
	}
	whole(t, res.Records)
}

// TestParentKilled kills the parent while the script computes: its process goes too.
func TestParentKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), parentVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "started\n" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("got %q, %v", line, err)
	}
	pids := pidsIn(t, fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if len(pids) != 1 {
		t.Fatalf("processes of the parent: %v", pids)
	}
	eventually(t, "the script's process to end", func() bool {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[0]))
		return err != nil || bytes.Contains(state, []byte(") Z ")) // nobody may wait for it here
	})
}

// TestProcessIsBare looks at what the script's process has got.
func TestProcessIsBare(t *testing.T) {
	t.Setenv("STARQUAKE_SECRET_TOKEN", "s3cr3t-text")
	s := load(t, "sleeper.star", `def main(): sleep("1h")`)
	r := start(t, s, app.RunOptions{Options: app.Options{Isolate: true}})
	pids := childPIDs(t)
	if len(pids) != 1 {
		t.Fatalf("processes: %v", pids)
	}
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pids[0], name))
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	if environ := read("environ"); environ != "STARQUAKE_ISOLATED=1\x00GOTRACEBACK=none\x00TZ=UTC\x00" {
		t.Errorf("environment %q", environ)
	}
	limits := read("limits")
	for _, limit := range []string{"Max open files +0 +0", "Max core file size +0 +0", "Max file size +0 +0", "Max data size +[0-9]+ +[0-9]+"} {
		if !regexp.MustCompile(limit).MatchString(limits) {
			t.Errorf("no limit %q in\n%s", limit, limits)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pids[0], f.Name()))
		if strings.HasPrefix(to, "socket:") {
			t.Errorf("descriptor %s is %s", f.Name(), to)
		}
	}
	if err := r.Control(runtime.Control{Action: runtime.ActionStop}); err != nil {
		t.Fatal(err)
	}
	if res := result(t, r); res.Outcome.Verdict != journal.VerdictStopped {
		t.Errorf("got %v", res.Outcome.RunEndBody)
	}
}

// TestIsolatedWithoutTemp runs a script where there is no folder for temporary files, as in a
// container that has nothing but the program.
func TestIsolatedWithoutTemp(t *testing.T) {
	s := load(t, "log.star", `def main(): log("there")`)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if res := result(t, start(t, s, app.RunOptions{Options: app.Options{Isolate: true}})); res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("got %v", res.Outcome.RunEndBody)
	}
}

// TestWatchFailsTheRun grows the heap of this process, without Isolate, in the real
// world and in the virtual one.
func TestWatchFailsTheRun(t *testing.T) {
	const grows = `
def main():
    sleep("1ms")
    on_exit(lambda: log("bye"))
    x = []
    if time.now().year >= %d:
        for i in range(200000):
            x.append("x" * (1 << 20))
            y = sorted(range(3000)) # time for the watch, not so much that the turn is over first
`
	limit := app.Options{MemoryLimit: 200 << 20}
	check := func(t *testing.T, res *app.Result) {
		t.Helper()
		if res.Outcome.Verdict != journal.VerdictErrored || res.Outcome.Reason != runtime.CodeScriptMemory {
			t.Errorf("got %v", res.Outcome.RunEndBody)
		}
		if len(res.View.Log) == 0 || res.View.Log[len(res.View.Log)-1].Message != "bye" {
			t.Error("the clean-up did not run")
		}
	}
	t.Run("real", func(t *testing.T) {
		check(t, result(t, start(t, load(t, "grows.star", fmt.Sprintf(grows, 2001)), app.RunOptions{Options: limit})))
	})
	t.Run("plan", func(t *testing.T) {
		res, err := load(t, "grows.star", fmt.Sprintf(grows, 2000)).Plan(app.PlanOptions{Options: limit})
		if err != nil {
			t.Fatal(err)
		}
		check(t, res)
	})
	t.Run("refused", func(t *testing.T) {
		_, err := load(t, "grows.star", fmt.Sprintf(grows, 2000)).Start(app.RunOptions{Options: limit})
		var refused app.Refusals
		if !errors.As(err, &refused) || refused[0].Code != runtime.CodeScriptMemory {
			t.Errorf("got %v", err)
		}
	})
}

// TestPlanEnds plans what would take for ever.
func TestPlanEnds(t *testing.T) {
	for name, body := range map[string]string{
		"turns":    `loop(lambda i: sleep("1us"), times = 1000000000)`,
		"clean-up": `on_exit(lambda: loop(lambda i: sleep("1ns"), times = 1000000000)); sleep("100h")`,
	} {
		for _, isolate := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", name, isolate), func(t *testing.T) {
				began := time.Now()
				res, err := load(t, "endless.star", "def main():\n    "+body+"\n").Plan(app.PlanOptions{Options: app.Options{Isolate: isolate}, MaxRecords: 20_000})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d records, %s, %v", len(res.Records), time.Since(began), res.Outcome.RunEndBody)
				if !res.Cut {
					t.Errorf("cut: %t, %v", res.Cut, res.Outcome.RunEndBody)
				}
			})
		}
	}
}

// BenchmarkIsolatedStart is a whole run under Isolate that does nothing: two processes,
// one for the plan that is made first.
func BenchmarkIsolatedStart(b *testing.B) {
	s := load(b, "nothing.star", `def main(): log("hello")`)
	for b.Loop() {
		result(b, start(b, s, app.RunOptions{Options: app.Options{Isolate: true}}))
	}
}

// BenchmarkIsolatedTurns is one virtual turn of a script under Isolate and without.
func BenchmarkIsolatedTurns(b *testing.B) {
	for _, isolate := range []bool{false, true} {
		b.Run(strconv.FormatBool(isolate), func(b *testing.B) {
			s := load(b, "turns.star", fmt.Sprintf("def main():\n    loop(lambda i: sleep(1), times = %d)\n", b.N))
			if _, err := s.Plan(app.PlanOptions{Options: app.Options{Isolate: isolate}, Horizon: 1 << 62, MaxRecords: 1 << 40}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
