//go:build unix

package effects

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sh is a command for the shell.
func sh(script string) []string { return []string{"sh", "-c", script} }

func TestExec(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STARQUAKE_TEST_LEAK", "leaked")
	tests := []struct {
		name string
		args ExecArgs
		want ExecAnswer
		code string
	}{
		{name: "output", args: ExecArgs{Argv: sh("echo out; echo err >&2")}, want: ExecAnswer{Stdout: "out\n", Stderr: "err\n"}},
		{name: "a bad code is an answer", args: ExecArgs{Argv: sh("exit 3")}, want: ExecAnswer{Code: 3}},
		{name: "no shell reads arguments", args: ExecArgs{Argv: []string{"printf", "%s", "$HOME;ls"}}, want: ExecAnswer{Stdout: "$HOME;ls"}},
		{name: "input", args: ExecArgs{Argv: []string{"cat"}, Stdin: "in"}, want: ExecAnswer{Stdout: "in"}},
		{name: "input as bytes", args: ExecArgs{Argv: []string{"cat"}, StdinBase64: []byte{0xff}}, want: ExecAnswer{StdoutBase64: []byte{0xff}}},
		{name: "input that nobody reads", args: ExecArgs{Argv: []string{"true"}, Stdin: strings.Repeat("x", 1<<20)}},
		{name: "no input", args: ExecArgs{Argv: []string{"cat"}}},
		{name: "folder", args: ExecArgs{Argv: sh("pwd -P"), Dir: dir}, want: ExecAnswer{Stdout: must(filepath.EvalSymlinks(dir)) + "\n"}},
		{name: "clean environment", args: ExecArgs{Argv: sh("echo $STARQUAKE_TEST_LEAK $LANG $GIVEN"), Env: map[string]string{"GIVEN": "given"}},
			want: ExecAnswer{Stdout: "C.UTF-8 given\n"}},
		{name: "output is cut", args: ExecArgs{Argv: sh("printf 0123456789"), MaxOutput: 4}, want: ExecAnswer{Stdout: "0123", Truncated: true}},
		{name: "output is not cut", args: ExecArgs{Argv: sh("printf 0123"), MaxOutput: 4}, want: ExecAnswer{Stdout: "0123"}},
		{name: "ended by a signal", args: ExecArgs{Argv: sh("kill -9 $$")}, want: ExecAnswer{Code: -1, Signal: "SIGKILL"}},
		{name: "time-out", args: ExecArgs{Argv: sh("echo begun; exec sleep 600"), Timeout: time.Second},
			want: ExecAnswer{Code: -1, Stdout: "begun\n", Signal: "SIGTERM"}, code: CodeTimeout},
		{name: "a time-out that is taken politely", args: ExecArgs{Argv: sh("exec 2>/dev/null; trap 'exit 0' TERM; echo begun; while :; do sleep 0.01; done"), Timeout: time.Second},
			want: ExecAnswer{Stdout: "begun\n"}, code: CodeTimeout},
		{name: "endless output", args: ExecArgs{Argv: []string{"yes"}, Timeout: time.Second, MaxOutput: 4},
			want: ExecAnswer{Code: -1, Stdout: "y\ny\n", Truncated: true, Signal: "SIGTERM"}, code: CodeTimeout},
		{name: "no such program", args: ExecArgs{Argv: []string{"no-such-program"}}, want: ExecAnswer{Code: -1}, code: CodeNotFound},
		{name: "no such folder", args: ExecArgs{Argv: []string{"true"}, Dir: dir + "/none"}, want: ExecAnswer{Code: -1}, code: CodeFailed},
		{name: "bad variable", args: ExecArgs{Argv: []string{"true"}, Env: map[string]string{"A=B": "c"}}, want: ExecAnswer{Code: -1}, code: CodeInvalid},
	}
	e := newEffects(t, open(), Options{ExecGrace: soon})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.args.Timeout == 0 {
				test.args.Timeout = soon
			}
			got := mustPerform[ExecAnswer](t, e, KindExec, test.args)
			for got.Stdout == "" && test.want.Stdout != "" && test.args.Timeout < soon { // a busy machine needs longer to begin it
				test.args.Timeout *= 2
				got = mustPerform[ExecAnswer](t, e, KindExec, test.args)
			}
			if got.Code != test.want.Code || got.Stdout != test.want.Stdout || got.Stderr != test.want.Stderr ||
				string(got.StdoutBase64) != string(test.want.StdoutBase64) || got.Truncated != test.want.Truncated ||
				got.Signal != test.want.Signal || codeIn(got.Error) != test.code {
				t.Errorf("got  %+v, error %v\nwant %+v, error code %q", got, got.Error, test.want, test.code)
			}
			if got.Elapsed <= 0 {
				t.Errorf("elapsed %s", got.Elapsed)
			}
		})
	}
}

