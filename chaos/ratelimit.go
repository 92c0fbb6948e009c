package chaos

import (
	"container/list"
	"hash/maphash"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
)

func rateLimitKind() Kind {
	return Kind{
		Name: "rate_limit",
		Doc: "Lets only so many requests a second pass (a token bucket). The others are answered 429 with Retry-After, " +
			"gRPC RESOURCE_EXHAUSTED, or closed with 1008 on a WebSocket. Of several such faults the lowest limit holds.",
		Protocols: []string{"http", "grpc", "ws", "graphql"},
		Params: []ParamSpec{
			{Name: "rate", Type: TypeNumber, Min: 0.001, Max: 1e9, Ramp: true,
				Doc: "requests per second"},
			{Name: "burst", Type: TypeInt, Min: 1, Max: 1e9, Ramp: true, Default: "1",
				Doc: "how many may come at once after a pause"},
			{Name: "per", Type: TypeString, Default: `"all"`, Choices: []string{"all", "ip", "endpoint"},
				Doc: "what the limit is for: all requests together, each client's address, or each method and path"},
		},
		text: rateLimitText,
	}
}

func rateLimitText(f *Fault) string {
	rate := TypeNumber.show(f.Number("rate")) + "/s"
	if f.Number("rate").IsRamp() {
		rate = strings.Replace(TypeNumber.show(f.Number("rate")), " over ", "/s over ", 1)
	}
	s := rate + " burst " + TypeInt.show(f.Number("burst"))
	if per := f.Text("per"); per != "all" {
		s += " per " + per
	}
	return s
}

// RateLimit is a fault of kind rate_limit made ready: a token bucket, or one for each
// client or endpoint. Use one RateLimit for all connections, which may be at once.
type RateLimit struct {
	rate, burst Value
	per         string
	seed        maphash.Seed // of keys too long to keep; it decides nothing

	mu      sync.Mutex
	buckets map[string]*list.Element // of *bucket
	// recent has the buckets, the one used last in front.
	recent *list.List
}

type bucket struct {
	key    string
	tokens float64
	at     time.Time // when tokens were counted
}

// maxBuckets bounds the clients or endpoints that are remembered. One that is forgotten
// has been away the longest, and begins with a full bucket.
const maxBuckets = 10_000

// NewRateLimit makes f, which is valid, ready.
func NewRateLimit(f *Fault) *RateLimit {
	return &RateLimit{rate: f.Number("rate"), burst: f.Number("burst"), per: f.Text("per"),
		seed: maphash.MakeSeed(), buckets: map[string]*list.Element{}, recent: list.New()}
}

// Allow reports whether req may pass now, and if not, after which time one might.
// elapsed is the time since the fault went on, by which its ramps go; it stands still
// in a pause, while the buckets fill by the clock.
func (l *RateLimit) Allow(req *Request, now time.Time, elapsed time.Duration) (ok bool, retry time.Duration) {
	var room [maxKey]byte
	key := l.key(room[:0], req)
	rate, burst := l.rate.At(elapsed), float64(l.burst.Int(elapsed))
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, burst, now)
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens += passed.Seconds() * rate
		b.at = now
	}
	b.tokens = min(b.tokens, burst)
	if b.tokens >= 1-tokenSlack {
		b.tokens--
		return true, 0
	}
	return false, time.Duration((1 - b.tokens) / rate * float64(time.Second))
}

// Return gives back what Allow took for req, which did not pass after all.
func (l *RateLimit) Return(req *Request) {
	var room [maxKey]byte
	key := l.key(room[:0], req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.buckets[string(key)]; e != nil { // else it is full
		e.Value.(*bucket).tokens++
	}
}

// tokenSlack makes good for the rounding of a token that has grown in small steps.
const tokenSlack = 1e-9

// maxKey is the longest key that is kept as it is. Clients choose their paths, so that
// what is kept of them is bounded.
const maxKey = 128

// key writes what req is counted under.
func (l *RateLimit) key(room []byte, req *Request) []byte {
	switch l.per {
	case "ip":
		return req.source().AppendTo(room)
	case "endpoint":
		path := req.Path()
		if len(req.Method)+1+len(path) <= maxKey {
			return append(append(append(room, req.Method...), ' '), path...)
		}
		var h maphash.Hash
		h.SetSeed(l.seed)
		_, _ = h.Write(req.Method) // never fails, see maphash
		_ = h.WriteByte(' ')
		_, _ = h.Write(path)
		return h.Sum(room)
	}
	return room
}

func (l *RateLimit) bucket(key []byte, burst float64, now time.Time) *bucket {
	if e := l.buckets[string(key)]; e != nil {
		l.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if l.recent.Len() >= maxBuckets {
		last := l.recent.Back()
		l.recent.Remove(last)
		delete(l.buckets, last.Value.(*bucket).key)
	}
	b := &bucket{key: string(key), tokens: burst, at: now}
	l.buckets[b.key] = l.recent.PushFront(b)
	return b
}

// RetryAfter writes a time to wait as the field Retry-After has it: whole seconds,
// at least one.
func RetryAfter(wait time.Duration) string {
	return strconv.FormatInt(max(1, int64(math.Ceil(wait.Seconds()))), 10)
}
