// Package compare sets two runs side by side, to say whether resilience has regressed.
//
// What lives here: what is compared, what counts as worse, and how it is shown. What may
// not: anything that is not in the two views.
//
// # What counts as worse
//
// The second run is measured against the first. It has regressed where
//
//   - it did not pass and the first did;
//   - a step or a check failed that had passed in the first;
//   - a probe or a load that was well again in the first was not;
//   - a figure is worse by more than the share that is permitted of its value in the
//     first: latencies, times to detect and to recover (times also by more than a
//     millisecond), availability, throughput, scores, and recorded figures that say which
//     way is better.
//
// A figure that is made of requests or readings is worse only where there are enough of
// them to tell that from chance; see grounds.
//
// What only one of the runs has is shown and is no regression, since scripts change. Two
// runs that have nothing in common are no comparison: Nothing says so.
package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Side is one of the runs.
type Side struct {
	ID      string  `json:"id,omitempty"`
	Name    string  `json:"name"`
	Verdict string  `json:"verdict"`
	Reason  string  `json:"reason"`
	Seconds float64 `json:"seconds"`
	Seed    uint64  `json:"seed,string"`
	// Unscored says why the run has no scores; "" where it has, or would have none anyway.
	Unscored string `json:"unscored,omitempty"`
}

// Row is one thing that both or one of the runs have.
type Row struct {
	// Kind is "verdict", "step", "check", "figure", "load", "probe" or "score".
	Kind string `json:"kind"`
	Name string `json:"name"`
	// A and B are the two in words; "" where a run has none.
	A string `json:"a"`
	B string `json:"b"`
	// Was and Is are the two as numbers, in seconds where Unit is "s".
	Was  *float64 `json:"was,omitempty"`
	Is   *float64 `json:"is,omitempty"`
	Unit string   `json:"unit,omitempty"`
	// Better is "lower", "higher" or "".
	Better string `json:"better,omitempty"`
	// Change is by how much of Was it has changed; nil where that cannot be said.
	Change *float64 `json:"change,omitempty"`
	// Worse says that it regressed by more than is permitted.
	Worse bool `json:"worse"`
	// TooFew says that it would be worse if it were not made of too few requests or
	// readings to tell.
	TooFew bool `json:"too_few,omitempty"`
}

// Comparison is two runs side by side.
type Comparison struct {
	A   Side    `json:"a"`
	B   Side    `json:"b"`
	Max float64 `json:"max_regression"`
	// Regressed says that any row is worse.
	Regressed bool `json:"regressed"`
	// Compared counts the steps, checks and figures that both runs have. Where it is 0 that
	// nothing regressed says nothing.
	Compared int   `json:"compared"`
	Rows     []Row `json:"rows"`
	// Alike counts the steps and checks that ended in the same way and have no row.
	Alike int `json:"alike"`
	// LeftOut counts rows that were not worse and are too many.
	LeftOut int `json:"left_out,omitempty"`

	worse int // rows that are
}

// maxRows bounds the rows that are not worse, and those that are.
const maxRows = 1000

// Run is a run with the name under which it is kept.
type Run struct {
	*view.Run
	ID string
}

// Compare sets b against a. A run that is not over cannot be compared.
func Compare(a, b Run, most float64) (*Comparison, error) {
	for _, r := range []Run{a, b} {
		if r.State != view.Ended {
			return nil, fmt.Errorf("run %s is not over; only runs that have ended can be compared", cmp.Or(r.ID, r.Name))
		}
	}
	c := &Comparison{A: side(a), B: side(b), Max: most, Rows: []Row{}}
	c.verdict(a, b)
	c.statuses("step", steps(a), steps(b))
	c.statuses("check", checks(a), checks(b))
	c.figures(measures(a), measures(b))
	return c, nil
}

// Nothing reports whether the two had nothing to compare but their verdicts, of which the
// second is no worse: such a comparison is no pass.
func (c *Comparison) Nothing() bool { return c.Compared == 0 && !c.Regressed }

func side(r Run) Side {
	out := Side{r.ID, r.Name, string(r.Verdict), r.Reason, r.Now.Seconds(), r.Seed, ""}
	if r.Summary != nil {
		out.Unscored = r.Summary.Unscored
	}
	return out
}

// add takes a row.
func (c *Comparison) add(row Row) {
	c.Regressed = c.Regressed || row.Worse
	if row.Worse && c.worse >= maxRows || !row.Worse && len(c.Rows)-c.worse >= maxRows {
		c.LeftOut++
		return
	}
	if row.Worse {
		c.worse++
	}
	c.Rows = append(c.Rows, row)
}

