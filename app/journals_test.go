package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"starquake/app"
	"starquake/builtins"
	"starquake/runtime/journal"
	"starquake/store"
)

// journals are runs as versions of the journal's format recorded them: every later
// version must replay them. A folder that was released is never written again.
const journals = "../testdata/journals"

// TestJournalsReplay replays every recorded run that there is.
func TestJournalsReplay(t *testing.T) {
	if *update {
		recordJournals(t, filepath.Join(journals, fmt.Sprintf("v%d", journal.FormatVersion)))
	}
	files, err := filepath.Glob(filepath.Join(journals, "v*", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no journals", err)
	}
	for _, file := range files {
		name, _ := strings.CutPrefix(file, journals+string(filepath.Separator))
		t.Run(name, func(t *testing.T) {
			st := openStore(t, t.TempDir())
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			id, err := st.Import(f)
			if err != nil {
				t.Fatal(err)
			}
			e, recs, err := st.Read(id)
			if err != nil {
				t.Fatal(err)
			}
			res, err := app.Replay(e.Info, recs, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.Differs != nil || !res.Ended {
				t.Errorf("ended: %v; %v", res.Ended, res.Differs)
			}
		})
	}
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// recordJournals runs the scripts beside the journals for real, and writes what they
// leave. Addresses are those of the machine that records, and say nothing.
func recordJournals(t *testing.T, dir string) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.URL.Path) }))
	defer service.Close()
	scripts, err := filepath.Glob(filepath.Join(dir, "*.star"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range append(scripts, files...) {
		st := openStore(t, t.TempDir())
		s, diags := app.Load(script)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		seed := uint64(7)
		opt := app.RunOptions{Options: app.Options{Seed: &seed, Env: &app.Environment{}}, Store: st}
		if !strings.HasSuffix(script, ".yaml") {
			opt.Params = map[string]builtins.GivenParam{"url": {Text: service.URL}}
		}
		if err := opt.Env.AddProxy("shop=127.0.0.1:0," + strings.TrimPrefix(service.URL, "http://") + ",http"); err != nil {
			t.Fatal(err)
		}
		r, err := s.Start(opt)
		if err != nil {
			t.Fatal(script, err)
		}
		if res := r.Wait(); res.Outcome.Verdict != journal.VerdictPassed {
			t.Fatalf("%s: %s: %s", script, res.Outcome.Verdict, res.Outcome.Message)
		}
		var out bytes.Buffer
		if err := st.Export(r.ID, &out); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(script, filepath.Ext(script)) + ".jsonl"
		if err := os.WriteFile(name, unpathed.ReplaceAll(out.Bytes(), []byte(`"path":"$1"`)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// unpathed takes the folder out of the path that a run notes for messages.
var unpathed = regexp.MustCompile(`"path":"[^"]*/([^"/]*\.(?:star|yaml))"`)