// TestExecEnvBringsNoCode: a permitted program that is a script does what it says, whatever a
// script of ours puts into its environment.
func TestExecEnvBringsNoCode(t *testing.T) {
	bash, err := findOnPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	mark, file := filepath.Join(dir, "mark"), filepath.Join(dir, "file")
	program := filepath.Join(dir, "program")
	for name, text := range map[string]string{program: "#!" + bash + "\ngreet() { :; }\necho hello; true\n", file: "touch " + mark} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := "touch " + mark
	for _, env := range []map[string]string{
		{"BASH_FUNC_echo%%": "() { " + run + "; }"}, {"BASH_ENV": file}, {"SHELLOPTS": "xtrace", "PS4": "$(" + run + ")"},
		{"NODE_OPTIONS": "--require " + file}, {"PYTHONPATH": dir}, {"PERL5OPT": "-Mx"}, {"GIT_SSH_COMMAND": run}, {"JAVA_TOOL_OPTIONS": "-agentpath:x"},
	} {
		e := newEffects(t, Policy{AllowExec: []string{program}}, Options{})
		got := mustPerform[ExecAnswer](t, e, KindExec, ExecArgs{Argv: []string{program}, Env: env})
		if codeIn(got.Error) != CodeDenied {
			t.Errorf("%v: %+v, want it denied", env, got)
		}
		if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v executed something else: %v", env, err)
		}
	}
	for name, policy := range map[string]Policy{"AWS_PROFILE": {AllowExec: []string{program}}, "BASH_ENV": {AllowExec: []string{"*"}}} {
		e := newEffects(t, policy, Options{})
		if got := mustPerform[ExecAnswer](t, e, KindExec, ExecArgs{Argv: []string{program}, Env: map[string]string{name: "x"}}); got.Stdout != "hello\n" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExecDeniedStartsNothing(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	for _, test := range []struct {
		name  string
		allow []string
		args  ExecArgs
	}{
		{"program", []string{"ls"}, ExecArgs{Argv: []string{"touch", mark}}},
		{"path of a program with a permitted name", []string{"touch"}, ExecArgs{Argv: []string{must(findOnPath("touch")), mark}}},
		{"other code in a permitted program", []string{"touch"}, ExecArgs{Argv: []string{"touch", mark}, Env: map[string]string{"LD_PRELOAD": "/tmp/x.so"}}},
		{"another path for its children", []string{"touch"}, ExecArgs{Argv: []string{"touch", mark}, Env: map[string]string{"PATH": "/tmp"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEffects(t, Policy{AllowExec: test.allow}, Options{})
			got := mustPerform[ExecAnswer](t, e, KindExec, test.args)
			if codeIn(got.Error) != CodeDenied || got.Code != -1 {
				t.Errorf("code %d, error %v; want -1 and %q", got.Code, got.Error, CodeDenied)
			}
			if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the program ran: %v", err)
			}
		})
	}
}

// family is a shell that ignores SIGTERM, with children that ignore it too and hold
// its output. It writes their numbers to a fifo once all have begun.
const family = `trap '' TERM
sh -c 'trap "" TERM; while :; do sleep 0.05; done' & one=$!
sh -c 'trap "" TERM; sleep 600' & two=$!
echo $$ $one $two > "$FIFO"
`

func TestExecLeavesNobodyBehind(t *testing.T) {
	tests := []struct {
		name    string
		script  string
		timeout time.Duration
		stop    bool   // the run stops it
		code    string // of the error in the answer, or of the effect
	}{
		{name: "time-out", script: family + "wait", timeout: 2 * time.Second, code: CodeTimeout},
		{name: "stopped", script: family + "wait", timeout: soon, stop: true, code: CodeStopped},
		{name: "ends before its children", script: family + "exit 0", timeout: soon},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newEffects(t, open(), Options{})
			perform := func(timeout time.Duration) (pids []int, code string) {
				return familyOf(t, e, test.script, timeout, test.stop)
			}
			pids, code := perform(test.timeout)
			for timeout := test.timeout; pids == nil && timeout < soon; { // a busy machine needs longer to begin them
				timeout *= 2
				pids, code = perform(timeout)
			}
			if code != test.code {
				t.Errorf("the code is %q, want %q", code, test.code)
			}
			if len(pids) != 3 {
				t.Fatalf("the family told the numbers %v, expected three", pids)
			}
			for _, pid := range pids {
				if !gone(pid) {
					t.Errorf("process %d survives", pid)
				}
			}
		})
	}
}

// familyOf performs a script that writes numbers of processes to a fifo, and stops it then if
// asked to. It returns them, nil where the script came to its end before it wrote them, and
// the code of the error in the answer, or of the effect.
func familyOf(t *testing.T, e *Effects, script string, timeout time.Duration, stop bool) ([]int, string) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	told, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	members := make(chan []int, 1)
	go func() {
		members <- readNumbers(told)
		if stop {
			cancel()
		}
	}()
	got, failed := perform[ExecAnswer](t, ctx, e, KindExec, ExecArgs{Argv: sh(script), Timeout: timeout, Env: map[string]string{"FIFO": fifo}})
	if _, err := told.WriteString("\n"); err != nil { // there may be no other line
		t.Fatal(err)
	}
	return <-members, codeIn(got.Error) + code(failed)
}

// readNumbers reads a line of numbers, nil if there are none.
func readNumbers(from io.Reader) []int {
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return nil
	}
	var numbers []int
	for _, field := range strings.Fields(line) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// gone waits until a process is dead: killed ones take a moment, and an orphan whose
// new parent does not reap it stays as a zombie, which is dead enough.
func gone(pid int) bool {
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return true
		}
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if _, state, ok := strings.Cut(string(stat), ") "); err == nil && ok && (state[0] == 'Z' || state[0] == 'X') {
			return true
		}
	}
	return false
}

// findOnPath finds a program.
func findOnPath(name string) (string, error) {
	return (&execer{allow: []string{"*"}}).find([]string{name})
}

// must is v where err cannot be.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
