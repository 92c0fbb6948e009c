package h2

import (
	"fmt"
	"net"

	"golang.org/x/net/http2/hpack"
)

// Preface is what a client begins with.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// way is one direction of a connection. One goroutine reads it, burst by burst; what a
// burst brings is handled with the relay's lock held, and written in one go.
type way struct {
	r   *Relay
	d   direction
	src net.Conn
	// buf[:have] has been read and not handled.
	buf  []byte
	have int

	// begun: the first SETTINGS has come, prefaced: and before it the preface.
	begun, prefaced bool
	// maxFrame is the length of frames that the receiver has agreed to.
	maxFrame int

	// block puts a header block together; see block.go.
	block     block
	dec       *hpack.Decoder
	fields    []Field // of the block decoded last
	listSize  int
	encoder   encoder
	tableSize uint32 // that the receiver has agreed to, at most ownTable

	windows
}

const (
	// firstBuffer is what a connection begins with, fullBuffer what it grows to while
	// that is read in one go; longer frames get as much as they need.
	firstBuffer = 8 << 10
	fullBuffer  = 64 << 10
	// defaultMaxFrame is what all must accept; mostMaxFrame is what the relay lets the
	// two ends agree on.
	defaultMaxFrame = 16 << 10
	mostMaxFrame    = 1 << 20
)

func (w *way) init(r *Relay, d direction, src net.Conn, first []byte) {
	w.r, w.d, w.src = r, d, src
	w.buf = make([]byte, max(firstBuffer, len(first)))
	w.have = copy(w.buf, first)
	w.prefaced = d == toClient
	w.maxFrame = defaultMaxFrame
	w.windows.init()
	w.initBlocks()
}

// run relays until the source ends or cannot be read, or breaks the protocol.
func (w *way) run() error {
	if w.have > 0 {
		if err := w.burst(); err != nil {
			return err
		}
	}
	for {
		n, err := w.src.Read(w.buf[w.have:])
		w.have += n
		if n > 0 {
			if err := w.burst(); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// burst handles the frames that have been read wholly, and writes what becomes of them.
func (w *way) burst() error {
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending || r.over {
		return net.ErrClosed
	}
	r.bursts++
	r.changed() // what has come since meets it, also where release is late
	rest, err := w.frames(w.buf[:w.have])
	r.payOwed()
	r.flush(&r.sinks[w.d])
	r.flush(&r.sinks[1-w.d])
	if len(r.sinks[1-w.d].buf) > sinkMost && err == nil {
		err = w.broken(EnhanceYourCalm, "%d bytes of answers are not being read", len(r.sinks[1-w.d].buf))
	}
	if err != nil {
		return err
	}
	w.keep(rest)
	for !r.ending && !r.over && (r.sinks[w.d].full() || r.held[w.d] > heldMost) {
		r.cond.Wait()
	}
	return nil
}

// frames handles all whole frames in b and returns the rest.
func (w *way) frames(b []byte) ([]byte, error) {
	if !w.prefaced {
		n := min(len(b), len(Preface))
		if string(b[:n]) != Preface[:n] {
			return nil, w.broken(ProtocolError, "it does not begin with the preface")
		}
		if n < len(Preface) {
			return b, nil
		}
		w.prefaced = true
		w.r.sinks[w.d].pass(b[:n])
		b = b[n:]
	}
	for len(b) >= headLen {
		h := parseHead(b)
		if code, what := h.check(w.maxFrame); code != NoError {
			return nil, w.broken(code, "%s", what)
		}
		if len(b) < headLen+h.length {
			break
		}
		f := b[:headLen+h.length]
		b = b[len(f):]
		if w.d == toUpstream && !w.r.calm.admit(h) {
			return nil, w.broken(EnhanceYourCalm, "too many frames of type %d to no end", h.kind)
		}
		if err := w.frame(h, f); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// keep moves what is left of a burst to the front and makes room for the next.
func (w *way) keep(rest []byte) {
	size := len(w.buf)
	switch need := w.need(rest); {
	case need > size:
		size = need
	case w.have == size && size < fullBuffer:
		size *= 2
	case size > fullBuffer && len(rest) == 0:
		size = fullBuffer
	}
	into := w.buf
	if size != len(w.buf) {
		into = make([]byte, size)
	}
	w.have = copy(into, rest)
	w.buf = into
}

// need returns how much room the frame that rest begins with takes.
func (w *way) need(rest []byte) int {
	if len(rest) < headLen || !w.prefaced {
		return headLen
	}
	return headLen + parseHead(rest).length
}

// frame handles one frame, which is well formed by itself.
func (w *way) frame(h head, f []byte) error {
	if w.block.open != (h.kind == frameContinuation) || w.block.open && h.stream != w.block.stream {
		return w.broken(ProtocolError, "a frame of type %d on stream %d, with a header block open: %v", h.kind, h.stream, w.block.open)
	}
	if !w.begun {
		if h.kind != frameSettings || h.flags&flagAck != 0 {
			return w.broken(ProtocolError, "its first frame is of type %d, not SETTINGS", h.kind)
		}
	}
	switch h.kind {
	case frameData:
		return w.data(h, f)
	case frameHeaders, frameContinuation:
		return w.headers(h, f)
	case frameRSTStream:
		return w.reset(h, f)
	case frameSettings:
		return w.settings(h, f)
	case framePushPromise:
		// No client of a relay is offered pushes: see settings.
		return w.broken(ProtocolError, "a push that was not asked for")
	case frameGoAway:
		w.goAway(f)
	case frameWindowUpdate:
		return w.windowUpdate(h, f)
	case framePing:
		w.ping(h, f)
	default:
		w.other(h, f)
	}
	return nil
}

// pass relays a frame as it is.
func (w *way) pass(f []byte) { w.r.sinks[w.d].pass(f) }

// broken is the error that ends the connection because of what this way's source sent.
func (w *way) broken(code Code, format string, args ...any) error {
	return &violation{code, fmt.Sprintf(format, args...), w.d}
}
