package app_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/store"
)

// served starts a script that is kept below a short folder, with its control socket.
func served(t *testing.T, script string) (data string, r *app.Running, c *app.ControlSocket) {
	t.Helper()
	data, err := os.MkdirTemp("", "sq")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	st, err := store.Open(data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s, diags := app.LoadText("t.star", []byte(script))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if r, err = s.Start(app.RunOptions{Store: st}); err != nil {
		t.Fatal(err)
	}
	if c, err = r.ServeControl(); err != nil {
		t.Fatal(err)
	}
	return data, r, c
}

const waits = "def main():\n    step(\"waits\", duration = \"1h\")\n"

// end stops the run and closes its socket, and expects that it is gone.
func end(t *testing.T, data string, r *app.Running, c *app.ControlSocket) {
	t.Helper()
	_ = r.Control(journal.ControlBody{Action: "stop"}) // it may have ended
	r.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(data, "runs", r.ID, "control.sock*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left in the folder of the run: %v %v", left, err)
	}
	if live, err := app.LiveRuns(data); err != nil || len(live) != 0 {
		t.Errorf("still going on: %v %v", live, err)
	}
}

func dial(t *testing.T, data, id string) *net.UnixConn {
	t.Helper()
	conn, err := net.Dial("unix", filepath.Join(data, "runs", id, "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.UnixConn)
}

// TestSocketHostile connects clients that say nothing, say nonsense, say too much, ask
// for everything and read nothing, and hang up: others are served, and the end waits
// for none of them.
func TestSocketHostile(t *testing.T) {
	data, r, c := served(t, waits)
	for _, says := range []string{
		"", "{", "null\n", "[]\n", "\x00\xff\n", `{"op":"rm"}` + "\n", `{"op":1}` + "\n", strings.Repeat("[", 1<<20), `{"op":"` + strings.Repeat("x", 1<<20),
		`{"op":"watch","follow":true}` + "\n", `{"op":"stop","by":"` + strings.Repeat("x", 1<<17) + `"}`, `{"op":"info"}` + "\n" + `{"op":"info"}` + "\n",
	} {
		conn := dial(t, data, r.ID)
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // nobody reads too much
		_, _ = io.WriteString(conn, says)
	}
	remote, err := app.DialRun(t.Context(), data, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	for range 3 {
		ans, err := remote.Do(t.Context(), app.ControlRequest{Op: "info"})
		if err != nil || ans.State != "running" || ans.ID != r.ID {
			t.Fatal(ans, err)
		}
	}
	var refused *app.RefusedError
	if _, err := remote.Do(t.Context(), app.ControlRequest{Op: "explode"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), `unknown request "explode"`) {
		t.Error(err)
	}
	end(t, data, r, c)
}

// TestSocketAfterEnd asks a run that has ended how it is, while its result is read: an
// answer changes nothing of what was returned, which the race detector would see.
func TestSocketAfterEnd(t *testing.T) {
	data, r, c := served(t, "def main():\n    log(\"done\")\n")
	remote, err := app.DialRun(t.Context(), data, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	res := r.Wait()
	answered := make(chan error, 1)
	go func() {
		ans, err := remote.Do(t.Context(), app.ControlRequest{Op: "info"})
		if err == nil && ans.State != "ended" {
			err = errors.New(string(ans.State))
		}
		answered <- err
	}()
	for range 1000 {
		if run := *res.View; len(run.Effects) != 0 || run.Verdict != journal.VerdictPassed {
			t.Fatal(run)
		}
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	end(t, data, r, c)
}

// TestSocketMode checks who may get at the socket.
func TestSocketMode(t *testing.T) {
	data, r, c := served(t, waits)
	defer end(t, data, r, c)
	for path, want := range map[string]os.FileMode{"": 0o700, "control.sock": 0o600, "journal.jsonl": 0o600} {
		info, err := os.Stat(filepath.Join(data, "runs", r.ID, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, want %v (%v)", path, info.Mode().Perm(), want, err)
		}
	}
}

// TestSocketWatch follows a run to its end: the client sees every record.
func TestSocketWatch(t *testing.T) {
	data, r, c := served(t, waits)
	remote, err := app.DialRun(t.Context(), data, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	n := 0
	err = remote.Watch(t.Context(), true, func(recs []journal.Record) error {
		n += len(recs)
		if recs[0].Kind == journal.StepBegin {
			return r.Control(journal.ControlBody{Action: "stop"})
		}
		return nil
	})
	if want := len(r.Wait().Records); err != nil || n != want {
		t.Errorf("%d records of %d, %v", n, want, err)
	}
	end(t, data, r, c)
}

// TestDeadRun finds what a dead process left: a socket beside a journal that nobody
// holds. It is no run that goes on, and it is left alone.
func TestDeadRun(t *testing.T) {
	data := t.TempDir()
	dead := filepath.Join(data, "runs", "20260101-000000-dead00")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"journal.jsonl", "control.sock"} {
		if err := os.WriteFile(filepath.Join(dead, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if live, err := app.LiveRuns(data); err != nil || len(live) != 0 {
		t.Error(live, err)
	}
	if left, err := os.ReadDir(dead); err != nil || len(left) != 2 {
		t.Error("what the dead process left is not all there:", left, err)
	}
	if _, err := app.FindRun(context.Background(), data, ""); err == nil || !strings.Contains(err.Error(), "no run is going on") {
		t.Error(err)
	}
}

// TestInfoCompressed: how long a run has gone on is told in its own time, which may pass faster
// than the wall clock.
func TestInfoCompressed(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte("def main():\n    sleep(\"1h\")\n    step(\"waits\", duration = \"1000h\")\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	r, err := s.Start(app.RunOptions{Store: st, Compress: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Wait()
	defer r.Control(journal.ControlBody{Action: "stop"})
	begun := errors.New("the step has begun")
	if err := r.Follow(t.Context(), func(recs []journal.Record) error {
		for _, rec := range recs {
			if rec.Kind == journal.StepBegin {
				return begun
			}
		}
		return nil
	}); err != begun {
		t.Fatal(err)
	}
	c, err := r.ServeControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := app.DialRun(t.Context(), st.Dir(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	info, err := far.Do(t.Context(), app.ControlRequest{Op: "info"})
	if err != nil || info.Elapsed < time.Hour {
		t.Errorf("its step began after an hour, and it has gone on for %s, %v", info.Elapsed, err)
	}
}
