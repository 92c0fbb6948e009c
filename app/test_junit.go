package app

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// TestedFile is one file of tests with what came of them. Where Wrong is not "" none was run.
type TestedFile struct {
	Path    string
	Results []TestResult
	Wrong   string
}

// The elements of JUnit's format that CI systems read.
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
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		File      string        `xml:"file,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitProblem `xml:"failure"`
		Error     *junitProblem `xml:"error"`
		Out       string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteTestsJUnit writes what came of tests as JUnit's XML: a suite for each file, a case
// for each test.
func WriteTestsJUnit(w io.Writer, files []TestedFile) error {
	all := junitSuites{Name: "starquake test"}
	var total time.Duration
	for _, f := range files {
		suite, took := f.junit()
		all.Suites = append(all.Suites, suite)
		all.Tests, all.Failures, all.Errors = all.Tests+suite.Tests, all.Failures+suite.Failures, all.Errors+suite.Errors
		total += took
	}
	all.Time = seconds(total)
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

func (f *TestedFile) junit() (junitSuite, time.Duration) {
	suite := junitSuite{Name: plainXML(f.Path), Tests: len(f.Results)}
	class := plainXML(strings.TrimSuffix(f.Path, ".star"))
	if f.Wrong != "" {
		suite.Tests, suite.Errors, suite.Time = 1, 1, seconds(0)
		suite.Cases = []junitCase{{Name: "the file", Classname: class, File: plainXML(f.Path), Time: seconds(0),
			Error: &junitProblem{plainXML(f.Wrong), "invalid", plainXML(f.Wrong)}}}
		return suite, 0
	}
	var total time.Duration
	for _, res := range f.Results {
		total += res.Took
		c := junitCase{Name: plainXML(res.Name), Classname: class, File: plainXML(f.Path), Time: seconds(res.Took)}
		for _, line := range res.Log {
			c.Out += plainXML(line.Message) + "\n"
		}
		if !res.OK {
			suite.Failures++
			c.Failure = &junitProblem{}
			for i, p := range res.Problem {
				if i == 0 {
					c.Failure.Message, c.Failure.Type = plainXML(p.Message), plainXML(p.Code)
				}
				c.Failure.Text += plainXML(p.Message) + "\n"
				for _, at := range p.Stack {
					c.Failure.Text += plainXML(fmt.Sprintf("  %s:%d in %s\n", at.File, at.Line, at.Func))
				}
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Time = seconds(total)
	return suite, total
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// plainXML takes out of a text what XML 1.0 cannot hold, and what a terminal that shows
// it would act on.
func plainXML(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0xfffe, r == 0xffff, r == utf8.RuneError:
			return '·'
		}
		return r
	}, s)
}
