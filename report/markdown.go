package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// The bounds of a comment: GitHub takes 65 536 characters.
const (
	maxMarkdownRows = 40
	maxMarkdownText = 300
)

// markdown is a document in the making.
type markdown struct {
	strings.Builder
	run *Run
}

// writeMarkdown writes a run as a comment for a pull request: what a reviewer must know
// is open, the rest folds away.
func writeMarkdown(w io.Writer, r *Run) error {
	m := &markdown{run: r}
	m.head()
	m.findings()
	m.resilience()
	m.steps()
	m.faults()
	m.figures()
	m.foot()
	_, err := io.WriteString(w, m.String())
	return err
}

func (m *markdown) head() {
	r := m.run
	fmt.Fprintf(m, "## %s %s: %s\n\n", mark(r), md(cmp.Or(r.Name, "unnamed")), md(verdictWords(r)))
	if because := r.because(); because != "" {
		fmt.Fprintf(m, "**%s** (%s)\n\n", md(because), code(r.reason()))
	}
	fmt.Fprintln(m, md(counts(r)))
	for _, p := range r.Unclean {
		fmt.Fprintf(m, "\n> [!CAUTION]\n> This may still be broken: %s\n", md(p.Message))
	}
	for _, warning := range r.Warnings() {
		fmt.Fprintf(m, "\n> [!WARNING]\n> %s\n", md(warning))
	}
}

// verdictWords is the verdict with what lies behind a pass.
func verdictWords(r *Run) string {
	if r.State != view.Ended {
		return r.verdict()
	}
	return text.Verdict(r.Run)
}

// mark is a symbol for the verdict; the word is always beside it.
func mark(r *Run) string {
	switch {
	case r.State != view.Ended:
		return "⏳"
	case r.Verdict == journal.VerdictPassed && r.Tolerated+r.Flaky > 0:
		return "⚠️"
	case r.Verdict == journal.VerdictPassed:
		return "✅"
	case r.Verdict == journal.VerdictInconclusive:
		return "❔"
	case r.Verdict == journal.VerdictStopped:
		return "⏹️"
	}
	return "❌"
}

// counts says how much there was, in a line.
func counts(r *Run) string {
	c, silent := r.Counts, text.SilentSteps(r.Run)
	parts := []string{plural(c.Steps, "step")}
	for _, n := range []struct {
		n    int
		what string
	}{{c.Failed - silent, "failed"}, {silent, "inconclusive"}, {c.Skipped, "skipped"}, {c.Stopped, "stopped"}} {
		if n.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.what))
		}
	}
	if c.Checks > 0 {
		parts = append(parts, plural(c.Checks, "check"))
	}
	if n := len(r.Faults); n > 0 {
		parts = append(parts, plural(n, "fault"))
	}
	return strings.Join(append(parts, text.Duration(r.Now)), " · ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (m *markdown) findings() {
	list, more := findings(m.run)
	if len(list) == 0 {
		return
	}
	shown := list[:min(len(list), maxMarkdownRows)]
	fmt.Fprintf(m, "\n### %s\n\n", m.run.titled(list))
	for _, f := range shown {
		kind := "❌"
		switch {
		case m.run.Verdict == journal.VerdictStopped && f.Code == m.run.reason():
			kind = "⏹"
		case journal.Inconclusive(f.Code):
			kind = "❔"
		}
		if word := f.held(); word != "" {
			kind = "⚠️ " + word + ":"
		}
		where := ""
		if f.File != "" {
			where = " " + code(fmt.Sprintf("%s:%d", f.File, f.Line))
		}
		fmt.Fprintf(m, "- %s %s%s\n", kind, md(f.Message), where)
	}
	m.left(len(list)-len(shown)+more, "failures")
}

// left says what is left out.
func (m *markdown) left(n int, what string) {
	if n > 0 {
		fmt.Fprintf(m, "\n_%d more %s._\n", n, what)
	}
}

// eachSeen says what is counted where several faults may see one request.
func eachSeen(faults int) string {
	if faults == 1 {
		return ""
	}
	return " (a request counts for each fault that it meets)"
}

func (m *markdown) resilience() {
	s := m.run.Summary
	if s == nil {
		return
	}
	m.WriteString("\n### Resilience")
	if s.Score != nil {
		fmt.Fprintf(m, ": %s of 100", score(s.Score))
	}
	fmt.Fprintf(m, "\n\n%s on, %d of them met requests: %s of all faults, of %d that they saw%s.\n\n", plural(s.Faults.On, "fault"), s.Faults.Met, plural(int(s.Faults.Hits), "hit"), s.Faults.Requests, eachSeen(s.Faults.On))
	m.row("", "availability", "p50", "p99", "detected", "recovered", "score")
	m.row("---", "---", "---", "---", "---", "---", "---:")
	for _, p := range slices.Concat(s.Probes, s.Loads) {
		m.row(md(p.Name),
			phases(p, func(p *view.Phase) string { return text.Percent(p.Availability) }),
			phases(p, func(p *view.Phase) string { return latency(p, p.P50) }),
			phases(p, func(p *view.Phase) string { return latency(p, p.P99) }),
			detected(p), recovered(p), score(p.Score))
	}
	m.WriteString("\nBefore → with → after faults. ")
	if s.Formula != "" {
		fmt.Fprintf(m, "Score: the mean of %s.\n", md(s.Formula))
	}
	if s.Unscored != "" {
		fmt.Fprintf(m, "No score: %s.\n", md(s.Unscored))
	}
}

