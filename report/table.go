package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// maxRows bounds a table for people.
const maxRows = 200

// tables are those of the page that have rows.
func (r *Run) tables() []*table {
	var out []*table
	for _, t := range []*table{
		r.stepTable(), r.checkTable(), r.faultTable(), r.watchTable(), r.loadTable(), r.figureTable(),
		r.controlTable(), r.targetTable(), r.logTable(),
	} {
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func statusTone(s *view.Step) string {
	switch {
	case s.Status == journal.Passed && s.Tries > 1:
		return "warn"
	case s.Status == journal.Passed:
		return "good"
	case s.Status == journal.Failed && s.Tolerated:
		return "warn"
	case s.Status == journal.Failed:
		return "bad"
	case s.Status == journal.Skipped:
		return "idle"
	case s.Status == journal.Stopped:
		return "warn"
	}
	return "calm"
}

// statusWords is the status of a step with what lies behind it.
func statusWords(s *view.Step) string {
	switch {
	case s.Status == journal.Failed && s.Tolerated:
		return "failed, tolerated"
	case s.Status == journal.Passed && s.Tries > 1:
		return "passed after a retry"
	}
	return string(s.Status)
}

// rowTone marks rows that need a look.
func rowTone(tone string) string {
	if tone == "bad" || tone == "warn" {
		return tone
	}
	return ""
}

func (r *Run) stepTable() *table {
	t := newTable("steps", "Steps", fmt.Sprintf("%s in the order in which they began", plural(r.Counts.Steps, "step")), "step", "status", "began at|", "took|", "tries|")
	steps, n := pick(r.Steps, maxRows, func(s *view.Step) bool { return s.Status != journal.Passed })
	for _, s := range steps {
		row := t.row(rowTone(statusTone(s)))
		row.head(s.Path)
		why := s.Reason
		if s.Error != nil {
			why = s.Error.Message
		}
		row.pillWhy(statusTone(s), statusWords(s), why)
		row.num(text.Duration(s.Start))
		row.num(text.Duration(s.Took(r.Now)))
		row.num(fmt.Sprint(s.Tries))
	}
	t.Left = left(n, "steps")
	return t
}

func (r *Run) checkTable() *table {
	t := newTable("checks", "Checks", fmt.Sprintf("%s, %d failed", plural(r.Counts.Checks, "check"), r.Counts.ChecksFailed), "check", "verdict", "value|", "limit", "step", "at|")
	checks, n := pick(r.Checks, maxRows, func(c *view.Check) bool { return !c.OK })
	for _, c := range checks {
		tone, word := "good", "passed"
		switch {
		case !c.OK && c.Tolerated:
			tone, word = "warn", "failed, tolerated"
		case !c.OK:
			tone, word = "bad", "failed"
		}
		row := t.row(rowTone(tone))
		row.head(c.Name)
		row.pillWhy(tone, word, strings.TrimSpace(c.Detail+" "+r.at(c.Stack)))
		row.num(text.Measured(c.Value, c.Unit, c.Limit))
		row.text(c.Limit)
		row.text(c.Path)
		row.num(text.Duration(c.At))
	}
	t.Left = left(n+max(0, r.Counts.Checks-len(r.Checks)), "checks")
	return t
}

// at is a place in the script in parentheses.
func (r *Run) at(frames []journal.Frame) string {
	file, n, _ := r.place(frames, "")
	if file == "" {
		return ""
	}
	return fmt.Sprintf("(%s:%d)", file, n)
}

func faultTone(f *view.Fault) string {
	switch f.State {
	case view.FaultUnclean, view.FaultFailed:
		return "bad"
	case view.FaultExpired:
		return "warn"
	case view.FaultOff:
		if f.Cleaned != nil {
			return "warn"
		}
		if !f.Uncounted && f.Hit == 0 {
			return "warn"
		}
		return "idle"
	}
	return "calm"
}

// faultWords is the state of a fault in words that a reader of one report knows.
func faultWords(f *view.Fault) string {
	switch f.State {
	case view.FaultUnclean:
		return "may still be on"
	case view.FaultFailed:
		return "never went on"
	case view.FaultExpired:
		return "off by itself"
	case view.FaultOff:
		if f.Cleaned != nil {
			return "taken off later"
		}
	}
	return string(f.State)
}

func (r *Run) faultTable() *table {
	t := newTable("faults", "Faults", fmt.Sprintf("%s; at most %d on at once", plural(len(r.Faults), "fault"), r.MaxFaults), "target", "fault", "on at|", "on for|", "requests seen|", "hit|", "state")
	faults, n := pick(r.Faults, maxRows, troubled)
	for _, f := range faults {
		row := t.row(rowTone(faultTone(f)))
		row.head(f.Target)
		row.why(f.Text, f.Path)
		row.num(text.Duration(f.Start))
		row.num(text.Duration(r.OnFor(f, r.Now)))
		if f.Uncounted {
			row.num("not counted")
			row.num("")
		} else {
			row.num(fmt.Sprint(f.Seen))
			row.num(fmt.Sprint(f.Hit))
		}
		why := ""
		if f.Error != nil {
			why = f.Error.Message
		} else if f.Inapplicable > 0 && f.Hit == 0 {
			why = text.Hits(f)
		}
		row.pillWhy(faultTone(f), faultWords(f), why)
	}
	t.Left = left(n, "faults")
	return t
}

func (r *Run) watchTable() *table {
	lost := unheld(r)
	t := newTable("guards", "Guards and steady states", "What was watched, and what did not hold first", "name", "kind", "held", "readings|", "bad|")
	for _, kind := range []struct {
		name string
		all  []*view.Watch
	}{{"guard", r.Guards}, {"steady state", r.Steady}} {
		watches, n := pick(kind.all, maxRows, func(w *view.Watch) bool { return w.Worst != nil })
		for _, w := range watches {
			tone, word, why := "good", "held", ""
			switch {
			case w.Worst != nil && w.Worst.State == "deviates" && lost[w.ID] != nil:
				tone, word = "bad", "did not hold"
			case w.Worst != nil && w.Worst.State == "deviates":
				tone, word = "warn", "deviated"
			case w.Worst != nil:
				tone, word = "bad", "breached"
			case !w.Read():
				tone, word = "idle", "not read"
			}
			if w.Worst != nil {
				why = strings.TrimSpace(fmt.Sprintf("at %s, %s", text.Duration(w.Worst.At), reading(w)))
			}
			row := t.row(rowTone(tone))
			row.head(w.Name)
			row.text(kind.name)
			row.pillWhy(tone, word, why)
			counted := func(n int) string {
				if w.Seen == 0 && w.State != "" { // read before and after faults only
					return ""
				}
				return fmt.Sprint(n)
			}
			row.num(counted(w.Seen))
			row.num(counted(w.Bad))
		}
		t.Left += left(n, kind.name+"s")
	}
	return t
}

func (r *Run) loadTable() *table {
	t := newTable("load", "Load", "Latencies are from when a request was due, those of failed ones included", "load", "requests|", "errors|", "p50|", "p95|", "p99|", "longest|", "answers/s|")
	loads, n := pick(r.Loads, maxRows, func(l *view.Load) bool {
		return l.Figures == nil || l.Figures.GeneratorLimited || l.Figures.StoppedBy != ""
	})
	for _, l := range loads {
		f := l.Figures
		if f == nil {
			row := t.row("warn")
			row.head(cmp.Or(l.Path, l.Text))
			why := "no figures"
			if l.Error != nil {
				why = l.Error.Message
			}
			row.text(why)
			continue
		}
		row := t.row("")
		why := append([]string{l.Text}, text.Unsent(f.Dropped, f.ByStatus)...)
		for _, note := range []struct {
			is   bool
			text string
		}{
			{f.Late > 0, fmt.Sprintf("%d late", f.Late)},
			{f.Unfinished > 0, fmt.Sprintf("%d unfinished", f.Unfinished)}, {f.StoppedBy != "", "stopped by " + f.StoppedBy},
			{f.GeneratorLimited, "this machine was the limit"},
		} {
			if note.is {
				why = append(why, note.text)
			}
		}
		if f.GeneratorLimited {
			row.Tone = "warn"
		}
		row.add(cell{Text: cmp.Or(l.Path, "in the background"), Why: strings.Join(why, ", "), Head: true})
		row.num(fmt.Sprint(f.Requests))
		row.add(cell{Text: fmt.Sprintf("%d (%s)", f.Errors, text.Percent(f.ErrorRate)), Why: statuses(f), Num: true})
		for _, d := range []string{text.Took(f.P50), text.Took(f.P95), text.Took(f.P99), text.Took(f.Max)} {
			row.num(d)
		}
		row.num(text.Number(float64(int(f.Throughput*10+0.5)) / 10))
	}
	t.Left = left(n, "loads")
	return t
}

// statuses are the statuses of a load that had more than one, the most frequent first.
func statuses(f *view.LoadFigures) string {
	if len(f.ByStatus) < 2 || f.Errors == 0 {
		return ""
	}
	type count struct {
		status string
		n      int64
	}
	var all []count
	for status, n := range f.ByStatus {
		if n > 0 {
			all = append(all, count{status, n})
		}
	}
	slices.SortFunc(all, func(a, b count) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.status, b.status)) })
	var out []string
	for _, c := range all[:min(len(all), 6)] {
		out = append(out, fmt.Sprintf("%s: %d", c.status, c.n))
	}
	return strings.Join(out, ", ")
}

