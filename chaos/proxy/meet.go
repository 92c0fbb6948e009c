package proxy

import "time"

// meeting is what one fault drew for one connection that is not parsed.
type meeting struct {
	n   uint64
	hit bool
	at  time.Time
}

// streamFaults are what the faults of one snapshot do to one way of a connection that
// is not parsed.
type streamFaults struct {
	fates []fate
	// far are the fates of the other way.
	far  []fate
	flow flow
}

// meet returns what the faults of snap do to this connection on a way. Each fault
// draws once for a connection, when it first meets it.
func (c *conn) meet(snap *snapshot, way direction) streamFaults {
	var s streamFaults
	s.flow.way, s.flow.total = way, -1
	if len(snap.order) == 0 {
		return s
	}
	c.mu.Lock()
	c.forget()
	var hits []hit
	var fresh map[*active]bool // met now
	for _, a := range snap.order {
		m, known := c.met[a.Applied]
		if !known {
			m = a.meetStream(c)
			if fresh == nil {
				fresh = make(map[*active]bool)
			}
			fresh[a] = true
			if c.met == nil {
				c.met = make(map[*Applied]meeting)
			}
			c.met[a.Applied] = m
		}
		if m.hit && !a.spares(c) { // not by what messages of a WebSocket meet
			hits = append(hits, hit{by: a, c: c, n: m.n, now: m.at, elapsed: a.clock.Load().elapsed(m.at)})
		}
	}
	socket := c.frames != nil
	if socket {
		for _, f := range c.socketFates() {
			s.add(f)
		}
	}
	c.mu.Unlock()
	for i := range hits {
		h := &hits[i]
		if h.by.acts.fate != nil && !socket {
			f := h.by.fateOf(h)
			s.add(f)
			if fresh[h.by] {
				c.doom(f.of(way))
			}
		}
		if h.by.acts.stream != nil {
			h.by.acts.stream(&s.flow, h)
		}
	}
	return s
}

// add adds a fate.
func (s *streamFaults) add(f fate) {
	s.fates = append(s.fates, f.of(s.flow.way))
	s.far = append(s.far, f.of(1-s.flow.way))
}

// forget drops what is kept of faults that are gone. The caller holds c.mu.
func (c *conn) forget() {
	for a := range c.met {
		if a.gone.Load() {
			delete(c.met, a)
		}
	}
	for a := range c.kept {
		if a.gone.Load() {
			delete(c.kept, a)
		}
	}
}

// meetStream draws for a connection that is not parsed. The caller holds c.mu.
func (a *active) meetStream(c *conn) (m meeting) {
	m.at = time.Now()
	if c.frames != nil && a.acts.meetsMessages() {
		return m // which is where it draws
	}
	tunnel := c.upgraded // its request is what a match asks about
	if !a.acts.applies(false) || tunnel == nil && a.matcher.Parsed() {
		a.inapplicable.Add(1)
		return m
	}
	if a.acts.fate == nil && a.acts.stream == nil || a.spares(c) {
		return m
	}
	if tunnel != nil && !a.matcher.Fits(tunnel) || tunnel == nil && !a.matcher.FitsConn(c.source) {
		return m
	}
	if m.n, m.hit = a.meets(a.clock.Load().elapsed(m.at)); m.hit {
		a.strikes(c)
		c.p.hits.add(&Hit{At: m.at, Fault: a.id, Kind: a.fault.Kind, N: m.n})
	}
	return m
}

// keep returns what a fault keeps for this connection, made when it is first asked for.
func keep[T any](c *conn, by *active, fresh func() T) T {
	if c == nil {
		return fresh()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept, ok := c.kept[by.Applied].(T); ok {
		return kept
	}
	if c.kept == nil {
		c.kept = make(map[*Applied]any)
	}
	kept := fresh()
	c.kept[by.Applied] = kept
	return kept
}

// countInapplicable counts the faults that cannot act on this connection, whose
// requests are parsed, once each. grpc: it is used for gRPC.
func (c *conn) countInapplicable(grpc bool) {
	snap := c.p.faults.Load()
	if snap.gen == c.counted {
		return
	}
	for _, a := range snap.order {
		if a.gen > c.counted && !a.acts.applies(true) && !(a.acts.grpc && grpc) && !(a.acts.message != nil && c.socket) {
			a.inapplicable.Add(1)
		}
	}
	c.counted = snap.gen
}

// strike lets faults act on a parsed connection that was open before they went on, as
// far as they do not wait for its next request. Only the client's goroutine calls it.
// It reports whether the connection goes on.
func (c *conn) strike() bool {
	snap := c.p.faults.Load()
	struck := c.struck
	c.struck = snap.gen
	now := time.Now()
	for _, a := range snap.order {
		if a.gen <= max(struck, c.born) || a.acts.open != openReset && a.acts.open != openClose || !a.matcher.FitsConn(c.source) {
			continue
		}
		elapsed := a.clock.Load().elapsed(now)
		if !a.fault.ActiveAt(elapsed) {
			continue
		}
		h := hit{by: a, c: c, now: now, elapsed: elapsed}
		var drawn bool
		if h.n, drawn = a.meets(elapsed); drawn {
			a.strikes(c)
			c.p.hits.add(&Hit{At: now, Fault: a.id, Kind: a.fault.Kind, N: h.n})
			f := a.fateOf(&h)
			c.end(f.end)
			return false
		}
	}
	return true
}
