package effects

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// KindExec runs a program. Its answer is an ExecAnswer, also where the program
// failed, was forbidden, or does not exist.
const KindExec = "exec"

// What a program gets where its arguments say nothing.
const (
	DefaultExecTimeout = time.Minute
	DefaultMaxOutput   = 1 << 20
)

// ExecArgs are the arguments of kind "exec".
type ExecArgs struct {
	// Argv is the program and its arguments. No shell reads it.
	Argv []string `json:"argv"`
	// Env is added to a clean environment, which has PATH and HOME of this process
	// and LANG=C.UTF-8. Names that would put other code into the program (PATH, LD_…,
	// BASH_ENV, PYTHON…: see bringsCode) are refused unless the policy permits every program.
	Env map[string]string `json:"env,omitempty"`
	// Timeout ends the program and all it started. 0 is DefaultExecTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Dir is the working directory; "" is that of this process.
	Dir string `json:"dir,omitempty"`
	// Stdin is what the program reads; StdinBase64 is it where it is no UTF-8.
	Stdin       string `json:"stdin,omitempty"`
	StdinBase64 []byte `json:"stdin_base64,omitempty"`
	// MaxOutput bounds standard output and standard error, each. What is beyond is
	// read and dropped, so that the program does not block. 0 is DefaultMaxOutput.
	MaxOutput int64 `json:"max_output,omitempty"`
	// PlannedCode is the exit code of the planned answer, the one that is expected.
	PlannedCode int `json:"planned_code,omitempty"`
	// Simulated is laid over the planned answer.
	Simulated json.RawMessage `json:"simulated,omitempty"`

	// leaves says that what the program leaves running when it ends by itself stays.
	leaves bool
	// endsWithUs says that the program is killed if this process is.
	endsWithUs bool
}

// ExecAnswer is the answer of kind "exec".
type ExecAnswer struct {
	// Code is the exit code, -1 where there is none: not started, or ended by a signal.
	Code int `json:"code"`
	// Stdout and Stderr are what it wrote; the other two are it where it is no UTF-8.
	Stdout       string `json:"stdout,omitempty"`
	Stderr       string `json:"stderr,omitempty"`
	StdoutBase64 []byte `json:"stdout_base64,omitempty"`
	StderrBase64 []byte `json:"stderr_base64,omitempty"`
	// Truncated says that one of them was longer than MaxOutput.
	Truncated bool          `json:"truncated,omitempty"`
	Elapsed   time.Duration `json:"elapsed"`
	// Signal is the signal that ended the program, for example "SIGKILL".
	Signal string `json:"signal,omitempty"`
	// Error says why it did not start ("denied", "not_found", "invalid", "failed") or
	// was ended ("timeout"). A program that ends by itself leaves it nil.
	Error *journal.EffectError `json:"error,omitempty"`
}

// execer runs programs under a policy.
type execer struct {
	allow  []string
	within *execer // of Policy.Within; may be nil
	err    error   // why the policy permits nothing, where it is malformed
	grace  time.Duration
	opts   Options
}

// newExecer makes the execer of Effects.
func newExecer(policy Policy, opts Options) *execer {
	x := &execer{allow: policy.AllowExec, err: validateExec(policy.AllowExec), grace: opts.ExecGrace, opts: opts}
	if x.grace <= 0 {
		x.grace = 2 * time.Second
	}
	if policy.Within != nil {
		x.within = newExecer(*policy.Within, opts)
	}
	return x
}

// performExec is the performer of KindExec.
func (e *Effects) performExec(ctx context.Context, call *runtime.Call) (any, error) {
	var args ExecArgs
	if err := decodeArgs(KindExec, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.exec.run(ctx, &args)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindExec)
	}
	return answer, nil
}

// run runs a program until it and, unless it may leave something, its process group are gone.
// Its answer is hidden.
func (x *execer) run(ctx context.Context, args *ExecArgs) *ExecAnswer {
	start := time.Now()
	answer := &ExecAnswer{Code: -1}
	if err := x.execute(ctx, args, answer); err != nil {
		answer.Error = x.opts.hideProblem(asProblem(err, CodeFailed))
	}
	answer.Elapsed = time.Since(start)
	return answer
}

