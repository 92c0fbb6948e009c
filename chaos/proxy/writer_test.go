package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// tcpPair returns the two ends of a connection.
func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// A writer waits for a receiver that is slow, and loses nothing: its writes come up
// against a full socket in the middle of a piece.
func TestWriterWaits(t *testing.T) {
	from, to := tcpPair(t)
	if err := errors.Join(from.SetWriteBuffer(32<<10), to.SetReadBuffer(32<<10)); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 1<<20)
	if _, err := io.ReadFull(newNoise(), want); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		w := writer{dst: from}
		for b := want; len(b) > 0; {
			n := min(len(b), brief)
			if k, err := w.Write(b[:n]); k != n || err != nil {
				sent <- errors.Join(err, io.ErrShortWrite)
				return
			}
			b = b[n:]
		}
		sent <- from.CloseWrite()
	}()
	r := receiver{src: to}
	var got []byte
	for buf := make([]byte, 3001); ; {
		n, err := r.Read(buf)
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes of %d, or others", len(got), len(want))
	}
}

// Deadlines, ends and resets come out as those of the connection do.
func TestWriterErrors(t *testing.T) {
	from, to := tcpPair(t)
	w, r := writer{dst: from}, receiver{src: to}
	if err := errors.Join(from.SetWriteDeadline(past()), to.SetReadDeadline(past())); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
		t.Errorf("read %d, %v", n, err)
	}
	if err := errors.Join(from.SetWriteDeadline(time.Time{}), to.SetReadDeadline(time.Time{}), to.SetLinger(0), to.Close()); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil { // the reset may not be here yet
		_, err = w.Write([]byte("x"))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a reset: %v", err)
	}
	if n, err := w.Write(nil); n != 0 {
		t.Errorf("wrote %d of nothing, %v", n, err)
	}
	from.Close()
	if _, err := w.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// A request that no fault touches, on a connection that is open, allocates nothing,
// with a hundred rules that do not match.
func TestKeepAliveAllocatesNothing(t *testing.T) {
	p := startProxy(t, "http", startTCP(t, benchAnswers))
	for i := range 100 {
		apply(t, p, string(rune('a'+i)), "http_error", map[string]any{"codes": 500, "match": benchMatch(i)})
	}
	c := dialRaw(t, p.Addr())
	request, answer := []byte("GET /api/1/orders?a=b HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n"), make([]byte, len(benchResponse))
	ask := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		ask()
	}
	const asked = 2000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range asked {
		ask()
	}
	runtime.ReadMemStats(&after)
	// What the runtime does by itself, a new second of the window, and buffers that the
	// collector took are a few; one for each request would be 2000.
	// With the race detector pools lose some of the buffers that they are given, each two
	// allocations, which by their size are all but what is allocated.
	n := int(after.Mallocs-before.Mallocs) - 2*int((after.TotalAlloc-before.TotalAlloc)/bufferSize)
	if n > asked/4 {
		t.Errorf("%d allocations in %d requests", n, asked)
	}
}
