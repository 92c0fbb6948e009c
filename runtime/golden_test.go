package runtime_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"starquake/runtime"
	"starquake/runtime/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files; accept only what LANGUAGE.md says")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGolden runs the cases of testdata/*.txt in the virtual world. A case is
//
//	=== name
//	# why it is as it is
//	@5s stop                a control
//	f1: on=1s fail-off      a scripted answer
//	strict                  an option of the run; also max=10s
//	step a chaos=f1 {       the program
//	}
//	----
//	the journal, one line a record, then the failures that were counted
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for _, part := range strings.Split(string(text), "=== ")[1:] {
			name, rest, _ := strings.Cut(part, "\n")
			source, want, _ := strings.Cut(rest, "----\n")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) {
				c := parseCase(source)
				got := c.run(t)
				if again := c.run(t); again != got {
					t.Errorf("a second run differs (-first +second):\n%s", cmp.Diff(got, again))
				}
				out.WriteString("=== " + name + "\n" + source + "----\n" + got + "\n")
				if diff := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(got, "\n")); diff != "" && !*update {
					t.Errorf("-want +got:\n%s\nthe journal:\n%s", diff, got)
				}
			})
		}
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// testCase is one golden case.
type testCase struct {
	program  []*node
	answers  answers
	controls []timedControl
	strict   bool
	max      time.Duration
}

type timedControl struct {
	at      time.Duration
	control runtime.Control
}

func parseCase(source string) *testCase {
	c := &testCase{answers: answers{}}
	var program strings.Builder
	for line := range strings.Lines(source) {
		words := splitWords(line)
		switch {
		case len(words) == 0:
		case strings.HasPrefix(words[0], "@"):
			c.controls = append(c.controls, timedControl{mustDuration(words[0][1:]), parseControl(words[1:])})
		case strings.HasSuffix(words[0], ":"):
			c.answers[strings.TrimSuffix(words[0], ":")] = words[1:]
		case words[0] == "strict":
			c.strict = true
		case strings.HasPrefix(words[0], "max="):
			c.max = mustDuration(words[0][4:])
		default:
			program.WriteString(line)
		}
	}
	c.program = parseTree(program.String())
	return c
}

// parseControl reads "skip a/b", "pause lift", "stop".
func parseControl(words []string) runtime.Control {
	c := runtime.Control{Action: words[0], By: "tester"}
	for _, w := range words[1:] {
		if w == "lift" {
			c.Lift = true
		} else {
			c.Path = w
		}
	}
	return c
}

func (c *testCase) run(t *testing.T) string {
	t.Helper()
	j := &journal.Memory{}
	out := c.execute(j)
	recs := j.Records()
	if err := invariants(recs); err != nil {
		t.Errorf("%v\n%s", err, render(recs))
	}
	return render(recs) + failures(out)
}

func (c *testCase) execute(j runtime.Journal) runtime.Outcome {
	w := newScripted(c.answers, j)
	for _, ctl := range c.controls {
		w.Control(ctl.at, ctl.control)
	}
	return c.executeIn(w)
}

func (c *testCase) executeIn(w runtime.World) runtime.Outcome {
	cfg := runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: runtime.VirtualOrigin, World: "virtual"}, Strict: c.strict}
	r := runtime.New(cfg, w)
	if c.max > 0 {
		r.SetMaxDuration(c.max)
	}
	return r.Execute(newInterp(c.answers).body(c.program))
}
