package text

import (
	"fmt"
	"strings"

	"starquake/runtime/view"
)

// maxListed bounds one list of a footer or a summary.
const maxListed = 20

// footer says what the run uses and what a person should know of it.
func (t *timeline) footer(opt Options) {
	run := t.run
	judged := run.State == view.Ended && run.Message != "" && run.Verdict != "passed" && !run.Endless
	if judged { // the longest name stands last, and what stands above it lines up with it
		t.indent = max(t.indent, indentOf(string(run.Verdict)))
	}
	t.add(nil)
	t.fact("total", plain, t.total(opt)+t.untimed())
	for i, target := range run.Targets {
		if i == maxListed {
			t.more(len(run.Targets) - i)
			break
		}
		text := target.Name
		if target.Engine != "" {
			text += "  " + target.Engine
		} else if target.Listen != "" {
			text += "  " + target.Listen + " → " + target.Upstream
		}
		t.factOnce(i, "targets", text)
	}
	t.list("hosts", run.Hosts)
	t.list("commands", run.Commands)
	t.list("secrets", run.Secrets)
	if n := len(run.Faults); n > 0 {
		text := plural(n, "fault", "faults")
		if n > 1 && run.MaxFaults > 0 {
			text += fmt.Sprintf(", at most %d on at once (at %s)", run.MaxFaults, short(run.MaxFaultsAt))
		}
		t.fact("chaos", plain, text)
		if t.cutFaults {
			t.faultTexts()
		}
	}
	t.failedChecks()
	t.list("guards", watchNames(run.Guards))
	t.list("steady", watchNames(run.Steady))
	t.list("not taken", opt.NotTaken)
	for _, text := range append(run.Warnings(), opt.Warnings...) {
		t.fact("warning", yellow, text)
	}
	if judged {
		t.fact(string(run.Verdict), verdictColor(run.Verdict), because(string(run.Verdict), run.Message)+t.whence())
	}
}

// untimed names what a plan gives no time, and a run does.
func (t *timeline) untimed() string {
	requests, commands := 0, 0
	for kind, n := range t.run.Counts.Untimed {
		if kind == "exec" {
			commands += n
		} else {
			requests += n
		}
	}
	var what []string
	if requests > 0 {
		what = append(what, plural(requests, "request", "requests"))
	}
	if commands > 0 {
		what = append(what, plural(commands, "command", "commands"))
	}
	switch {
	case len(what) == 0 || t.run.State != view.Ended || t.run.Endless:
		return ""
	case requests+commands == 1:
		return ", and the time that " + what[0] + " takes"
	}
	return ", and the time that " + strings.Join(what, " and ") + " take"
}

// whence is the place in the script that the verdict's message came from, where a
// failure of no step and no check has it.
func (t *timeline) whence() string {
	for _, p := range t.run.Problems {
		if p.Message == t.run.Message {
			return where(p.Stack)
		}
	}
	return ""
}

// failedChecks names the checks that fail: a plan that passes may have some, held by
// an attempt or a step.
func (t *timeline) failedChecks() {
	n := 0
	for _, c := range t.run.Checks {
		if c.OK {
			continue
		}
		if n++; n > maxListed {
			continue
		}
		text, color := checkText(t.run, c), red
		if c.Tolerated {
			text, color = text+", tolerated", yellow
		}
		name := ""
		if n == 1 {
			name = "checks"
		}
		t.fact(name, color, "failed: "+Clean(c.Name)+withMessage(text))
	}
	if n > maxListed {
		t.more(n - maxListed)
	}
}

// faultTexts writes out the faults whose rows had no room for them.
func (t *timeline) faultTexts() {
	seen := map[string]bool{}
	for _, f := range t.run.Faults {
		text := faultLabel(t.run, f)
		if seen[text] {
			continue
		}
		if len(seen) == maxListed {
			t.fact("", dim, "and others")
			return
		}
		seen[text] = true
		t.fact("", magenta, t.fault()+" "+text)
	}
}

func watchNames(watches []*view.Watch) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range watches {
		if !seen[w.Name] {
			seen[w.Name] = true
			out = append(out, w.Name)
		}
	}
	return out
}

// list writes a name and what belongs to it, one a line; nothing of an empty list.
func (p *page) list(name string, items []string) {
	for i, item := range items {
		if i == maxListed {
			p.more(len(items) - i)
			return
		}
		p.factOnce(i, name, item)
	}
}

func (p *page) more(n int) { p.fact("", dim, fmt.Sprintf("and %d more", n)) }

func (p *page) factOnce(i int, name, text string) {
	if i > 0 {
		name = ""
	}
	p.fact(name, plain, text)
}

// factIndent is where the text of a fact usually begins, maxFact the longest name of
// one: that of a verdict.
const (
	factIndent = 14
	maxFact    = len("inconclusive")
)

// indentOf is where the text of a fact of that name can begin.
func indentOf(name string) int { return 2 + width(name) + 1 }

// fact writes a name and a text, wrapped at blanks below each other.
func (p *page) fact(name string, c color, text string) {
	first := dim
	if c != plain && name != "" {
		first = c
	}
	name = p.cut(Clean(name), maxFact)
	indent := max(p.indent, indentOf(name))
	for i, part := range p.lines(text, p.width-indent) {
		var l line
		l.put(plain, "  ")
		if i == 0 {
			l.put(first, name)
		}
		l.pad(indent).put(c, part)
		p.add(l)
	}
}

// maxLines bounds the lines of one text, such as a backtrace.
const maxLines = 16

// lines makes a text of several lines safe and wraps it.
func (p *page) lines(text string, n int) []string {
	var out []string
	if most := 4 * maxLines * max(n, 8); len(text) > most { // a message may be an answer's whole body
		text = strings.ToValidUTF8(text[:most], "") + p.ellipsis()
	}
	for part := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		out = append(out, wrap(p.legible(Clean(part)), n)...)
		if len(out) > maxLines {
			return append(out[:maxLines], p.ellipsis())
		}
	}
	return out
}

// wrap breaks text at blanks into lines of at most n cells. A word longer than a
// line is broken where the line ends.
func wrap(text string, n int) []string {
	n = max(n, 8)
	var out []string
	for width(text) > n {
		used, cut, blank := 0, len(text), -1
		for i, r := range text {
			if used += runeWidth(r); used > n {
				cut = i
				break
			}
			if r == ' ' && i > 0 {
				blank = i
			}
		}
		if text[cut] == ' ' {
			blank = cut
		}
		if blank > 0 && strings.TrimSpace(text[:blank]) != "" {
			cut = blank
		}
		out = append(out, text[:cut])
		text = strings.TrimLeft(text[cut:], " ")
	}
	return append(out, text)
}
