package files

import "strings"

// nearest returns the name that wrong was most likely meant to be, or "".
func nearest(wrong string, names []string) string {
	best, bound := "", len(wrong)/3+1 // about one slip in three letters
	if len(wrong) > 64 {
		return "" // nobody's typing error
	}
	lower := strings.ToLower(wrong)
	for _, name := range names {
		if strings.EqualFold(name, wrong) {
			return name
		}
		d := slips(lower, strings.ToLower(name))
		if len(wrong) >= 4 && strings.HasPrefix(name, wrong) {
			d = min(d, 1)
		}
		if d < bound || d == bound && best == "" {
			best, bound = name, d
		}
	}
	return best
}

// slips is the least number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func slips(a, b string) int {
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
