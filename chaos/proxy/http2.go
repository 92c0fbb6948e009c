package proxy

import (
	"net"
	"strconv"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/h2"
)

// serveHTTP2 handles a connection whose client begins with the preface of HTTP/2. Each
// stream is a request; faults that act on connections act on streams.
func (c *conn) serveHTTP2(in *reader) {
	c.lastByte.Store(time.Now().UnixNano())
	up, err := c.handOver()
	if err != nil {
		c.unreachable(err)
		return
	}
	defer up.release()
	relay := h2.New(h2.Config{
		Client:       newHTTP2Conn(c, c.client, toUpstream),
		Upstream:     newHTTP2Conn(c, up.src, toClient),
		ClientHead:   in.bytes(),
		UpstreamHead: up.bytes(),
		Hooks:        &http2Hooks{c: c},
		Clock:        c.p.clock,
	})
	c.relaying.Store(relay)
	if err := relay.Run(c.ctx); err != nil && c.ctx.Err() == nil {
		c.p.config.Logger.Info("an HTTP/2 connection has ended", "proxy", c.p.config.Name, "error", err)
	}
}

// http2Conn is one side of a connection that is relayed as HTTP/2: what is read from it goes
// the given way. That of the client counts what comes and what goes.
type http2Conn struct {
	net.Conn
	in  receiver
	out writer
	c   *conn
	way direction
}

func newHTTP2Conn(c *conn, side net.Conn, way direction) *http2Conn {
	return &http2Conn{Conn: side, in: receiver{src: side}, out: writer{dst: side}, c: c, way: way}
}

// Write writes. The relay lets one goroutine at a time do so.
func (s *http2Conn) Write(b []byte) (int, error) {
	n, err := s.out.Write(b)
	if s.way == toUpstream {
		s.c.p.window.moved(time.Now(), toClient, n)
	}
	return n, err
}

// Read reads, and reads again if it was only woken to look at the faults, which the
// relay does by itself.
func (s *http2Conn) Read(b []byte) (int, error) {
	for {
		n, err := s.in.Read(b)
		if n > 0 && s.way == toUpstream {
			s.c.p.window.moved(time.Now(), toUpstream, n)
		}
		if n > 0 || !isTimeout(err) || !s.c.woke(s.way) {
			return n, err
		}
	}
}

// CloseWrite and SetLinger are those of the connection, if it has them.
func (s *http2Conn) CloseWrite() error {
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

func (s *http2Conn) SetLinger(seconds int) error {
	if tcp, ok := s.Conn.(interface{ SetLinger(int) error }); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}

// nudge has the relay of an HTTP/2 connection look at its delays again. c may be nil.
func (c *conn) nudge() {
	if c != nil {
		if relay := c.relaying.Load(); relay != nil {
			relay.Kick()
		}
	}
}

// http2Hooks asks the faults about the streams of one connection. The relay calls it
// with its lock held, so it needs none.
type http2Hooks struct {
	c *conn
	// text and fields are what the request at hand is copied to for matchers.
	text   []byte
	fields []chaos.Field
	free   []*exchange
}

// exchange is one stream.
type exchange struct {
	c       *conn
	started time.Time
	gen     uint64 // of the faults that it has met
	verdict *verdict
	grpc    bool
	head    bool // it is a HEAD
	// collecting: its request is not whole, and has not met the faults.
	collecting bool
	// entry holds the request, leaving the response; nil for nothing.
	entry   *entryHold
	leaving *delayHold
	midway  [2]*flow // with those of faults that went on after it
}

// Request implements h2.Hooks.
func (s *http2Hooks) Request(req *h2.Request, plan *h2.Plan) {
	var x *exchange
	if n := len(s.free); n > 0 {
		x, s.free = s.free[n-1], s.free[:n-1]
	} else {
		x = new(exchange)
	}
	snap := s.c.p.faults.Load()
	*x = exchange{c: s.c, started: time.Now(), gen: snap.gen, grpc: req.GRPC, head: req.Method == "HEAD"}
	plan.State = x
	if len(snap.order) == 0 {
		return
	}
	s.c.countInapplicable(req.GRPC)
	s.request(req)
	if plan.Collect = s.collect(x, req, snap); plan.Collect == nil {
		s.decide(x, plan)
	}
}

// decide asks the faults about the request at hand, and fills in plan.
func (s *http2Hooks) decide(x *exchange, plan *h2.Plan) {
	x.gen = s.c.p.faults.Load().gen
	if x.verdict = s.c.p.decide(s.c, &s.c.req); x.verdict != nil {
		x.plan(plan)
	}
}

// request fills the connection's request in for matchers.
func (s *http2Hooks) request(req *h2.Request) {
	size := len(req.Method) + len(req.Path) + len(req.Authority)
	for i := range req.Fields {
		size += len(req.Fields[i].Name) + len(req.Fields[i].Value)
	}
	if cap(s.text) < size {
		s.text = make([]byte, 0, 2*size)
	}
	s.text, s.fields = s.text[:0], s.fields[:0]
	bytesOf := func(text string) []byte {
		at := len(s.text)
		s.text = append(s.text, text...)
		return s.text[at:len(s.text):len(s.text)]
	}
	s.c.query = nil
	length, announced := int64(0), req.End
	for i := range req.Fields {
		f := &req.Fields[i]
		if f.IsPseudo() {
			continue
		}
		s.fields = append(s.fields, chaos.Field{Name: bytesOf(f.Name), Value: bytesOf(f.Value)})
		if f.Name == "content-length" {
			if n, err := strconv.ParseInt(f.Value, 10, 64); err == nil && n >= 0 {
				length, announced = n, true
			}
		}
	}
	s.c.req = chaos.Request{Method: bytesOf(req.Method), Target: bytesOf(req.Path), Host: bytesOf(req.Authority),
		Header: s.fields, Source: s.c.source, ContentLength: length, Chunked: !announced, GRPC: req.GRPC}
}

// Done implements h2.Hooks.
func (s *http2Hooks) Done(state any, out h2.Outcome) {
	x := state.(*exchange)
	if status := x.counts(&out); status >= 0 && s.c.p.ctx.Err() == nil {
		s.c.p.window.request(time.Now(), x.started, status, x.verdict.touched())
	}
	if x.verdict != nil {
		x.entry.abandon()
		x.leaving.abandon()
		x.verdict.done(x.ended(&out))
	}
	s.free = append(s.free, x)
}

// counts is the status with which a stream is counted, or negative.
func (x *exchange) counts(out *h2.Outcome) int {
	switch {
	case out.Left && !out.Injected && out.Status == 0:
		return unknown
	case out.Reset && (out.Injected || !out.Left):
		return noAnswer // it got no whole one
	}
	return out.Status
}

// ended is what watchers are told about how a stream ended.
func (x *exchange) ended(out *h2.Outcome) int {
	switch {
	case out.Left && !out.Injected:
		return unknown
	case out.Reset, out.Status == 0:
		return noAnswer
	case out.GRPC > 0:
		return grpcStatus(out.GRPC)
	case out.Injected && x.verdict.answer.means != 0:
		return x.verdict.answer.means
	}
	return out.Status
}

// grpcStatus is the HTTP status of a gRPC status, as far as faults go by it: what a
// server could not help is 500 or above.
func grpcStatus(code int) int {
	for _, status := range []int{400, 401, 403, 404, 409, 429, 499, 501, 503, 504} {
		if mapped, _ := chaos.GRPCCode(status); mapped == code && status != 501 {
			return status
		}
	}
	switch code {
	case 2, 13, 15: // UNKNOWN, INTERNAL, DATA_LOSS
		return 500
	}
	return 400
}
