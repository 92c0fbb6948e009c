package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"starquake/app"
	"starquake/dsl"
	"starquake/report/text"
	"starquake/runtime/journal"
)

// testCmd is `starquake test`.
type testCmd struct {
	Paths   []string `arg:"" predictor:"orchestration" optional:"" name:"path" help:"Files and folders; *_test.star below a folder are its tests. The current folder without it."`
	Verbose bool     `short:"v" help:"Show the tests that pass, too, and what tests log."`
	Filter  string   `name:"run" placeholder:"REGEXP" help:"Only tests whose names match. Two dashes, unlike go test."`
	Cover   bool     `name:"coverage" help:"Show which steps and branches of the orchestrations no test reached."`
	JUnit   string   `name:"junit" placeholder:"FILE" help:"Write the results as JUnit's XML, too: a suite for each file, a case for each test."`
	Output  string   `short:"o" enum:"text,json" default:"text" help:"text or json."`
	libraryFlag
}

// tested is the answer of --output json.
type tested struct {
	Passed      int              `json:"passed"`
	Failed      int              `json:"failed"`
	Tests       []testedOne      `json:"tests"`
	Coverage    []app.Covered    `json:"coverage"`
	Diagnostics []dsl.Diagnostic `json:"diagnostics"`
}

type testedOne struct {
	File string `json:"file"`
	app.TestResult
}

// Run runs the tests: exit code 1 if one failed, 2 if a file is wrong or there is none.
func (c *testCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *testCmd) run(sh *shell) error {
	opt := app.TestOptions{Loader: app.Loader{Library: c.Library}, Coverage: new(app.Coverage)}
	if c.Filter != "" {
		var err error
		if opt.Run, err = regexp.Compile(c.Filter); err != nil {
			return invalid("--run: %w", err)
		}
	}
	files, err := testFiles(c.Paths)
	if err != nil {
		return asInvalid(err)
	}
	sum := tested{Tests: []testedOne{}, Diagnostics: []dsl.Diagnostic{}}
	wrong := false
	var reported []app.TestedFile
	for _, path := range files {
		s, results, diags := app.TestFile(path, opt)
		located, sources := locate(path, s, diags)
		sum.Diagnostics = append(sum.Diagnostics, located...)
		wrong = wrong || diags.HasErrors()
		file := app.TestedFile{Path: path, Results: results}
		if diags.HasErrors() {
			file.Wrong = diags.Err().Error()
		}
		reported = append(reported, file)
		if c.Output == formatText && len(diags) > 0 {
			sh.render(located, sources)
		}
		for _, res := range results {
			sum.Tests = append(sum.Tests, testedOne{path, res})
			if res.OK {
				sum.Passed++
			} else {
				sum.Failed++
			}
			if c.Output == formatText {
				c.print(sh, path, s, res)
			}
		}
	}
	if c.JUnit != "" {
		var report bytes.Buffer
		err := app.WriteTestsJUnit(&report, reported)
		if err == nil {
			err = os.WriteFile(c.JUnit, report.Bytes(), 0o644)
		}
		if err != nil {
			return errored("--junit: %w", err)
		}
	}
	sum.Coverage = opt.Coverage.Covered()
	code := 0
	switch {
	case wrong:
		code = codeInvalid
	case sum.Failed > 0:
		code = codeFailed
	case sum.Passed == 0: // who asks for tests must not take none for good ones
		return invalid("no test was run: expected a function test_…() in a *%s file%s", app.TestSuffix, c.filtered())
	}
	if c.Output == formatJSON {
		if err := sh.json(formatJSON, sum); err != nil {
			return err
		}
		return ended(code)
	}
	if c.Cover {
		coverage(sh, sum.Coverage)
	}
	if _, err := fmt.Fprintf(sh.out, "%d passed, %d failed\n", sum.Passed, sum.Failed); err != nil {
		return err
	}
	return ended(code)
}

// filtered says what was left out.
func (c *testCmd) filtered() string {
	if c.Filter == "" {
		return ""
	}
	return fmt.Sprintf(" whose name fits --run %s", c.Filter)
}

// print shows one test.
func (c *testCmd) print(sh *shell, path string, s *app.Script, res app.TestResult) {
	if res.OK && !c.Verbose {
		return
	}
	word := "ok  "
	if !res.OK {
		word = "FAIL"
	}
	fmt.Fprintf(sh.out, "%s %s %s (%s)\n", word, path, res.Name, res.Took.Round(time.Millisecond))
	for i := range res.Log {
		fmt.Fprintf(sh.out, "     %s\n", safe(text.Logged(&res.Log[i])))
	}
	for _, p := range res.Problem {
		sh.problem(path, s, p)
	}
	for _, run := range res.Simulated {
		fmt.Fprintf(sh.out, "     simulated %s\n", safe(run))
	}
}

// coverage shows what the tests reached of each orchestration, and where what they did not.
func coverage(sh *shell, covered []app.Covered) {
	for _, o := range covered {
		fmt.Fprintf(sh.out, "%s: %d of %d steps, %d of %d branches reached\n", o.File, o.StepsReached, o.Steps, o.BranchesReached, o.Branches)
		for _, m := range o.Missed {
			at := m.File
			if at == filepath.Base(o.File) { // as it is found from here
				at = o.File
			}
			fmt.Fprintf(sh.out, "  %s:%d:%d: not reached: %s\n", at, m.Line, m.Col, safe(m.What))
		}
	}
}

// problem shows what failed, where it stands in the text if that is known.
func (sh *shell) problem(path string, s *app.Script, p journal.Problem) {
	located, sources := locate(path, s, dsl.Diagnostics{app.Diagnostic(p)})
	_ = located.Render(sh.out, sources, sh.color) // the closing line is what fails if stdout is gone
}

// testFiles finds the tests below the paths, in order, each once.
func testFiles(paths []string) ([]string, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var files []string
	seen := map[string]bool{}
	add := func(path string) {
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			files = append(files, path)
		}
	}
	for _, root := range paths {
		info, err := os.Stat(root)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: there is no such file or folder", root)
		case err != nil:
			return nil, err
		}
		if !info.IsDir() {
			if !strings.HasSuffix(root, app.TestSuffix) {
				return nil, fmt.Errorf("%s: expected a file whose name ends in %s, or a folder", root, app.TestSuffix)
			}
			add(root)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case !d.IsDir() && strings.HasSuffix(d.Name(), app.TestSuffix):
				add(path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no file below it has a name that ends in %s", root, app.TestSuffix)
		}
	}
	return files, nil
}

// safe takes out of a text what a terminal would act on.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}
