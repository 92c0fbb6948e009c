package effects

import (
	"os/exec"
	goruntime "runtime"
	"syscall"
)

// endsWithUs makes the kernel kill the program when this process dies, until the function that
// it gives is called. The kernel takes the end of the thread that started it for that: it is kept.
// A program that gains rights by being executed (sudo) goes on, as what others start does.
func endsWithUs(cmd *exec.Cmd) (done func()) {
	goruntime.LockOSThread()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return goruntime.UnlockOSThread
}
