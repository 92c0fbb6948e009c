package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"starquake/dsl"
	"starquake/report/text"
)

// The exit codes that are not taken from a verdict.
const (
	codeFailed  = 1
	codeInvalid = 2
	codeErrored = 4
	codeStopped = 130
)

// shell is what a command has around it.
type shell struct {
	in       io.Reader
	out, err io.Writer
	outTTY   bool // stdout is a terminal that can redraw
	errTTY   bool
	color    bool // whether stdout may have colours
	errColor bool
	ascii    bool
	columns  int // what COLUMNS says where stdout is no terminal; 0: nothing
}

func newShell() *shell {
	sh := &shell{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	dumb := os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "" || os.Getenv("CI") != ""
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	outIs, errIs := term.IsTerminal(int(os.Stdout.Fd())), term.IsTerminal(int(os.Stderr.Fd()))
	sh.outTTY, sh.errTTY = outIs && !dumb, errIs && !dumb
	sh.color, sh.errColor = outIs && !plain, errIs && !plain
	sh.ascii = !unicodeLocale()
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 && n <= maxColumns && !outIs {
		sh.columns = n
	}
	return sh
}

// maxColumns is how wide the output may be asked to be.
const maxColumns = 10_000

// unicodeLocale reports whether the locale takes Unicode; one that says nothing, as in
// most containers, does.
func unicodeLocale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// size is that of the terminal on stdout, else what COLUMNS says; 0 where neither is
// known.
func (sh *shell) size() (width, height int) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return sh.columns, 0
	}
	return width, height
}

// text says how to draw on stdout.
func (sh *shell) text() text.Options {
	width, _ := sh.size()
	return text.Options{Width: width, Color: sh.color, ASCII: sh.ascii}
}

// exitError is an error with the exit code that it ends the program with.
type exitError struct {
	code   int
	reason string // stable, for programs
	err    error  // nil: everything has been said
	// diags are said in place of err; sources gives the text of their files.
	diags   dsl.Diagnostics
	sources func(file string) []byte
}

func (e *exitError) Error() string {
	switch {
	case e.err != nil:
		return e.err.Error()
	case e.diags != nil:
		return e.diags.Error()
	}
	return fmt.Sprintf("exit code %d", e.code)
}

func (e *exitError) Unwrap() error { return e.err }

// ended is how a command ends that has said all: nil for 0.
func ended(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// invalid is an error of the command line, or of what it names.
func invalid(format string, args ...any) error {
	return &exitError{code: codeInvalid, reason: "usage", err: fmt.Errorf(format, args...)}
}

// asInvalid makes err one of the command line.
func asInvalid(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: codeInvalid, reason: "usage", err: err}
}

// errored is something that could not be done.
func errored(format string, args ...any) error {
	return &exitError{code: codeErrored, reason: "errored", err: fmt.Errorf(format, args...)}
}

// code reports an error and gives its exit code.
func (sh *shell) code(err error) int {
	if err == nil {
		return 0
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{code: codeErrored, reason: "errored", err: err}
	}
	switch {
	case e.err != nil:
		sh.complain(e.err)
	case e.diags != nil:
		sh.render(e.diags, e.sources)
	}
	return e.code
}

func (sh *shell) complain(err error) {
	fmt.Fprintf(sh.err, "starquake: %s\n", cleanLines(strings.TrimRight(err.Error(), "\n")))
}

// cleanLines is text.Clean of each line: what went wrong can be told in the words of whoever
// answers at an address.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = text.Clean(line)
	}
	return strings.Join(lines, "\n")
}

// render writes diagnostics for people to stderr.
func (sh *shell) render(diags dsl.Diagnostics, sources func(file string) []byte) {
	_ = diags.Render(sh.err, sources, sh.errColor) // nobody can be told that stderr is gone
}

