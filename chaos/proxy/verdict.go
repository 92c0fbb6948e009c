package proxy

import (
	"slices"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
)

// verdict is what the faults make of one request or stream. An engine carries it out
// in the order of the fields; nil lets the request pass untouched.
type verdict struct {
	// fates are waited out first: the request hangs, and its connection may end.
	fates []fate
	// passes are the rate limits that the request has passed.
	passes limitsPassed
	// queues are those of bulkheads, in each of which the request waits for a place.
	queues []*queue
	// request delays are served before the request goes on, response delays before
	// its answer does.
	request, response []delay
	// answer, if it has a status, is given instead of the upstream's.
	answer answer
	// edits change a whole message of a way, cuts cut it short, and flows are what is
	// done to its bytes as they pass. They are indexed by direction.
	edits [2][]edit
	cuts  [2][]cut
	flows [2]flow
	// aborts end a gRPC call in the middle.
	aborts []abort
	// watchers are told how the request ended, once: see done.
	watchers []watcher
	// hits are the faults that did anything; without any the request is no different
	// from one without faults.
	hits []hit
	over bool // done has been called
}

// cut is how many of the bytes of a body pass; then the connection ends.
type cut struct {
	by   *active
	keep func(total int64, elapsed time.Duration) int64
}

// watcher is a fault that goes by how requests end: with a status, or one of these.
type watcher func(status int)

// How a request ends without a status.
const (
	noAnswer = 0  // it should have got one
	unknown  = -1 // its client has left
)

// orNew returns v, or one that lets the request pass untouched if it is nil.
func (v *verdict) orNew() *verdict {
	if v == nil {
		v = new(verdict)
		v.flows[toClient].way = toClient
	}
	return v
}

// touched reports whether the figures count a request as faulted. That is one that a fault
// has hit, of which its verdict tells; and one whose connection a fault acted on while it was
// under way, of which felt tells: one that went on meanwhile (midway), or one that ended the
// connection or held its end back, whichever of its requests that had hit. A request that only
// waits for the answer before its own is not. Streams of HTTP/2 have nothing in common that a
// fault acts on, so theirs are all in the verdict.
func (c *conn) touched(p *pending) bool {
	return p.verdict.touched() || p.felt != c.felt.Load()
}

// touched reports whether a fault did anything. v may be nil.
func (v *verdict) touched() bool { return v != nil && len(v.hits) > 0 }

// give answers the request instead of the upstream, unless a fault does already.
func (v *verdict) give(h *hit, a answer) bool {
	if v.answer.given() {
		return false
	}
	a.fault, a.rank = h.by.fault.Kind, h.by.row.rank
	if a.status != 0 && a.body == "" && h.graphql() {
		a.setGraphQL(h.query, graphql.NewError(graphqlCode(a.status), strings.TrimSpace(a.content()), nil))
	}
	v.answer = a
	return true
}

// done tells the watchers how the request ended. It may be called more than once, and
// the first call counts. v may be nil.
func (v *verdict) done(status int) {
	if v == nil || v.over {
		return
	}
	v.over = true
	for _, w := range v.watchers {
		w(status)
	}
}

// decide asks the faults that are on what happens to a request of c. A request that a
// fault answers does not meet those of later ranks; those of the same rank draw all
// the same, so that which requests one of them hits does not depend on the others.
func (p *Proxy) decide(c *conn, req *chaos.Request) *verdict {
	snap := p.faults.Load()
	if len(snap.order) == 0 {
		return nil
	}
	var v *verdict
	var query *graphql.Request
	if c != nil {
		query = c.query
	}
	var now time.Time
	var buf [4]uint64 // is enough for most
	may := snap.index.May(req, buf[:0])
	for i := may.First(0); i >= 0; i = may.First(i + 1) {
		a := snap.order[i]
		if v != nil && v.answer.given() && a.row.rank != v.answer.rank {
			break
		}
		if !a.asks(req) {
			continue
		}
		if now.IsZero() {
			now = time.Now()
		}
		elapsed := a.clock.Load().elapsed(now)
		if !a.fault.ActiveAt(elapsed) || a.spares(c) {
			continue
		}
		if a.operations && query == nil {
			a.inapplicable.Add(1)
			continue
		}
		if !a.matcher.FitsOperations(req) {
			continue
		}
		if c != nil && c.socket && a.acts.editsMessages {
			continue // there are no messages yet
		}
		n, drawn := a.meets(elapsed)
		if !drawn {
			continue
		}
		v = v.orNew()
		a.judge(v, &hit{by: a, c: c, n: n, now: now, elapsed: elapsed, req: req, query: query})
	}
	if v != nil {
		p.log(v, req)
	}
	return v
}

// asks reports whether a request whose head is req may be one that a meets.
func (a *active) asks(req *chaos.Request) bool {
	return (!a.acts.grpc || req.GRPC) && a.matcher.FitsHead(req)
}

