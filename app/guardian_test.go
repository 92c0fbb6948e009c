package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// guardedRemoval is a fault of which is left a file, as a line for a guardian.
func guardedRemoval(t *testing.T, id, file string) guardianLine {
	t.Helper()
	f, err := chaos.New("exec", map[string]any{"name": "x", "on": []any{"touch", file}, "off": []any{"rm", "-f", file}, "off_timeout": "20s"})
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(builtins.FaultArgs{Fault: f, Text: f.String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return guardianLine{Add: &guarded{ID: id, Place: "0:1", Args: args, On: true}}
}

// told is what a guardian reads.
func told(t *testing.T, lines ...guardianLine) string {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	return b.String()
}

func TestGuard(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two-hush")
	hello := guardianLine{Hello: &guardianHello{Run: "r", Policy: effects.Policy{AllowExec: []string{"rm", "touch"}}, Secrets: map[string]string{"s": "hush"}}}
	for _, tt := range []struct {
		name      string
		lines     func() string
		left, err string
	}{
		{"dies", func() string { return told(t, hello, guardedRemoval(t, "1", one), guardedRemoval(t, "2", two)) }, "", ""},
		{"dies in a word", func() string {
			return told(t, hello, guardedRemoval(t, "1", one), guardedRemoval(t, "2", two)) + `{"remove": "`
		}, "", ""},
		{"one is off", func() string {
			return told(t, hello, guardedRemoval(t, "1", one), guardedRemoval(t, "2", two), guardianLine{Remove: "1"})
		}, "one", ""},
		{"ends", func() string {
			return told(t, hello, guardedRemoval(t, "1", one), guardedRemoval(t, "2", two), guardianLine{End: true})
		}, "one two-hush", ""},
		{"nothing was on", func() string { return told(t, hello) }, "", ""},
		{"not permitted", func() string { return told(t, guardedRemoval(t, "1", one)) }, "one", "may still be on"},
	} {
		_, _ = os.Remove(one), os.Remove(two) // of the case before
		var said strings.Builder
		within := 20 * time.Second
		if tt.err != "" {
			within = 100 * time.Millisecond // it cannot be done in any time
		}
		err := guard(strings.NewReader(tt.lines()), slog.New(slog.NewTextHandler(&said, nil)), func() {}, within)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if got := strings.Join(left, " "); got != tt.left {
			t.Errorf("%s: %q is left, want %q\n%s", tt.name, got, tt.left, said.String())
		}
		if strings.Contains(said.String(), "hush") {
			t.Errorf("%s: it says a secret: %s", tt.name, said.String())
		}
	}
}

// TestGuardStandsDown: what a run left on is not touched while another process goes on with
// it, nor after, since it may be that one's by now.
func TestGuardStandsDown(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	run, err := st.Create(store.Info{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	file := filepath.Join(t.TempDir(), "mark")
	hello := guardianLine{Hello: &guardianHello{Run: "r", Dir: st.RunDir("r"), Policy: effects.Policy{AllowExec: []string{"rm", "touch"}}}}
	lines := told(t, hello, guardedRemoval(t, "1", file))
	var said strings.Builder
	logger := slog.New(slog.NewTextHandler(&said, nil))
	if err := guard(strings.NewReader(lines), logger, func() {}, 100*time.Millisecond); err == nil || !strings.Contains(err.Error(), "may still be on") {
		t.Errorf("while another process holds the run: %v", err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if err := guard(strings.NewReader(lines), logger, func() {}, 20*time.Second); err != nil {
		t.Errorf("let go without more: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("nobody took it off although the run was an orphan")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Gone on with between two tries.
	run, _, err = st.Resume("r")
	if err != nil {
		t.Fatal(err)
	}
	went := make(chan error, 1)
	begins := &firstWrite{Writer: &said, written: make(chan struct{})}
	go func() {
		<-begins.written
		err := run.Append([]journal.Record{{Kind: journal.RunBegin, Body: &journal.RunBeginBody{}}})
		went <- errors.Join(err, run.Close())
	}()
	if err := guard(strings.NewReader(lines), slog.New(slog.NewTextHandler(begins, nil)), func() {}, 20*time.Second); err != nil {
		t.Errorf("gone on with: %v", err)
	}
	if err := <-went; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil || !strings.Contains(said.String(), "stands down") {
		t.Errorf("the fault of the one who went on was taken off: %v\n%s", err, said.String())
	}
}

// TestGuardLeft: what a run has left on that ended unclean is tried further, without anybody
// having to hold a pipe open for that, and noted in the run.
func TestGuardLeft(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	run, err := st.Create(store.Info{ID: "r"})
	if err == nil {
		err = run.Append([]journal.Record{
			{Kind: journal.RunBegin, Body: &journal.RunBeginBody{}},
			{Kind: journal.RunEnd, Body: &journal.RunEndBody{Verdict: journal.VerdictUnclean}},
		})
	}
	if err == nil {
		err = run.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "mark")
	hello := guardianLine{Hello: &guardianHello{Run: "r", Dir: st.RunDir("r"), Policy: effects.Policy{AllowExec: []string{"rm", "touch"}}}}
	lines := told(t, hello, guardedRemoval(t, "1", file), guardianLine{Left: true})
	quiet := 0
	if err := guard(strings.NewReader(lines), slog.New(slog.DiscardHandler), func() { quiet++ }, 20*time.Second); err != nil {
		t.Error(err)
	}
	e, err := st.Entry("r")
	if _, there := os.Stat(file); there == nil || err != nil || e.Cleaned == nil || len(e.Cleaned.Off) != 1 || quiet != 1 {
		t.Errorf("%v, %+v, it let go %d times, and the fault's mark: %v", err, e.Cleaned, quiet, there)
	}
	// Once somebody has cleaned up it is none of its business.
	if run, _, _, err = st.Salvage("r"); err == nil {
		err = errors.Join(run.NoteCleaned(store.Cleaned{All: true}), run.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	lines = told(t, hello, guardedRemoval(t, "1", file), guardianLine{Left: true})
	if err := guard(strings.NewReader(lines), slog.New(slog.DiscardHandler), func() {}, 20*time.Second); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("what was cleaned up was undone once more")
	}
}

// TestGuardOverdue: what an engine had not done when the run ended it may do at any time; what
// undoes others' faults, too, is not done again and again for that.
func TestGuardOverdue(t *testing.T) {
	f, err := chaos.New("latency", map[string]any{"delay": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	latency, err := json.Marshal(builtins.FaultArgs{Fault: f, Target: "shop", Engine: &engine.Ref{Kind: engine.Toxiproxy, URL: "http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	own := guardedRemoval(t, "1", filepath.Join(t.TempDir(), "mark")).Add.Args
	for _, tt := range []struct {
		name     string
		args     json.RawMessage
		on, left bool
		want     time.Duration
	}{
		{"never on", latency, false, true, overdueWithin},
		{"on", latency, true, true, link.AfterLast},
		{"killed", latency, false, false, link.Late},
		{"of the user's own", own, false, true, link.Late},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := guarded{Args: tt.args, On: tt.on, asked: time.Now()}
			err := f.late(tt.left)
			if got := time.Until(f.settles); !errors.Is(err, errLate) || got != tt.want || f.overdue != (tt.want == overdueWithin) {
				t.Errorf("%s: %v, it settles in %s, want %s; it is looked for: %v", tt.name, err, got, tt.want, f.overdue)
			}
		})
	}
}

// firstWrite tells when something is written first.
type firstWrite struct {
	io.Writer
	once    sync.Once
	written chan struct{}
}

func (w *firstWrite) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.written) })
	return w.Writer.Write(b)
}

// FuzzGuard reads whatever comes over the pipe: it neither panics nor starts anything that
// it was not permitted.
func FuzzGuard(f *testing.F) {
	f.Add(`{"hello":{"run":"r","policy":{}}}` + "\n" + `{"add":{"id":"x","args":{"fault":{"kind":"latency"},"target":"t"}}}`)
	f.Add(`{"add":{"id":"x","args":{"engine":{"kind":"toxiproxy","url":"http://[::1"},"target":"t","fault":{"kind":"refuse"}}}}{"remove":"x"}{"end":true}`)
	f.Add(`{"add":null}` + "\x00")
	f.Fuzz(func(t *testing.T, text string) {
		if keys := strings.ToLower(text); strings.ContainsAny(keys, "\\ſ") || strings.Contains(keys, "network") || strings.Contains(keys, "allowexec") || len(text) > 1<<12 {
			return // what it is permitted it may do
		}
		_ = guard(strings.NewReader(text), slog.New(slog.NewTextHandler(io.Discard, nil)), func() {}, time.Millisecond) // an error is right for most
	})
}

// TestGuardianRestarts looks at a guardian that somebody killed: another one is told all.
func TestGuardianRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mark")
	g := &guardian{run: "r", policy: effects.Policy{AllowExec: []string{"rm", "touch"}}, secrets: func() map[string]string { return nil }, logger: slog.New(slog.DiscardHandler)}
	line := guardedRemoval(t, "1", file)
	g.add("1", "0:1", line.Add.Args)
	first := g.child.cmd.Process.Pid
	if err := g.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); g.child.cmd.Process.Pid == first; time.Sleep(time.Millisecond) {
		g.add(fmt.Sprint("more ", time.Now()), "0:1", line.Add.Args) // until the pipe is known to be closed
		if time.Now().After(deadline) {
			t.Fatal("no other guardian was started")
		}
	}
	for _, f := range g.held {
		g.on(f.ID) // else it would be looked for once more
	}
	// We die: the pipe closes.
	g.child.close()
	if _, err := os.Stat(file); err == nil {
		t.Error("the second guardian has not taken it off")
	}
}

// TestEndWithin: the world waits for what a fault of the user's own says it takes, its on
// included, since a request is not cut short.
func TestEndWithin(t *testing.T) {
	var args []byte
	for kind, params := range map[string]map[string]any{
		"exec": {"name": "x", "on": []any{"a"}, "off": []any{"b"}, "off_timeout": "2m"},
		"http": {"name": "x", "on": map[string]any{"url": "http://a", "timeout": "90s"}, "off": "http://b", "off_timeout": "30s"},
	} {
		f, err := chaos.New(kind, params)
		if err != nil {
			t.Fatal(err)
		}
		if args, err = json.Marshal(builtins.FaultArgs{Fault: f}); err != nil {
			t.Fatal(err)
		}
		if got := new(outside).EndWithin(&runtime.Request{Kind: builtins.KindFault, Args: args}); got < 2*time.Minute {
			t.Errorf("%s: got %s", kind, got)
		}
	}
	if got := new(outside).EndWithin(&runtime.Request{Kind: effects.KindHTTP, Args: args}); got != 0 {
		t.Errorf("another effect has %s", got)
	}
}

// TestGuardSparesSecret: what a run that goes on has put on is left alone also where a secret is
// in what takes it off: the guardian knows its text, and the journal of the other its name.
func TestGuardSparesSecret(t *testing.T) {
	var offs atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { offs.Add(1) }))
	defer s.Close()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	secret, err := builtins.NewSecret("key")
	if err != nil {
		t.Fatal(err)
	}
	args := func(key string) json.RawMessage {
		off := map[string]any{"url": s.URL + "/off", "headers": map[string]any{"Authorization": "Bearer " + key}}
		f, err := chaos.New("http", map[string]any{"name": "x", "on": s.URL + "/on", "off": off})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(builtins.FaultArgs{Fault: f, Text: f.String()})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, id := range []string{"dead", "other"} {
		run, err := st.Create(store.Info{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		err = run.Append([]journal.Record{
			{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{}},
			{Kind: journal.EffectStart, Place: journal.Place{Branch: "0", Op: 1}, Body: &journal.EffectStartBody{Kind: builtins.KindFault, Args: args(secret.String()), Held: true, Chaos: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		if id == "dead" {
			if err := run.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	hello := guardianLine{Hello: &guardianHello{Run: "dead", Dir: st.RunDir("dead"), Policy: effects.Policy{Network: []string{"127.0.0.1"}}, Secrets: map[string]string{"key": "hush"}}}
	lines := told(t, hello, guardianLine{Add: &guarded{ID: "1", Place: "0:1", Args: args("hush"), On: true}})
	err = guard(strings.NewReader(lines), slog.New(slog.DiscardHandler), func() {}, 100*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "run other, which goes on, has put on the same") || offs.Load() != 0 {
		t.Errorf("%v, and off was sent %d times", err, offs.Load())
	}
}
