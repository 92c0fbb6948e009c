//go:build !unix

package effects

import (
	"os"
	"os/exec"
)

// Where there are no process groups the program alone is ended.

func ownGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func killGroup(cmd *exec.Cmd) {}

func signalOf(*os.ProcessState) string { return "" }
