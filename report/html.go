package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// ContentSecurityPolicy is what the page needs, which is nothing but its own style: a
// server that sends it sends this with it. The page also has it within.
var ContentSecurityPolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'"
})

var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Parse(pageText)
})

// page is what the template shows. All texts are clean, and the template escapes them.
type page struct {
	CSP         string
	CSS         template.CSS
	Name        string
	Description string
	Planned     bool
	Tone        string // good, bad, warn, calm or idle
	Mark        string
	Verdict     string
	Behind      []string // what lies behind a pass
	Because     string
	Reason      string
	Facts       []pair
	Sections    []section
	Unclean     []string
	Warnings    []string
	Cards       []card
	Findings    []pageFinding

	FindingsLeft string
	Resilience   *pageResilience
	Timeline     *drawing
	Charts       []*drawing
	ChartsLeft   string
	Tables       []*table
	Command      string
	Given        *table
	Scripts      []pageScript
	Footer       string
}

type (
	pair        struct{ Key, Value string }
	section     struct{ ID, Title string }
	card        struct{ Key, Value, Unit string }
	pageFinding struct {
		Text, Where string
		Held        bool
	}
	pageResilience struct {
		Exposure, Formula, Left string
		Measures                []*measure
	}
	// measure is one probe or load before, with and after faults.
	measure struct {
		Name   string
		Pills  []cell
		Phases *table
	}
	pageScript struct {
		Name, Left string
		Open       bool
		Lines      []string
	}
)

// The bounds of the page.
const (
	maxPageFindings = 100
	maxScripts      = 20
	maxScriptLines  = 5000
	maxScriptSize   = 256 << 10
	maxNotes        = 50
	maxMeasures     = 24
)

// writeHTML writes the page: one file that asks nothing of any server and has no script.
func writeHTML(w io.Writer, r *Run) error {
	t, err := pageTemplate()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, newPage(r)); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

func newPage(r *Run) *page {
	p := &page{
		CSP: ContentSecurityPolicy(), CSS: template.CSS(pageStyle),
		Name: cmp.Or(line(r.Name), "unnamed"), Planned: r.World == "virtual",
		Tone: tone(r), Mark: pageMark(r), Verdict: line(r.verdict()), Because: line(r.because()), Reason: line(r.reason()),
		Command: line(r.command()), Given: r.given(), Scripts: r.scripts(),
		Footer: r.footer(),
	}
	p.meta(r)
	if r.State == view.Ended {
		p.Behind = strings.Split(text.Verdict(r.Run), ", ")[1:]
	}
	for _, problem := range r.Unclean {
		p.Unclean = append(p.Unclean, line(problem.Message))
	}
	for _, warning := range r.Warnings() {
		p.Warnings = append(p.Warnings, line(warning))
	}
	if r.Compress > 1 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("The run's time passed %d times faster than the wall clock; what the system did took its own time.", r.Compress))
	}
	p.Unclean, p.Warnings = p.Unclean[:min(len(p.Unclean), maxNotes)], p.Warnings[:min(len(p.Warnings), maxNotes)]
	list, more := findings(r)
	for _, f := range list[:min(len(list), maxPageFindings)] {
		pf := pageFinding{Text: line(f.Message), Held: f.Tolerated}
		if f.File != "" {
			pf.Where = line(fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		p.Findings = append(p.Findings, pf)
	}
	p.FindingsLeft = left(len(list)-len(p.Findings)+more, "failures")
	p.Cards = r.cards()
	p.Resilience = r.pageResilience()
	p.Timeline = r.timeline()
	p.Charts, p.ChartsLeft = r.charts()
	p.Tables = r.tables()
	p.sections()
	return p
}

// left says what is left out; "" for nothing.
func left(n int, what string) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("%d more %s are left out here; the JSON report and the journal have more.", n, what)
}

func tone(r *Run) string {
	switch {
	case r.State != view.Ended:
		return "calm"
	case r.Verdict == journal.VerdictPassed && r.Tolerated+r.Flaky > 0:
		return "warn"
	case r.Verdict == journal.VerdictPassed:
		return "good"
	case r.Verdict == journal.VerdictInconclusive || r.Verdict == journal.VerdictStopped:
		return "warn"
	}
	return "bad"
}

func pageMark(r *Run) string {
	return map[string]string{"good": "✓", "bad": "✗", "warn": "!", "calm": "…"}[tone(r)]
}

