package auth

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds for how many keys a limiter remembers what they did; beyond that it
// forgets who was longest away.
const maxKeys = 10_000

// Limiter limits how often somebody may do something, each by itself: a bucket of burst
// tokens that fills at a rate.
type Limiter struct {
	perSecond rate.Limit
	burst     int

	mu      sync.Mutex
	entries map[string]*list.Element
	recent  *list.List // of *limitEntry, who came last first
}

type limitEntry struct {
	key    string
	bucket *rate.Limiter
}

// NewLimiter makes one. With perSecond 0 or less nothing is limited.
func NewLimiter(perSecond float64, burst int) *Limiter {
	return &Limiter{perSecond: rate.Limit(perSecond), burst: max(burst, 1), entries: map[string]*list.Element{}, recent: list.New()}
}

// Take takes one from a key's bucket. If it is empty nothing is taken, and wait is after
// how long it would not be.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration, ok bool) {
	if l.perSecond <= 0 {
		return 0, true
	}
	r := l.bucket(key).ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[key]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*limitEntry).bucket
	}
	if l.recent.Len() >= maxKeys {
		oldest := l.recent.Back()
		delete(l.entries, oldest.Value.(*limitEntry).key)
		l.recent.Remove(oldest)
	}
	entry := &limitEntry{key, rate.NewLimiter(l.perSecond, l.burst)}
	l.entries[key] = l.recent.PushFront(entry)
	return entry.bucket
}

// AddressKey is what an address is limited as: an IPv4 address, or the /64 of an IPv6
// one, which is what one subscriber has.
func AddressKey(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64) // an IPv6 address has one
	return prefix.String()
}
