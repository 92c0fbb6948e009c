package app

import (
	"fmt"
	"io"
	"strings"

	"starquake/report/junit"
	"starquake/report/text"
)

// TestedFile is one file of tests with what came of them. Where Wrong is not "" none was run.
type TestedFile struct {
	Path    string
	Results []TestResult
	Wrong   string
}

// WriteTestsJUnit writes what came of tests as JUnit's XML: a suite for each file, a case
// for each test.
func WriteTestsJUnit(w io.Writer, files []TestedFile) error {
	suites := make([]junit.Suite, len(files))
	for i := range files {
		suites[i] = files[i].junit()
	}
	return junit.Write(w, "starquake test", suites)
}

func (f *TestedFile) junit() junit.Suite {
	suite := junit.Suite{Name: f.Path}
	class := strings.TrimSuffix(f.Path, ".star")
	if f.Wrong != "" {
		suite.Cases = []junit.Case{{Name: "the file", Class: class, Error: &junit.Problem{Message: f.Wrong, Type: "invalid", Text: f.Wrong}}}
		return suite
	}
	for _, res := range f.Results {
		suite.Time += junit.Seconds(res.Took)
		c := junit.Case{Name: res.Name, Class: class, Time: junit.Seconds(res.Took)}
		for i := range res.Log {
			c.Out += text.Logged(&res.Log[i]) + "\n"
		}
		if !res.OK {
			c.Failure = &junit.Problem{}
			for i, p := range res.Problem {
				if i == 0 {
					c.Failure.Message, c.Failure.Type = p.Message, p.Code
				}
				c.Failure.Text += p.Message + "\n"
				for _, at := range p.Stack {
					c.Failure.Text += fmt.Sprintf("  %s:%d in %s\n", at.File, at.Line, at.Func)
				}
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}
