// Package series holds what many readings of a probe came to, in bounded memory: when
// they were, how many were bad, and how long they took.
//
// What lives here: the points, how they are thinned out, and the quantiles they give.
// What may not: what a reading means, and any clock.
package series

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// MaxPoints bounds the points of a series. Up to as many readings each have a point of
// their own; beyond, neighbours share one.
const MaxPoints = 256

// MaxBuckets bounds the buckets of a histogram.
const MaxBuckets = 8*41 + 8

// Point is one reading, or some that follow each other.
type Point struct {
	At   time.Duration `json:"at"` // of the first reading
	Seen int           `json:"seen"`
	Bad  int           `json:"bad,omitempty"`
	// BadAt is when the first bad one ended, and so was known to be bad; GoodAt when the
	// last good one began. Each as far as there is one.
	BadAt  time.Duration `json:"bad_at,omitempty"`
	GoodAt time.Duration `json:"good_at,omitempty"`
	// LastBad says that the last reading was bad.
	LastBad bool `json:"last_bad,omitempty"`
	// End is when the last reading ended; 0 in journals older than this field.
	End time.Duration `json:"end,omitempty"`
	// Took counts the readings by how long they took.
	Took Histogram `json:"took,omitempty"`
}

// Series are points in the order of their time. The zero value is empty.
type Series struct {
	Points []Point
	per    int // readings a point, once they are thinned out
}

// Add adds one reading.
func (s *Series) Add(at time.Duration, ok bool, took time.Duration) {
	p := One(at, ok, took)
	if n := len(s.Points); n > 0 && s.Points[n-1].Seen < s.per {
		s.Points[n-1].join(&p)
		return
	}
	if len(s.Points) >= MaxPoints {
		s.thin()
	}
	s.Points = append(s.Points, p)
}

// One is the point of one reading.
func One(at time.Duration, ok bool, took time.Duration) Point {
	p := Point{At: at, Seen: 1, End: at + max(took, 0)}
	p.Took.add(bucketOf(took), 1)
	if ok {
		p.GoodAt = at
	} else {
		p.Bad, p.BadAt, p.LastBad = 1, p.End, true
	}
	return p
}

// Ended is when the last reading ended, as far as the point's journal tells.
func (p *Point) Ended() time.Duration {
	if p.End > 0 {
		return p.End
	}
	end := max(p.At, p.GoodAt, p.BadAt)
	if p.Seen == 1 && p.Bad == 0 {
		end = p.At + p.Took.Quantile(1)
	}
	return end
}

// thin joins each two neighbours.
func (s *Series) thin() {
	half := s.Points[:0]
	for i := 0; i < len(s.Points); i += 2 {
		p := s.Points[i]
		if i+1 < len(s.Points) {
			p.join(&s.Points[i+1])
		}
		half = append(half, p)
	}
	clear(s.Points[len(half):])
	s.Points = half
	s.per = max(2, 2*s.per)
}

// join adds a point that follows.
func (p *Point) join(next *Point) {
	if p.Bad == 0 {
		p.BadAt = next.BadAt
	}
	if next.Seen > next.Bad {
		p.GoodAt = next.GoodAt
	}
	p.Seen += next.Seen
	p.Bad += next.Bad
	p.LastBad = next.LastBad
	p.End = max(p.End, next.End) // two who read one probe may overlap
	for _, b := range next.Took {
		p.Took.add(b[0], b[1])
	}
}

// Histogram counts durations by buckets: pairs of bucket and count, sorted. A bucket
// is an eighth of a power of two of microseconds, so a quantile is off by less than 7 %.
type Histogram [][2]int

// Add counts that many more of that duration.
func (h *Histogram) Add(d time.Duration, count int) { h.add(bucketOf(d), count) }

// Merge adds the counts of another.
func (h *Histogram) Merge(other Histogram) {
	for _, b := range other {
		h.add(b[0], b[1])
	}
}

func (h *Histogram) add(bucket, count int) {
	i, found := slices.BinarySearchFunc(*h, bucket, func(b [2]int, want int) int { return b[0] - want })
	if found {
		(*h)[i][1] += count
		return
	}
	*h = slices.Insert(*h, i, [2]int{bucket, count})
}

// Slowest takes the n slowest out, or all if there are fewer.
func (h Histogram) Slowest(n int) (slow, rest Histogram) {
	rest = slices.Clone(h)
	for i := len(rest) - 1; i >= 0 && n > 0; i-- {
		if take := min(n, rest[i][1]); take > 0 {
			slow.add(rest[i][0], take)
			rest[i][1] -= take
			n -= take
		}
	}
	return slow, slices.DeleteFunc(rest, func(b [2]int) bool { return b[1] <= 0 })
}

// Quantile is the duration below which a share q of those counted are; 0 if there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	total := 0
	for _, b := range h {
		total += max(b[1], 0)
	}
	rank := max(1, int(q*float64(total)+0.999999))
	for _, b := range h {
		if rank -= max(b[1], 0); rank <= 0 {
			return middle(b[0])
		}
	}
	return 0
}

// bucketOf is the bucket of a duration.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 8 {
		return int(us)
	}
	exp := bits.Len64(us) - 4 // the leading four bits stay
	return 8*exp + int(us>>exp)
}

// middle is the middle of a bucket. What a hostile file calls a bucket is bounded.
func middle(bucket int) time.Duration {
	bucket = min(max(bucket, 0), MaxBuckets-1)
	if bucket < 16 {
		return time.Duration(bucket) * time.Microsecond
	}
	exp := bucket/8 - 1
	low := uint64(8+bucket%8) << exp
	return time.Duration(low+1<<exp/2) * time.Microsecond
}

// Merge adds the points of another series, whose times are since offset.
func (s *Series) Merge(points []Point, offset time.Duration) {
	for _, p := range points {
		p.At, p.BadAt, p.GoodAt, p.End = p.At+offset, p.BadAt+offset, p.GoodAt+offset, p.Ended()+offset
		p.Took = slices.Clone(p.Took)
		s.Points = append(s.Points, p)
	}
	slices.SortStableFunc(s.Points, func(a, b Point) int { return cmp.Compare(a.At, b.At) })
	for len(s.Points) > MaxPoints {
		s.thin()
	}
}
