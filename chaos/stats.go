package chaos

import (
	"encoding/json"
	"time"

	"starquake/internal/jsonwrite"
)

// Stats is what one fault has done. A fault meets a request (http) or a connection
// (tcp) that its match fits: that is Seen, and what its probability then drew is Hit.
type Stats struct {
	// Seen counts what the fault met while it was on.
	Seen uint64
	// Hit counts those of them that were drawn for it, whatever came of it; Hit <= Seen. Kinds
	// that let some pass by their state, such as rate_limit, have hit the others.
	Hit uint64
	// Probed counts what it hit of the run's own probes, where that is known;
	// Probed <= Hit.
	Probed uint64
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
		Seen: s.Seen + o.Seen, Hit: s.Hit + o.Hit, Probed: s.Probed + o.Probed, Inapplicable: s.Inapplicable + o.Inapplicable,
		Asked: s.Asked + o.Asked, Achieved: s.Achieved + o.Achieved, Released: s.Released + o.Released,
		Delayed: s.Delayed + o.Delayed, Dropped: s.Dropped + o.Dropped,
	}
}

// statsJSON is Stats as others read it. Durations are milliseconds: a figure to plot.
type statsJSON struct {
	Seen         uint64  `json:"seen"`
	Hit          uint64  `json:"hit"`
	Probed       uint64  `json:"probed,omitempty"`
	Inapplicable uint64  `json:"inapplicable"`
	AskedMS      float64 `json:"asked_ms"`
	AchievedMS   float64 `json:"achieved_ms"`
	Released     uint64  `json:"released"`
	Delayed      uint64  `json:"delayed_bytes,omitempty"`
	Dropped      uint64  `json:"dropped_bytes,omitempty"`
}

// MarshalJSON writes the durations as milliseconds, and what statsJSON omits not where it
// is 0. A plan writes it once for every fault.
func (s Stats) MarshalJSON() ([]byte, error) {
	w := jsonwrite.New(128)
	w.Open('{')
	w.Key("seen")
	w.Uint(s.Seen)
	w.Key("hit")
	w.Uint(s.Hit)
	if s.Probed > 0 {
		w.Key("probed")
		w.Uint(s.Probed)
	}
	w.Key("inapplicable")
	w.Uint(s.Inapplicable)
	w.Key("asked_ms")
	w.Float(float64(s.Asked) / float64(time.Millisecond))
	w.Key("achieved_ms")
	w.Float(float64(s.Achieved) / float64(time.Millisecond))
	w.Key("released")
	w.Uint(s.Released)
	if s.Delayed > 0 {
		w.Key("delayed_bytes")
		w.Uint(s.Delayed)
	}
	if s.Dropped > 0 {
		w.Key("dropped_bytes")
		w.Uint(s.Dropped)
	}
	w.Close('}')
	return w.Bytes()
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stats) UnmarshalJSON(data []byte) error {
	var j statsJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*s = Stats{j.Seen, j.Hit, j.Probed, j.Inapplicable,
		time.Duration(j.AskedMS * float64(time.Millisecond)), time.Duration(j.AchievedMS * float64(time.Millisecond)), j.Released, j.Delayed, j.Dropped}
	return nil
}