// usage reports a wrong command line.
func (sh *shell) usage(parser *kong.Kong, args []string, err error) int {
	if long := oneDash(parser, args); long != "" {
		err = fmt.Errorf("%w; flags of several letters have two dashes: %s", err, long)
	}
	what := meant(err) + missing(err)
	// The empty choice is that of a flag that is not given.
	err = errors.New(strings.Replace(err.Error(), `,"" but got`, " but got", 1))
	err = asInvalid(fmt.Errorf("%w%s\nsee: starquake %s--help", err, what, commandOf(parser, args)))
	if format := outputOf(args); format == formatJSON || format == formatNDJSON {
		return sh.code(sh.failedIn(format, err))
	}
	return sh.code(err)
}

// missing says of the arguments that err misses what each is to be, a line each.
func missing(err error) string {
	var wrong *kong.ParseError
	if !errors.As(err, &wrong) || wrong.Context.Selected() == nil {
		return ""
	}
	var lines strings.Builder
	for _, arg := range wrong.Context.Selected().Positional {
		if strings.HasPrefix(err.Error(), "expected ") && strings.Contains(err.Error(), arg.Summary()) {
			fmt.Fprintf(&lines, "\n  %s  %s", arg.Summary(), arg.Help)
		}
	}
	return lines.String()
}

// oneDash is the flag, as it is written, that args name with one dash, as "go test -run"
// does; "" if there is none.
func oneDash(parser *kong.Kong, args []string) string {
	for _, known := range parser.Model.Children {
		if len(args) == 0 || args[0] != known.Name {
			continue
		}
		for _, arg := range args[1:] {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
			for _, flag := range known.Flags {
				if len(name) > 1 && strings.HasPrefix(arg, "-") && flag.Name == name {
					return "--" + name
				}
			}
		}
	}
	return ""
}

// commandOf is the command in args, with a blank behind each of its words, as far as it can
// be known.
func commandOf(parser *kong.Kong, args []string) (words string) {
	at := parser.Model.Node
	for _, arg := range args {
		i := slices.IndexFunc(at.Children, func(known *kong.Node) bool { return known.Name == arg && known.Type == kong.CommandNode })
		if i < 0 {
			break
		}
		at, words = at.Children[i], words+arg+" "
	}
	return words
}

// outputOf is the value of --output in args that could not be parsed.
func outputOf(args []string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--output="); ok {
			return value
		}
		if (arg == "--output" || arg == "-o") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return formatText
}

// The values of --output.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatNDJSON   = "ndjson"
	formatMarkdown = "markdown"
)

// failure is the form of an error for programs.
type failure struct {
	Verdict     string           `json:"verdict"`
	Reason      string           `json:"reason"`
	Message     string           `json:"message"`
	ExitCode    int              `json:"exit_code"`
	Diagnostics []dsl.Diagnostic `json:"diagnostics"`
}

// failedIn writes an error as JSON to stdout where that is the format; then only its
// code is left to be reported.
func (sh *shell) failedIn(format string, err error) error {
	var e *exitError
	if err == nil || format == formatText || format == formatMarkdown || errors.As(err, &e) && e.err == nil && e.diags == nil {
		return err
	}
	if e == nil {
		e = &exitError{code: codeErrored, reason: "errored", err: err}
	}
	f := failure{Verdict: "errored", Reason: e.reason, Message: e.Error(), ExitCode: e.code, Diagnostics: e.diags}
	if e.code == codeInvalid {
		f.Verdict = "invalid"
	}
	if f.Diagnostics == nil {
		f.Diagnostics = []dsl.Diagnostic{}
	}
	if sh.json(format, f) != nil {
		return e // nobody reads stdout, but stderr and the code are left
	}
	return ended(e.code)
}

// json writes v: on several lines for json, on one for ndjson.
func (sh *shell) json(format string, v any) error { return writeJSON(sh.out, format, v) }

func writeJSON(w io.Writer, format string, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if format == formatJSON {
		enc.SetIndent("", "  ")
	}
	return enc.Encode(v)
}
