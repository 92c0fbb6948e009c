package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"starquake/report"
	"starquake/report/junit/junittest"
	"starquake/runtime/journal"
	"starquake/runtime/view/viewtest"
)

func TestForFile(t *testing.T) {
	for path, want := range map[string]string{
		"a.html": "html", "a.HTM": "html", "x/y.md": "md", "a.json": "json", "a.xml": "junit", "a.sarif": "sarif", "a.sarif.json": "sarif",
		"a": "", "a.pdf": "", "": "", ".": "", "html": "", "a.html/b": "",
	} {
		got, err := report.ForFile(path)
		if got.Name != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", path, got.Name, err, want)
		}
	}
	if _, err := report.Named("pdf"); err == nil || !strings.Contains(err.Error(), "html, md, json, junit, sarif") {
		t.Errorf("of an unknown format: %v", err)
	}
}

// attacks are texts that mean something to some format.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</style></script></title>`, `</text></svg><svg onload=alert(1)>`,
	`]]>`, `<!--`, "`|x|`", "| a | b |", "@everybody", "[x](javascript:alert(1))", "![](https://evil.test/x.png)", "https://evil.test/", "line\nbreak\r\n::error::x",
	"\x00\x01\x1b[31m\u202e\u2028\ufffe\xff", "%0A::error::", `{{.Name}}`, `&lt;`, "\ud7ff\U0010ffff", strings.Repeat("x", 10_000),
}

// attacked is a run of which every text is that.
func attacked(text string) *report.Run {
	j := viewtest.New(text, "real")
	begin := j.Records[0].Body.(*journal.RunBeginBody)
	begin.Modules = map[string]string{text: text, begin.Script: text + "\n" + text}
	begin.Interpreter = text
	begin.Meta, _ = json.Marshal(map[string]any{"description": text, "owner": text, "runbook": text, "tags": []string{text}})
	begin.Params, _ = json.Marshal(map[string]any{text: text})
	quoted, _ := json.Marshal(text)
	e := j.Effect("0", text, "load", map[string]any{"spec": map[string]any{"http": map[string]string{"url": text}}})
	s := j.Begin("0", journal.StepBeginBody{Path: text, Name: text, Pos: text + ":3", Labels: map[string]string{text: text}})
	f := j.Fault("0", text, text, text, text, `{}`)
	j.Log(text, text, string(quoted))
	j.GuardReads(journal.WatchBody{Name: text, State: "breach", Value: quoted, Detail: text, Seen: 1, Bad: 1, Path: text})
	j.Add(journal.Check, j.Place("0"), &journal.CheckBody{Path: text, Name: text, Value: quoted, Limit: text, Detail: text, Stack: []journal.Frame{{File: text, Line: 3, Func: text}}})
	j.Add(journal.Figure, j.Place("0"), &journal.FigureBody{Name: text, Value: 1, Unit: text, Better: text, Path: text})
	j.Add(journal.Control, j.Place("0"), &journal.ControlBody{Action: "skip", Path: text, By: text, Detail: text})
	j.Effect("0", text, "exec", map[string]any{"argv": []string{text}})
	j.Wait(time.Second)
	j.EndEffect(e, map[string]any{"requests": 9, "errors": 1, "by_status": map[string]int{text: 1, "200": 8}, "stopped_by": text, "step": time.Second, "series": []map[string]int{{"requests": 9, "errors": 1}}})
	j.Add(journal.EffectEnd, f, &journal.EffectEndBody{Error: &journal.EffectError{Code: "unclean", Message: text}})
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: text, Status: journal.Failed, Tries: 1, Error: &journal.Problem{Code: text, Message: text, Stack: []journal.Frame{{File: text, Line: 1}}}})
	run := j.Finish(journal.RunEndBody{Verdict: journal.Verdict(text), Reason: text, Message: text, Unclean: []journal.Problem{{Code: text, Message: text, Path: text}}}).Run()
	return &report.Run{Run: run, ID: text, Path: text, By: text, Version: text, Labels: map[string]string{text: text}}
}

// ours are the elements and attributes of the page; whatever else came from a text.
var ours = regexp.MustCompile(`^(!doctype|html|head|meta|link|title|style|body|header|div|p|h1|h2|h3|span|code|dl|dt|dd|nav|ul|li|a|main|section|table|caption|thead|tbody|tr|th|td|figure|figcaption|svg|g|rect|text|line|circle|path|desc|details|summary|pre|small|strong|footer)$`)

