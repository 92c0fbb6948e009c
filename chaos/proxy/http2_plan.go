package proxy

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/h2"
)

// plan turns what the faults make of a request into what the relay does to its stream.
func (x *exchange) plan(plan *h2.Plan) {
	v := x.verdict
	if len(v.fates)+len(v.queues)+len(v.request) > 0 {
		x.entry = &entryHold{fate: fateHold{v.fates}, queues: v.queues,
			delay: delayHold{p: x.c.p, delays: v.request, since: x.started}}
		plan.Hold[h2.ToUpstream] = x.entry
	}
	if len(v.response) > 0 {
		x.leaving = &delayHold{p: x.c.p, delays: v.response}
		plan.Hold[h2.ToClient] = x.leaving
	}
	plan.Reset = endOf(v.fates)
	if len(v.queues) > 0 {
		plan.Late = func() *h2.Answer {
			if !x.entry.full {
				return nil
			}
			v.give(&v.queues[0].hit, answer{status: http.StatusServiceUnavailable})
			return x.answer(&v.answer)
		}
	}
	if v.answer.given() {
		plan.Answer = x.answer(&v.answer)
		return
	}
	for way := range plan.Flow {
		x.planBody(plan, direction(way))
	}
}

// planBody plans what is done to the message of a way.
func (x *exchange) planBody(plan *h2.Plan, way direction) {
	v := x.verdict
	f := &v.flows[way]
	f.way = way
	plan.Edit[way] = x.edit(v.edits[way], f, way)
	plan.Cut[way] = x.cut(v.cuts[way], f)
	var first *abort // of its way: the one that ends the stream before the others
	for i := range v.aborts {
		if a := &v.aborts[i]; a.request == (way == toUpstream) && (first == nil || a.after < first.after) {
			first = a
		}
	}
	if first != nil {
		plan.Cut[way] = first.cut()
	}
	if f.slows() {
		plan.Flow[way] = &http2Flow{p: x.c.p, f: f}
	}
}

// slows reports whether f holds anything back.
func (f *flow) slows() bool { return len(f.delays)+len(f.paces)+len(f.slices) > 0 }

// http2Flow is a flow as the relay asks for it.
type http2Flow struct {
	p *Proxy
	f *flow
	// head is what the header block waits for that came last.
	head []delay
}

// Block implements h2.Flow.
func (s *http2Flow) Block() h2.Hold {
	s.head = s.f.due(time.Now())
	return s.p.holdFor(s.head)
}

// Piece implements h2.Flow. What came with a header block is one chunk with it.
func (s *http2Flow) Piece(n int, behind bool) (size int, hold, pause h2.Hold) {
	now := time.Now()
	var delays []delay
	held := s.head
	if !behind {
		delays = s.f.due(now)
		held = delays
	}
	for i := range held {
		held[i].by.delayed.Add(uint64(n))
	}
	size, pauses, more := s.f.piece(now, n)
	return size, s.p.holdFor(append(delays, more...)), s.p.holdFor(pauses)
}

// cut returns where the body is cut, or nil: the lowest of all cuts and limits holds.
func (x *exchange) cut(cuts []cut, f *flow) *h2.Cut {
	if len(cuts) == 0 {
		var lowest *limit
		for _, l := range f.limits {
			if lowest == nil || l.left.Load() < lowest.left.Load() {
				lowest = l
			}
		}
		if lowest == nil {
			return nil
		}
		return lowest.cut()
	}
	on := func(by *active) bool { _, on := by.state(time.Now()); return on }
	by := cuts[0].by // whose cut is the lowest
	return &h2.Cut{How: h2.EndReset, Code: h2.InternalError,
		On: func() bool {
			return slices.ContainsFunc(cuts, func(c cut) bool { return on(c.by) }) ||
				slices.ContainsFunc(f.limits, func(l *limit) bool { return on(l.by) })
		},
		Dropped: func(n int) { by.dropped.Add(uint64(n)) },
		Keep: func(total int64) int64 {
			keep := int64(math.MaxInt64)
			for _, c := range cuts {
				if elapsed, on := c.by.state(time.Now()); on {
					if k := c.keep(total, elapsed); k < keep {
						keep, by = k, c.by
					}
				}
			}
			for _, l := range f.limits {
				if left := l.left.Load(); on(l.by) && left < keep {
					keep, by = left, l.by
				}
			}
			return keep
		}}
}

