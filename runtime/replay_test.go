package runtime_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// read is a journal as it comes from disk.
func read(t interface{ Fatal(...any) }, recs []journal.Record) []journal.Record {
	var out []journal.Record
	for _, rec := range recs {
		text, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		var back journal.Record
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		out = append(out, back)
	}
	return out
}

// replay runs the case against a journal of its own.
func (c *testCase) replay(recs []journal.Record) error {
	w := runtime.NewReplayed(recs)
	c.executeIn(w)
	return w.Err()
}

// TestReplayOlder: a journal from before failures named the steady state is replayed.
func TestReplayOlder(t *testing.T) {
	text, err := os.ReadFile("testdata/steady.txt")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, part := range strings.Split(string(text), "=== ")[1:] {
		name, rest, _ := strings.Cut(part, "\n")
		source, _, _ := strings.Cut(rest, "----\n")
		c := parseCase(source)
		j := &journal.Memory{}
		c.execute(j)
		older := read(t, j.Records())
		for _, rec := range older {
			switch b := rec.Body.(type) {
			case *journal.FailureBody:
				if b.Steady != "" {
					b.Steady, named = "", named+1
				}
			case *journal.StepEndBody:
				if b.Error != nil && b.Error.Steady != "" {
					b.Error.Steady, named = "", named+1
				}
			}
		}
		if err := c.replay(older); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if named == 0 {
		t.Error("no failure names a steady state")
	}
}

// TestReplayGolden: every golden case, replayed against its journal, makes the same
// records, and against the first half of it notices that it ends.
func TestReplayGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "=== ")[1:] {
			name, rest, _ := strings.Cut(part, "\n")
			source, _, _ := strings.Cut(rest, "----\n")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) {
				c := parseCase(source)
				j := &journal.Memory{}
				c.execute(j)
				recs := read(t, j.Records())
				if err := c.replay(recs); err != nil {
					t.Errorf("%v\n%s", err, render(recs))
				}
				for cut := 1; cut < len(recs); cut++ {
					if err := c.replay(recs[:cut]); err == nil {
						t.Fatalf("cut after %d of %d records nothing is noticed", cut, len(recs))
					} else if d := (*runtime.Divergence)(nil); errors.As(err, &d) && d.Is == nil {
						t.Fatalf("cut after %d of %d records: %v", cut, len(recs), err)
					}
				}
			})
		}
	}
}

// TestReplayRandom: so does every random run.
func TestReplayRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &grower{t: t, fails: true, exits: true, background: true, fast: true}
		c := &testCase{program: g.body(4), answers: propertyAnswers}
		drawControls(t, c)
		j := &journal.Memory{}
		c.execute(j)
		if err := c.replay(read(t, j.Records())); err != nil {
			t.Fatalf("%v\n%s\n%s", err, source(c), render(j.Records()))
		}
	})
}

// TestReplayDiverges: a program that asks for something else is stopped at the first
// difference.
func TestReplayDiverges(t *testing.T) {
	const was = "sleep 1s\neffect a\nstep s {\nhold f\nsleep 5s\n}\n"
	for _, now := range []string{
		strings.Replace(was, "sleep 5s", "sleep 6s", 1),
		strings.Replace(was, "effect a", "effect b", 1),
		strings.Replace(was, "step s", "step u", 1),
		strings.Replace(was, "sleep 5s\n", "", 1),
		was + "sleep 1s\n",
		"",
	} {
		j := &journal.Memory{}
		parseCase(was).execute(j)
		err := parseCase(now).replay(read(t, j.Records()))
		if d := (*runtime.Divergence)(nil); !errors.As(err, &d) {
			t.Errorf("%q replayed as\n%s: %v", was, now, err)
		}
	}
}