// execute is run without the frame around it.
func (x *execer) execute(ctx context.Context, args *ExecArgs, answer *ExecAnswer) error {
	path, err := x.find(args.Argv)
	if err != nil {
		return err
	}
	env, err := x.environment(args.Env)
	if err != nil {
		return err
	}
	timeout, limit := args.Timeout, args.MaxOutput
	if timeout <= 0 {
		timeout = DefaultExecTimeout
	}
	if limit <= 0 {
		limit = DefaultMaxOutput
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "%s did not end within %s", args.Argv[0], units.FormatDuration(timeout)))
	defer cancel()

	cmd := exec.CommandContext(ctx, path)
	cmd.Args, cmd.Env, cmd.Dir = args.Argv, env, args.Dir
	if stdin := args.StdinBase64; stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	} else if args.Stdin != "" {
		cmd.Stdin = strings.NewReader(args.Stdin)
	}
	stdout, stderr := capture{limit: limit + x.slack()}, capture{limit: limit + x.slack()}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ownGroup(cmd)
	if args.endsWithUs {
		defer endsWithUs(cmd)()
	}
	var interrupted atomic.Bool
	cmd.Cancel = func() error {
		interrupted.Store(true)
		return endGroup(cmd)
	}
	cmd.WaitDelay = x.grace // after it, and after the program's end, no pipe is waited for

	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return problem(CodeFailed, "starting %s: %v", args.Argv[0], unwrapPath(err))
	}
	err = cmd.Wait()
	if !args.leaves || interrupted.Load() {
		killGroup(cmd) // what the program left behind, and what ignored the polite signal
	}

	var cutOut, cutErr bool
	answer.Stdout, answer.StdoutBase64, cutOut = x.text(&stdout, limit)
	answer.Stderr, answer.StderrBase64, cutErr = x.text(&stderr, limit)
	answer.Truncated = cutOut || cutErr
	answer.Code = cmd.ProcessState.ExitCode()
	answer.Signal = signalOf(cmd.ProcessState)
	var exit *exec.ExitError
	switch {
	case interrupted.Load():
		return context.Cause(ctx) // whatever code it then chose
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return nil
	}
	return fmt.Errorf("running %s: %w", args.Argv[0], err)
}

// slack is how far beyond the limit output is kept to search it for secrets.
func (x *execer) slack() int64 {
	if x.opts.Redact == nil {
		return 1
	}
	return secretSlack
}

// text is the captured output, without secrets and cut to limit.
func (x *execer) text(c *capture, limit int64) (text string, raw []byte, cut bool) {
	return cutText([]byte(x.opts.hide(string(c.bytes()))), limit)
}

// checkExec is the Check of KindExec.
func (e *Effects) checkExec(raw json.RawMessage) error {
	var args ExecArgs
	if err := decodeArgs(KindExec, raw, &args); err != nil {
		return err
	}
	if _, err := e.exec.find(args.Argv); err != nil {
		return err
	}
	_, err := e.exec.environment(args.Env)
	return err
}

// planExec is the planner of KindExec: the code that is expected and no output.
func planExec(req *runtime.Request) (runtime.Planned, error) {
	answer := json.RawMessage(`{"code":0,"elapsed":10000000}`)
	if mentions(req.Args, "planned_code") {
		var args struct {
			PlannedCode int `json:"planned_code"`
		}
		if err := json.Unmarshal(req.Args, &args); err != nil {
			return runtime.Planned{}, problem(CodeInvalid, "arguments of exec: %v", err)
		}
		answer = fmt.Appendf(nil, `{"code":%d,"elapsed":%d}`, args.PlannedCode, plannedElapsed)
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedExec is what a simulated ExecAnswer may contain.
func simulatedExec() *simulation {
	return &simulation{
		answer: func() any { return new(ExecAnswer) },
		adapt: func(fields map[string]json.RawMessage) error {
			if _, failed := fields["error"]; failed && fields["code"] == nil {
				fields["code"] = json.RawMessage("-1")
			}
			return nil
		},
	}
}

// unwrapPath takes off a *fs.PathError, which repeats the path.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