// cut ends a stream where the limit is reached.
func (l *limit) cut() *h2.Cut {
	return &h2.Cut{How: h2.EndReset, Code: h2.InternalError, Bytes: l.left.Load(),
		On:      func() bool { _, on := l.by.state(time.Now()); return on },
		Dropped: func(n int) { l.by.dropped.Add(uint64(n)) }}
}

// answer returns what the client gets for a.
func (x *exchange) answer(a *answer) *h2.Answer {
	if a.end != endNever {
		return &h2.Answer{Code: h2.InternalError}
	}
	if x.grpc {
		status := h2.Status{Code: a.grpc, Message: strings.TrimSpace(a.body)}
		if a.status != http.StatusOK {
			status.Code, _ = chaos.GRPCCode(a.status)
		}
		if status.Message == "" {
			status.Message = injected(status.Code, a.fault)
		}
		answer := status.Answer()
		answer.Fields = append(answer.Fields, h2.Field{Name: "starquake-fault", Value: a.fault})
		return answer
	}
	fields := []h2.Field{{Name: ":status", Value: strconv.Itoa(a.status)}}
	typed := false
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		name, value := strings.ToLower(name), a.headers[name]
		fields = append(fields, h2.Field{Name: name, Value: value})
		typed = typed || name == "content-type"
	}
	fields = append(fields, h2.Field{Name: "starquake-fault", Value: a.fault})
	if bodiless(a.status) {
		return &h2.Answer{Fields: fields}
	}
	if !typed {
		fields = append(fields, h2.Field{Name: "content-type", Value: "text/plain; charset=utf-8"})
	}
	content := a.content()
	answer := &h2.Answer{Fields: append(fields, h2.Field{Name: "content-length", Value: strconv.Itoa(len(content))})}
	if !x.head {
		answer.Body = []byte(content)
	}
	return answer
}

// Changed implements h2.Hooks: connection faults that have gone on since act on streams
// that are open.
func (s *http2Hooks) Changed(state any) h2.Change {
	x := state.(*exchange)
	var change h2.Change
	snap := s.c.p.faults.Load()
	if snap.gen == x.gen || x.collecting { // it will meet them
		return change
	}
	var fates []fate
	s.c.since(snap, x.gen, x.verdict, drawStream, func(h *hit) {
		x.verdict = x.verdict.orNew()
		x.verdict.hits = append(x.verdict.hits, *h)
		do := h.by.acts.body
		if h.by.acts.fate != nil {
			f := h.by.fateOf(h)
			if f.oneWay() {
				lets := f.lets
				do = func(w *flow, h *hit) {
					if !lets[w.way] {
						w.delays = append(w.delays, chunkDelay{by: h.by, wait: func(uint64, time.Duration) time.Duration { return forever }})
					}
				}
				f.hangs = false
			}
			fates = append(fates, f)
		}
		if do == nil {
			return
		}
		for way := range x.midway {
			f := x.midway[way]
			if x.verdict != nil && x.verdict.flows[way].size() > 0 {
				f = &x.verdict.flows[way]
			} else if f == nil {
				f = &flow{way: direction(way), total: -1}
			}
			edits, limits := len(f.edits), len(f.limits)
			if do(f, h); f.size() > 0 {
				x.midway[way] = f
			}
			if f.slows() {
				change.Flow[way] = &http2Flow{p: s.c.p, f: f}
			}
			if len(f.edits) > edits {
				change.Edit[way] = f.alter
			}
			if len(f.limits) > limits {
				change.Cut[way] = f.limits[limits].cut()
			}
		}
	})
	x.gen = snap.gen
	if len(fates) > 0 {
		change.Hold, change.Reset = &fateHold{fates}, endOf(fates)
	}
	return change
}
