//go:build unix

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// readerPoll is how often is looked whether the run has ended by itself.
const readerPoll = 200 * time.Millisecond

// readerGone waits until the other end of f, a pipe or a socket, is closed, and reports
// whether that came before done.
func readerGone(f *os.File, done <-chan struct{}) bool {
	// No event is asked for: that nobody can read is reported all the same.
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	for {
		_, err := unix.Poll(fds, int(readerPoll.Milliseconds()))
		select {
		case <-done:
			return false
		default:
		}
		switch {
		case err == unix.EINTR:
		case err != nil || fds[0].Revents&unix.POLLNVAL != 0:
			return false // it is nothing that can be watched
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			return true
		}
	}
}
