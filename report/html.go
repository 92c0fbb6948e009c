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
	// FindingsTitle heads them, and is that of their section.
	FindingsTitle string

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
		Held        string
	}
	pageResilience struct {
		Exposure, Formula, Unscored, Left string
		Measures                          []*measure
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
		Tone: tone(r), Mark: pageMark(r), Verdict: line(r.verdict()), Because: line(r.behind()), Reason: line(r.reason()),
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
		pf := pageFinding{Text: line(f.Message), Held: f.held()}
		if f.File != "" {
			pf.Where = line(fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		p.Findings = append(p.Findings, pf)
	}
	p.FindingsTitle = r.titled(list)
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
	add(len(p.Findings) > 0, "failures", p.FindingsTitle)
	add(p.Resilience != nil, "resilience", "Resilience")
	add(p.Timeline != nil, "timeline", "Timeline")
	add(len(p.Charts) > 0, "charts", "Over time")
	for _, t := range p.Tables {
		add(true, t.ID, t.Title)
	}
	add(true, "again", "Run it again")
	add(len(p.Scripts) > 0, "script", "Script")
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