func (c *Comparison) verdict(a, b Run) {
	c.add(Row{
		Kind: "verdict", Name: "verdict", A: string(a.Verdict), B: string(b.Verdict),
		Worse: a.Verdict == journal.VerdictPassed && b.Verdict != journal.VerdictPassed,
	})
}

// status is how something of a name ended.
type status struct{ name, text string }

func steps(r Run) []status {
	var out []status
	for _, s := range r.Steps {
		out = append(out, status{s.Path, string(s.Status)})
	}
	return out
}

func checks(r Run) []status {
	var out []status
	for _, c := range r.Checks {
		s := status{c.Name, "passed"}
		if c.Path != "" {
			s.name = c.Path + ": " + c.Name
		}
		if !c.OK {
			s.text = "failed"
		}
		out = append(out, s)
	}
	return out
}

// statuses compares what ended somehow. Of several of one name the first is compared with
// the first, and so on.
func (c *Comparison) statuses(kind string, a, b []status) {
	as, bs := numbered(a), numbered(b)
	had := map[string]string{}
	for _, s := range bs {
		had[s.name] = s.text
	}
	seen := map[string]bool{}
	for _, s := range as {
		seen[s.name] = true
		now, both := had[s.name]
		if both {
			c.Compared++
		}
		if both && now == s.text {
			c.Alike++
			continue
		}
		c.add(Row{Kind: kind, Name: s.name, A: s.text, B: now, Worse: both && s.text == "passed" && (now == "failed" || now == "stopped")})
	}
	for _, s := range bs {
		if !seen[s.name] {
			c.add(Row{Kind: kind, Name: s.name, B: s.text})
		}
	}
}

// numbered tells those of one name apart.
func numbered(list []status) []status {
	count := map[string]int{}
	out := make([]status, len(list))
	for i, s := range list {
		count[s.name]++
		if n := count[s.name]; n > 1 {
			s.name = fmt.Sprintf("%s (%d)", s.name, n)
		}
		out[i] = s
	}
	return out
}

// outOf is the unit of a score.
const outOf = "of 100"

// measure is a figure of a run. Lost stands for a time that never came to its end.
type measure struct {
	kind, name, unit, better string
	value                    float64
	lost                     bool
	sample                   sample
}

// sample is what a figure is made of; the zero value is for one that is measured as a whole.
type sample struct {
	n     int // requests or readings
	least int // fewer say nothing of this figure
	// Of times: what half of them pass, and what hardly any does.
	half, most time.Duration
}

// The least that figures are made of, by rule of thumb; of the last hundredth there must be one.
const (
	leastForMean = 30
	leastForP99  = 100
)

// grounds reports whether what is worse is so by more than chance. Of a share that is what
// the chi-squared test says, with Yates's correction for few, at 5 % on one side. Another
// figure needs its least number; but times of which half are above nearly all of before are
// slower even if there are eight.
func grounds(was, is *measure) bool {
	a, b := was.sample, is.sample
	switch {
	case a.n == 0 || b.n == 0:
		return true
	case was.unit == "share":
		n, m := float64(a.n), float64(b.n)
		good, bad := n*was.value+m*is.value, n*(1-was.value)+m*(1-is.value)
		apart := max(n*m*math.Abs(was.value-is.value)-(n+m)/2, 0)
		return (n+m)*apart*apart > 2.706*n*m*good*bad
	case a.half > 0 && a.n >= 8 && b.n >= 8 && b.half > a.most:
		return true
	}
	return min(a.n, b.n) >= a.least
}

func (m *measure) text() string {
	switch {
	case m.lost:
		return "never"
	case m.unit == "s":
		return text.Took(time.Duration(min(max(m.value, 0), 1e9) * float64(time.Second)))
	case m.unit == "share":
		return text.Percent(m.value)
	case m.unit == outOf:
		return fmt.Sprintf("%.1f", m.value)
	case m.unit != "":
		return text.Number(m.value) + " " + m.unit
	}
	return text.Number(m.value)
}

