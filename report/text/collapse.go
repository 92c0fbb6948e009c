package text

import "time"

const (
	maxPeriod  = 16 // rows in what is repeated
	minRepeats = 3  // fewer are shown one by one
	maxPasses  = 4  // repetitions of repetitions
)

// collapse makes one row, or one group of rows, of those that repeat in sequence.
// It looks at shapes only, so a loop, a "for" and the same step written down
// several times all become "× 24". Shorter periods come first, and what they made
// takes part in the next pass: a day of hours of minutes becomes two levels.
func collapse(items []*item) []*item {
	for range maxPasses {
		before := len(items)
		for period := 1; period <= maxPeriod && period*minRepeats <= len(items); period++ {
			items = repeats(items, period)
		}
		if len(items) == before {
			break
		}
	}
	return items
}

// repeats collapses the repetitions of period rows.
func repeats(items []*item, period int) []*item {
	out := items[:0:0]
	for i := 0; i < len(items); {
		n := 1
		for i+(n+1)*period <= len(items) && same(items[i:i+period], items[i+n*period:i+(n+1)*period]) {
			n++
		}
		if n < minRepeats {
			out = append(out, items[i])
			i++
			continue
		}
		out = append(out, fold(items[i:i+n*period], period))
		i += n * period
	}
	return out
}

func same(a, b []*item) bool {
	for i := range a {
		if a[i].shape != b[i].shape {
			return false
		}
	}
	return true
}

// fold makes one row of n repetitions of period rows.
func fold(items []*item, period int) *item {
	n := len(items) / period
	every := interval(items, period)
	shape := fnvOffset
	for _, it := range items[:period] {
		shape = mixInt(shape, it.shape)
	}
	shape = mixInt(shape, uint64(n))

	// What is one row already, and no repetition, carries the count itself.
	if first := items[0]; period == 1 && first.count == 1 {
		for _, it := range items[1:] {
			first.merge(it)
		}
		first.count, first.every, first.shape = n, every, shape
		return first
	}
	from, to := items[0].spans[0].from, items[0].end()
	inside := 0
	for _, it := range items {
		to = max(to, it.end())
		inside += it.inside
	}
	group := &item{
		kind: groupItem, kids: append([]*item{}, items[:period]...), count: n, every: every,
		spans: []stretch{{from, to}}, inside: inside, shape: shape,
	}
	for i, it := range items[period:] {
		group.kids[i%period].merge(it)
	}
	return group
}

// interval is the time from one repetition to the next, 0 if it varies.
func interval(items []*item, period int) time.Duration {
	every := items[period].spans[0].from - items[0].spans[0].from
	for i := 2 * period; i < len(items); i += period {
		if items[i].spans[0].from-items[i-period].spans[0].from != every {
			return 0
		}
	}
	return every
}

// merge adds what another row of the same shape stands for.
func (it *item) merge(other *item) {
	it.spans = append(it.spans, other.spans...)
	it.min, it.max = min(it.min, other.min), max(it.max, other.max)
	it.inside += other.inside
	if it.fault != nil {
		it.seen += other.seen
		it.hit += other.hit
	}
	// Shapes are hashes: should two differ below, what has no counterpart is not drawn.
	for i := range min(len(it.kids), len(other.kids)) {
		it.kids[i].merge(other.kids[i])
	}
}

// end is when the last that the row stands for was over.
func (it *item) end() time.Duration {
	var last time.Duration
	for _, s := range it.spans {
		last = max(last, s.to)
	}
	return last
}
