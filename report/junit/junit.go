// Package junit writes JUnit's XML in the common form, that of Jenkins' junit-10.xsd, which
// CI systems show as tests. What is a test case of what is its users' business.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Suite is a group of test cases. The order of its fields, and of a Case's, is the schema's.
type Suite struct {
	Name       string     `xml:"name,attr"`
	counts                // filled in by Write
	Time       Seconds    `xml:"time,attr"`
	Timestamp  string     `xml:"timestamp,attr,omitempty"`
	Properties []Property `xml:"properties>property"`
	Cases      []Case     `xml:"testcase"`
	Out        string     `xml:"system-out,omitempty"`
}

// counts are how many cases came to what.
type counts struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

// Property is a name with a value, of a suite.
type Property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// Case is a test case: at most one of Skipped, Error and Failure is set.
type Case struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    Seconds  `xml:"time,attr"`
	Skipped *Skipped `xml:"skipped"`
	Error   *Problem `xml:"error"`
	Failure *Problem `xml:"failure"`
	Out     string   `xml:"system-out,omitempty"`
}

// Skipped says why a case was not run.
type Skipped struct {
	Message string `xml:"message,attr"`
}

// Problem is why a case has not passed.
type Problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Seconds is a time as the schema has it: seconds with three digits.
type Seconds time.Duration

// MarshalText implements encoding.TextMarshaler.
func (s Seconds) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", time.Duration(s).Seconds()), nil
}

// Write writes suites under a name. It counts their cases, and makes every text one that XML
// can hold; it changes the suites.
func Write(w io.Writer, name string, suites []Suite) error {
	all := struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     Seconds  `xml:"time,attr"`
		Suites   []Suite  `xml:"testsuite"`
	}{Name: plain(name), Suites: suites}
	for i := range suites {
		s := &suites[i]
		s.tidy()
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Time += s.Time
	}
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

// tidy counts a suite's cases and makes its texts plain.
func (s *Suite) tidy() {
	s.Name, s.Out = plain(s.Name), plain(s.Out)
	for i := range s.Properties {
		p := &s.Properties[i]
		p.Name, p.Value = plain(p.Name), plain(p.Value)
	}
	s.counts = counts{Tests: len(s.Cases)}
	for i := range s.Cases {
		c := &s.Cases[i]
		c.Name, c.Class, c.Out = plain(c.Name), plain(c.Class), plain(c.Out)
		switch {
		case c.Error != nil:
			s.Errors++
			c.Error.tidy()
		case c.Failure != nil:
			s.Failures++
			c.Failure.tidy()
		case c.Skipped != nil:
			s.Skipped++
			c.Skipped.Message = plain(c.Skipped.Message)
		}
	}
}

func (p *Problem) tidy() { p.Message, p.Type, p.Text = plain(p.Message), plain(p.Type), plain(p.Text) }

// plain takes out of a text what XML 1.0 cannot hold, and what a terminal that shows it would
// act on.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfffe, r == 0xffff:
			return '·'
		}
		return r // strings.Map makes U+FFFD of what is no UTF-8
	}, s)
}