// meta fills in what the script says of itself, and who ran it when and where.
func (p *page) meta(r *Run) {
	var meta struct {
		Description, Owner, Runbook string
		Tags                        []string
	}
	_ = json.Unmarshal(r.Meta, &meta) // what the script did not say is empty
	p.Description = line(meta.Description)
	fact := func(key, value string) {
		if value = line(value); value != "" {
			p.Facts = append(p.Facts, pair{key, value})
		}
	}
	if r.World != "virtual" && !r.Origin.IsZero() {
		fact("started", r.Origin.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	fact("took", text.Duration(r.Now))
	fact("run", r.ID)
	fact("by", r.By)
	fact("owner", meta.Owner)
	fact("tags", strings.Join(meta.Tags, ", "))
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		fact(line(name), r.Labels[name])
	}
	fact("runbook", meta.Runbook)
	p.Facts = p.Facts[:min(len(p.Facts), maxNotes)]
}

func (p *page) sections() {
	add := func(is bool, id, title string) {
		if is {
			p.Sections = append(p.Sections, section{id, title})
		}
	}
	add(len(p.Findings) > 0, "failures", "What failed")
	add(p.Resilience != nil, "resilience", "Resilience")
	add(p.Timeline != nil, "timeline", "Timeline")
	add(len(p.Charts) > 0, "charts", "Over time")
	for _, t := range p.Tables {
		add(true, t.ID, t.Title)
	}
	add(true, "again", "Run it again")
	add(len(p.Scripts) > 0, "script", "Script")
}

// cards are the few figures that one looks for first.
func (r *Run) cards() []card {
	var out []card
	if s := r.Summary; s != nil {
		if s.Score != nil {
			out = append(out, card{"resilience score", score(s.Score), "of 100"})
		}
		worst, detect, recover := 1.0, (*time.Duration)(nil), (*time.Duration)(nil)
		lost := false
		for _, p := range slices.Concat(s.Probes, s.Loads) {
			worst = min(worst, p.Fault.Availability)
			detect = least(detect, p.Detect)
			recover = most(recover, p.Recover)
			lost = lost || p.Recover == nil && p.Recovery != nil
		}
		out = append(out, card{"lowest availability under faults", text.Percent(worst), ""})
		if detect != nil {
			out = append(out, card{"from first fault to first sign", text.Took(*detect), ""})
		} else {
			out = append(out, card{"no probe or load noticed", "calm", ""})
		}
		switch {
		case lost:
			out = append(out, card{"not well again at the end", "lost", ""})
		case recover != nil && *recover == 0:
			out = append(out, card{"from last fault until well", "0s", ""})
		case recover != nil:
			out = append(out, card{"from last fault until well", text.Took(*recover), ""})
		}
		out = append(out, card{"requests hit by faults", fmt.Sprint(s.Faults.Hits), fmt.Sprintf("of %d", s.Faults.Requests)})
	}
	c := r.Counts
	if c.Steps > 0 {
		out = append(out, card{"steps passed", fmt.Sprint(c.Passed), fmt.Sprintf("of %d", c.Steps)})
	}
	if c.Checks > 0 {
		out = append(out, card{"checks passed", fmt.Sprint(c.Checks - c.ChecksFailed), fmt.Sprintf("of %d", c.Checks)})
	}
	return out
}

func least(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

func most(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

func (r *Run) pageResilience() *pageResilience {
	s := r.Summary
	if s == nil {
		return nil
	}
	f := s.Faults
	out := &pageResilience{
		Exposure: fmt.Sprintf("%s on, between %s and %s. %d of them met requests: %d requests seen, %d hit.",
			plural(f.On, "fault"), text.Duration(f.FirstOn), text.Duration(f.LastOff), f.Met, f.Requests, f.Hits),
		Formula: s.Formula,
	}
	all := slices.Concat(s.Loads, s.Probes)
	for _, p := range all[:min(len(all), maxMeasures)] {
		out.Measures = append(out.Measures, newMeasure(p))
	}
	out.Left = left(len(all)-len(out.Measures), "probes and loads")
	return out
}

func newMeasure(p *view.ProbeSummary) *measure {
	m := &measure{Name: line(p.Name), Phases: newTable("", "", scoreWords(p), "phase", "readings|", "availability|", "error rate|", "p50|", "p99|")}
	pill := func(tone, text string) { m.Pills = append(m.Pills, cell{Pill: tone, Text: text}) }
	if p.Score != nil {
		pill("calm", "score "+score(p.Score))
	}
	if p.Detect == nil {
		pill("good", "not disturbed")
	} else {
		pill("warn", "first sign "+detected(p))
	}
	switch {
	case p.Recover == nil && p.Recovery != nil:
		pill("bad", "not recovered")
	case p.Recover != nil && p.Detect != nil:
		pill("good", "well again "+recovered(p))
	}
	for _, phase := range []struct {
		name string
		*view.Phase
	}{{"before faults", p.Baseline}, {"with faults on", p.Fault}, {"between and after", p.Recovery}} {
		if phase.Phase == nil {
			continue
		}
		row := m.Phases.row("")
		row.head(phase.name)
		row.num(fmt.Sprint(phase.Readings))
		row.num(text.Percent(phase.Availability))
		row.num(text.Percent(phase.ErrorRate))
		row.num(latency(phase.Phase, phase.P50))
		row.num(latency(phase.Phase, phase.P99))
	}
	return m
}

// latency is one of a phase; a dash where the readings took no time, as those of figures
// do that the run has itself.
func latency(p *view.Phase, d time.Duration) string {
	if p.P99 == 0 {
		return "–"
	}
	return text.Took(d)
}

// scoreWords are the parts of a score.
func scoreWords(p *view.ProbeSummary) string {
	var parts []string
	for _, part := range []struct {
		name  string
		value *float64
	}{{"availability", p.Availability}, {"speed", p.Speed}, {"recovered", p.Recovered}} {
		if part.value != nil {
			parts = append(parts, fmt.Sprintf("%s %.2f", part.name, *part.value))
		}
	}
	if len(parts) == 0 {
		return "No score"
	}
	return fmt.Sprintf("Score %s: %s", score(p.Score), strings.Join(parts, ", "))
}

// given is what the run was given: parameters, seed, versions.
func (r *Run) given() *table {
	t := newTable("", "", "What the run was given", "name", "value")
	add := func(name, value string) {
		if value = line(value); value != "" {
			row := t.row("")
			row.head(line(name))
			row.text(value)
		}
	}
	var params map[string]json.RawMessage
	_ = json.Unmarshal(r.Params, &params) // a run without parameters has none
	for i, name := range slices.Sorted(maps.Keys(params)) {
		if i == maxRows {
			t.Left = left(len(params)-i, "parameters")
			break
		}
		add("parameter "+name, text.Value(params[name], ""))
	}
	add("seed", fmt.Sprint(r.Seed))
	add("starquake", r.Version)
	add("interpreter", r.Interpreter)
	if r.Strict {
		add("strict", "tolerated failures and passes after a retry fail the run")
	}
	for _, name := range r.Secrets {
		add("secret", name)
	}
	return t
}

// scripts are the modules' texts, the main one first and open.
func (r *Run) scripts() []pageScript {
	names := slices.Sorted(maps.Keys(r.Modules))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == r.Script:
			return -1
		case b == r.Script:
			return 1
		}
		return 0
	})
	var out []pageScript
	room := maxScriptSize
	for i, name := range names {
		if len(out) == maxScripts {
			out[len(out)-1].Left += " " + left(len(names)-i, "modules")
			break
		}
		s := pageScript{Name: line(name), Open: name == r.Script}
		source := r.Modules[name]
		if len(source) > room {
			source = source[:room]
			s.Left = fmt.Sprintf("%d bytes more are left out.", len(r.Modules[name])-room)
		}
		room -= len(source)
		s.Lines = strings.Split(strings.TrimRight(block(source), "\n"), "\n")
		if n := len(s.Lines); n > maxScriptLines {
			s.Lines, s.Left = s.Lines[:maxScriptLines], fmt.Sprintf("%d lines more are left out.", n-maxScriptLines)
		}
		out = append(out, s)
	}
	return out
}

func (r *Run) footer() string {
	out := "Written by Starquake"
	if r.Version != "" {
		out += " " + line(r.Version)
	}
	if r.World == "virtual" {
		return out + ". This is a plan: time was simulated, and nothing outside was touched."
	}
	return out + ". Times are since the start of the run unless they say otherwise."
}
