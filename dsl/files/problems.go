package files

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// maxProblems bounds what is said of one file; what follows is only counted.
const maxProblems = 200

// problems gathers what there is to say about one file.
type problems struct {
	file    string
	lenient bool
	list    []*dsl.Diagnostic
	errors  int
	more    int // that were not kept
	seen    map[spot]bool
}

// spot tells whether two diagnostics are one: an alias is checked wherever it stands.
type spot struct {
	line, col     int
	code, message string
}

// fail says what keeps the file from being read.
func (p *problems) fail(pos Pos, code, format string, args ...any) *dsl.Diagnostic {
	return p.say(dsl.Error, pos, code, format, args...)
}

// warn says what is otherwise than the file seems to mean.
func (p *problems) warn(pos Pos, code, format string, args ...any) *dsl.Diagnostic {
	return p.say(dsl.Warning, pos, code, format, args...)
}

// say returns the diagnostic so that the caller can add to it.
func (p *problems) say(severity dsl.Severity, pos Pos, code, format string, args ...any) *dsl.Diagnostic {
	if severity == dsl.Error {
		p.errors++
	}
	if p.full() {
		p.more++
		return new(dsl.Diagnostic) // nobody will see it
	}
	d := &dsl.Diagnostic{
		Severity: severity, Code: code, File: p.file,
		Line: pos.Line, Col: pos.Col, EndLine: pos.EndLine, EndCol: pos.EndCol,
		Message: fmt.Sprintf(format, args...),
	}
	at := spot{pos.Line, pos.Col, code, d.Message}
	if !p.seen[at] {
		if p.seen == nil {
			p.seen = map[spot]bool{}
		}
		p.seen[at] = true
		p.list = append(p.list, d)
	}
	return d
}

// full tells whether no more is kept: what follows is only counted.
func (p *problems) full() bool { return len(p.list) >= 10*maxProblems }

// failed tells whether there was an error.
func (p *problems) failed() bool { return p.errors > 0 }

// finish gives everything in the order of the file. Where it is too much, errors come
// before warnings.
func (p *problems) finish() dsl.Diagnostics {
	if len(p.list) == 0 {
		return nil
	}
	ds := make(dsl.Diagnostics, len(p.list))
	for i, d := range p.list {
		ds[i] = *d
	}
	ds.Sort()
	if more := p.more + len(ds) - maxProblems; len(ds) > maxProblems {
		slices.SortStableFunc(ds, func(a, b dsl.Diagnostic) int {
			return cmp.Compare(isWarning(a), isWarning(b))
		})
		ds = append(ds[:maxProblems:maxProblems], dsl.Diagnostic{
			Severity: ds[0].Severity, Code: "too_many_problems", File: p.file, Message: fmt.Sprintf("and %d more", more),
		})
	}
	return ds
}

func isWarning(d dsl.Diagnostic) int {
	if d.Severity == dsl.Error {
		return 0
	}
	return 1
}

// suggest is the help for a wrong name: the nearest one, or all if they are few.
func suggest(wrong string, names []string, what string) string {
	if near := nearest.Of(wrong, names); near != "" {
		return "did you mean " + near + "?"
	}
	if len(names) == 0 || len(names) > 40 {
		return ""
	}
	return what + ": " + strings.Join(names, ", ")
}