// judge adds to v what a does to a request that it has hit.
func (a *active) judge(v *verdict, h *hit) {
	did := a.acts.request != nil && a.acts.request(v, h)
	if a.acts.fate != nil {
		f := a.fateOf(h)
		if f.hangs && f.lets[toUpstream] { // the request passes, and its answer does not
			v.response = append(v.response, delay{by: a, n: h.n, d: forever})
		}
		if f = f.of(toUpstream); f.hangs || f.end != endNever {
			v.fates = append(v.fates, f)
		}
		did = true
	}
	if a.acts.body != nil {
		for way := range v.flows {
			f := &v.flows[way]
			before := f.size()
			a.acts.body(f, h)
			did = did || f.size() > before
		}
	}
	if did {
		a.strikes(h.c)
		v.hits = append(v.hits, *h)
	}
}

// flow returns what is done to the bytes of a body of the given way, or nil for
// nothing. v may be nil.
func (v *verdict) flow(way direction, y *body) *flow {
	if v == nil || v.flows[way].size() == 0 {
		return nil
	}
	f := &v.flows[way]
	f.attach(y)
	return f
}

// attach has the content of a body altered.
func (f *flow) attach(y *body) {
	if len(f.edits) == 0 {
		return
	}
	if y.content == nil {
		f.total = -1
		if y.chunks == nil {
			f.total = y.left
		}
	}
	y.content = f.alter
}

// midway lets connection faults that went on after a request act on it at its next
// byte: p is the request, and f what is done to the bytes of the way so far. It returns
// what is done from now on. A fate is carried out, so that the next write may fail.
func (c *conn) midway(p *pending, way direction, f *flow, y *body) *flow {
	snap := c.p.faults.Load()
	if snap.gen == p.gen {
		return f
	}
	var fates []fate
	draw := func(a *active, elapsed time.Duration) (n uint64, hit, first bool) {
		return c.drawMidway(a, p.started, elapsed)
	}
	c.since(snap, p.gen, p.verdict, draw, func(h *hit) {
		c.felt.Add(1)
		if h.by.acts.fate != nil {
			fates = append(fates, h.by.fateOf(h).of(way))
		}
		if h.by.acts.body != nil {
			if f == nil {
				f = &flow{way: way}
			}
			h.by.acts.body(f, h)
			f.attach(y)
		}
	})
	p.gen = snap.gen
	for _, fate := range fates {
		c.doom(fate)
	}
	if len(fates) > 0 {
		c.suffer(fates, nil)
		c.felt.Add(1) // by those that have come meanwhile
	}
	return f
}

// midwayDraw is what a fault drew for a request that was under way when it went on.
type midwayDraw struct {
	by      *Applied
	started time.Time // of the request
	n       uint64
	hit     bool
}

// drawMidway draws once for a request, which began at started and of which both ways may be
// under way. first is false if the fault has drawn for it before.
func (c *conn) drawMidway(a *active, started time.Time, elapsed time.Duration) (n uint64, hit, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := started // of the requests that are under way
	if len(c.pending) > 0 && c.pending[0].started.Before(oldest) {
		oldest = c.pending[0].started
	}
	c.drawn = slices.DeleteFunc(c.drawn, func(d midwayDraw) bool { return d.started.Before(oldest) || d.by.gone.Load() })
	for _, d := range c.drawn {
		if d.by == a.Applied && d.started.Equal(started) {
			return d.n, d.hit, false
		}
	}
	n, hit = a.meets(elapsed)
	c.drawn = append(c.drawn, midwayDraw{a.Applied, started, n, hit})
	return n, hit, true
}

// drawStream draws for a stream, which looks for both its ways at once.
func drawStream(a *active, elapsed time.Duration) (n uint64, hit, first bool) {
	n, hit = a.meets(elapsed)
	return n, hit, true
}

// hitBy gives the number with which a fault has hit the request. v may be nil.
func (v *verdict) hitBy(a *Applied) (n uint64, ok bool) {
	if v == nil {
		return 0, false
	}
	i := slices.IndexFunc(v.hits, func(h hit) bool { return h.by.Applied == a })
	if i < 0 {
		return 0, false
	}
	return v.hits[i].n, true
}

// since calls do for each connection fault of snap that went on after gen and hits, by draw,
// a request that is under way. One that had hit it before, as v says, and was lifted
// meanwhile goes on with that.
func (c *conn) since(snap *snapshot, gen uint64, v *verdict, draw func(a *active, elapsed time.Duration) (n uint64, hit, first bool), do func(h *hit)) {
	now := time.Now()
	for _, a := range snap.order {
		if a.gen <= gen || a.acts.fate == nil && a.acts.body == nil || a.matcher.Parsed() || !a.matcher.FitsConn(c.source) || a.spares(c) {
			continue
		}
		h := hit{by: a, c: c, now: now, elapsed: a.clock.Load().elapsed(now)}
		if !a.fault.ActiveAt(h.elapsed) {
			continue
		}
		n, drawn := v.hitBy(a.Applied)
		first := !drawn
		if first {
			n, drawn, first = draw(a, h.elapsed)
		}
		if !drawn {
			continue
		}
		if h.n = n; first {
			a.strikes(c)
			c.p.hits.add(&Hit{At: now, Fault: a.id, Kind: a.fault.Kind, N: n})
		}
		do(&h)
	}
}
