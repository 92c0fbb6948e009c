package load

import (
	"math"
	"time"
)

// never is the intended time of a request that does not come.
const never = time.Duration(math.MaxInt64)

// slice is how finely a changing rate is integrated.
const slice = time.Millisecond

// schedule gives the intended times of requests, since the start: request k is due when
// the integral of the rate reaches k, the first one therefore at once.
type schedule struct {
	pieces []Piece
	i      int           // the piece
	start  time.Duration // of the piece
	t      time.Duration // how far the integral is known
	sum    float64       // the integral until t
	k      float64       // the next request
}

// ends is when the piece ends.
func (s *schedule) ends() time.Duration {
	p := &s.pieces[s.i]
	if s.i == len(s.pieces)-1 || p.For > never-s.start {
		return never
	}
	return s.start + p.For
}

// next is when the next request is due.
func (s *schedule) next() time.Duration {
	for {
		p, end := &s.pieces[s.i], s.ends()
		if p.Over > 0 && s.t-s.start < p.Over && s.t < end {
			if at, ok := s.within(p, end); ok {
				return at
			}
			continue
		}
		rate := p.at(s.t - s.start)
		if rate > 0 {
			wait := (s.k - s.sum) / rate * 1e9
			// A piece's end belongs to the next one; the billionth forgives rounding.
			if at := float64(s.t) + wait; at < float64(end) && at < 1e18 {
				s.k++
				return time.Duration(at)
			}
		}
		if end == never {
			return never
		}
		s.sum += rate * (end - s.t).Seconds()
		s.i, s.start, s.t = s.i+1, end, end
	}
}

// within integrates one slice of a changing rate.
func (s *schedule) within(p *Piece, end time.Duration) (at time.Duration, ok bool) {
	to := min(s.t+slice, end, s.start+p.Over)
	length := to - s.t
	more := (p.at(s.t-s.start) + p.at(to-s.start)) / 2 * length.Seconds()
	if more > 0 && s.sum+more > s.k {
		at = s.t + time.Duration(max(0, s.k-s.sum)/more*float64(length))
		s.k++
		return at, true
	}
	s.sum += more
	s.t = to
	if to == end {
		s.i, s.start = s.i+1, end
	}
	return 0, false
}

// Count is how many requests are due from one time until before another.
func (s *Spec) Count(from, to time.Duration) int64 {
	whole := func(x float64) float64 { return math.Ceil(x - 1e-6) } // rounding of the integral is no request
	return int64(max(0, whole(s.integral(to))-whole(s.integral(from))))
}

// integral is the integral of the rate until t.
func (s *Spec) integral(t time.Duration) float64 {
	sum, start := 0.0, time.Duration(0)
	for i := range s.Rate {
		p := &s.Rate[i]
		length := t - start
		if i < len(s.Rate)-1 {
			length = min(length, p.For)
		}
		if length <= 0 {
			break
		}
		changing := min(p.Over, length)
		sum += p.area(changing) + p.at(length)*(length-changing).Seconds()
		start += length
	}
	return sum
}

// area integrates the piece while it changes.
func (p *Piece) area(until time.Duration) float64 {
	if until == 0 {
		return 0
	}
	n := 10_000
	if p.Shape == "" || p.Shape == "linear" {
		n = 1 // its middle is its mean
	}
	sum, width := 0.0, float64(until)/float64(n)
	for i := range n {
		sum += p.at(time.Duration((float64(i) + 0.5) * width))
	}
	return sum * width / 1e9
}
