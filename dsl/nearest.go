package dsl

import (
	"fmt"
	"slices"
	"strings"

	"starquake/internal/nearest"
)

// near returns the name that wrong most likely stands for, or "". A script has so many
// names around it that less is forgiven than elsewhere.
func near(wrong string, names []string) string {
	return nearest.Within(wrong, names, max(1, len(wrong)/3))
}

// didYouMean is the help for a wrong name: the nearest one, or all of them if they
// are few. what says what the names are, for example "members of fault".
func didYouMean(wrong string, names []string, what string) string {
	if n := near(wrong, names); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	if len(names) == 0 || what == "" {
		return ""
	}
	sorted := slices.Sorted(slices.Values(names))
	if len(sorted) > 40 {
		return ""
	}
	return fmt.Sprintf("%s: %s", what, strings.Join(sorted, ", "))
}
