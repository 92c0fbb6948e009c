package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// maxCases bounds the test cases; those that did not pass come before others.
const maxCases = 20000

// The elements of JUnit's XML as the common schema (that of Jenkins) has them. Their
// order within a test case and a suite is the schema's.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out,omitempty"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		Time    string      `xml:"time,attr"`
		Skipped *junitWhy   `xml:"skipped"`
		Error   *junitTrace `xml:"error"`
		Failure *junitTrace `xml:"failure"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
	}
	junitTrace struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a run as one suite: a test case for the verdict, each step, each
// check, and each guard and steady state.
func writeJUnit(w io.Writer, r *Run) error {
	suite := junitSuite{
		Name: line(r.Name), Time: seconds(r.Now), Timestamp: r.Origin.UTC().Format("2006-01-02T15:04:05"),
		Properties: r.junitProperties(),
	}
	cases, left := pick(append(append(append([]junitCase{r.junitVerdict()}, r.junitSteps()...), r.junitChecks()...), r.junitWatches()...), maxCases,
		func(c junitCase) bool { return c.Failure != nil || c.Error != nil })
	suite.Cases = cases
	if left > 0 {
		suite.Out = fmt.Sprintf("%d more test cases, which passed or were skipped, are left out", left)
	}
	for _, c := range suite.Cases {
		suite.Tests++
		switch {
		case c.Error != nil:
			suite.Errors++
		case c.Failure != nil:
			suite.Failures++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	all := junitSuites{Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time, Suites: []junitSuite{suite}}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Run) junitProperties() []junitProperty {
	out := []junitProperty{{"verdict", r.verdict()}, {"reason", line(r.reason())}, {"seed", fmt.Sprint(r.Seed)}, {"repeat", line(r.command())}}
	if r.ID != "" {
		out = append(out, junitProperty{"run", line(r.ID)})
	}
	if r.Summary != nil && r.Summary.Score != nil {
		out = append(out, junitProperty{"resilience score", fmt.Sprintf("%.0f", *r.Summary.Score)})
	}
	return out
}

// junitVerdict is the run as one test case: what the run says about the system is a
// failure, what it says about itself an error.
func (r *Run) junitVerdict() junitCase {
	c := junitCase{Name: "verdict", Class: line(r.Name), Time: seconds(r.Now)}
	trace := &junitTrace{Message: line(r.because()), Type: line(r.reason())}
	list, more := findings(r)
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", text.Verdict(r.Run), r.because())
	for _, f := range list {
		b.WriteString(f.text() + "\n")
	}
	if more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	trace.Text = block(b.String())
	switch {
	case r.State == view.Ended && r.Verdict == journal.VerdictPassed:
	case r.State == view.Ended && (r.Verdict == journal.VerdictFailed || r.Verdict == journal.VerdictAborted):
		c.Failure = trace
	default:
		c.Error = trace
	}
	return c
}

// text is a finding in a line.
func (f *finding) text() string {
	out := f.Message
	if f.Tolerated {
		out = "tolerated: " + out
	}
	if f.File != "" {
		out += fmt.Sprintf(" (%s:%d)", f.File, f.Line)
	}
	return out
}

func (r *Run) junitSteps() []junitCase {
	out := make([]junitCase, 0, len(r.Steps))
	for _, s := range r.Steps {
		c := junitCase{Name: line(s.Path), Class: line(r.Name), Time: seconds(s.Took(r.Now))}
		switch {
		case s.Status == journal.Passed:
		case s.Status == journal.Failed:
			c.Failure = &junitTrace{Message: "the step failed", Type: "step_failed"}
			if e := s.Error; e != nil {
				c.Failure.Message, c.Failure.Type = line(e.Message), line(e.Code)
				c.Failure.Text = block(e.Message + stack(e.Stack))
			}
			c.Failure.tolerated(s.Tolerated)
		case s.Status == journal.Skipped:
			c.Skipped = &junitWhy{line(s.Reason)}
		case s.Over():
			c.Skipped = &junitWhy{"stopped before it had ended"}
		default:
			c.Error = &junitTrace{Message: "the step has not ended", Type: "not_over"}
		}
		out = append(out, c)
	}
	return out
}

func (r *Run) junitChecks() []junitCase {
	out := make([]junitCase, 0, len(r.Checks))
	for _, k := range r.Checks {
		c := junitCase{Name: "check: " + line(k.Name), Class: line(strings.Trim(r.Name+"."+k.Path, ".")), Time: seconds(0)}
		if !k.OK {
			what := text.Found(k.Value, k.Unit, k.Limit, k.Detail)
			c.Failure = &junitTrace{Message: line(what), Type: "check_failed", Text: block(what + stack(k.Stack))}
			c.Failure.tolerated(k.Tolerated)
		}
		out = append(out, c)
	}
	return out
}

func (r *Run) junitWatches() []junitCase {
	var out []junitCase
	for _, kind := range []struct {
		name string
		all  []*view.Watch
	}{{"guard: ", r.Guards}, {"steady state: ", r.Steady}} {
		for _, w := range kind.all {
			c := junitCase{Name: kind.name + line(w.Name), Class: line(strings.Trim(r.Name+"."+w.Path, ".")), Time: seconds(max(0, w.At-w.Since))}
			if w.Worst != nil && w.Worst.State != "deviates" {
				c.Failure = &junitTrace{Message: line(reading(w)), Type: "guard_breached", Text: block(fmt.Sprintf("%d of %d readings were bad", w.Bad, w.Seen))}
			}
			out = append(out, c)
		}
	}
	return out
}

// tolerated marks a failure that somebody held: it stays a failure.
func (t *junitTrace) tolerated(is bool) {
	if is {
		t.Message = "tolerated: " + t.Message
	}
}

// stack is a backtrace, innermost first, a line each.
func stack(frames []journal.Frame) string {
	var b strings.Builder
	for i := len(frames) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "\n%s:%d", frames[i].File, frames[i].Line)
		if frames[i].Func != "" {
			b.WriteString(" in " + frames[i].Func)
		}
	}
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
