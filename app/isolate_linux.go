package app

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ownProgram is the file that this process executes, also if it was replaced since.
func ownProgram() (string, error) { return "/proc/self/exe", nil }

// isolateProcess: a group of its own, so that a terminal's Ctrl-C is for us alone, and
// killed with us.
func isolateProcess(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// wasKilled reports whether a signal ended the process that says nothing against it.
func wasKilled(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM)
}

// processorTime is what a process has used up so far; 0 is this one.
func processorTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	// What clock_getcpuclockid gives: the clock of a process by its number.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// confine sets this process's limits for good. Memory is bounded twice, each above what
// the process has now, which with the race detector is terabytes. RLIMIT_DATA counts what
// can be written to, but the kernel does not ask for it where a mapping takes the place
// of another, as Go's do that were reserved before. RLIMIT_AS counts what is reserved,
// which is more: thread stacks and arenas that are hardly used.
func confine(memory int64, cpu time.Duration) error {
	data, err := mapped("VmData:")
	if err != nil {
		return err
	}
	space, err := mapped("VmSize:")
	if err != nil {
		return err
	}
	// What the process has at its start is mostly address space that it never touches, but
	// garbage can come to lie there: it counts only so far.
	data = min(data, untouched)
	seconds := uint64(max(1, cpu.Round(time.Second)/time.Second))
	used := make(chan os.Signal, 1)
	signal.Notify(used, unix.SIGXCPU)
	go func() {
		<-used
		fmt.Fprintln(os.Stderr, cpuSign)
		os.Exit(1)
	}()
	for _, l := range []struct {
		resource    int
		limit, hard uint64
	}{
		{unix.RLIMIT_DATA, data + uint64(memory), 0},
		{unix.RLIMIT_AS, space + uint64(memory) + reserved, 0},
		{unix.RLIMIT_CPU, seconds, seconds + cpuToTell},
		{unix.RLIMIT_CORE, 0, 0},
		{unix.RLIMIT_FSIZE, 0, 0},
		{unix.RLIMIT_NOFILE, 0, 0}, // those that are open stay open
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.limit, Max: max(l.limit, l.hard)}); err != nil {
			return fmt.Errorf("setting limit %d to %d: %w", l.resource, l.limit, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("giving up privileges: %w", err)
	}
	return nil
}

// cpuToTell is how many seconds of processor time a process has to say that it has used up
// what it may, before the kernel kills it.
const cpuToTell = 5

// untouched is how much of a new process's memory is counted as never used, in bytes.
const untouched = 300 << 20

// reserved is how much more address space than memory a process may take, in bytes.
const reserved = 256 << 20

// mapped is a figure of this process's memory, in bytes: VmData is what RLIMIT_DATA
// counts, VmSize what RLIMIT_AS counts.
func mapped(figure string) (uint64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the process's memory: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), figure); ok {
			kilobytes, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("reading the process's memory: /proc/self/status has no %s", figure)
}
