package h2

// A client that is answered before it has sent its request need not send the rest (RFC 9113,
// 8.1), and most servers tell it so by a reset that comes along with the answer. Clients there
// are, such as curl 7.88, for which that reset takes the answer's place. So the rest is thrown
// away, and the reset comes only when there is much of it: what a client sends of that, it was
// granted behind the answer.

const (
	// drainMost is how much of a request is thrown away before its client is told to stop.
	drainMost = 256 << 10
	// maxDrains bounds the requests that it is done for at once; other clients are told at once.
	maxDrains = 1000
)

// drain prepares for the rest of a request whose answer has been written.
func (r *Relay) drain(s *stream) {
	if len(r.drains) >= maxDrains {
		r.stop(s.id)
		return
	}
	if r.drains == nil {
		r.drains = make(map[uint32]int64)
	}
	r.drains[s.id] = drainMost
	r.grant(s, toUpstream, drainMost)
}

// drained notes that so much has come of a stream that is over, if it is one of drains.
func (r *Relay) drained(id uint32, flow int64, end bool) {
	left, is := r.drains[id]
	switch left -= flow; {
	case !is:
	case end:
		delete(r.drains, id)
	case left <= 0:
		delete(r.drains, id)
		r.stop(id)
	default:
		r.drains[id] = left
	}
}

// stop tells a client not to send the rest of a request.
func (r *Relay) stop(id uint32) {
	sink := &r.sinks[toClient]
	sink.buf = appendReset(sink.add(), id, NoError)
}
