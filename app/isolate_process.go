package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"starquake/runtime"
)

// scriptProcess is a child process that executes a script: its interpreter and its
// scheduler, and nothing else.
type scriptProcess struct {
	cmd    *exec.Cmd
	in     *os.File // what we say to it
	out    *os.File // what it says
	stderr tail
	exited chan struct{} // closed when it has been waited for

	mu   sync.Mutex
	cpu  time.Duration  // the processor time that it may use up
	ours bool           // it was killed by us
	blow *runtime.Death // why, if there was a reason
}

// startScriptProcess starts the same program again, as a child with a clean
// environment and no descriptors but three pipes.
func startScriptProcess() (*scriptProcess, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the script's process: %w", err)
	}
	defer childIn.Close()
	out, childOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("starting the script's process: %w", err)
	}
	defer childOut.Close()
	p := &scriptProcess{in: in, out: out, exited: make(chan struct{})}
	program, err := ownProgram()
	if err == nil {
		p.cmd = &exec.Cmd{
			Path: program, Args: []string{"starquake", isolatedCommand}, Env: []string{isolatedVariable + "=1", "GOTRACEBACK=none", "TZ=UTC"},
			Dir:   "/", // of nobody's, and there also where nothing else is, as in a container of the program alone
			Stdin: childIn, Stdout: childOut, Stderr: &p.stderr,
		}
		isolateProcess(p.cmd)
		err = p.start()
	}
	if err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("starting the script's process: %w", err)
	}
	return p, nil
}

// start starts and waits for the process on a thread of its own: the kernel takes the
// end of the thread that started a child for the death of the parent.
func (p *scriptProcess) start() error {
	started := make(chan error)
	go func() {
		goruntime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // ProcessState tells
			close(p.exited)
		}
	}()
	return <-started
}

// used gives the processor time that the process has used up, or nil where it cannot be
// known while the process goes on.
func (p *scriptProcess) used() func() time.Duration {
	pid := p.cmd.Process.Pid
	if _, err := processorTime(pid); err != nil {
		return nil
	}
	return func() time.Duration {
		used, _ := processorTime(pid) // it has ended: nobody waits for its turn
		return used
	}
}

// kill ends the process; the first reason is the one.
func (p *scriptProcess) kill(why *runtime.Death) {
	p.mu.Lock()
	if p.ours = true; p.blow == nil {
		p.blow = why
	}
	p.mu.Unlock()
	_ = p.cmd.Process.Kill() // it may have ended by itself
}

// killedByOthers reports whether somebody else has killed the process, which has ended.
func (p *scriptProcess) killedByOthers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ours && wasKilled(p.cmd.ProcessState) && !cpuUsedUp(p.cmd.ProcessState, p.cpu)
}

// cpuSign is what a process says when it has used up the processor time that it may.
const cpuSign = "the processor time is used up"

// cpuUsedUp reports whether a process that was killed had come to the limit of its processor
// time, and had not got to say so: the kernel kills it some time later.
func cpuUsedUp(state *os.ProcessState, limit time.Duration) bool {
	return limit > 0 && wasKilled(state) && state.UserTime()+state.SystemTime() >= limit
}

// close ends the process, waits for it, and closes the pipes.
func (p *scriptProcess) close() {
	p.kill(nil)
	<-p.exited
	p.in.Close()
	p.out.Close()
}

// died waits for the end of the process and says why it came.
func (p *scriptProcess) died(readErr error) runtime.Death {
	p.mu.Lock()
	blow := p.blow
	p.mu.Unlock()
	_ = p.cmd.Process.Kill() // nobody can talk to it any more
	<-p.exited
	if blow != nil {
		return *blow
	}
	said := p.stderr.String()
	for _, sign := range memorySigns {
		if strings.Contains(said, sign) {
			return runtime.Death{Code: runtime.CodeScriptMemory, Script: true, Message: "the script used up the memory of its process; keep less, or raise the limit"}
		}
	}
	if strings.Contains(said, cpuSign) || cpuUsedUp(p.cmd.ProcessState, p.cpu) {
		return runtime.Death{Code: runtime.CodeScriptTime, Script: true, Message: "the script used up the processor time of its process; compute less, or raise the limit"}
	}
	msg := "the script's process ended before its run did: " + p.cmd.ProcessState.String()
	if line, _, _ := strings.Cut(said, "\n"); line != "" {
		msg += ": " + line
	}
	if errors.Is(readErr, os.ErrDeadlineExceeded) {
		msg += ": " + readErr.Error()
	}
	return runtime.Death{Code: runtime.CodeScriptKilled, Message: msg}
}

// memorySigns are what a Go program says when the kernel refuses it memory. A
// segmentation fault is among them: not every part of Go's runtime looks whether it got
// what it asked for, and nothing but the runtime can cause one.
var memorySigns = []string{
	"out of memory", "cannot allocate memory", "stack overflow", "failed to create new OS thread", "pthread_create failed", "failed to reserve", "SIGSEGV: segmentation violation",
	"ThreadSanitizer failed to allocate", "too many address space collisions for -race mode",
}

// tail keeps the first kilobytes of what a process writes to its standard error, which
// is where a Go program says what it dies of.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const maxTail = 8 << 10

// Write keeps what fits and takes the rest.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text.Write(p[:min(len(p), maxTail-t.text.Len())])
	return len(p), nil
}

// String gives what was kept, without control characters.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(t.text.String(), "?"))
}
