package builtins

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"starquake/runtime"
)

// ArgError says which argument of which builtin cannot be used, and what to write
// instead. It is a mistake of the script, never of the system under test.
type ArgError struct {
	// Builtin is the name called, such as "fault.latency".
	Builtin string
	// Param is the parameter, or the unknown keyword; "" when the call as a whole is
	// wrong.
	Param string
	// Message says what was expected and what was found.
	Message string
	// Hint says what to write instead; "" when the message says it all.
	Hint string
}

// Error gives "step: duration: expected …, got …; write …".
func (e *ArgError) Error() string {
	var b strings.Builder
	b.WriteString(e.Builtin)
	b.WriteString(": ")
	if e.Param != "" {
		b.WriteString(e.Param)
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// The codes of errors that a plan can find where the run itself would only find them
// with faults on: something that the script names was not given to the run, or cannot
// do what is asked, or was given and is not the script's, or limits what there is not. A run is not started where
// its plan has one.
const (
	CodeNotGiven     = "not_given"
	CodeUnsupported  = "unsupported"
	CodeUnknownParam = "unknown_parameter"
	CodeBadLimit     = "bad_limit"
)

// CodeNoPlannedData is the code of an error of a plan whose answers lack what the script reads.
const CodeNoPlannedData = "no_planned_data"

// notGiven is an error about something that nobody gave to the run.
func notGiven(e *ArgError) error {
	return runtime.Failf(runtime.ClassScript, CodeNotGiven, "%w", e)
}

// describe names v for a message: short values as they are, others by their type.
func describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Float, Duration:
		return v.String()
	case starlark.Int:
		if n, ok := v.Int64(); ok {
			return fmt.Sprint(n)
		}
		return "an int of more than 64 bits"
	case starlark.String:
		return quote(string(v))
	case *starlark.List:
		return fmt.Sprintf("a list of %d", v.Len())
	case starlark.Tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *starlark.Dict:
		return fmt.Sprintf("a dict of %d", v.Len())
	case *starlark.Function:
		return "the function " + clip(v.Name(), 40)
	case *function:
		return "the function " + v.Name()
	}
	return withArticle(v.Type())
}

// quote quotes the beginning of s.
func quote(s string) string {
	return fmt.Sprintf("%q", clip(s, 60))
}

// clip cuts s to at most n bytes, at the beginning of a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// withArticle puts "a" or "an" before a noun.
func withArticle(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// oneOf joins alternatives: "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