func (r *Run) figureTable() *table {
	t := newTable("figures", "Recorded figures", "What the script recorded", "figure", "value|", "better", "step")
	for _, f := range r.Figures[:min(len(r.Figures), maxRows)] {
		row := t.row("")
		row.head(f.Name)
		row.num(strings.TrimSpace(text.Number(f.Value) + " " + f.Unit))
		row.text(f.Better)
		row.text(f.Path)
	}
	t.Left = left(len(r.Figures)-len(t.Rows), "figures")
	return t
}

func (r *Run) controlTable() *table {
	t := newTable("controls", "Asked from outside", "What people and policies asked of the run", "what", "by", "at|", "detail")
	for _, c := range r.Controls[:min(len(r.Controls), maxRows)] {
		row := t.row("")
		row.head(strings.TrimSpace(c.Action + " " + c.Path))
		row.text(c.By)
		row.num(text.Duration(c.At))
		detail := c.Detail
		if c.Gap > 0 {
			detail = strings.TrimSpace(detail + " nobody had run it for " + text.Duration(c.Gap))
		}
		row.text(detail)
	}
	t.Left = left(len(r.Controls)-len(t.Rows), "requests")
	return t
}

func (r *Run) targetTable() *table {
	t := newTable("targets", "Targets and reach", "What the run touched", "what", "kind", "where", "faults|")
	for _, x := range r.Targets[:min(len(r.Targets), maxRows)] {
		row := t.row("")
		row.head(x.Name)
		row.text("target")
		where := x.Engine
		if x.Listen != "" {
			where = x.Listen + " → " + x.Upstream
		}
		row.text(where)
		row.num(fmt.Sprint(x.Faults))
	}
	for _, kind := range []struct {
		name string
		all  []string
	}{{"host", r.Hosts}, {"command", r.Commands}} {
		for _, name := range kind.all[:min(len(kind.all), maxRows)] {
			row := t.row("")
			row.head(name)
			row.text(kind.name)
			row.text("")
			row.num("")
		}
	}
	t.Left = left(len(r.Targets)+len(r.Hosts)+len(r.Commands)-len(t.Rows), "targets, hosts and commands")
	return t
}

func (r *Run) logTable() *table {
	lines := r.Log[max(0, len(r.Log)-view.MaxLog):]
	shown, _ := pick(lines, maxRows, func(l view.Line) bool { return l.Level == "error" || l.Level == "warn" })
	t := newTable("log", "Log", fmt.Sprintf("%s; warnings and errors first where not all are shown", plural(r.Counts.LogLines, "line")), "at|", "level", "message", "step")
	for _, l := range shown {
		tone := map[string]string{"error": "bad", "warn": "warn"}[l.Level]
		row := t.row(tone)
		row.num(text.Duration(l.At))
		row.text(l.Level)
		row.why(l.Message, text.Fields(l.Fields, l.Units))
		row.text(l.Path)
	}
	t.Left = left(r.Counts.LogLines-len(shown), "lines")
	return t
}
