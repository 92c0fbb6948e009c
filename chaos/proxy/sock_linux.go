package proxy

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listenConfig has accepted connections inherit from the listener that they are kept
// alive, as Go would have set it for each: four system calls less for a connection.
func listenConfig() net.ListenConfig {
	options := []struct{ level, option, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	}
	return net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		cerr := raw.Control(func(fd uintptr) {
			for _, o := range options {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), o.level, o.option, o.value))
			}
		})
		return errors.Join(cerr, err)
	}}
}

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

// readNow and writeNow are system calls on sockets that do not block, so the scheduler
// is not told of them: it would take a processor away from a goroutine whose write is
// being delivered to a neighbour on the same machine, which takes longer than it waits,
// and bring up another thread. b is not empty.
func readNow(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func writeNow(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
