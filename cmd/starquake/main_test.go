package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"starquake/builtins"
	"starquake/internal/demo"
	"starquake/internal/freeport"
)

func TestMain(m *testing.M) {
	programs := maps.Clone(standIns)
	programs["starquake"] = main
	testscript.Main(m, programs)
}

// TestScript runs testdata/script. Besides the commands of testscript there are:
//
//	demo                        starts the demo service: $DEMO is its URL, $DEMO_ADDR its
//	                            address, $LISTEN one that is free
//	exits CODE ARG...           runs starquake, which must end with exactly that code
//	spawn NAME ARG...           starts starquake; its output goes to NAME.out and NAME.err
//	awaits FILE REGEXP          waits until the file has it
//	signal NAME INT|TERM|KILL   sends a signal
//	ends NAME CODE              waits for the end of NAME, with that code
//	json FILE PATH REGEXP       looks at a value of a JSON file (stdout, …): a.b.0.c
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("USER", "tester")
			env.Setenv("TERM", "xterm")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process of a -race build sleeps for a second
			jobs := &jobs{running: map[string]*job{}}
			env.Values["jobs"] = jobs
			env.Defer(jobs.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"demo": startDemo, "exits": exits, "spawn": spawn, "awaits": awaits, "signal": sendSignal, "ends": ends, "json": lookJSON,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// patience is how long anything may take: no test passes or fails by the clock.
const patience = 4 * time.Minute

func usage(ts *testscript.TestScript, neg, ok bool, form string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", form)
	}
}

func startDemo(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 0, "demo")
	s, err := demo.Start(context.Background(), "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = s.Close() })
	listen, err := freeport.Address()
	ts.Check(err)
	ts.Setenv("DEMO", s.URL())
	ts.Setenv("DEMO_ADDR", s.Addr())
	ts.Setenv("LISTEN", listen)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	const form = "exits [tries=N] CODE ARG..."
	usage(ts, neg, len(args) > 1, form)
	tries := 1 // more are for runs with limits that a busy machine breaks
	if n, ok := strings.CutPrefix(args[0], "tries="); ok {
		var err error
		tries, err = strconv.Atoi(n)
		ts.Check(err)
		args = args[1:]
	}
	usage(ts, neg, len(args) > 1, form)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := -1
	for ; tries > 0 && got != want; tries-- {
		got = 0
		err = ts.Exec("starquake", args[1:]...)
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			got = exit.ExitCode()
		case err != nil:
			ts.Fatalf("%v", err)
		}
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// job is a starquake in the background.
type job struct {
	cmd   *exec.Cmd
	files []*os.File
	done  chan struct{}
}

type jobs struct {
	mu      sync.Mutex
	running map[string]*job
}

func (j *jobs) kill() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, job := range j.running {
		_ = job.cmd.Process.Kill()
		<-job.done
	}
}

func (j *jobs) get(ts *testscript.TestScript, name string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running[name] == nil {
		ts.Fatalf("nothing was spawned as %s", name)
	}
	return j.running[name]
}

func jobsOf(ts *testscript.TestScript) *jobs { return ts.Value("jobs").(*jobs) }

func spawn(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) > 1, "spawn NAME ARG...")
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, "starquake"); path == "" {
			if _, err := os.Stat(p); err == nil {
				path = p
			}
		}
	}
	j := &job{cmd: exec.Command(path, args[1:]...), done: make(chan struct{})}
	j.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "XDG_STATE_HOME", "USER", "TMPDIR", "GOCOVERDIR", "GORACE", "STARQUAKE_URL"} {
		if v := ts.Getenv(name); v != "" {
			j.cmd.Env = append(j.cmd.Env, name+"="+v)
		}
	}
	for _, ext := range []string{".out", ".err"} {
		f, err := os.Create(ts.MkAbs(args[0] + ext))
		ts.Check(err)
		j.files = append(j.files, f)
	}
	j.cmd.Stdout, j.cmd.Stderr = j.files[0], j.files[1]
	ts.Check(j.cmd.Start())
	go func() {
		defer close(j.done)
		_ = j.cmd.Wait() // ends looks at the state
		for _, f := range j.files {
			f.Close()
		}
	}()
	all := jobsOf(ts)
	all.mu.Lock()
	all.running[args[0]] = j
	all.mu.Unlock()
}

func awaits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "awaits FILE REGEXP")
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var content []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if content, _ = os.ReadFile(ts.MkAbs(args[0])); want.Match(content) {
			return
		}
	}
	ts.Fatalf("%s does not have %q:\n%s", args[0], args[1], content)
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	const form = "signal NAME INT|TERM|KILL, or with its children, on Linux: signal NAME KILLALL"
	usage(ts, neg, len(args) == 2, form)
	if args[1] == "KILLALL" { // children first: what they would do at its end they do not
		args[1] = "KILL"
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", jobsOf(ts).get(ts, args[0]).cmd.Process.Pid))
		for _, list := range lists {
			for pid := range strings.FieldsSeq(ts.ReadFile(list)) {
				n, err := strconv.Atoi(pid)
				ts.Check(err)
				if err = syscall.Kill(n, syscall.SIGKILL); err != syscall.ESRCH { // it has just ended
					ts.Check(err)
				}
			}
		}
	}
	sig, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]
	usage(ts, false, ok, form)
	ts.Check(jobsOf(ts).get(ts, args[0]).cmd.Process.Signal(sig))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "ends NAME CODE")
	j := jobsOf(ts).get(ts, args[0])
	select {
	case <-j.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end", args[0])
	}
	if got := strconv.Itoa(j.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("%s ended with %s, want %s\n%s\n%s", args[0], got, args[1], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

func lookJSON(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 3, "json FILE PATH REGEXP")
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	if dec.More() {
		ts.Fatalf("%s: more than one JSON value", args[0])
	}
	for part := range strings.SplitSeq(args[1], ".") {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[part]
			if !ok {
				ts.Fatalf("%s: no %q on the way to %s", args[0], part, args[1])
			}
			v = next
		case []any:
			n, err := strconv.Atoi(part)
			if part == "length" {
				v = json.Number(strconv.Itoa(len(in)))
			} else if err != nil || n >= len(in) {
				ts.Fatalf("%s: %s: a list of %d has no %s", args[0], args[1], len(in), part)
			} else {
				v = in[n]
			}
		default:
			ts.Fatalf("%s: %s: %v has no %s", args[0], args[1], v, part)
		}
	}
	got := fmt.Sprint(v)
	if ok, err := regexp.MatchString("^(?:"+args[2]+")$", got); err != nil || !ok {
		ts.Fatalf("%s: %s is %q, want %q", args[0], args[1], got, args[2])
	}
}

// TestReferenceUpToDate compares docs/reference/builtins.md with the table.
func TestReferenceUpToDate(t *testing.T) {
	want, err := builtins.Reference(builtins.Table())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/reference/builtins.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/reference/builtins.md is not that of the table of builtins: make docs writes it")
	}
}
