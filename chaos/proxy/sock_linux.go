package proxy

import (
	"errors"
	"fmt"
	"io"
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
	up := false
	err = raw.Read(func(fd uintptr) bool {
		up = hungUp(fd)
		return up
	})
	return err == nil && up
}

// hasHungUp is untilHangup without waiting.
func hasHungUp(conn side) bool {
	raw, err := socketOf(conn).SyscallConn()
	if err != nil {
		return false
	}
	up := false
	err = raw.Control(func(fd uintptr) { up = hungUp(fd) })
	return err == nil && up
}

// toldOther reports whether a connection that no FIN was sent on is over, and whoever else uses
// it has been told why.
func toldOther(conn side) bool {
	told := false
	_ = onSocket(socketOf(conn), "look", func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.State != unix.BPF_TCP_CLOSE {
			return err
		}
		why, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		told = err == nil && why == 0
		return err
	})
	return told
}

func hungUp(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0 && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// readNow and writeNow are system calls on sockets that do not block, so the scheduler
// is not told of them: it would take a processor away from a goroutine whose write is
// being delivered to a neighbour on the same machine, which takes longer than it waits,
// and bring up another thread. recvfrom and sendto are read and write of sockets without
// what those do for files: a tenth less. b is not empty.
func readNow(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func writeNow(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// inbox reads from a socket that tells how much it still has.
type inbox struct {
	deaf bool // it does not tell
	msg  *inboxMessage
}

// inboxMessage is what a system call fills in.
type inboxMessage struct {
	head unix.Msghdr
	part unix.Iovec
	told struct {
		unix.Cmsghdr
		left int32
	}
}

// tryRead is like the function of that name. all: the socket has nothing more by now, nor
// is that the end, so that the poller will tell of whatever comes next; but it does not
// tell of a reset that came together with what was read.
func (x *inbox) tryRead(fd uintptr, b []byte) (n int, all, done bool, err error) {
	if x.msg == nil {
		if n, done, err = tryRead(fd, b, false); n > 0 && !x.deaf { // it is worth while: more comes after the first
			if x.deaf = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1) != nil; !x.deaf {
				x.msg = new(inboxMessage)
			}
		}
		return n, false, done, err
	}
	n, left, errno := x.msg.receive(fd, b)
	switch {
	case errno == syscall.EAGAIN:
		return 0, false, false, nil
	case errno != 0:
		return 0, false, true, errno
	case n == 0:
		return 0, false, true, io.EOF
	}
	return n, left == 0 && n < len(b), true, nil
}

// receive reads, and returns how much is left to read: -1 if that is not told.
func (m *inboxMessage) receive(fd uintptr, b []byte) (n, left int, errno syscall.Errno) {
	m.part.Base = unsafe.SliceData(b)
	m.part.SetLen(len(b))
	m.head = unix.Msghdr{Iov: &m.part, Control: (*byte)(unsafe.Pointer(&m.told))}
	m.head.SetIovlen(1)
	var got uintptr
	for again := true; again; again = errno == syscall.EINTR {
		m.head.SetControllen(int(unsafe.Sizeof(m.told)))
		got, _, errno = syscall.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.head)), unix.MSG_DONTWAIT)
	}
	m.part.Base = nil // b goes to others
	left = -1
	if m.head.Controllen > 0 && m.told.Level == unix.IPPROTO_TCP && m.told.Type == unix.TCP_CM_INQ {
		left = int(m.told.left)
	}
	return int(got), left, errno
}
