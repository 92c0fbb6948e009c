//go:build unix

package proxy

import (
	"io"
	"net"
	"syscall"
)

// waitRead reads once, like in.src.Read, and takes a buffer only once there is
// something to read: an idle connection has none. It makes the system calls that Read
// makes, no more.
func (in *reader) waitRead() (n int, err error) {
	if in.raw == nil {
		tcp, ok := in.src.(*net.TCPConn)
		if !ok {
			return in.waitSecure(in.src.(*secureSide))
		}
		if in.raw, err = tcp.SyscallConn(); err != nil {
			return 0, err
		}
		in.ready = in.tryRead // made once: a method value is an allocation
	}
	if err := in.raw.Read(in.ready); err != nil {
		return 0, err
	}
	return in.n, in.err
}

// tryRead reports whether the read is done; if not it is called again when there is
// something to read.
func (in *reader) tryRead(fd uintptr) bool {
	in.ensure()
	var all, done bool
	if long := in.n > brief; in.courier == nil || long { // what comes after much is most likely much again
		in.n, done, in.err = tryRead(fd, in.buf, long)
	} else {
		in.n, all, done, in.err = in.inbox.tryRead(fd, in.buf)
	}
	in.note()
	if all {
		in.w = in.n
		in.err = in.courier.carry(in)
		done = in.w > 0 || in.err != nil
		in.n, in.w = in.w, 0 // as if it had just been read: whoever waits adds it
	}
	if !done {
		in.release()
	}
	return done
}

// tryRead reads what there is, which may take long. It is not done if there is nothing yet.
func tryRead(fd uintptr, b []byte, long bool) (n int, done bool, err error) {
	read := readNow
	if long {
		read = readLong
	}
	for {
		n, errno := read(fd, b)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return 0, false, nil
		case errno != 0:
			return 0, true, errno
		case n == 0:
			return 0, true, io.EOF
		}
		return n, true, nil
	}
}

// Read reads once, as r.src.Read does.
func (r *receiver) Read(b []byte) (n int, err error) {
	tcp, ok := r.src.(*net.TCPConn)
	if !ok || len(b) == 0 {
		return r.src.Read(b)
	}
	if r.raw == nil {
		if r.raw, err = tcp.SyscallConn(); err != nil {
			return 0, err
		}
		r.ready = func(fd uintptr) (done bool) {
			r.n, done, r.err = tryRead(fd, r.b, r.n > brief)
			return done
		}
	}
	r.b, r.err = b, nil
	err = r.raw.Read(r.ready)
	r.b = nil
	if err != nil {
		return 0, err
	}
	return r.n, r.err
}

// readLong is readNow with the scheduler's being told.
func readLong(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), b)
	if errno, ok := err.(syscall.Errno); ok {
		return 0, errno
	}
	return n, 0
}

// Write writes all of b, as w.dst.Write does.
func (w *writer) Write(b []byte) (n int, err error) {
	if len(b) == 0 || len(b) > brief {
		return w.dst.Write(b)
	}
	return w.write(b)
}

// now writes what of b can be written without waiting, to a connection that is one of TCP.
// An error comes again when it is used once more.
func (w *writer) now(b []byte) (n int) {
	w.once = true
	n, _ = w.write(b)
	w.once = false
	return n
}

func (w *writer) write(b []byte) (n int, err error) {
	tcp, ok := w.dst.(*net.TCPConn)
	if !ok {
		return w.dst.Write(b)
	}
	if w.raw == nil {
		if w.raw, err = tcp.SyscallConn(); err != nil {
			return 0, err
		}
		w.ready = w.tryWrite
	}
	w.b, w.n, w.err = b, 0, nil
	err = w.raw.Write(w.ready)
	w.b = nil
	if err == nil {
		err = w.err
	}
	return w.n, err
}

// tryWrite reports whether the write is done; if not it is called again when there is
// room for more.
func (w *writer) tryWrite(fd uintptr) bool {
	for w.n < len(w.b) {
		n, errno := writeNow(fd, w.b[w.n:])
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return w.once
		case errno != 0:
			w.err = errno
			return true
		case n == 0:
			w.err = io.ErrShortWrite
			return true
		default:
			w.n += n
		}
	}
	return true
}
