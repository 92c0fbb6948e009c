package chaos

import (
	"hash/fnv"
)

// Draw returns the n-th number of the stream seed, evenly distributed in [0, 1). It
// is a pure function: the same seed and n give the same number on every machine and
// in every version, which is what makes a run repeatable. It is the finalizer of
// splitmix64 on seed + (n+1)·γ, so any number of a stream costs the same.
func Draw(seed, n uint64) float64 {
	return float64(mix(seed+(n+1)*0x9e3779b97f4a7c15)>>11) / (1 << 53)
}

// mix is the finalizer of splitmix64: every bit of x changes half of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Draws are the random decisions of one fault. Each purpose has a stream of its own,
// so that adding jitter to a fault does not change which requests it hits. The number
// n is the fault's own count of what it met, from 0.
type Draws struct{ seed uint64 }

// The streams. A new purpose gets a new number; a number never gets a new purpose.
const (
	streamHit    = 1
	streamSpread = 2
	streamJitter = 3
	streamPick   = 4
	streamLoss   = 5
	streamSize   = 6
	streamBytes  = 7
)

// NewDraws returns the decisions of the fault id in a run with this seed.
func NewDraws(seed uint64, id string) Draws {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails, see hash.Hash
	return Draws{mix(seed ^ mix(h.Sum64()))}
}

func (d Draws) stream(purpose, n uint64) float64 {
	return Draw(d.of(purpose), n)
}

// of returns the seed of a stream.
func (d Draws) of(purpose uint64) uint64 { return mix(d.seed + purpose*0x9e3779b97f4a7c15) }

// within returns draws of their own for the n-th request, for a purpose that takes
// more than one draw for each.
func (d Draws) within(purpose, n uint64) Draws { return Draws{mix(d.of(purpose) ^ mix(n+1))} }

// Hit decides whether the n-th request is hit, with the given probability.
func (d Draws) Hit(n uint64, probability float64) bool {
	return probability >= 1 || d.stream(streamHit, n) < probability
}

// Spread is for where in its range the n-th value falls.
func (d Draws) Spread(n uint64) float64 { return d.stream(streamSpread, n) }

// Jitter is for how far the n-th value is off.
func (d Draws) Jitter(n uint64) float64 { return d.stream(streamJitter, n) }

// Pick chooses one of size things for the n-th request, each as likely as the others.
func (d Draws) Pick(n uint64, size int) int {
	// Draw is at most 1-2⁻⁵³, and size small, so the product stays below size.
	return int(d.stream(streamPick, n) * float64(size))
}
