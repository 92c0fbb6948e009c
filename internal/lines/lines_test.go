package lines

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a log of which somebody reads a line for each value of let, and all once it is closed.
type pipe struct {
	let chan struct{}
	mu  sync.Mutex
	got []string
}

func newPipe() *pipe { return &pipe{let: make(chan struct{})} }

// Write implements io.Writer.
func (p *pipe) Write(line []byte) (int, error) {
	<-p.let
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, string(line))
	return len(line), nil
}

func (p *pipe) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// plain is a handler that writes a level and a message.
func plain(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestUnread: nobody waits for a log that nobody reads. What there was no room for is counted,
// and told where it is missing, also in a log of errors only.
func TestUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		log := New(p, plain)
		line := func(n int) string { return fmt.Sprintf("%6d%s\n", n, strings.Repeat(".", 1000)) }
		const fit = most / 1007
		say := func(from, to int) (want []string) {
			for n := from; n < to; n++ {
				fmt.Fprint(log, line(n))
				want = append(want, line(n))
			}
			return want
		}
		want := say(0, 1)
		synctest.Wait() // it is being written, and none waits
		want = append(want, say(1, 1+fit)...)
		say(0, 7)
		fmt.Fprint(log, "\n") // for which there were room
		want = append(want, "level=WARN msg=\"8 lines were dropped, since nobody read the log\"\n")
		p.let <- struct{}{}
		synctest.Wait() // all that waited is being written
		want = append(want, say(1+fit, 1+2*fit)...)
		say(0, 1)
		want = append(want, "level=WARN msg=\"a line was dropped, since nobody read the log\"\n")
		close(p.let)
		log.Flush()
		want = append(want, say(1+2*fit, 2+2*fit)...)
		log.Flush()
		if got := p.lines(); !slices.Equal(got, want) {
			t.Errorf("%d lines, want %d", len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("line %d is %.60q, want %.60q", i, got[i], want[i])
				}
			}
		}
	})
}

// TestFlush: who flushes waits for who reads, and not for long for who does not; who goes on
// waits but once.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		log := New(p, plain)
		began := time.Now()
		took := func(want time.Duration) {
			t.Helper()
			log.CatchUp()
			if got := time.Since(began); got != want {
				t.Errorf("after %s, want %s", got, want)
			}
			began = time.Now()
		}
		took(0)
		fmt.Fprintln(log, "a")
		go func() {
			time.Sleep(patience / 2)
			p.let <- struct{}{}
		}()
		took(patience / 2)
		fmt.Fprintln(log, "b")
		fmt.Fprintln(log, "c")
		took(patience)
		took(0)
		p.let <- struct{}{} // somebody reads again
		synctest.Wait()
		took(patience)
		log.Flush()
		if got := time.Since(began); got != patience {
			t.Errorf("the end waits for %s", got)
		}
		began = time.Now()
		close(p.let)
		synctest.Wait()
		fmt.Fprintln(log, "d")
		took(0)
		if got := p.lines(); !slices.Equal(got, []string{"a\n", "b\n", "c\n", "d\n"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestOrder: each of those that log has its lines in order, and none is lost.
func TestOrder(t *testing.T) {
	var out bytes.Buffer
	logger, log := Logger(&out, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
	const many, each = 8, 500
	var all sync.WaitGroup
	for who := range many {
		all.Go(func() {
			for n := range each {
				logger.Info("said", "who", who, "n", n)
			}
		})
	}
	all.Wait()
	for log.Flush(); log.busy(); log.Flush() { // a slow machine's patience
	}
	for who := range many {
		at := 0
		for n := range each {
			i := strings.Index(out.String()[at:], fmt.Sprintf("who=%d n=%d\n", who, n))
			if i < 0 {
				t.Fatalf("%d has not said %d in its turn", who, n)
			}
			at += i
		}
	}
	if got := strings.Count(out.String(), "\n"); got != many*each {
		t.Errorf("%d lines", got)
	}
}

// busy reports whether there is something to write.
func (l *Writer) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writing
}
