//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"starquake/internal/freeport"
)

// server is a program that runs until it is ended. It runs below a guard (see guard),
// which ends it when our pipe to the guard closes: also when we are killed.
type server struct {
	name  string
	guard *exec.Cmd
	leash io.Closer
	group int // the process group that the program and its children are
	log   string
}

// start starts a program, and waits until all of ready accept connections.
func (b *bench) start(ctx context.Context, name string, command []string, ready ...string) (*server, error) {
	s := &server{name: name, log: filepath.Join(b.dir, name+".log")}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.guard = exec.Command(b.self, append([]string{"guard"}, command...)...)
	s.guard.Stderr = log
	// A signal from the keyboard is ours: the servers end when we say so.
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := s.guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.leash = stdin
	stdout, err := s.guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.guard.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b.servers = append(b.servers, s)
	if _, err := fmt.Fscan(stdout, &s.group); err != nil {
		return nil, fmt.Errorf("%s did not start: %s", name, s.said())
	}
	for _, addr := range ready {
		if err := s.await(ctx, addr); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// await waits until a server accepts connections.
func (s *server) await(ctx context.Context, addr string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) || !s.lives() {
			return fmt.Errorf("%s does not listen on %s: %w; it said: %s", s.name, addr, err, s.said())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *server) lives() bool { return syscall.Kill(-s.group, 0) == nil }

// said returns the end of what the program printed.
func (s *server) said() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	return string(text[max(0, len(text)-2000):])
}

// end ends the program and all its children.
func (s *server) end() error {
	_ = s.leash.Close() // the guard sees it, or has ended
	err := s.guard.Wait()
	if s.group > 0 && s.lives() {
		err = errors.Join(err, fmt.Errorf("process group %d still lives", s.group))
	}
	if err != nil {
		return fmt.Errorf("ending %s: %w", s.name, err)
	}
	return nil
}

// guard runs a program as a process group of its own, prints its number, and kills it
// when the standard input ends.
func guard(args []string) error {
	if len(args) == 0 {
		return errors.New("expected a program")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(cmd.Process.Pid)
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is for the one who uses it to notice
		close(ended)
	}()
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	// Children of the program are not ours to wait for; they have been told.
	for deadline := time.Now().Add(5 * time.Second); syscall.Kill(-cmd.Process.Pid, 0) == nil && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// usage is what a process group has used.
type usage struct {
	cpu  time.Duration
	user time.Duration // of cpu
	rss  int64         // bytes
}

// clockTick is the unit of CPU time in /proc: 100 a second on every Linux there is.
const clockTick = 10 * time.Millisecond

// use returns what the program and its children use.
func (s *server) use() (u usage, err error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name of a program may have anything in it; fields count from after it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 22 || fields[2] != strconv.Itoa(s.group) {
			continue
		}
		number := func(i int) int64 {
			n, _ := strconv.ParseInt(fields[i], 10, 64) // the kernel wrote it
			return n
		}
		u.user += time.Duration(number(11)) * clockTick
		u.cpu += time.Duration(number(11)+number(12)) * clockTick
		u.rss += number(21) * int64(os.Getpagesize())
	}
	return u, nil
}

// command runs a program to its end and returns what it printed. limit bounds it.
func command(ctx context.Context, limit time.Duration, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		said := strings.TrimSpace(stderr.String() + stdout.String())
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, said[max(0, len(said)-1000):])
	}
	return stdout.String(), nil
}

// dieWithParent has a child killed when we are.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// freeAddrs returns addresses on which nobody listens.
func freeAddrs(n int) (addrs []string, err error) {
	for range n {
		addr, err := freeport.Address()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// port returns that of an address.
func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // which is one of ours
	return port
}
