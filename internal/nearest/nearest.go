// Package nearest guesses which name a wrong one was meant to be.
//
// What lives here: that guess, for the language, its builtins and the files alike, so
// that all say the same. What may not: how it is said.
package nearest

import "strings"

// longest is how long a name may be: nobody's typing error is longer, and names are
// hostile, too.
const longest = 64

// Of returns the name that wrong was most likely meant to be, or "". It forgives about
// one slip in three letters, the case, an end that was left out, and one for many.
func Of(wrong string, names []string) string { return Within(wrong, names, len(wrong)/3+1) }

// Within is Of, but forgives at most that many slips.
func Within(wrong string, names []string, bound int) string {
	if len(wrong) > longest {
		return ""
	}
	best, slips := "", 0 // of best, also where an end was left out
	lower := strings.ToLower(wrong)
	for _, name := range names {
		if len(name) > longest {
			continue
		}
		if strings.EqualFold(name, wrong) {
			return name
		}
		d := Slips(lower, strings.ToLower(name))
		real := d
		if len(wrong) >= 4 && (strings.HasPrefix(name, wrong) || strings.EqualFold(plural(wrong), name)) {
			d = min(d, 1)
		}
		if d < bound || d == bound && (best == "" || real < slips) {
			best, bound, slips = name, d, real
		}
	}
	return best
}

// plural is the word for many. That of a word in -y is three slips away from it.
func plural(word string) string {
	if stem, ok := strings.CutSuffix(word, "y"); ok {
		return stem + "ies"
	}
	return word + "s"
}

// Slips is the least number of insertions, deletions, replacements and swaps of
// neighbours that turn one into the other.
func Slips(from, to string) int {
	a, b := []rune(from), []rune(to)
	// Three rows of the matrix: the one being filled and the two before it.
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