// phases is a figure before, with and after faults.
func phases(p *view.ProbeSummary, of func(*view.Phase) string) string {
	var parts []string
	for _, phase := range []*view.Phase{p.Baseline, p.Fault, p.Recovery} {
		if phase == nil {
			parts = append(parts, "–")
			continue
		}
		parts = append(parts, of(phase))
	}
	return strings.Join(parts, " → ")
}

// detected and recovered say how long it took, in words.
func detected(p *view.ProbeSummary) string {
	if p.Detect == nil {
		return "not disturbed"
	}
	return "after " + text.Took(*p.Detect)
}

func recovered(p *view.ProbeSummary) string {
	switch {
	case p.Recover != nil && *p.Recover > 0:
		return "after " + text.Took(*p.Recover)
	case p.Recover != nil:
		return "at once"
	case p.Lost:
		return "not recovered"
	}
	return "not looked at"
}

func (m *markdown) steps() {
	r := m.run
	if len(r.Steps) == 0 {
		return
	}
	steps, left := pick(r.Steps, maxMarkdownRows, func(s *view.Step) bool { return s.Status != journal.Passed })
	m.open(plural(len(r.Steps), "step"))
	m.row("step", "status", "at", "took")
	m.row("---", "---", "---:", "---:")
	for _, s := range steps {
		status := string(s.Status)
		if s.Tolerated {
			status += ", tolerated"
		}
		if s.Tries > 1 {
			status += fmt.Sprintf(", %d tries", s.Tries)
		}
		if s.Reason != "" {
			status += ": " + s.Reason
		}
		m.row(md(s.Path), md(status), text.Duration(s.Start), text.Duration(s.Took(r.Now)))
	}
	m.left(left, "steps")
	m.close()
}

func (m *markdown) faults() {
	r := m.run
	if len(r.Faults) == 0 {
		return
	}
	faults, left := pick(r.Faults, maxMarkdownRows, troubled)
	m.open(plural(len(r.Faults), "fault"))
	m.row("target", "fault", "at", "on for", "requests", "state")
	m.row("---", "---", "---:", "---:", "---", "---")
	for _, f := range faults {
		m.row(md(f.Target), md(f.Text), text.Duration(f.Start), text.Duration(r.OnFor(f, r.Now)), text.Hits(f), md(string(f.State)))
	}
	m.left(left, "faults")
	m.close()
}

func (m *markdown) figures() {
	r := m.run
	if len(r.Figures) == 0 {
		return
	}
	figures := r.Figures[:min(len(r.Figures), maxMarkdownRows)]
	m.open(plural(len(r.Figures), "recorded figure"))
	m.row("figure", "value", "better")
	m.row("---", "---:", "---")
	for _, f := range figures {
		m.row(md(f.Name), md(strings.TrimSpace(text.Number(f.Value)+" "+f.Unit)), md(f.Better))
	}
	m.left(len(r.Figures)-len(figures), "figures")
	m.close()
}

func (m *markdown) foot() {
	fmt.Fprintf(m, "\nRun it again: %s\n", code(m.run.command()))
	if m.run.ID != "" {
		fmt.Fprintf(m, "\nRun %s, seed %d.\n", code(m.run.ID), m.run.Seed)
	}
}

// open and close fold a part away.
func (m *markdown) open(summary string) {
	fmt.Fprintf(m, "\n<details><summary>%s</summary>\n\n", md(summary))
}

func (m *markdown) close() { m.WriteString("\n</details>\n") }

// row writes a row of a table; its cells are escaped.
func (m *markdown) row(cells ...string) {
	fmt.Fprintf(m, "| %s |\n", strings.Join(cells, " | "))
}

// md makes a text from outside plain text of Markdown: nothing in it formats, links,
// nor calls a person by name.
func md(s string) string {
	s = clip(line(s), maxMarkdownText)
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '@':
			b.WriteString("@\u2060") // a word joiner, which is not seen: no mention
			continue
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '>':
			b.WriteString("&gt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\`*_{}[]()#+!|~$", r):
			b.WriteByte('\\')
		case r == '\t':
			r = ' '
		}
		b.WriteRune(r)
	}
	// An address would become a link.
	return strings.ReplaceAll(b.String(), "://", ":\u2060//")
}

// code is a text as code. In a table a bar must not end the cell.
func code(s string) string {
	s = strings.ReplaceAll(line(s), "\t", " ")
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
