package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime/journal"
)

func open(t *testing.T, dir string, opt Options) *Store {
	t.Helper()
	s, err := Open(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// started is what a run has at its start.
func started(id string) (Info, journal.Record) {
	info := Info{ID: id, Name: "checkout", Script: "checkout.star", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Labels: map[string]string{"team": "a"}}
	return info, journal.Record{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{
		Format: journal.FormatVersion, Name: "checkout", Script: "checkout.star", World: "real",
		Modules: map[string]string{"checkout.star": "sleep(1)\n", "lib/x.star": "X = 1\n", "@starquake/patterns.star": "Y = 2\n"},
	}}
}

func slept(i int) journal.Record {
	return journal.Record{At: time.Duration(i), Kind: journal.Sleep, Place: journal.Place{Branch: "0", Op: uint32(i)}, Body: &journal.SleepBody{For: time.Duration(i)}}
}

var ended = journal.Record{At: time.Hour, Kind: journal.RunEnd, Place: journal.Place{Branch: "0"}, Body: &journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "passed"}}

func create(t *testing.T, s *Store, id string) *Run {
	t.Helper()
	info, begin := started(id)
	r, err := s.Create(info)
	if err != nil {
		t.Fatal(err)
	}
	must(t, r.Append([]journal.Record{begin}))
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines gives records as their text.
func lines(t *testing.T, recs []journal.Record) string {
	t.Helper()
	var b bytes.Buffer
	must(t, journal.Write(&b, recs))
	return b.String()
}

func TestRunEndsAndIsRead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r := create(t, s, "run-1")
	if e, err := s.Entry("run-1"); err != nil || e.Status != Running {
		t.Fatalf("while it is written: %v, %v", e.Status, err)
	}
	must(t, r.Append([]journal.Record{slept(1), slept(2)}))
	must(t, r.Sync())
	must(t, r.Append([]journal.Record{ended}))
	must(t, r.Close())
	must(t, s.Close())
	if logs, _ := filepath.Glob(filepath.Join(dir, "wal", "*")); len(logs) > 0 {
		t.Errorf("the closed store left %v", logs)
	}

	s = open(t, dir, Options{})
	e, recs, err := s.Read("run-1")
	must(t, err)
	_, begin := started("run-1")
	if diff := cmp.Diff(lines(t, []journal.Record{begin, slept(1), slept(2), ended}), lines(t, recs)); diff != "" {
		t.Error(diff)
	}
	want := &End{Verdict: journal.VerdictPassed, Reason: "passed", Duration: time.Hour}
	if e.Status != Ended || !cmp.Equal(e.End, want) {
		t.Errorf("it is %v with %+v", e.Status, e.End)
	}
	text, err := os.ReadFile(filepath.Join(dir, "runs/run-1/script/lib/x.star"))
	if err != nil || string(text) != "X = 1\n" {
		t.Errorf("its script is %q, %v", text, err)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Options{})
	must(t, create(t, s, "run-1").Close())
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && d.Name() != "version" {
			t.Errorf("others get at %s: %v", path, info.Mode())
		}
		return err
	})
	must(t, err)
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"2\n": "format 2, this version knows up to 1", "x": "expected the number", "": "expected the number", "-1": "expected the number",
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, versionFile), []byte(text), 0o600))
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %q: %v; expected %q", text, err, want)
		}
	}
}

// TestCutAtEveryByte cuts the log of a process that died, and the run's own journal,
// at every byte, and expects each time what was acknowledged by then and nothing torn.
func TestCutAtEveryByte(t *testing.T) {
	live := t.TempDir()
	s := open(t, live, Options{})
	info, begin := started("run-1")
	r, err := s.Create(info)
	must(t, err)
	want := [][]journal.Record{{begin}, {slept(1), slept(2)}, {slept(3)}}
	var acknowledged []int64 // size of the log after each turn
	for _, recs := range want {
		must(t, r.Append(recs))
		must(t, r.Sync())
		acknowledged = append(acknowledged, int64(len(walMagic))+s.log.synced)
	}
	path := s.log.current.path
	log, err := os.ReadFile(path)
	must(t, err)
	must(t, r.Close())

	for cut := len(walMagic); cut <= len(log); cut++ {
		dir := t.TempDir()
		for _, sub := range []string{"wal", "runs"} {
			must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
		}
		must(t, os.WriteFile(filepath.Join(dir, "wal", filepath.Base(path)), log[:cut], 0o600))
		s := open(t, dir, Options{})
		var expect []journal.Record
		for i, size := range acknowledged {
			if int64(cut) >= size {
				expect = append(expect, want[i]...)
			}
		}
		if len(expect) == 0 {
			continue // nothing of it was ever acknowledged
		}
		r, recs, err := s.Resume("run-1")
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", cut, len(log), err)
		}
		if got := lines(t, recs); got != lines(t, expect) {
			t.Fatalf("cut at %d of %d: the run has\n%s", cut, len(log), got)
		}
		must(t, r.Append([]journal.Record{ended}))
		must(t, r.Close())
		if _, recs, err := s.Read("run-1"); err != nil || len(recs) != len(expect)+1 {
			t.Fatalf("cut at %d: taken up and ended it has %d records, %v", cut, len(recs), err)
		}
		must(t, s.Close())
	}
}

