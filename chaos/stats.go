package chaos

import (
	"encoding/json"
	"time"
)

// Stats is what one fault has done. A fault meets a request (http) or a connection
// (tcp) that its match fits: that is Seen, and what its probability then drew is Hit.
type Stats struct {
	// Seen counts what the fault met while it was on.
	Seen uint64
	// Hit counts what it acted on; Hit <= Seen.
	Hit uint64
	// Inapplicable counts connections that speak a protocol the fault cannot act on, and,
	// where GraphQL operations are asked about, requests and answers that are none of
	// GraphQL, as far as could be told.
	Inapplicable uint64
	// Asked is the sum of the delays that were asked for and served to their end,
	// Achieved how long they took in truth.
	Asked, Achieved time.Duration
	// Released counts delays cut short because the fault went off or the connection ended.
	Released uint64
	// Delayed counts bytes that were held back, Dropped those that did not pass.
	Delayed, Dropped uint64
}

// Plus adds up what a fault has done in two times.
func (s Stats) Plus(o Stats) Stats {
	return Stats{
		Seen: s.Seen + o.Seen, Hit: s.Hit + o.Hit, Inapplicable: s.Inapplicable + o.Inapplicable,
		Asked: s.Asked + o.Asked, Achieved: s.Achieved + o.Achieved, Released: s.Released + o.Released,
		Delayed: s.Delayed + o.Delayed, Dropped: s.Dropped + o.Dropped,
	}
}

// statsJSON is Stats as others read it. Durations are milliseconds: a figure to plot.
type statsJSON struct {
	Seen         uint64  `json:"seen"`
	Hit          uint64  `json:"hit"`
	Inapplicable uint64  `json:"inapplicable"`
	AskedMS      float64 `json:"asked_ms"`
	AchievedMS   float64 `json:"achieved_ms"`
	Released     uint64  `json:"released"`
	Delayed      uint64  `json:"delayed_bytes,omitempty"`
	Dropped      uint64  `json:"dropped_bytes,omitempty"`
}

// MarshalJSON writes the durations as milliseconds.
func (s Stats) MarshalJSON() ([]byte, error) {
	return json.Marshal(statsJSON{s.Seen, s.Hit, s.Inapplicable,
		float64(s.Asked) / float64(time.Millisecond), float64(s.Achieved) / float64(time.Millisecond), s.Released, s.Delayed, s.Dropped})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stats) UnmarshalJSON(data []byte) error {
	var j statsJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*s = Stats{j.Seen, j.Hit, j.Inapplicable,
		time.Duration(j.AskedMS * float64(time.Millisecond)), time.Duration(j.AchievedMS * float64(time.Millisecond)), j.Released, j.Delayed, j.Dropped}
	return nil
}
