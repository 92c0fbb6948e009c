package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/view"
)

// outcome is a row of the table in docs/outcomes.md.
type outcome struct {
	line              int
	section           string
	situation, script string
	cells             []string // from "step" on
}

const outcomesPath = "../docs/outcomes.md"

// readOutcomes reads the table, and the declarations before it.
func readOutcomes(t *testing.T) (prelude string, rows []outcome, lines []string) {
	t.Helper()
	text, err := os.ReadFile(outcomesPath)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("there is no block of declarations")
	}
	lines = strings.Split(string(text), "\n")
	section := ""
	for i, line := range lines {
		if name, ok := strings.CutPrefix(line, "| **"); ok {
			section, _, _ = strings.Cut(name, "**")
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 9 || !strings.HasPrefix(cells[1], "`") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, outcome{i, section, cells[0], strings.Trim(cells[1], "`"), cells[2:]})
	}
	return string(block[1]), rows, lines
}

// onlyReal is the section of what no plan brings about.
const onlyReal = "Only in the real world"

// TestOutcomes runs every row of the table in the virtual world. With -update it writes
// what it finds: look at every difference, the table is a promise.
func TestOutcomes(t *testing.T) {
	prelude, rows, lines := readOutcomes(t)
	if len(rows) < 90 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	for _, row := range rows {
		t.Run(row.section+"/"+row.situation, func(t *testing.T) {
			var got []string
			if row.section == onlyReal {
				got = row.really(t, prelude)
			} else {
				got = row.virtually(t, prelude)
			}
			if *update {
				lines[row.line] = "| " + strings.Join(append([]string{row.situation, "`" + row.script + "`"}, got...), " | ") + " |"
				return
			}
			if !slices.Equal(row.cells, got) {
				t.Errorf("docs/outcomes.md:%d: %s\n  says %q\n  but  %q", row.line+1, row.script, row.cells, got)
			}
		})
	}
	if *update {
		if err := os.WriteFile(outcomesPath, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// realCompress is how much faster than the clock rows run for real. It divides what the
// machine may take for a clean-up, 30 s, and for all that has a time: at a hundred times 0.3 s
// would be left, which a busy machine with the race detector may take.
const realCompress = 20

// TestOutcomesForReal runs those rows in the real world that need no simulated answer,
// faster than the clock.
func TestOutcomesForReal(t *testing.T) {
	prelude, rows, _ := readOutcomes(t)
	simulated := regexp.MustCompile(`simulated|sick|approve|chaos|slowly|sleep|wrong|orchestration`)
	tried := 0
	for _, row := range rows {
		if row.section == onlyReal || simulated.MatchString(row.script) {
			continue
		}
		tried++
		t.Run(row.section+"/"+row.situation, func(t *testing.T) {
			t.Parallel()
			if got := row.really(t, prelude); !slices.Equal(row.cells, got) {
				t.Errorf("docs/outcomes.md:%d: %s\n  says %q\n  but  %q", row.line+1, row.script, row.cells, got)
			}
		})
	}
	if tried < 40 {
		t.Errorf("%d rows", tried)
	}
}

// load reads the script of a row, behind the declarations; it notes what the caller sees.
func (row *outcome) load(t *testing.T, prelude string) *app.Script {
	t.Helper()
	script := row.script
	if meta, rest, ok := strings.Cut(script, "); "); ok && strings.HasPrefix(script, "orchestration(") {
		prelude, script = meta+")\n"+prelude, rest
	}
	after := `log("goes on")`
	if strings.Contains(script, "r = ") {
		after = `log("goes on, %s" % r.ok)`
	}
	s, diags := app.LoadText("row.star", []byte(prelude+script+"\n"+after+"\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

// virtually runs a row in the virtual world, and gives what the table says of it.
func (row *outcome) virtually(t *testing.T, prelude string) []string {
	t.Helper()
	s := row.load(t, prelude)
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	strict, err := s.Plan(app.PlanOptions{Options: app.Options{Strict: true}})
	if err != nil {
		t.Fatal(err)
	}
	return cells(res.View, strict.View)
}

// really is virtually in the real world.
func (row *outcome) really(t *testing.T, prelude string) []string {
	t.Helper()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/on" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer refuses.Close()
	s := row.load(t, strings.ReplaceAll(prelude, "http://127.0.0.1:2", refuses.URL))
	var runs [2]*view.Run
	for i := range runs {
		r, err := s.Start(app.RunOptions{Options: app.Options{Strict: i == 1}, Compress: realCompress})
		if err != nil {
			t.Fatal(err)
		}
		runs[i] = r.Wait().View
		if left := r.LeftBehind(); runs[i].FaultsOn != 0 || len(left) != 0 {
			t.Errorf("%d faults are on, left behind: %v", runs[i].FaultsOn, left)
		}
	}
	return cells(runs[0], runs[1])
}

// cells are what the table says of a run.
func cells(run, strict *view.Run) []string {
	return []string{
		rowStep(run), rowCaller(run), rowCleanups(run),
		fmt.Sprintf("`%s`", run.Verdict), fmt.Sprintf("`%s`", run.Reason), fmt.Sprint(run.Verdict.ExitCode()),
		fmt.Sprintf("`%s`", strict.Verdict),
	}
}

// rowStep is what became of step a.
func rowStep(run *view.Run) string {
	for _, s := range run.Steps {
		if s.Name != "a" {
			continue
		}
		words := string(s.Status)
		if s.Tries > 1 {
			words += fmt.Sprintf(", %d tries", s.Tries)
		}
		if s.Tolerated {
			words += ", tolerated"
		}
		return words
	}
	return "–"
}

// rowCaller is what the caller saw.
func rowCaller(run *view.Run) string {
	for _, line := range run.Log {
		if rest, ok := strings.CutPrefix(line.Message, "goes on"); ok {
			if value, ok := strings.CutPrefix(rest, ", "); ok {
				return "`r.ok` is " + value
			}
			return "goes on"
		}
	}
	if run.Stopping != nil || run.Verdict == "stopped" || run.Verdict == "aborted" {
		return "ends"
	}
	return "raises"
}

// rowCleanups are the clean-ups of the run that were called.
func rowCleanups(run *view.Run) string {
	var called []string
	for _, line := range run.Log {
		if when, ok := strings.CutPrefix(line.Message, "clean-up: "); ok {
			called = append(called, when)
		}
	}
	return strings.Join(called, ", ")
}
