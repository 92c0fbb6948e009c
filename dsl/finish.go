package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// finish orders diagnostics: the main script's first, each place and rule once.
func finish(ds Diagnostics, main string) Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		switch {
		case a.File == main && b.File != main:
			return -1
		case b.File == main && a.File != main:
			return 1
		}
		return strings.Compare(a.File, b.File)
	})
	ds.Sort()
	// Nobody but us can act on a warning about the standard library.
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		return d.Severity != Error && strings.HasPrefix(d.File, libraryPrefix)
	})
	type spot struct {
		file, code string
		line, col  int
	}
	seen := map[spot]bool{}
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		s := spot{d.File, d.Code, d.Line, d.Col}
		twice := seen[s]
		seen[s] = true
		return twice
	})
	if len(ds) > maxProblems {
		more := len(ds) - maxProblems
		// An error must not be lost behind a hundred warnings.
		slices.SortStableFunc(ds, func(a, b Diagnostic) int { return cmp.Compare(severityRank(a), severityRank(b)) })
		ds = append(ds[:maxProblems:maxProblems], Diagnostic{
			Severity: ds[maxProblems].Severity, Code: "too_many_problems", File: main,
			Message: fmt.Sprintf("and %d more", more),
		})
	}
	return ds
}

// maxProblems bounds the diagnostics of one Load; what follows is only counted.
const maxProblems = 200

func severityRank(d Diagnostic) int {
	return slices.Index([]Severity{Error, Warning, Hint}, d.Severity)
}
