package alarm

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sysTimer is a timerfd that is waited for in the runtime's poller.
type sysTimer struct {
	fd   int
	file *os.File
}

func newSysTimer() (*sysTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return &sysTimer{fd, os.NewFile(uintptr(fd), "timerfd")}, nil
}

// set makes wait return after d, and replaces what was set before. The caller
// excludes close.
func (t *sysTimer) set(d time.Duration) {
	d = max(d, 1) // 0 would switch the timer off
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	// It can only fail for a bad argument, and there is none.
	_ = unix.TimerfdSettime(t.fd, 0, &spec, nil)
}

// wait returns true when the time set has come and false once the timer is closed.
func (t *sysTimer) wait() bool {
	var expirations [8]byte
	_, err := t.file.Read(expirations[:])
	return err == nil
}

func (t *sysTimer) close() { _ = t.file.Close() }
