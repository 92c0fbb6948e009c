package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/chaos/remote"
	"starquake/chaos/toxiproxy/toxiproxytest"
	"starquake/internal/porttest"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// sample is how many kills there are by default; STARQUAKE_CRASH=all kills at every point.
const sample = 50

// program is the binary under test.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "starquake")
	build := exec.Command("go", "build", "-tags", "crash", "-o", program, "starquake/cmd/starquake")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// service is what the scripts ask. It counts what must be asked at most once.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	posts map[string]int
}

func newService(t *testing.T) *service {
	s := &service{posts: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.mu.Lock()
			s.posts[r.URL.Path]++
			s.mu.Unlock()
		}
		fmt.Fprintln(w, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s
}

// lab is one script with its data folder.
type lab struct {
	t       *testing.T
	script  string
	data    string
	service *service
	proxy   string
	// plane is the API of a data plane in another process, with the target orders, for the
	// scripts that want one; clean says whether nothing is on there.
	plane string
	clean func() bool
	flags []string // more of `run`
}

// exec runs the program, which is killed at its n-th kill point, 0 for never, and returns
// its exit code, -1 if it was killed, and how many points it came by.
func (l *lab) exec(n int, args ...string) (code, points int, output string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 4*time.Minute)
	defer cancel()
	count := filepath.Join(l.data, "count")
	cmd := exec.CommandContext(ctx, program, append(args, "--data", l.data)...)
	cmd.Env = append(os.Environ(), "STARQUAKE_KILL_AT="+strconv.Itoa(n), "STARQUAKE_KILL_COUNT="+count)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		l.t.Fatalf("%v: %v\n%s", cmd.Args, err, out.Bytes())
	}
	if text, err := os.ReadFile(count); err == nil {
		points, _ = strconv.Atoi(string(text))
	}
	_ = os.Remove(count)
	code = cmd.ProcessState.ExitCode()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		code = -1
		if ws.Signal() != syscall.SIGKILL {
			l.t.Fatalf("%v: %v\n%s", cmd.Args, err, out.Bytes())
		}
	}
	return code, points, out.String()
}

func (l *lab) run(n int) (code, points int, output string) {
	args := append([]string{"run", l.script, "--seed", "7", "--param", "url=" + l.service.URL}, l.flags...)
	if l.plane != "" {
		args = append(args, "--param", "plane="+l.plane)
	}
	if strings.Contains(l.script, "chaos") {
		args = append(args, "--proxy", "shop="+l.proxy+","+strings.TrimPrefix(l.service.URL, "http://")+",http")
	}
	return l.exec(n, args...)
}

