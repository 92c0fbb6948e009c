package effects

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// Each file under testdata/answers is tried on the same effects; beside it lies what
// each is answered, or the error with which the file is refused.
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/answers/*.*")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range files {
		if filepath.Ext(file) == ".golden" {
			continue
		}
		tried++
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := tryAnswers(t, filepath.Base(file), text)
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
	if tried < 10 {
		t.Errorf("only %d files under testdata/answers", tried)
	}
}

// atZero is the time of a run that has just begun.
func atZero() time.Duration { return 0 }

// tryAnswers lists what the file answers to some effects.
func tryAnswers(t *testing.T, name string, text []byte) string {
	t.Helper()
	answers, err := ReadAnswers(name, text)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	planner := answers.Over(newEffects(t, Policy{}, Options{}).With("fault", nil, planFunc(func(*runtime.Request) (runtime.Planned, error) {
		return runtime.Planned{Done: &runtime.PlannedEvent{Data: struct{}{}}}, nil
	})), atZero)
	var b strings.Builder
	for i, effect := range []struct{ kind, path, args string }{
		{KindHTTP, "baseline", `{"url":"http://shop.test/catalog?page=2"}`},
		{KindHTTP, "soak/pay", `{"url":"http://shop.test/api/orders/7","method":"POST"}`},
		{KindHTTP, "soak/pay", `{"url":"http://shop.test/api/orders/7","method":"POST","simulated":{"status":201,"body":"script"}}`},
		{KindHTTP, "soak/pay", `{"url":"http://shop.test/api/orders/7","method":"POST"}`},
		{KindExec, "deploy", `{"argv":["/usr/bin/kubectl","get"]}`},
		{KindExec, "deploy", `{"argv":["kubectl","get"]}`},
		{KindProbe, "baseline", `{"kind":"http","url":"http://shop.test/health"}`},
		{KindWatch, "soak", `{"every":1000000000,"probe":{"kind":"all","of":[{"kind":"tcp","addr":"a:1"},{"kind":"http","url":"http://shop.test/health"}]}}`},
		{"fault", "soak", `{"url":7}`},
	} {
		req := runtime.Request{ID: journal.Place{Branch: "0", Op: uint32(i + 1)}, Kind: effect.kind, Path: effect.path, Args: json.RawMessage(effect.args)}
		planned, err := planner.Plan(&req)
		fmt.Fprintf(&b, "%s %s %s\n", effect.kind, effect.path, effect.args)
		if err != nil {
			fmt.Fprintf(&b, "  error: %v\n", err)
			continue
		}
		for _, r := range planned.Reports {
			fmt.Fprintf(&b, "  report after %s: %s\n", r.After, canonical(t, r.Data))
		}
		if planned.Done != nil {
			fmt.Fprintf(&b, "  after %s: %s\n", planned.Done.After, canonical(t, planned.Done.Data))
			continue
		}
		end, problem := planned.End(10 * sec)
		if problem != nil {
			fmt.Fprintf(&b, "  end: error %v\n", problem)
			continue
		}
		fmt.Fprintf(&b, "  end: %s\n", canonical(t, end))
	}
	return b.String()
}

func TestAnswersBeginAnewWithEachRun(t *testing.T) {
	answers, err := ReadAnswers("a.yaml", []byte("- match: {kind: http}\n  sequence: [{status: 500}, {status: 200}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEffects(t, Policy{}, Options{})
	req := request(t, KindHTTP, HTTPArgs{URL: "x"})
	for run := range 2 {
		planner := answers.Over(e, atZero)
		for i, want := range []int{500, 200, 200} {
			planned, err := planner.Plan(&req)
			if err != nil {
				t.Fatal(err)
			}
			var got HTTPAnswer
			into(t, planned.Done.Data, &got)
			if got.Status != want {
				t.Errorf("run %d, request %d: status %d, want %d", run, i, got.Status, want)
			}
		}
	}
}

func TestTooLargeAnswers(t *testing.T) {
	if _, err := ReadAnswers("a.yaml", make([]byte, maxAnswers+1)); err == nil || !strings.Contains(err.Error(), "has at most") {
		t.Errorf("error %v", err)
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		glob, text string
		want       bool
	}{
		{"http://a/*", "http://a/b", true},
		{"http://a/*", "http://a/b/c", false},
		{"http://a/**", "http://a/b/c", true},
		{"**/orders/*", "http://a/api/orders/7", true},
		{"http://a/b", "http://a/b?c=d", true},
		{"http://a/b?c=*", "http://a/b?c=d", true},
		{"http://a/b?c=*", "http://a/b", false},
		{"http://a.b/", "http://aXb/", false},
		{"a[b", "a[b", true},
		{"", "", true},
	}
	for _, test := range tests {
		g, err := compileGlob(test.glob)
		if err != nil {
			t.Errorf("%q: %v", test.glob, err)
			continue
		}
		if got := g.matchURL(test.text); got != test.want {
			t.Errorf("%q on %q: %v, want %v", test.glob, test.text, got, test.want)
		}
	}
	if _, err := compileGlob(strings.Repeat("*a", maxGlob)); err == nil {
		t.Error("a pattern longer than maxGlob is accepted")
	}
}
