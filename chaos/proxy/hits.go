package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
)

// Hit is one thing that a fault did: to a request, or to a connection that is not parsed.
type Hit struct {
	// Seq numbers the hits of a proxy from 1.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Fault is the id given to Apply, Kind its kind.
	Fault string `json:"fault"`
	Kind  string `json:"kind"`
	// N is the number of the request or connection for the fault, from 0.
	N uint64 `json:"n"`
	// Request is "METHOD target", cut to 200 bytes; empty for a connection.
	Request string `json:"request,omitempty"`
	// Asked is the delay that was asked for, Achieved what it was in truth.
	Asked    time.Duration `json:"asked_ns,omitempty"`
	Achieved time.Duration `json:"achieved_ns,omitempty"`
	// Released: the delay was cut short.
	Released bool `json:"released,omitempty"`
}

const (
	hitsKept    = 4096 // a power of two
	hitsRequest = 200
)

// hitLog is a ring of the last hits. Writing takes no lock and waits for nobody: a
// reader that is slow misses the oldest.
type hitLog struct {
	ring [hitsKept]atomic.Pointer[Hit]
	last atomic.Uint64

	waiting atomic.Int32 // readers that wait for news
	mu      sync.Mutex
	news    chan struct{} // closed at the next hit; nil while nobody waits
}

func (l *hitLog) add(h *Hit) {
	h.Seq = l.last.Add(1)
	l.put(h)
	if l.waiting.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// put keeps h, unless the ring has come round meanwhile: readers would wait for ever for
// what it had put there.
func (l *hitLog) put(h *Hit) {
	place := &l.ring[h.Seq%hitsKept]
	for {
		old := place.Load()
		if old != nil && old.Seq > h.Seq || place.CompareAndSwap(old, h) {
			return
		}
	}
}

// after returns what is kept of the hits after since, oldest first.
func (l *hitLog) after(since uint64) []Hit {
	last := l.last.Load()
	if since > last { // a proxy that was before this one gave that number
		since = 0
	}
	if last > hitsKept {
		since = max(since, last-hitsKept)
	}
	var hits []Hit
	for seq := since + 1; seq <= last; seq++ {
		h := l.ring[seq%hitsKept].Load()
		if h == nil || h.Seq < seq {
			break // it is about to be filled; what comes after it, next time
		}
		if h.Seq == seq { // and has not been filled again
			hits = append(hits, *h)
		}
	}
	return hits
}

// wait returns a channel that is closed at the next hit.
func (l *hitLog) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.news == nil {
		l.news = make(chan struct{})
	}
	return l.news
}

// Hits returns the hits after number since, oldest first; the last of them has the
// number to go on from. Without any it waits for one until ctx is done, and then
// returns ctx's error. The proxy keeps the last 4096: a caller that sees a gap in Seq
// was too slow. A number that is still to come is one of an earlier proxy, and begins anew.
func (p *Proxy) Hits(ctx context.Context, since uint64) ([]Hit, error) {
	p.hits.waiting.Add(1)
	defer p.hits.waiting.Add(-1)
	for {
		news := p.hits.wait() // before looking, so that nothing comes between
		if hits := p.hits.after(since); len(hits) > 0 {
			return hits, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-p.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// requestText is a request as hits have it.
func requestText(req *chaos.Request) string {
	return string(req.Method) + " " + string(req.Target[:min(len(req.Target), hitsRequest)])
}

// log writes down what v does to req. Delays write themselves down when they are over.
func (p *Proxy) log(v *verdict, req *chaos.Request) {
	if len(v.hits) == 0 {
		return
	}
	what := requestText(req)
	for _, delays := range [][]delay{v.request, v.response} {
		for i := range delays {
			delays[i].what = what
		}
	}
	for i := range v.hits {
		if h := &v.hits[i]; h.by.row.rank != rankLatency {
			p.hits.add(&Hit{At: h.now, Fault: h.by.id, Kind: h.by.fault.Kind, N: h.n, Request: what})
		}
	}
}
