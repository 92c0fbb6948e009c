package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// nearest returns the name that wrong most likely stands for, or "".
func nearest(wrong string, names []string) string {
	if len(wrong) > 64 {
		return "" // nobody's typing error
	}
	best, bestDistance := "", max(1, len(wrong)/3)+1
	for _, name := range names {
		if strings.EqualFold(name, wrong) {
			return name
		}
		d := distance(strings.ToLower(wrong), strings.ToLower(name))
		if len(wrong) >= 4 && strings.HasPrefix(name, wrong) {
			d = min(d, 1)
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours
// that turn a into b.
func distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	before, prev, row := make([]int, len(rb)+1), make([]int, len(rb)+1), make([]int, len(rb)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range ra {
		row[0] = i + 1
		for j := range rb {
			cost := 1
			if ra[i] == rb[j] {
				cost = 0
			}
			row[j+1] = min(prev[j+1]+1, row[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && ra[i] == rb[j-1] && ra[i-1] == rb[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(rb)]
}

// didYouMean is the help for a wrong name: the nearest one, or all of them if they
// are few. what says what the names are, for example "members of fault".
func didYouMean(wrong string, names []string, what string) string {
	if n := nearest(wrong, names); n != "" {
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
