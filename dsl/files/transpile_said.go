package files

import (
	"fmt"

	"starquake/dsl"
)

// maxSaid bounds what is said of one file.
const maxSaid = 200

// said is a diagnostic to which what to write instead can be added.
type said struct {
	t *transpiler
	i int // -1: it was one too many
}

func (s said) help(text string) {
	if s.i >= 0 {
		s.t.diags[s.i].Help = text
	}
}

// fail says what keeps the file from running.
func (t *transpiler) fail(pos Pos, code, format string, args ...any) said {
	return t.say(dsl.Error, pos, code, fmt.Sprintf(format, args...))
}

// warn says what is otherwise than the file seems to mean.
func (t *transpiler) warn(pos Pos, code, format string, args ...any) said {
	return t.say(dsl.Warning, pos, code, fmt.Sprintf(format, args...))
}

// say adds a diagnostic, once: what the file has once may be written more than once.
func (t *transpiler) say(severity dsl.Severity, pos Pos, code, message string) said {
	d := dsl.Diagnostic{Severity: severity, Code: code, Line: pos.Line, Col: pos.Col, EndLine: pos.EndLine, EndCol: pos.EndCol, Message: message}
	key := d.String()
	if t.saidBefore[key] || len(t.diags) >= maxSaid && !(severity == dsl.Error && !t.diags.HasErrors()) {
		return said{t, -1}
	}
	t.saidBefore[key] = true
	t.diags = append(t.diags, d)
	return said{t, len(t.diags) - 1}
}
