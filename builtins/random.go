package builtins

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"go.starlark.net/starlark"

	"starquake/dsl"
)

// randomRows are the only source of randomness of a script: the stream that random
// returns for the calling branch. What is made of its 64-bit numbers is written out
// below, since the standard library does not promise that its own methods draw the
// same in its next release, and a recovered run must.
func randomRows(random func(*starlark.Thread) *rand.Rand) []Builtin {
	row := func(sig, returns, doc string, fn func(*Call, *rand.Rand) (starlark.Value, error)) Builtin {
		return Builtin{
			dsl.Builtin{Sig: sig, Returns: returns, Doc: doc, Family: "random"},
			func(c *Call) (starlark.Value, error) { return fn(c, random(c.Thread)) },
		}
	}
	return []Builtin{
		row(`random.int(lo: int, hi: int)`, "int",
			"Draws an int from lo to hi, both included. All are equally likely.", randomInt),
		row(`random.float(lo: number = 0, hi: number = 1)`, "float",
			"Draws a number from lo, included, to hi, excluded. If both are the same it is that.", randomFloat),
		row(`random.choice(seq: iterable)`, "any",
			"Draws one element of a list, tuple or other sequence that is not empty.", randomChoice),
		row(`random.shuffle(seq: iterable)`, "list",
			"Returns a new list of the same elements in random order. The argument is not changed.", randomShuffle),
		row(`random.sample(seq: iterable, k: int)`, "list",
			"Returns a new list of k elements of seq, each taken at most once, in random order.", randomSample),
		row(`random.chance(share: share)`, "bool",
			"Is True with the given probability: random.chance(\"5%\"). With 0 it never is, with 1 always.", randomChance),
		row(`random.normal(mean: number, dev: number)`, "float",
			"Draws a number of the normal distribution with that mean and standard deviation. dev must not be negative.", randomNormal),
		row(`random.duration(lo: duration, hi: duration)`, "duration",
			"Draws a duration from lo to hi, both included, to the nanosecond.", randomDuration),
	}
}

// below draws from 0 to n-1 without bias (Lemire's method); n = 0 stands for 1<<64.
func below(r *rand.Rand, n uint64) uint64 {
	if n == 0 {
		return r.Uint64()
	}
	hi, lo := bits.Mul64(r.Uint64(), n)
	if lo < n {
		for least := -n % n; lo < least; {
			hi, lo = bits.Mul64(r.Uint64(), n)
		}
	}
	return hi
}

// unit draws from 0, included, to 1, excluded, in steps of 1 / (1 << 53).
func unit(r *rand.Rand) float64 { return float64(r.Uint64()>>11) / (1 << 53) }

func randomInt(c *Call, r *rand.Rand) (starlark.Value, error) {
	lo, hi := int64(c.Int("lo")), int64(c.Int("hi"))
	if lo > hi {
		return nil, c.Errorf("hi", "expected at least lo, which is %d, got %d", lo, hi)
	}
	return starlark.MakeInt64(lo + int64(below(r, uint64(hi)-uint64(lo)+1))), nil
}

func randomFloat(c *Call, r *rand.Rand) (starlark.Value, error) {
	lo, hi := c.Float("lo"), c.Float("hi")
	if lo > hi {
		return nil, c.Errorf("hi", "expected at least lo, which is %v, got %v", lo, hi)
	}
	if math.IsInf(hi-lo, 0) {
		return nil, c.Errorf("hi", "the range from %v to %v is too wide", lo, hi)
	}
	// The conversion keeps the compiler from fusing the two operations, which would
	// round differently on some machines.
	x := lo + float64(unit(r)*(hi-lo))
	if x >= hi && lo < hi {
		x = math.Nextafter(hi, lo) // rounding must not reach the end
	}
	return starlark.Float(x), nil
}

func randomChoice(c *Call, r *rand.Rand) (starlark.Value, error) {
	seq := c.Value("seq")
	if list, ok := seq.(starlark.Indexable); ok && list.Len() > 0 {
		return list.Index(int(below(r, uint64(list.Len())))), nil
	}
	elems := c.List("seq")
	if len(elems) == 0 {
		return nil, c.Errorf("seq", "expected at least one element, got none")
	}
	return elems[below(r, uint64(len(elems)))], nil
}

// draw moves k randomly drawn elements to the front of elems.
func draw(r *rand.Rand, elems []starlark.Value, k int) []starlark.Value {
	for i := range k {
		j := i + int(below(r, uint64(len(elems)-i)))
		elems[i], elems[j] = elems[j], elems[i]
	}
	return elems[:k:k]
}

func randomShuffle(c *Call, r *rand.Rand) (starlark.Value, error) {
	elems := c.List("seq")
	return starlark.NewList(draw(r, elems, len(elems))), nil
}

func randomSample(c *Call, r *rand.Rand) (starlark.Value, error) {
	elems, k := c.List("seq"), c.Int("k")
	if k < 0 || k > len(elems) {
		return nil, c.Errorf("k", "expected from 0 to the %d elements of seq, got %d", len(elems), k)
	}
	return starlark.NewList(draw(r, elems, k)), nil
}

func randomChance(c *Call, r *rand.Rand) (starlark.Value, error) {
	return starlark.Bool(unit(r) < c.Share("share")), nil
}

// randomNormal uses the Box–Muller transform, and always two draws, so that what
// follows in the stream does not depend on the numbers drawn.
func randomNormal(c *Call, r *rand.Rand) (starlark.Value, error) {
	mean, dev := c.Float("mean"), c.Float("dev")
	if dev < 0 {
		return nil, c.Errorf("dev", "expected a standard deviation of 0 or more, got %v", dev)
	}
	radius := math.Sqrt(-2 * math.Log(1-unit(r)))
	z := float64(radius * math.Cos(2*math.Pi*unit(r)))
	x := mean + float64(z*dev)
	if math.IsInf(x, 0) {
		return nil, c.Errorf("dev", "mean %v with a deviation of %v leaves the range of floats", mean, dev)
	}
	return starlark.Float(x), nil
}

func randomDuration(c *Call, r *rand.Rand) (starlark.Value, error) {
	lo, hi := Duration(c.Duration("lo")), Duration(c.Duration("hi"))
	if lo > hi {
		return nil, c.Errorf("hi", "expected at least lo, which is %s, got %s", lo, hi)
	}
	return lo + Duration(below(r, uint64(hi-lo)+1)), nil
}
