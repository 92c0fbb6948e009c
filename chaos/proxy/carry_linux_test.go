package proxy

import (
	"bufio"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// A socket says when it has nothing more, and that the end is something.
func TestInboxTellsWhetherThatIsAll(t *testing.T) {
	c, accepted := connected(t)
	raw, err := accepted.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var x inbox
	// read reads when all that the client has sent is there.
	read := func(size, sent int, ended bool) (n int, all bool) {
		err := raw.Read(func(fd uintptr) (done bool) {
			there, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			if _, perr := unix.Poll(poll, 0); err != nil || perr != nil {
				t.Error(err, perr)
			} else if there < sent || ended != (poll[0].Revents&unix.POLLRDHUP != 0) {
				return false
			}
			n, all, done, err = x.tryRead(fd, make([]byte, size))
			if !done || err != nil {
				t.Errorf("done %v, %v", done, err)
			}
			return true
		})
		if err != nil {
			t.Error(err)
		}
		return n, all
	}
	send(t, c, "hello")
	if n, all := read(100, 5, false); n != 5 || all {
		t.Errorf("first: %d, %v; the socket was not asked yet", n, all)
	}
	send(t, c, "hello")
	if n, all := read(100, 5, false); n != 5 || !all {
		t.Errorf("second: %d, %v; want all of 5 bytes", n, all)
	}
	send(t, c, "hello")
	if n, all := read(3, 5, false); n != 3 || all {
		t.Errorf("in parts: %d, %v; want 3 bytes that are not all", n, all)
	}
	c.CloseWrite()
	if n, all := read(100, 2, true); n != 2 || all {
		t.Errorf("with the end: %d, %v; want 2 bytes that are not all", n, all)
	}
}

// What is urgent for TCP is nothing to the proxy: it wakes nobody for good, and keeps nobody
// from being woken.
func TestUrgentData(t *testing.T) {
	p := startRechecking(t, startPaths(t), never)
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	urgent := func() {
		cerr := raw.Control(func(fd uintptr) { err = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
		if err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
	}
	for i := range 200 {
		if i%3 == 2 {
			urgent()
		}
		send(t, c, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		if i%3 == 1 {
			urgent()
		}
		if _, body := readResponse(t, r, "GET"); body != fmt.Sprint("/", i) {
			t.Fatalf("request %d: got %q", i, body)
		}
	}
	c.CloseWrite()
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("the client reads %v, want the end", err)
	}
}
