//go:build !linux

package app

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

func ownProgram() (string, error) { return os.Executable() }

// Elsewhere the child ends when its pipe does, and only the watch bounds its memory.

func isolateProcess(*exec.Cmd) {}

func wasKilled(*os.ProcessState) bool { return false }

func processorTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

func confine(int64, time.Duration) error { return nil }