// measures are the figures of a run, each of its own name.
func measures(r Run) []measure {
	var out []measure
	count := map[string]int{}
	add := func(kind, name, unit, better string, value float64, lost bool, of sample) {
		key := kind + "\x00" + name
		count[key]++
		if n := count[key]; n > 1 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		out = append(out, measure{kind, name, unit, better, value, lost, of})
	}
	if s := r.Summary; s != nil {
		if s.Score != nil {
			add("score", "resilience score", outOf, "higher", *s.Score, false, sample{fewest(s), leastForMean, 0, 0})
		}
		for _, p := range s.Probes {
			resilience(add, "probe", p)
		}
		for _, p := range s.Loads {
			p := *p
			p.Name = strings.TrimPrefix(p.Name, "load ") // the kind says it
			resilience(add, "load", &p)
		}
	}
	for _, l := range r.Loads {
		f := l.Figures
		if f == nil || f.Requests == 0 { // no answer has taken no time
			continue
		}
		name := cmp.Or(l.Path, l.Text)
		n := int(f.Requests)
		if f.Requests > f.ByStatus["dropped"] { // else none was even sent, which has taken no time either
			add("load", name+": p50", "s", "lower", f.P50.Seconds(), false, sample{n, leastForMean, f.P50, f.P99})
			add("load", name+": p99", "s", "lower", f.P99.Seconds(), false, sample{n, leastForP99, f.P50, f.P99})
		}
		add("load", name+": availability", "share", "higher", 1-f.ErrorRate, false, sample{n: n})
		add("load", name+": answers a second", "", "higher", f.Throughput, false, sample{n: n, least: leastForMean})
	}
	for _, f := range r.Figures {
		name := f.Name
		if f.Path != "" {
			name = f.Path + ": " + f.Name
		}
		add("figure", name, f.Unit, f.Better, f.Value, false, sample{})
	}
	return out
}

// resilience are the figures of one probe or load of the summary.
func resilience(add func(kind, name, unit, better string, value float64, lost bool, of sample), kind string, p *view.ProbeSummary) {
	add(kind, p.Name+": availability under faults", "share", "higher", p.Fault.Availability, false, sample{n: p.Fault.Readings})
	add(kind, p.Name+": p99 under faults", "s", "lower", p.Fault.P99.Seconds(), false, sample{p.Fault.Readings, leastForP99, p.Fault.P50, p.Fault.P99})
	if p.Detect != nil {
		add(kind, p.Name+": time to the first sign", "s", "", p.Detect.Seconds(), false, sample{})
	}
	switch {
	case p.Recover != nil:
		add(kind, p.Name+": time to recover", "s", "lower", p.Recover.Seconds(), false, sample{})
	case p.Lost:
		add(kind, p.Name+": time to recover", "s", "lower", 0, true, sample{})
	}
	if p.Score != nil {
		add(kind, p.Name+": score", outOf, "higher", *p.Score, false, sample{n: p.Fault.Readings, least: leastForMean})
	}
}

// fewest are the readings under faults of the part of a run's score that has the fewest.
func fewest(s *view.Summary) int {
	n := 0
	for _, p := range slices.Concat(s.Probes, s.Loads) {
		if p.Score != nil && p.Fault != nil && (n == 0 || p.Fault.Readings < n) {
			n = p.Fault.Readings
		}
	}
	return n
}

func (c *Comparison) figures(a, b []measure) {
	type key struct{ kind, name string }
	now := map[key]*measure{}
	for i := range b {
		now[key{b[i].kind, b[i].name}] = &b[i]
	}
	seen := map[key]bool{}
	for i := range a {
		was := &a[i]
		k := key{was.kind, was.name}
		seen[k] = true
		row := Row{Kind: was.kind, Name: was.name, A: was.text(), Unit: was.unit, Better: was.better}
		if is := now[k]; is != nil {
			c.Compared++
			row.B, row.Better = is.text(), cmp.Or(is.better, was.better)
			c.weigh(&row, was, is)
		}
		c.add(row)
	}
	for i := range b {
		if is := &b[i]; !seen[key{is.kind, is.name}] {
			c.add(Row{Kind: is.kind, Name: is.name, B: is.text(), Unit: is.unit, Better: is.better})
		}
	}
}

// least is how much longer a time must be to be worse: less is the clock's noise.
const least = 0.001

// weigh says by how much a figure has changed, and whether that is too much.
func (c *Comparison) weigh(row *Row, was, is *measure) {
	if was.lost || is.lost {
		row.Worse = is.lost && !was.lost
		return
	}
	row.Was, row.Is = &was.value, &is.value
	change := is.value - was.value
	worse := change
	if row.Better == "higher" {
		worse = -change
	}
	if was.value != 0 {
		share := change / math.Abs(was.value)
		row.Change = &share
	}
	switch {
	case row.Better == "" || worse <= 0 || math.IsNaN(worse), row.Unit == "s" && worse < least:
	case was.value == 0:
		row.Worse = true // from nothing every step is beyond any share of it
	default:
		row.Worse = worse/math.Abs(was.value) > c.Max
	}
	if row.Worse && !grounds(was, is) {
		row.Worse, row.TooFew = false, true
	}
}