// TestHostile writes attacks in every format, and reads each as its reader does.
func TestHostile(t *testing.T) {
	tag := regexp.MustCompile(`<(/?)([a-zA-Z!][a-zA-Z0-9]*)([^<>]*)>`)
	handler := regexp.MustCompile(`(?i)\son[a-z]+\s*=`)
	for i, text := range attacks {
		run := attacked(text)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			page := string(write(t, "html", run))
			_, body, _ := strings.Cut(page, "</style>")
			for _, m := range tag.FindAllStringSubmatch(body, -1) {
				if !ours.MatchString(strings.ToLower(m[2])) || handler.MatchString(m[3]) || strings.Contains(m[3], "javascript:") {
					t.Errorf("the page has %q", m[0])
				}
			}
			for _, doc := range [][]byte{[]byte(page), write(t, "md", run), write(t, "junit", run)} {
				if !utf8.Valid(doc) || bytes.ContainsAny(doc, "\x00\x01\x1b\u202e") {
					t.Error("control characters got through")
				}
			}
			dec := xml.NewDecoder(bytes.NewReader(write(t, "junit", run)))
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := junittest.Validate(write(t, "junit", run)); err != nil {
				t.Error(err)
			}
			for _, format := range []string{"json", "sarif"} {
				if doc := write(t, format, run); !json.Valid(doc) {
					t.Errorf("%s is no JSON", format)
				}
			}
			comment := string(write(t, "md", run))
			for _, bad := range []string{"<script", "<img", "@everybody", "](javascript", "![](", " https://evil", "\n::error"} {
				// What stands in code formats nothing.
				if strings.Contains(regexp.MustCompile("(?s)(`+).*?[^`]?(`+)").ReplaceAllString(comment, ""), bad) {
					t.Errorf("the comment has %q", bad)
				}
			}
			var notes bytes.Buffer
			if err := report.Annotations(&notes, run); err != nil {
				t.Fatal(err)
			}
			for note := range strings.Lines(notes.String()) {
				if !regexp.MustCompile(`^::(error|warning|notice) [^:]+::`).MatchString(note) || strings.ContainsAny(note, "\r") {
					t.Errorf("annotation %q", note)
				}
			}
		})
	}
}

// TestStopped: who stopped a run, and why, is told as a sentence wherever the verdict does not
// stand before it.
func TestStopped(t *testing.T) {
	j := viewtest.New("x", "real")
	r := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: "stopped", Reason: "stopped", Message: "stopped by ci2: enough seen"}).Run()}
	for format, want := range map[string]string{
		"md":    "**stopped by ci2: enough seen** (`stopped`)\n\n0 steps · 0s\n\n### Why it was stopped\n\n- ⏹ stopped by ci2: enough seen\n",
		"json":  `"message": "stopped by ci2: enough seen"`,
		"sarif": `"stopped by ci2: enough seen"`,
		"junit": "stopped: by ci2: enough seen&#xA;stopped by ci2: enough seen",
		"html":  "stopped</span><p>by ci2: enough seen ",
	} {
		if got := write(t, format, r); !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s has no %q:\n%s", format, want, got)
		}
	}
}

// TestNeverASuccess: of a run that did not pass, or is not over, no format says so.
func TestNeverASuccess(t *testing.T) {
	for _, verdict := range []journal.Verdict{"failed", "invalid", "aborted", "errored", "unclean", "inconclusive", "stopped", "", "nonsense"} {
		j := viewtest.New("x", "real")
		j.Step("0", "a", time.Second)
		r := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: verdict, Reason: "why"}).Run()}
		bad(t, string(verdict), r)
	}
	j := viewtest.New("x", "real")
	j.Step("0", "a", time.Second)
	bad(t, "not over", &report.Run{Run: j.Run()})
	cut := j.Run()
	cut.Interrupt()
	bad(t, "interrupted", &report.Run{Run: cut})
}

