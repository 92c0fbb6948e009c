package h2

// stream is one stream, from the client's HEADERS until nothing more is to be done for
// it. Streams are used again.
type stream struct {
	// id is the client's, up the upstream's, once known: it has got the request header.
	id, up uint32
	known  bool
	// detached: the upstream has nothing to do with it any more.
	detached bool
	// gone: it is not in the table any more.
	gone bool
	// ended: the sender on that way has sent END_STREAM; sent: that has been written.
	ended, sent [2]bool
	// begun: a final response header has come; headed: it, or another in its place, has
	// been relayed or is in the queue.
	begun, headed bool

	// win is what the receiver on that way still takes, debt as in windows.
	win, debt [2]int64
	// early is what the client has granted before the upstream knew the stream.
	early int64
	// queue is what is held on each way; nil unless something was.
	queue [2]*queue

	plan Plan
	// request is what has come of a request that is collected; nil for others.
	request *collected
	hooked  bool // Hooks.Request was called
	out     Outcome
	// body is what is to be done to the bodies; nil for nothing.
	body [2]*body
	// fate is a Reset that is to come.
	fate *queue
}

// maxStreams bounds the streams of a connection; the upstream has its own bound.
const maxStreams = 16 << 10

// table is the streams of a connection.
type table struct {
	streams map[uint32]*stream // by id
	// byUp are those that the upstream knows, by up; nil as long as up is id.
	byUp map[uint32]*stream
	free []*stream
	// drains are the requests whose answer has been written and whose rest is thrown away, and
	// how much of each may still come.
	drains map[uint32]int64
	// highest is the client's latest id, highestUp the latest that the upstream got.
	highest, highestUp uint32
	// last is what the upstream's GOAWAY said: it ignores what is above.
	last uint32
	// draining: the client has been sent a GOAWAY, and what it opens is ignored.
	draining bool
}

func (t *table) init() { t.streams, t.last = make(map[uint32]*stream), maxID }

// find returns the stream that a frame on way d names, or nil.
func (r *Relay) find(d direction, id uint32) *stream {
	if d == toClient && r.byUp != nil {
		return r.byUp[id]
	}
	return r.streams[id]
}

// idOn returns the stream's id on way d.
func (s *stream) idOn(d direction) uint32 {
	if d == toUpstream {
		return s.up
	}
	return s.id
}

// newStream adds a stream to the table.
func (r *Relay) newStream(id uint32) *stream {
	var s *stream
	if n := len(r.free); n > 0 {
		s, r.free = r.free[n-1], r.free[:n-1]
	} else {
		s = new(stream)
	}
	s.id, s.gone = id, false
	s.win = [2]int64{r.ways[toUpstream].initial, r.ways[toClient].initial}
	s.out.GRPC = -1
	r.streams[id] = s
	return s
}

// open gives a stream that the upstream is about to learn of its id there. It returns
// false if there is none any more: the client is told and the stream is gone.
func (r *Relay) open(s *stream) bool {
	s.up = s.id
	if s.id <= r.highestUp {
		// It was held, and a later one was not: ids must rise.
		if r.byUp == nil {
			r.byUp = make(map[uint32]*stream)
			for _, other := range r.streams {
				if other.known && !other.detached {
					r.byUp[other.up] = other
				}
			}
		}
		s.up = r.highestUp + 2
	}
	if s.up > maxID || r.altered && s.up > r.last {
		r.fail(s, RefusedStream)
		return false
	}
	s.known = true
	r.highestUp = s.up
	if r.byUp != nil {
		r.byUp[s.up] = s
	}
	return true
}

// reap removes a stream when it has ended on both ways.
func (r *Relay) reap(s *stream) {
	if s.sent[toClient] && (s.detached || s.ended[toUpstream] && s.sent[toUpstream]) {
		r.drop(s)
	}
}

// drop removes a stream with all that is held of it.
func (r *Relay) drop(s *stream) {
	if s.gone {
		return
	}
	r.clear(s.queue[toUpstream])
	r.clear(s.queue[toClient])
	r.clear(s.fate)
	r.dropCollected(s)
	delete(r.streams, s.id)
	if r.byUp != nil && s.known {
		delete(r.byUp, s.up)
	}
	if s.hooked {
		r.hooks.Done(s.plan.State, s.out)
	}
	*s = stream{gone: true}
	if len(r.free) < 64 {
		r.free = append(r.free, s)
	}
	if len(r.streams) == 0 {
		r.cond.Broadcast()
	}
}

// detach ends a stream for the upstream.
func (r *Relay) detach(s *stream) {
	if s.detached {
		return
	}
	r.altered = true
	if s.known && !(s.ended[toClient] && s.sent[toUpstream]) {
		sink := &r.sinks[toUpstream]
		sink.buf = appendReset(sink.add(), s.up, Cancel)
	}
	r.forget(s)
}

// forget notes that the upstream has nothing to do with a stream any more.
func (r *Relay) forget(s *stream) {
	s.detached = true
	r.clear(s.queue[toUpstream])
	if r.byUp != nil && s.known {
		delete(r.byUp, s.up)
	}
}
