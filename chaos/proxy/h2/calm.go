package h2

import "time"

// calm tells floods from use. All that the relay does for a frame is bounded by what it
// can write, so it need not defend itself; it keeps a flood from the upstream.
type calm struct {
	// idle counts frames of the client that bring nothing forward (PING, SETTINGS,
	// PRIORITY, WINDOW_UPDATE, empty DATA, unknown types) since one of either side that
	// did.
	idle int
	// resets is how many streams the client may still reset before they are answered,
	// as of since.
	resets float64
	since  time.Time
}

const (
	// maxIdle lets a client that has nothing else to say ping once a second for a day.
	maxIdle = 100_000
	// maxResets at once, and resetsPerSecond: far beyond what cancelling in use brings,
	// far below what keeps a server busy opening streams for nothing.
	maxResets       = 20_000
	resetsPerSecond = 2_000
)

// admit counts a frame of the client, and reports whether it may go on.
func (c *calm) admit(h head) bool {
	switch {
	case h.kind == frameHeaders, h.kind == frameData && (h.length > 0 || h.flags&flagEndStream != 0):
		c.idle = 0
	case h.kind != frameRSTStream:
		c.idle++
	}
	return c.idle <= maxIdle
}

// reset counts a stream that the client gave up before it was answered, and reports
// whether it may.
func (c *calm) reset(now time.Time) bool {
	if c.since.IsZero() {
		c.resets = maxResets
	} else {
		c.resets = min(maxResets, c.resets+now.Sub(c.since).Seconds()*resetsPerSecond)
	}
	c.since = now
	c.resets--
	return c.resets >= 0
}
