//go:build !linux

package alarm

import "time"

// sysTimer is the runtime's timer where there is no timerfd.
type sysTimer struct {
	timer *time.Timer
	done  chan struct{}
}

func newSysTimer() (*sysTimer, error) {
	return &sysTimer{time.NewTimer(time.Hour), make(chan struct{})}, nil
}

// set makes wait return after d, and replaces what was set before.
func (t *sysTimer) set(d time.Duration) { t.timer.Reset(max(d, 0)) }

// wait returns true when the time set has come and false once the timer is closed.
func (t *sysTimer) wait() bool {
	select {
	case <-t.timer.C:
		return true
	case <-t.done:
		return false
	}
}

func (t *sysTimer) close() {
	t.timer.Stop()
	close(t.done)
}