// TestJournalCut cuts the run's own journal, without a log.
func TestJournalCut(t *testing.T) {
	_, begin := started("run-1")
	all := lines(t, []journal.Record{begin, slept(1), slept(2)})
	first := strings.Index(all, "\n") + 1
	for cut := first; cut <= len(all); cut++ {
		recs, size, err := readJournal(strings.NewReader(all[:cut]))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if whole := strings.LastIndex(all[:cut], "\n") + 1; int(size) != whole || len(recs) != strings.Count(all[:cut], "\n") {
			t.Fatalf("cut at %d: %d bytes with %d records", cut, size, len(recs))
		}
	}
	// What the machine did not come to write reads as zeros.
	if recs, size, err := readJournal(strings.NewReader(all + strings.Repeat("\x00", 100) + "\n")); err != nil || len(recs) != 3 || int(size) != len(all) {
		t.Errorf("with zeros behind: %d records, %d bytes, %v", len(recs), size, err)
	}
	damaged := all[:first] + "{\n" + all[first:]
	if _, _, err := readJournal(strings.NewReader(damaged)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("damage in the middle: %v", err)
	}
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r := create(t, s, "run-1")
	other := open(t, dir, Options{})
	if _, _, err := other.Resume("run-1"); !errors.Is(err, ErrBusy) {
		t.Errorf("taking up a run that goes on: %v", err)
	}
	if err := other.Remove("run-1"); !errors.Is(err, ErrBusy) {
		t.Errorf("removing a run that goes on: %v", err)
	}
	if _, err := other.Create(Info{ID: "run-1"}); err == nil {
		t.Error("a run was begun twice")
	}
	must(t, r.Close())
	again, recs, err := other.Resume("run-1")
	must(t, err)
	if len(recs) != 1 {
		t.Errorf("it has %d records", len(recs))
	}
	must(t, again.Close())
}

func TestIDs(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a\x00b", strings.Repeat("a", 101), "ä"} {
		if _, err := s.Create(Info{ID: id}); err == nil {
			t.Errorf("id %q was taken", id)
		}
		if _, _, err := s.Resume(id); err == nil {
			t.Errorf("id %q was found", id)
		}
		if err := s.Remove(id); err == nil {
			t.Errorf("id %q was removed", id)
		}
	}
}