func bad(t *testing.T, what string, r *report.Run) {
	t.Helper()
	suite := write(t, "junit", r)
	if !bytes.Contains(suite, []byte("<failure ")) && !bytes.Contains(suite, []byte("<error ")) {
		t.Errorf("%s: JUnit has neither failure nor error", what)
	}
	var scan struct {
		Runs []struct{ Results []struct{ Level string } }
	}
	if err := json.Unmarshal(write(t, "sarif", r), &scan); err != nil || len(scan.Runs[0].Results) == 0 || scan.Runs[0].Results[0].Level != "error" {
		t.Errorf("%s: SARIF has no error (%v)", what, err)
	}
	var data struct {
		ExitCode int `json:"exit_code"`
		Findings []any
	}
	if err := json.Unmarshal(write(t, "json", r), &data); err != nil || data.ExitCode == 0 || len(data.Findings) == 0 {
		t.Errorf("%s: JSON says %+v (%v)", what, data, err)
	}
	if page := write(t, "html", r); bytes.Contains(page, []byte(`<header class="good">`)) || !bytes.Contains(page, []byte(`id="failures"`)) {
		t.Errorf("%s: the page is that of a success", what)
	}
	title := "What failed"
	if r.Verdict == journal.VerdictStopped {
		title = "Why it was stopped"
	}
	if comment := write(t, "md", r); bytes.Contains(comment, []byte("✅")) || !bytes.Contains(comment, []byte("### "+title)) {
		t.Errorf("%s: the comment is that of a success: %s", what, comment)
	}
	var notes bytes.Buffer
	if err := report.Annotations(&notes, r); err != nil || !strings.HasPrefix(notes.String(), "::error ") {
		t.Errorf("%s: annotations %q (%v)", what, notes.String(), err)
	}
}

// TestBig: a day of ten thousand steps stays a page that opens, and says what it leaves out.
func TestBig(t *testing.T) {
	j := viewtest.New("soak", "real")
	for i := range 10_000 {
		path := fmt.Sprintf("[%d]/soak", i)
		s := j.Begin("0", journal.StepBeginBody{Path: path, Name: "soak"})
		f := j.Latency("0", path, "payments")
		j.Wait(8640 * time.Millisecond)
		j.Lift(f, 10, 5)
		j.Check(path, "p99", true, "0.2", "below 800ms")
		j.Log("info", "a turn", `{"n":1}`)
		j.End(s, path)
	}
	last := j.Begin("0", journal.StepBeginBody{Path: "the last one"})
	j.Check("the last one", "late", false, "3", "below 2")
	j.Fail(last, "the last one", "it was late", false)
	r := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: journal.VerdictFailed, Reason: "check_failed", Message: "it was late"}).Run()}
	for _, f := range report.Formats() {
		begun := time.Now()
		out := write(t, f.Name, r)
		t.Logf("%s: %d bytes in %s", f.Name, len(out), time.Since(begun))
		if most := map[string]int{"html": 600 << 10, "md": 60_000, "json": 16 << 20, "junit": 8 << 20, "sarif": 64 << 10}[f.Name]; len(out) > most {
			t.Errorf("%s has %d bytes, want at most %d", f.Name, len(out), most)
		}
		if !bytes.Contains(out, []byte("the last one")) {
			t.Errorf("%s does not tell of the step that failed", f.Name)
		}
		if (f.Name == "html" || f.Name == "md") && !bytes.Contains(out, []byte(" more steps")) {
			t.Errorf("%s does not say that steps are left out", f.Name)
		}
	}
}

// TestAnnotations shows failures at their lines, tolerated ones as warnings.
func TestAnnotations(t *testing.T) {
	var out bytes.Buffer
	if err := report.Annotations(&out, sample("shop")); err != nil {
		t.Fatal(err)
	}
	golden(t, "shop.annotations", out.Bytes())
	out.Reset()
	if err := report.Annotations(&out, sample("simple")); err != nil || out.Len() > 0 {
		t.Errorf("a run that passed is annotated with %q (%v)", out.String(), err)
	}
}

