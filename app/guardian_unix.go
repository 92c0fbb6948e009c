//go:build unix

package app

import (
	"os/exec"
	"os/signal"
	"syscall"
)

// ownSession: what a terminal sends to its processes does not reach the guardian.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// deaf makes this process ignore what would end it before its work is done; only SIGKILL
// does.
func deaf() { signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE) }
