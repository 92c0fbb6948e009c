//go:build unix

package store

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"starquake/runtime/journal"
)

// left makes a data folder with runs as a power cut leaves it: each has a turn that is in
// the log alone, whose process is gone.
func left(t *testing.T, ids ...string) (dir string, want string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, Options{})
	for _, id := range ids {
		r := create(t, s, id)
		size := r.size
		must(t, r.Append([]journal.Record{slept(1)}))
		must(t, r.Sync())
		must(t, os.Truncate(filepath.Join(r.dir, journalFile), size))
	}
	die(t, s)
	_, begin := started("")
	return dir, lines(t, []journal.Record{begin, slept(1)})
}

// heard is a handler of log lines that tells of those with a text.
type heard struct {
	slog.Handler
	text string
	on   chan struct{}
}

func (h *heard) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, h.text) {
		close(h.on)
	}
	return h.Handler.Handle(ctx, r)
}

// TestResumeDuringRepair: a run is not taken up before another process has added to its journal
// what it has in hand of a log.
func TestResumeDuringRepair(t *testing.T) {
	dir, want := left(t, "run-1", "run-2")
	// The first one's file lets whoever reads it wait.
	info := filepath.Join(dir, runsFolder, "run-1", infoFile)
	text, err := os.ReadFile(info)
	must(t, err)
	must(t, os.Remove(info))
	must(t, unix.Mkfifo(info, 0o600))
	t.Cleanup(func() { must(t, os.Remove(info)) }) // before the stores are closed, which sync it
	opened := make(chan error, 1)
	go func() {
		s, err := Open(dir, Options{})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	pipe, err := os.OpenFile(info, os.O_WRONLY, 0) // when the first one reads
	must(t, err)

	waits := make(chan struct{})
	s := &Store{dir: dir, logger: slog.New(&heard{slog.NewTextHandler(io.Discard, nil), "waits for it", waits}), runs: map[*Run]bool{}, closing: make(chan struct{}), beaten: make(chan struct{})}
	s.opt.SegmentSize = 1 << 20
	t.Cleanup(func() { _ = s.Close() })
	type taken struct {
		r    *Run
		recs []journal.Record
		err  error
	}
	took := make(chan taken, 1)
	go func() {
		r, recs, err := s.Resume("run-2")
		took <- taken{r, recs, err}
	}()
	var got taken
	select {
	case <-waits:
		_, err = pipe.Write(text)
		must(t, err)
		must(t, pipe.Close())
		got = <-took
	case got = <-took:
		_, err = pipe.Write(text)
		must(t, err)
		must(t, pipe.Close())
	}
	must(t, got.err)
	if text := lines(t, got.recs); text != want {
		t.Errorf("it was taken up with\n%sexpected\n%s", text, want)
	}
	must(t, got.r.Close())
	must(t, <-opened)
}

// TestGap: where a run's folder and the log do not meet, as in a copy that was made while the
// run went on, its journal stays as it is: it can be read, and is not gone on with.
func TestGap(t *testing.T) {
	dir, _ := left(t, "run-1")
	_, begin := started("run-1")
	path := filepath.Join(dir, runsFolder, "run-1", journalFile)
	must(t, os.Truncate(path, 0))
	logs, _ := filepath.Glob(filepath.Join(dir, walFolder, "*.log"))
	text, err := os.ReadFile(logs[0])
	must(t, err)
	runs, _ := readFrames(text)
	cut := []byte(walMagic)
	for _, f := range runs[0].frames[len(runs[0].frames)-1:] {
		start := len(cut)
		cut = append(beginFrame(cut, f.kind, f.run, f.offset), f.payload...)
		endFrame(cut, start)
	}
	must(t, os.WriteFile(logs[0], cut, 0o600))
	before := lines(t, []journal.Record{begin})[:100]
	must(t, os.WriteFile(path, []byte(before), 0o600))

	s := open(t, dir, Options{})
	if text, err := os.ReadFile(path); err != nil || string(text) != before {
		t.Errorf("the journal is %q, %v", text, err)
	}
	if _, err := os.Lstat(logs[0]); err != nil {
		t.Errorf("the log is gone: %v", err)
	}
	if _, _, err := s.Resume("run-1"); err == nil || !strings.Contains(err.Error(), "goes on behind byte") {
		t.Errorf("it is taken up without what the log has: %v", err)
	}
}

// TestTornBehindTheLog: what a power cut left of turns of which nobody was told that they are
// kept does not make those unreadable of which somebody was.
func TestTornBehindTheLog(t *testing.T) {
	for _, behind := range []string{
		strings.Repeat("\x00", 100) + "ill\"}\n" + lines(t, []journal.Record{slept(3), slept(4)}),
		"{\"at\":1,\n{\n",
	} {
		dir, want := left(t, "run-1")
		path := filepath.Join(dir, runsFolder, "run-1", journalFile)
		must(t, os.WriteFile(path, append(bytes.Repeat([]byte{0}, len(want)), behind...), 0o600))
		s := open(t, dir, Options{})
		r, recs, err := s.Resume("run-1")
		must(t, err)
		if got := lines(t, recs); got != want {
			t.Errorf("with %q behind it has\n%sexpected\n%s", behind, got, want)
		}
		must(t, r.Close())
	}
}

// TestUnreadableLog: a log that cannot be read hides no run, but nobody goes on with one that
// it may tell of.
func TestUnreadableLog(t *testing.T) {
	dir, _ := left(t, "run-1")
	must(t, os.Mkdir(filepath.Join(dir, walFolder, "00-000001.log"), 0o700))
	s := open(t, dir, Options{})
	if runs, err := s.Runs(Filter{}); err != nil || len(runs) != 1 {
		t.Errorf("the runs are %v, %v", runs, err)
	}
	if _, _, err := s.Resume("run-1"); err == nil || !strings.Contains(err.Error(), "00-000001.log") {
		t.Errorf("it is taken up: %v", err)
	}
}
