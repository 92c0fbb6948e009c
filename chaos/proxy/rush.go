package proxy

import "time"

const (
	// rushing is from how many bytes a second on a stream is in a rush. A slower one waits
	// most of the time anyway, and what it would save is not worth what it costs others:
	// where the processors have more to do than there are of them, letting others run takes
	// milliseconds, in which Go can run nothing else in its place. Beside 8 streams of 20 MB/s
	// and two processes that compute, requests through the same process took 120 ms.
	rushing = 100e6
	// rushLag is how far a stream is behind at most, so that it has to be fast for longer
	// than a burst takes; rushLead is how far ahead, so that it is soon known to have stopped.
	rushLag, rushLead = 3 * time.Millisecond, 100 * time.Microsecond
)

// rush tells whether a stream moves so much that its relay should rather let others run than
// sleep. The zero rush belongs to one that does not.
type rush struct {
	lead time.Duration // by which it is ahead of one that moves rushing bytes a second
	last time.Time     // when moved was told
}

// moved is told how much has been relayed.
func (r *rush) moved(n int, now time.Time) {
	lead := r.lead + time.Duration(n)*time.Second/rushing - now.Sub(r.last)
	r.lead, r.last = min(max(lead, -rushLag), rushLead), now
}

func (r *rush) on() bool { return r.lead > 0 }
