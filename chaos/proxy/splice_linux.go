package proxy

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tries is how often a relay that finds nothing to read, or no room, lets others run before
// it waits. They are most likely those who write and read the stream: it goes on as soon as
// they have, and no processor falls asleep, whose waking costs more than the copying. Where
// nobody else wants to run it takes 2 µs. Only what is in a rush does it.
const tries = 4

// nearBuffer is how much lies on its way between two ends on this host: four of the segments
// that the loopback device carries. More would be out of the processor's cache by the time
// it is read; of less than two the last would wait for a delayed acknowledgement.
const nearBuffer = 128 << 10

// nearTrip is how many microseconds a packet and its acknowledgement take at most between ends
// that are near. Within a host it is some 20, unless somebody delays what goes over the loopback
// device (netem) or a tunnel takes it elsewhere: the buffer would then be all that moves in such
// a time.
const nearTrip = 200

// spliceN has the kernel relay most bytes, or those that come before an error or io.EOF. It
// is io.CopyN, which has the kernel relay too, for processors that are busy: see tries and
// nearBuffer. r is that of the stream.
func spliceN(dst, src *net.TCPConn, most int64, r *rush) (done int64, err error) {
	t := tubes.Get().(*tube)
	if t == nil {
		return io.CopyN(dst, src, most)
	}
	defer t.leave()
	from, err := src.SyscallConn()
	if err != nil {
		return 0, err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return 0, err
	}
	near(dst)
	for move := splice; done < most; move = r.move() { // the first wait is Go's: other connections get their turn
		if err := t.take(from, most-done, move); err != nil {
			return done, err
		}
		n := t.n
		if err := t.give(to, r.move()); err != nil {
			return done, err
		}
		r.moved(n, time.Now())
		done += int64(n)
	}
	return done, nil
}

// near keeps what waits between two ends on this host small. Where a network is in between
// the buffer is what Linux makes it.
func near(dst *net.TCPConn) {
	if !withinHost(dst.LocalAddr().(*net.TCPAddr).IP, dst.RemoteAddr().(*net.TCPAddr).IP) {
		return
	}
	// Where it is refused the relay is as good as without.
	_ = onSocket(dst, "set its buffer", func(fd int) error {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Min_rtt > nearTrip {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, nearBuffer)
	})
}

// withinHost reports whether two ends of a connection are on this host.
func withinHost(here, there net.IP) bool { return there.IsLoopback() || there.Equal(here) }

// tube is a pipe that relays.
type tube struct {
	r, w int
	n    int // bytes in it
}

// tubes are those that nobody uses, all of them empty, until the garbage collector takes
// them. It gives nil where none can be made.
var tubes = sync.Pool{New: func() any {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return (*tube)(nil)
	}
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize) // a smaller one relays too
	t := &tube{r: fds[0], w: fds[1]}
	runtime.SetFinalizer(t, (*tube).close)
	return t
}}

// leave ends a use. Bytes that could not be sent are nobody else's.
func (t *tube) leave() {
	if t.n > 0 {
		runtime.SetFinalizer(t, nil)
		t.close()
		return
	}
	tubes.Put(t)
}

func (t *tube) close() { _, _ = unix.Close(t.r), unix.Close(t.w) }

// take waits until there is something to read, and takes what there is, up to most.
func (t *tube) take(from syscall.RawConn, most int64, move func(from, to, most int) (int, error)) error {
	var serr error
	err := from.Read(func(fd uintptr) bool {
		t.n, serr = move(int(fd), t.w, int(min(most, pipeSize)))
		return serr != unix.EAGAIN
	})
	switch {
	case err != nil:
		return err
	case serr != nil:
		return os.NewSyscallError("splice", serr)
	case t.n == 0:
		return io.EOF
	}
	return nil
}

// give sends what the tube has.
func (t *tube) give(to syscall.RawConn, move func(from, to, most int) (int, error)) error {
	var serr error
	err := to.Write(func(fd uintptr) bool {
		for t.n > 0 {
			var sent int
			if sent, serr = move(t.r, int(fd), t.n); serr != nil {
				return serr != unix.EAGAIN
			}
			t.n -= sent
		}
		return true
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("splice", serr)
}

// move returns what moves the next bytes of a stream.
func (r *rush) move() func(from, to, most int) (int, error) {
	if r.on() {
		return spliceSoon
	}
	return splice
}

// yields is held by the one relay of the process that lets others run. With more of them
// there would be no processor left on which Go runs anything else, and they would wait for
// one another.
var yields sync.Mutex

// spliceSoon is splice that tries again, unless another relay is at it: see tries.
func spliceSoon(from, to, most int) (n int, err error) {
	if n, err = splice(from, to, most); err != unix.EAGAIN || !yields.TryLock() {
		return n, err
	}
	defer yields.Unlock()
	for i := 0; i < tries && err == unix.EAGAIN; i++ {
		// Go's scheduler is not told: it would take away what this thread runs.
		_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		n, err = splice(from, to, most)
	}
	return n, err
}

// splice moves bytes between a socket and a pipe. It moves none at the end of the stream,
// and says EAGAIN where there is nothing yet, or no room.
func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		switch err {
		case nil:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, err
		}
	}
}
