package alarm

import (
	"sync/atomic"
	"time"
)

// maxEarly bounds by how much an alarm is set early: a machine on which wake-ups take
// longer has other troubles.
const maxEarly = time.Millisecond

// learning is by how much one wake-up changes what is expected of the next.
const learning = 4 * time.Microsecond

// Early expects how late those who wait for an alarm go on: the clock rings late, and then
// they are woken one after the other. Who sets the alarm by so much early is on time, as
// often too early as too late. The zero value expects nothing. It is safe for concurrent use.
type Early struct{ expected atomic.Int64 }

// By says by how much to set an alarm early for a time that is left away: at most by a
// quarter of left, and not by more than a millisecond.
func (e *Early) By(left time.Duration) time.Duration {
	return min(time.Duration(e.expected.Load()), left/4)
}

// Rang is told how late somebody went on after the time that the alarm was set to. What is
// expected follows the median, which single long waits do not move.
func (e *Early) Rang(late time.Duration) {
	expected := time.Duration(e.expected.Load())
	switch {
	case late > expected:
		expected = min(expected+learning, maxEarly)
	case late < expected:
		expected = max(expected-learning, 0)
	}
	e.expected.Store(int64(expected)) // of two at once one is lost, which does not matter
}
