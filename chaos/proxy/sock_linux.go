package proxy

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// deafen makes a listener refuse connections and keep its address. On Linux shutdown
// takes a listening socket back to bound; a client then gets ECONNREFUSED, and what had
// connected without being accepted is reset.
//
// A bound socket that lets its address be reused does not keep it: others that let
// theirs be reused, as Go's listeners do, could take it and listen. So reuse is off
// meanwhile, and on again before listening, when connections that the listener has
// accepted still have the address.
func deafen(l *net.TCPListener) error {
	return onSocket(l, "stop listening", func(fd int) error {
		if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0)
	})
}

// undeafen makes a listener listen again.
func undeafen(l *net.TCPListener) error {
	return onSocket(l, "listen again", func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
		return unix.Listen(fd, unix.SOMAXCONN)
	})
}

// canDeafen is nil where a listener can refuse connections and keep its address.
func canDeafen() error { return nil }

func onSocket(s syscall.Conn, what string, do func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err == nil {
		var derr error
		if err = raw.Control(func(fd uintptr) { derr = do(int(fd)) }); err == nil {
			err = derr
		}
	}
	if err != nil {
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	return nil
}

// untilHangup blocks until the peer has ended its side or reset the connection, which
// it returns true for, or until the read deadline has passed or the connection is
// closed. It reads nothing: what the peer has sent stays to be read.
func untilHangup(conn side) bool {
	raw, err := socketOf(conn).SyscallConn()
	if err != nil {
		return false
	}
	hungUp := false
	err = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, perr := unix.Poll(poll, 0)
		hungUp = perr == nil && n > 0 && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
		return hungUp
	})
	return err == nil && hungUp
}