func TestScriptNamesStayInside(t *testing.T) {
	dir := t.TempDir()
	must(t, writeScripts(dir, map[string]string{"../../out.star": "x", "/abs.star": "x", "a\x00": "x", "ok.star": "y", "..": "z"}))
	var found []string
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, dir))
		}
		return err
	}))
	if diff := cmp.Diff([]string{"/script/abs.star", "/script/ok.star"}, found); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "out.star")); err == nil {
		t.Error("a module was written outside")
	}
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentSize: 2000})
	var wg sync.WaitGroup
	for i := range 8 {
		r := create(t, s, fmt.Sprintf("run-%d", i))
		wg.Go(func() {
			for n := range 200 {
				if err := errors.Join(r.Append([]journal.Record{slept(n + 1)}), r.Sync()); err != nil {
					t.Error(err)
				}
			}
			if i%2 == 0 {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.log.retiring.Wait()
	if logs, _ := filepath.Glob(filepath.Join(dir, "wal", "*.log")); len(logs) != 1 {
		t.Errorf("the log has %d segments; expected the current one alone", len(logs))
	}
	for i := range 8 {
		if _, recs, err := s.Read(fmt.Sprintf("run-%d", i)); err != nil || len(recs) != 201 {
			t.Errorf("run %d has %d records, %v", i, len(recs), err)
		}
	}
}

// TestPoisoned: once a sync has failed nothing is kept any more, and nobody is told
// otherwise.
func TestPoisoned(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	must(t, r.Sync())
	must(t, s.log.current.file.Close())
	must(t, r.Append([]journal.Record{slept(1)}))
	if err := r.Sync(); err == nil {
		t.Fatal("synced into a closed file")
	}
	if err := r.Append([]journal.Record{slept(2)}); err == nil {
		t.Error("records are taken after a failed sync")
	}
	if err := r.Sync(); err == nil {
		t.Error("a second sync succeeds")
	}
	if err := r.Close(); err == nil {
		t.Error("the run closes as if it were kept")
	}
}

func TestListFindPrune(t *testing.T) {
	dir := t.TempDir()
	var logged bytes.Buffer
	s := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	for i := range 5 {
		r := create(t, s, fmt.Sprintf("2026-%d", i))
		if i < 4 {
			must(t, r.Append([]journal.Record{ended}))
		}
		must(t, r.Close())
	}
	must(t, os.Mkdir(filepath.Join(dir, "runs", "strange"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "runs", "strange", infoFile), []byte("["), 0o600))
	ids := func(f Filter) string {
		runs, err := s.Runs(f)
		must(t, err)
		var out []string
		for _, e := range runs {
			out = append(out, strings.TrimPrefix(e.ID, "2026-"))
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "4 3 2 1 0"},
		{Filter{Limit: 2}, "4 3"},
		{Filter{Limit: 2, Before: "2026-3"}, "2 1"},
		{Filter{Status: Interrupted}, "4"},
		{Filter{Verdict: journal.VerdictPassed, Limit: 1}, "3"},
		{Filter{Verdict: journal.VerdictFailed}, ""},
		{Filter{Labels: map[string]string{"team": "a"}, Limit: 1}, "4"},
		{Filter{Labels: map[string]string{"team": "b"}}, ""},
		{Filter{Name: "other"}, ""},
	} {
		if got := ids(tt.f); got != tt.want {
			t.Errorf("%+v: %s; expected %s", tt.f, got, tt.want)
		}
	}
	if !strings.Contains(logged.String(), "strange") {
		t.Error("the folder that is no run was passed over in silence")
	}
	for name, want := range map[string]string{"last": "strange", "2026-1": "2026-1", "str": "strange"} {
		if id, err := s.Find(name); err != nil || id != want {
			t.Errorf("Find(%q) = %q, %v", name, id, err)
		}
	}
	if _, err := s.Find("2026"); err == nil || !strings.Contains(err.Error(), "2026-0, 2026-1") {
		t.Errorf("an ambiguous name: %v", err)
	}
	if _, err := s.Find("none"); !errors.Is(err, ErrNoRun) {
		t.Errorf("an unknown name: %v", err)
	}

	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	removed, err := s.Prune(Retention{Runs: 3}, now, true)
	must(t, err)
	if len(removed) != 1 || removed[0].ID != "2026-0" || ids(Filter{}) != "4 3 2 1 0" {
		t.Errorf("a dry prune says %v and leaves %s", removed, ids(Filter{}))
	}
	if _, err := s.Prune(Retention{Keep: time.Hour}, now.Add(2*time.Hour), false); err != nil || ids(Filter{}) != "4" {
		t.Errorf("pruned: %s, %v; the interrupted one stays", ids(Filter{}), err)
	}
}

func TestExportImport(t *testing.T) {
	from, to := open(t, t.TempDir(), Options{}), open(t, t.TempDir(), Options{})
	r := create(t, from, "run-1")
	must(t, r.Append([]journal.Record{slept(1), ended}))
	must(t, r.Close())
	var file bytes.Buffer
	must(t, from.Export("run-1", &file))
	text := file.String()
	id, err := to.Import(strings.NewReader(text))
	must(t, err)
	e, recs, err := to.Read(id)
	must(t, err)
	_, want, _ := from.Read("run-1")
	if lines(t, recs) != lines(t, want) || e.Status != Ended || !e.Imported {
		t.Errorf("it came as %+v with %d records", e, len(recs))
	}
	if _, err := to.Import(strings.NewReader(text)); err == nil {
		t.Error("it was imported twice")
	}
	if _, _, err := to.Resume(id); err == nil {
		t.Error("an imported run can be resumed")
	}
	for name, bad := range map[string]string{
		"empty": "", "another file": "{}\n", "cut": text[:len(text)-10], "head only": text[:strings.Index(text, "\n")+1],
		"its id": strings.Replace(text, `"id":"run-1"`, `"id":"../x"`, 1),
	} {
		s := open(t, t.TempDir(), Options{})
		if _, err := s.Import(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: imported", name)
		}
		if left, _ := os.ReadDir(filepath.Join(s.Dir(), "runs")); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// TestAlive: who takes up a run knows when its process was last there, though the run had
// nothing to write, and completing its journal does not make it later.
func TestAlive(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "r")
	must(t, r.Sync())
	file := filepath.Join(s.RunDir("r"), journalFile)
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	must(t, os.Chtimes(file, long, long))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		info, err := os.Stat(file)
		must(t, err)
		if time.Since(info.ModTime()) < time.Minute {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing tells that the process is there")
		}
	}
	// What a crash leaves: the folder with the log, which nobody holds.
	crashed := t.TempDir()
	must(t, os.CopyFS(crashed, os.DirFS(s.Dir())))
	file = filepath.Join(crashed, runsFolder, "r", journalFile)
	must(t, os.Truncate(file, 0)) // not all of it was written
	must(t, os.Chtimes(file, long, long))
	after := open(t, crashed, Options{})
	r, recs, err := after.Resume("r")
	must(t, err)
	if got := r.Alive(); len(recs) != 1 || !got.Equal(long) {
		t.Errorf("%d records, alive at %s, expected 1, %s", len(recs), got, long)
	}
	r.beat(time.Now())
	must(t, r.Close())
	// Who looked at it, or took off what it had left on, has not gone on with it.
	r, _, err = after.Resume("r")
	must(t, err)
	if got := r.Alive(); !got.Equal(long) {
		t.Errorf("after nothing was written: alive at %s, expected %s", got, long)
	}
	must(t, r.Close())
}

// TestPruneKeepsWhatMayBeOn: a run that ended unclean stays until what it has left on was
// taken off.
func TestPruneKeepsWhatMayBeOn(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	unclean := ended
	unclean.Body = &journal.RunEndBody{Verdict: journal.VerdictUnclean, Reason: "unclean"}
	r := create(t, s, "unclean")
	must(t, r.Append([]journal.Record{unclean}))
	must(t, r.Close())
	prune := func() int {
		t.Helper()
		removed, err := s.Prune(Retention{Keep: time.Hour}, time.Now().Add(24*365*100*time.Hour), false)
		must(t, err)
		return len(removed)
	}
	if n := prune(); n != 0 {
		t.Errorf("%d runs removed, of which something may be on", n)
	}
	r, _, err := s.Resume("unclean")
	must(t, err)
	must(t, r.NoteCleaned(Cleaned{All: true}))
	must(t, r.Close())
	if n := prune(); n != 1 {
		t.Errorf("%d runs removed, expected the one that was cleaned up", n)
	}
}

// TestSalvage: of a journal that is damaged in its middle is given what can be read, and
// nothing of it is changed.
func TestSalvage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r := create(t, s, "run-1")
	must(t, r.Append([]journal.Record{slept(1), slept(2)}))
	must(t, r.Close())
	must(t, s.Close()) // its log would mend it
	path := filepath.Join(s.RunDir("run-1"), journalFile)
	text, err := os.ReadFile(path)
	must(t, err)
	text[bytes.IndexByte(text, '\n')+1] = '#'
	must(t, os.WriteFile(path, text, 0o600))

	s = open(t, dir, Options{})
	if _, _, err := s.Resume("run-1"); !errors.Is(err, ErrDamaged) {
		t.Errorf("taking it up: %v", err)
	}
	r, recs, doubt, err := s.Salvage("run-1")
	must(t, err)
	if len(recs) != 2 || recs[1].At != 2 || !errors.Is(doubt, ErrDamaged) || !strings.Contains(doubt.Error(), "line 2") {
		t.Errorf("%d records, %v", len(recs), doubt)
	}
	if err := r.Append([]journal.Record{slept(3)}); err == nil {
		t.Error("it is gone on with")
	}
	must(t, r.Close())
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, text) {
		t.Errorf("it is another one now: %v", err)
	}
}