// journal reads the one run that the data folder has; nil if there is none.
func (l *lab) journal() (*store.Entry, []journal.Record) {
	l.t.Helper()
	st, err := store.Open(l.data, store.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer st.Close()
	runs, err := st.Runs(store.Filter{})
	if err != nil || len(runs) > 1 {
		l.t.Fatal(runs, err)
	}
	if len(runs) == 0 {
		return nil, nil
	}
	e, recs, err := st.Read(runs[0].ID)
	if err != nil {
		l.t.Fatal(err)
	}
	return &e, recs
}

// TestKill kills every script at its kill points, and the recovery after it as well.
func TestKill(t *testing.T) {
	if _, err := os.Stat(program); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/*.star")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	all := os.Getenv("STARQUAKE_CRASH") == "all"
	kills := 0
	for i, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".star"), func(t *testing.T) {
			whole := newLab(t, script)
			code, points, output := whole.run(0)
			if code != 0 {
				t.Fatalf("nobody killed it, and it ended %d:\n%s", code, output)
			}
			_, recs := whole.journal()
			want := branches(t, recs)
			stride := 1
			if !all {
				stride = max(1, points*len(scripts)/sample)
			}
			for n := 1 + i%stride; n <= points; n += stride {
				kills += killAt(t, script, n, want)
			}
		})
	}
	t.Logf("%d kills", kills)
}

// script writes a script.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.star")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newLab(t *testing.T, script string) *lab {
	l := &lab{t: t, script: script, data: t.TempDir(), service: newService(t), proxy: porttest.Free(t)}
	upstream := strings.TrimPrefix(l.service.URL, "http://")
	switch {
	case strings.Contains(script, "remote"):
		plane := admin.NewPlane(nil)
		if _, _, err := plane.Open(t.Context(), proxy.Config{Name: "orders", Listen: "127.0.0.1:0", Upstream: upstream, Protocol: "http"}); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(nil)
		server.Config = admin.NewServer(plane, admin.Options{})
		server.Start()
		t.Cleanup(func() {
			server.Close()
			if err := plane.Close(); err != nil {
				t.Error(err)
			}
		})
		l.plane = server.URL
		l.clean = func() bool {
			faults, err := plane.Faults("orders", "")
			return err == nil && len(faults) == 0
		}
	case strings.Contains(script, "toxic"):
		server := toxiproxytest.Start(t)
		server.Proxy("orders", upstream)
		l.plane = server.URL
		l.clean = func() bool { return server.Clean("orders") }
	}
	return l
}

// killAt kills a run at its n-th point, its recovery at a point that hangs on n, and
// lets another recovery end it.
func killAt(t *testing.T, script string, n int, want map[string][]string) (kills int) {
	l := newLab(t, script)
	code, _, output := l.run(n)
	if code == 0 { // fewer points than the time before: two writes were one
		return 0
	}
	kills++
	if code != -1 {
		t.Fatalf("killed at %d it ended %d:\n%s", n, code, output)
	}
	entry, before := l.journal()
	switch {
	case entry == nil:
		return kills // it died before it had begun, and nobody was told of it
	case len(before) == 0:
		if code, _, output = l.exec(0, "recover"); code != 4 || !strings.Contains(output, "nothing is on") {
			t.Fatalf("killed at %d, before it had begun, its recovery ended %d:\n%s", n, code, output)
		}
		return kills
	}
	if entry.Status == store.Ended {
		check(t, l, n, want, output)
		return kills
	}
	again, _, output := l.exec(1+n%7, "recover")
	if again == -1 {
		kills++
		if again, _, output = l.exec(0, "recover"); again == -1 {
			t.Fatal("nobody killed it")
		}
	}
	if again != 0 && !(again == 4 && strings.Contains(script, "once") && strings.Contains(output, "it may have been done, or not")) {
		t.Fatalf("killed at %d its recovery ended %d:\n%s", n, again, output)
	}
	check(t, l, n, want, output)
	return kills
}

// check compares what came of a run with that of one that nobody killed.
func check(t *testing.T, l *lab, n int, want map[string][]string, output string) {
	t.Helper()
	entry, recs := l.journal()
	if l.clean != nil && !l.clean() {
		t.Errorf("killed at %d there is a fault on at the data plane\n%s", n, output)
	}
	once := strings.Contains(l.script, "once") // what was under way is uncertain, and the script is told so
	if entry.End == nil || entry.End.Verdict != journal.VerdictPassed && !once {
		t.Fatalf("killed at %d it has no end, or the wrong one: %+v\n%s", n, entry.End, output)
	}
	for _, req := range runtime.OpenEffects(recs) {
		if req.Chaos {
			t.Errorf("killed at %d a fault has no end: %s", n, req.Args)
		}
	}
	for path, count := range l.service.posts {
		if count > 1 {
			t.Errorf("killed at %d %s was posted %d times", n, path, count)
		}
	}
	if diff := cmp.Diff(want, branches(t, recs)); diff != "" && !once {
		t.Errorf("killed at %d the journal differs (-want +got):\n%s\n%s", n, diff, output)
	}
	if code, _, output := l.exec(0, "replay", "last"); code != 0 {
		t.Errorf("killed at %d the journal does not replay (%d):\n%s", n, code, output)
	}
}

// branches are the records of each branch without what hangs on time, on the crash, and
// on how often was looked.
func branches(t *testing.T, recs []journal.Record) map[string][]string {
	t.Helper()
	by := map[string][]string{}
	watch := map[string]bool{}
	for _, rec := range recs {
		branch := rec.Place.Branch
		for b := range watch {
			if branch == b || strings.HasPrefix(branch, b+".") {
				branch = ""
			}
		}
		if begin, ok := rec.Body.(*journal.BranchBeginBody); ok && begin.Role == "watch" {
			watch[branch], branch = true, ""
		}
		switch rec.Kind {
		case journal.Control, journal.Guard, journal.Steady, journal.Timer, journal.RunBegin, journal.EffectNote:
			continue
		}
		if branch != "" {
			by[branch] = append(by[branch], fmt.Sprintf("%s %s %s", rec.Kind, rec.Place, timeless(t, rec)))
		}
	}
	return by
}

// timeless is the body of a record without what is another in every run.
func timeless(t *testing.T, rec journal.Record) string {
	t.Helper()
	text, err := json.Marshal(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if json.Unmarshal(text, &body) != nil {
		return string(text)
	}
	for _, name := range []string{"started", "late", "disturbed"} {
		delete(body, name)
	}
	if rec.Kind == journal.EffectStart { // the service and the proxy have other addresses
		delete(body, "args")
	}
	if e, ok := body["error"].(map[string]any); ok {
		if body["error"] = e["code"]; e["code"] == journal.CodeExpired { // it went off with its process
			delete(body, "error")
		}
	}
	if data, ok := body["data"].(map[string]any); ok {
		body["data"] = data["status"] // of an answer
	}
	if body["data"] == nil {
		delete(body, "data")
	}
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestFlags kills runs whose script has a process of its own, or whose time passes faster:
// they go on as they began.
func TestFlags(t *testing.T) {
	for _, flags := range [][]string{{"--isolate"}, {"--compress", "2"}} {
		t.Run(flags[0], func(t *testing.T) {
			const script = "testdata/parallel.star"
			whole := newLab(t, script)
			whole.flags = flags
			code, points, output := whole.run(0)
			if code != 0 {
				t.Fatal(code, output)
			}
			_, recs := whole.journal()
			want := branches(t, recs)
			for n := 5; n < points; n += max(1, points/5) {
				l := newLab(t, script)
				l.flags = flags
				if code, _, output := l.run(n); code != -1 {
					t.Fatalf("killed at %d it ended %d:\n%s", n, code, output)
				}
				if entry, recs := l.journal(); entry == nil || len(recs) == 0 || entry.Status == store.Ended {
					continue
				}
				code, _, output := l.exec(0, "recover")
				if code != 0 {
					t.Fatalf("killed at %d its recovery ended %d:\n%s", n, code, output)
				}
				check(t, l, n, want, output)
			}
		})
	}
}

// TestDivergence: a script that asks for something else than its journal has is ended at
// the first difference, and what it had put on is off.
func TestDivergence(t *testing.T) {
	l := newLab(t, "testdata/toxic.star")
	for n := 20; ; n++ {
		code, _, output := l.run(n)
		if code != -1 {
			t.Fatalf("no kill leaves a fault on:\n%s", output)
		}
		_, recs := l.journal()
		if len(recs) > 8 && slices.ContainsFunc(runtime.OpenEffects(recs), func(req runtime.Request) bool { return req.Chaos }) {
			break
		}
		l.data = t.TempDir()
	}
	files, err := filepath.Glob(filepath.Join(l.data, "runs", "*", "journal.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(text, []byte(`/through\"), chaos`), []byte(`/elsewhere\"), chaos`), 1) // in the script
	if bytes.Equal(changed, text) {
		t.Fatal("the script is not in the journal")
	}
	if err := os.WriteFile(files[0], changed, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, output := l.exec(0, "recover")
	if code != journal.VerdictErrored.ExitCode() || !strings.Contains(output, "differs: the journal has") || !strings.Contains(output, "/elsewhere") || !l.clean() {
		t.Errorf("it ended %d, clean: %v\n%s", code, l.clean(), output)
	}
	if entry, _ := l.journal(); entry.Status != store.Ended || entry.End.Reason != "diverged" {
		t.Errorf("it is %s, %+v", entry.Status, entry.End)
	}
	if code, _, output := l.exec(0, "recover"); code != 0 || !strings.Contains(output, "no run was interrupted") {
		t.Errorf("once more it ended %d:\n%s", code, output)
	}
}

// TestNextStart: what a killed run has left on is off after the next start of another,
// where nobody was left to take it off; the run itself can still be recovered.
func TestNextStart(t *testing.T) {
	l := newLab(t, "testdata/toxic.star")
	for n := 1; ; n++ {
		code, _, output := l.run(n)
		if code != -1 {
			t.Fatalf("no kill leaves a fault on:\n%s", output)
		}
		_, recs := l.journal()
		if slices.ContainsFunc(runtime.OpenEffects(recs), func(req runtime.Request) bool { return req.Chaos }) {
			break
		}
		l.data = t.TempDir()
	}
	other := script(t, "log(\"hello\")\n")
	if code, _, output := l.exec(0, "run", other); code != 0 || !strings.Contains(output, "was interrupted") || !l.clean() {
		t.Fatalf("the next run ended %d, clean: %v\n%s", code, l.clean(), output)
	}
	if code, _, output := l.exec(0, "recover"); code != 0 || !l.clean() {
		t.Errorf("its recovery ended %d, clean: %v\n%s", code, l.clean(), output)
	}
}

// TestLeaseRunsOut: a fault on a data plane in another process is gone within its time to
// live and two seconds, although the run that put it on is dead and nobody recovers it.
func TestLeaseRunsOut(t *testing.T) {
	if os.Getenv("STARQUAKE_CRASH") != "all" {
		t.Skip("it takes 15 seconds: make crash does it")
	}
	l := newLab(t, "testdata/remote.star")
	for n := 1; l.clean(); n++ {
		l.data = t.TempDir()
		if code, _, output := l.run(n); code != -1 {
			t.Fatalf("no kill leaves a fault on:\n%s", output)
		}
	}
	dead := time.Now()
	for !l.clean() {
		if time.Since(dead) > remote.TTL+2*time.Second {
			t.Fatalf("after %s it is still on", time.Since(dead))
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("gone after %s", time.Since(dead).Round(time.Millisecond))
}
