package store

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starquake/runtime/journal"
)

// TestReadFileWhole: the journals of whole runs are read, and none from which a line in the
// middle was cut out: its run is not reported as it says that it ended.
func TestReadFileWhole(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "testdata", "journals", "v*", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no journals", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		head, rest, _ := bytes.Cut(text, []byte("\n"))
		e, recs, err := ReadFile(bytes.NewReader(text))
		if err != nil || e.Status != Ended {
			t.Fatalf("%s: %s, %v", file, e.Status, err)
		}
		counted := exportHead{Export: exportVersion, Info: e.Info, Records: len(recs)}
		if err := counted.complete(recs); err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(bytes.Lines(rest))
		for from := 1; from+5 < len(lines); from++ {
			cut := string(bytes.Join(slices.Concat(lines[:from], lines[from+5:]), nil))
			if counted.complete(recs[5:]) == nil {
				t.Errorf("%s without 5 of its lines: taken for whole", file)
			}
			// An older export, and a journal alone, say only by their places that lines are missing.
			for _, alone := range []string{string(head) + "\n" + cut, cut} {
				if _, _, err := ReadFile(strings.NewReader(alone)); !strings.Contains(errText(err), "is not whole") && shows(recs[from:from+5], recs[from+5:]) {
					t.Errorf("%s without lines %d to %d: %v", file, from+2, from+6, err)
				}
			}
		}
	}
}

// shows reports whether the records that stay show that those in between were there: an
// operation begins among them and a later one of its branch behind them, or a step has there
// only one of its ends.
func shows(cut, after []journal.Record) bool {
	later := func(of journal.Record) bool {
		return slices.ContainsFunc(after, func(rec journal.Record) bool {
			return rec.Place.Branch == of.Place.Branch && rec.Place.Op > of.Place.Op
		})
	}
	at := func(kind journal.Kind, place journal.Place) func(journal.Record) bool {
		return func(rec journal.Record) bool { return rec.Kind == kind && rec.Place == place }
	}
	return slices.ContainsFunc(cut, func(rec journal.Record) bool {
		switch rec.Kind {
		case journal.StepBegin:
			return later(rec) || slices.ContainsFunc(after, at(journal.StepEnd, rec.Place))
		case journal.StepEnd:
			return !slices.ContainsFunc(cut, at(journal.StepBegin, rec.Place))
		case journal.EffectStart, journal.Sleep, journal.Check, journal.Log:
			return rec.Place.Op > 0 && later(rec)
		}
		return false
	})
}

// TestExportCount: an exported run says how many records it has, so that one without some of
// them is neither read nor imported, whichever they are.
func TestExportCount(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	said := journal.Record{At: 1, Kind: journal.Log, Place: journal.Place{Branch: "0"}, Body: &journal.LogBody{Message: "x"}}
	must(t, r.Append([]journal.Record{slept(1), said, ended}))
	must(t, r.Close())
	var file bytes.Buffer
	must(t, s.Export("run-1", &file))
	lines := slices.Collect(strings.Lines(file.String()))
	if _, _, err := ReadFile(strings.NewReader(file.String())); err != nil {
		t.Fatal(err)
	}
	cut := strings.Join(slices.Delete(slices.Clone(lines), len(lines)-2, len(lines)-1), "")
	if _, _, err := ReadFile(strings.NewReader(cut)); !strings.Contains(errText(err), "is not whole") {
		t.Errorf("read: %v", err)
	}
	if _, err := open(t, t.TempDir(), Options{}).Import(strings.NewReader(cut)); !strings.Contains(errText(err), "is not whole") {
		t.Errorf("imported: %v", err)
	}
	// One that was cut off at its end is one of which nobody knows how it ended.
	e, _, err := ReadFile(strings.NewReader(strings.Join(lines[:len(lines)-1], "")))
	if err != nil || e.Status != Interrupted {
		t.Errorf("cut off at its end: %s, %v", e.Status, err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