// TestPolicy: the page has no style but the one that its policy lets pass, no script, and
// asks for nothing.
func TestPolicy(t *testing.T) {
	page := string(write(t, "html", sample("shop")))
	for _, bad := range []string{"<script", " style=", "<link rel=\"stylesheet\"", "<img", "@import", "url(", "src="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if !strings.Contains(page, "default-src &#39;none&#39;; style-src &#39;sha256-") {
		t.Error("the page has no policy of its own")
	}
}

// TestDocumented wants every field of the JSON in docs/reports.md.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(write(t, "json", sample("shop")), &doc); err != nil {
		t.Fatal(err)
	}
	var look func(path string, v any)
	look = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, of := range v {
				switch path + name {
				case "counts", "meta", "params", "labels", "loads[].by_status":
					of = nil // what is in them is told of in words
				}
				if !bytes.Contains(text, []byte("`"+name+"`")) {
					t.Errorf("docs/reports.md has nothing of %s%s", path, name)
				}
				look(path+name+".", of)
			}
		case []any:
			for _, of := range v {
				look(path[:len(path)-1]+"[].", of)
			}
		}
	}
	look("", doc)
}

// TestRetried: a check that another try made good shows, and counts for nothing.
func TestRetried(t *testing.T) {
	j := viewtest.New("flaky", "real")
	s := j.Begin("0", journal.StepBeginBody{Path: "a", Name: "a", Retries: 1})
	j.Check("a/[0]", "x", false, "2", "below 1")
	j.Add(journal.StepTry, s, &journal.StepTryBody{Path: "a", Try: 2})
	j.Check("a/[0]", "x", true, "0", "below 1")
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "a", Status: journal.Passed, Tries: 2})
	run := &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: journal.VerdictPassed, Reason: "passed", Flaky: 1}).Run()}
	for name, want := range map[string]string{
		"junit": `<failure message="retried: 2, expected below 1"`, "sarif": `"level": "warning"`, "md": "⚠️ retried: check", "json": `"retried": true`, "html": `<span class="warn pill">retried</span>`,
	} {
		format, err := report.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := format.Write(&out, run); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s has no %s, %v:\n%s", name, want, err, out.String())
		}
	}
	var out strings.Builder
	if err := report.Annotations(&out, run); err != nil || !strings.HasPrefix(out.String(), "::warning title=flaky%3A retried::") {
		t.Errorf("annotations: %v\n%s", err, out.String())
	}
}

// TestUnscored: where a score would stand it is said why there is none.
func TestUnscored(t *testing.T) {
	r := sample("shop")
	r.Verdict, r.Reason = journal.VerdictInconclusive, "no_hits"
	r.Summary.Score, r.Summary.Formula, r.Summary.Unscored = nil, "", "the run is inconclusive (no_hits)"
	for _, p := range slices.Concat(r.Summary.Probes, r.Summary.Loads) {
		p.Availability, p.Speed, p.Recovered, p.Score = nil, nil, nil, nil
	}
	for format, want := range map[string]string{
		"md":   "after faults. No score: the run is inconclusive \\(no\\_hits\\).\n",
		"json": `"unscored": "the run is inconclusive (no_hits)"`,
		"html": `<p class="small soft">No score: the run is inconclusive (no_hits).</p>`,
	} {
		if got := write(t, format, r); !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s has no %q:\n%s", format, want, got)
		}
	}
	for format, no := range map[string]string{"junit": "resilience score", "html": "of 100", "md": "of 100"} {
		if got := write(t, format, r); bytes.Contains(got, []byte(no)) {
			t.Errorf("%s has a score: %q", format, no)
		}
	}
}

// TestCommentSaysNothing: a step that says nothing about the system is no failure of it in a
// comment either, as in the summary of a terminal.
func TestCommentSaysNothing(t *testing.T) {
	j := viewtest.New("x", "real")
	s := j.Begin("0", journal.StepBeginBody{Path: "slow", Duration: time.Second})
	j.Wait(time.Second)
	p := &journal.Problem{Code: "no_hits", Message: "no request met the fault", Path: "slow"}
	j.Add(journal.StepEnd, s, &journal.StepEndBody{Path: "slow", Status: journal.Failed, Tries: 1, Error: p})
	out := string(write(t, "md", &report.Run{Run: j.Finish(journal.RunEndBody{Verdict: journal.VerdictInconclusive, Reason: "no_hits", Message: p.Message}).Run()}))
	if !strings.Contains(out, "1 step · 1 inconclusive") || !strings.Contains(out, "- ❔ step \"slow\"") || strings.Contains(out, "1 failed") || strings.Contains(out, "❌") {
		t.Errorf("nothing failed:\n%s", out)
	}
}
