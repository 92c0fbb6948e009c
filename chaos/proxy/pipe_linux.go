package proxy

import (
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// mostPipes returns how many pipes a proxy may have open.
func mostPipes() int {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0
	}
	return int(min(pipesMost, files.Cur/filesForPipes/2))
}

// pipe holds bytes that one socket has received and another is to send.
type pipe struct {
	of   *pipes
	r, w int // descriptors
	n    int // bytes in it
}

// siphon takes up to most of what waits in a socket into a pipe. It returns nil if that is
// too little to pay, or if no pipe can be had; it waits for nothing.
func (p *pipes) siphon(src *net.TCPConn, most int) (held *pipe, err error) {
	if most = min(most, pipeSize); most < pipeLeast {
		return nil, nil
	}
	raw, err := src.SyscallConn()
	if err != nil {
		return nil, err
	}
	// What ends a read before it begins ends the next one, which is not here.
	_ = raw.Read(func(fd uintptr) bool {
		n, ierr := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		if ierr != nil || n < pipeLeast {
			return true
		}
		n = min(n, most)
		if held = p.get(n); held != nil {
			if held.n, err = splice(int(fd), held.w, n); err == unix.EAGAIN {
				err = nil
			}
		}
		return true
	})
	if held != nil && held.n == 0 {
		held.close()
		held = nil
	}
	return held, err
}

// get makes a pipe for so many bytes, or returns nil. It is no larger than it has to be,
// since what a user may have in pipes is counted by their size.
func (p *pipes) get(n int) *pipe {
	if !p.add() {
		return nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		p.deny()
		return nil
	}
	if size, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, n); err != nil || size < n {
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		p.deny()
		return nil
	}
	return &pipe{of: p, r: fds[0], w: fds[1]}
}

// pour sends what the pipe has, as long as goes says so. r is that of the
// stream.
func (p *pipe) pour(dst *net.TCPConn, r *rush, goes func() bool) error {
	raw, err := dst.SyscallConn()
	if err != nil {
		return err
	}
	near(dst)
	var serr error
	err = raw.Write(func(fd uintptr) bool {
		serr = nil // it may have been that there was no room
		for p.n > 0 && goes() {
			var n int
			if n, serr = r.move()(p.r, int(fd), p.n); serr != nil {
				return serr != unix.EAGAIN
			}
			r.moved(n, time.Now())
			p.n -= n
		}
		return true
	})
	if err != nil {
		return err
	}
	return serr
}

// Read reads what the pipe has.
func (p *pipe) Read(b []byte) (int, error) {
	if p.n == 0 {
		return 0, io.EOF
	}
	for {
		n, err := unix.Read(p.r, b[:min(len(b), p.n)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		p.n -= n
		return n, nil
	}
}

func (p *pipe) close() {
	_, _ = unix.Close(p.r), unix.Close(p.w)
	p.of.remove()
}
