package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"starquake/app"
	"starquake/dsl"
	"starquake/effects"
	"starquake/report/text"
	"starquake/runtime/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit only changes whose cause you understand")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options reads the lines "# plan: key value" at the top of a golden script.
func options(t *testing.T, source []byte) app.PlanOptions {
	t.Helper()
	var opt app.PlanOptions
	var params []string
	for line := range strings.Lines(string(source)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "# plan: ")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(rest, " ")
		switch key {
		case "param":
			params = append(params, value)
		case "fail":
			opt.FailSteps = append(opt.FailSteps, value)
		case "breach":
			opt.BreachGuards = append(opt.BreachGuards, value)
		case "strict":
			opt.Strict = true
		case "horizon":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			opt.Horizon = d
		case "answers":
			answers, err := effects.ReadAnswers("answers", []byte(value))
			if err != nil {
				t.Fatal(err)
			}
			opt.Answers = answers.Over
		case "proxy":
			if opt.Env == nil {
				opt.Env = &app.Environment{}
			}
			if err := opt.Env.AddProxy(value); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("unknown option %q", rest)
		}
	}
	var err error
	if opt.Params, err = app.ParseParams(params); err != nil {
		t.Fatal(err)
	}
	return opt
}

// golden compares got with the file at path, or rewrites it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; go test ./app -update rewrites):\n%s", path, diff)
	}
}

// section writes a part of a golden file.
func section(buf *bytes.Buffer, name, body string) {
	fmt.Fprintf(buf, "-- %s --\n%s", name, body)
	if body != "" && !strings.HasSuffix(body, "\n") {
		buf.WriteByte('\n')
	}
}

// events writes records one a line, without the text of the script.
func events(t *testing.T, recs []journal.Record) string {
	t.Helper()
	var b strings.Builder
	for _, rec := range recs {
		if begin, ok := rec.Body.(*journal.RunBeginBody); ok {
			plain := *begin
			plain.Modules, plain.Interpreter = nil, ""
			rec.Body = &plain
		}
		line, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func rendered(diags dsl.Diagnostics, s *app.Script) string {
	var b strings.Builder
	diags.Render(&b, s.SourceOf, false)
	return b.String()
}

// TestGolden plans every script of testdata twice: the result is the golden file, and
// byte for byte the same the second time.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*.star")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden scripts", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".star"), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first := planned(t, path, source)
			if again := planned(t, path, source); !bytes.Equal(first, again) {
				t.Errorf("two plans differ:\n%s", cmp.Diff(string(first), string(again)))
			}
			golden(t, strings.TrimSuffix(path, ".star")+".golden", first)
		})
	}
}

func planned(t *testing.T, path string, source []byte) []byte {
	t.Helper()
	s, diags := app.Load(path)
	var buf bytes.Buffer
	section(&buf, "diagnostics", rendered(diags, s))
	if diags.HasErrors() {
		return buf.Bytes()
	}
	opt := options(t, source)
	opt.Details = true
	res, err := s.Plan(opt)
	if err != nil {
		t.Fatal(err)
	}
	var plan, problems bytes.Buffer
	if err := text.Timeline(&plan, res.View, text.Options{Width: 100, NotTaken: res.NotTakenText(), Longest: res.Longest, Warnings: res.Warnings}); err != nil {
		t.Fatal(err)
	}
	section(&buf, "plan", plan.String())
	for _, f := range res.Outcome.Failures {
		problems.WriteString(rendered(dsl.Diagnostics{app.Diagnostic(f.Problem)}, s))
	}
	section(&buf, "problems", problems.String())
	section(&buf, "journal", events(t, res.Records))
	return buf.Bytes()
}
