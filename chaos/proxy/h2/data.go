package h2

// data handles a DATA frame.
func (w *way) data(h head, f []byte) error {
	r, d := w.r, w.d
	payload, ok := h.unpad(f[headLen:])
	if !ok {
		return w.broken(ProtocolError, "DATA on stream %d with more padding than payload", h.stream)
	}
	if d == toClient {
		r.calm.idle, r.arrived = 0, true
	}
	flow, end := int64(h.length), h.flags&flagEndStream != 0
	s := r.find(d, h.stream)
	if s == nil || s.detached || s.ended[d] {
		w.extraData(s, f, flow, end)
		return nil
	}
	s.ended[d] = end
	if d == toUpstream && s.request != nil {
		r.collectData(s, payload, flow)
		return nil
	}
	if s.body[d] != nil {
		r.alterData(s, d, f, payload, flow)
		return nil
	}
	r.relayData(s, d, f, flow, end)
	return nil
}

// extraData handles DATA that comes when the stream is over on this way.
func (w *way) extraData(s *stream, f []byte, flow int64, end bool) {
	if !w.r.altered && (s == nil || !s.detached) {
		w.win -= flow
		w.pass(f)
		return
	}
	w.settle(flow)
	if s != nil && end {
		s.ended[w.d] = true
	}
	if s == nil && w.d == toUpstream {
		w.r.drained(parseHead(f).stream, flow, end)
	}
}

// relayData relays a DATA frame, behind what is held and as the windows allow. The
// stream may be gone afterwards.
func (r *Relay) relayData(s *stream, d direction, f []byte, flow int64, end bool) {
	if s.holding(d) || r.gated[d] && !r.mayFlow(s, d, flow) {
		r.push(s, d, item{kind: itemData, bytes: append([]byte(nil), f...), flow: flow, end: end})
		return
	}
	r.flowed(s, d, flow)
	if r.byUp != nil {
		setStream(f, s.idOn(d))
	}
	r.ways[d].pass(f)
	if end {
		r.wroteEnd(s, d)
	}
}
