package journal

import "slices"

// inconclusive are the codes of what ends a run as inconclusive. docs/troubleshooting.md says
// of each what to do.
var inconclusive = []string{
	"disturbed", "generator_limited", "inconclusive", "no_hits", "no_requests", "no_stats", "nothing_done", "steady_state_unmet", "steady_state_unread", "unfinished",
}

// Inconclusive reports whether a problem with that code says nothing about the system.
func Inconclusive(code string) bool { return slices.Contains(inconclusive, code) }
