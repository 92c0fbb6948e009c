package chaos

import "time"

// How faults of one kind compose where that is arithmetic; FAULTS.md, "How faults
// compose", has the rest, which is the order in which an engine asks them.

// SumDelays returns what several delays are together: they add up, to a day at most.
func SumDelays(delays ...time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range delays {
		sum = min(maxDelay, sum+min(max(0, d), maxDelay))
	}
	return sum
}

// LowestRate returns the rate that holds of several bandwidths or rate limits; none
// limits nothing, and ok is false.
func LowestRate(rates ...float64) (lowest float64, ok bool) {
	for i, r := range rates {
		if i == 0 || r < lowest {
			lowest = r
		}
	}
	return lowest, len(rates) > 0
}
