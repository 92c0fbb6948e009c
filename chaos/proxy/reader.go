package proxy

import (
	"bytes"
	"io"
	"sync/atomic"
	"syscall"
)

// bufferSize is that of pooled buffers: a head and a small body, or a chunk of a stream.
const bufferSize = 32 << 10

func (p *Proxy) buffer() *[]byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, bufferSize)
	return &b
}

// reader is a connection with the bytes that have been read and not yet taken. While
// it waits with none it has no buffer: that is what idle connections cost least by.
type reader struct {
	p      *Proxy
	src    side
	pooled *[]byte // nil without a buffer; buf belongs to it unless buf has grown
	buf    []byte
	r, w   int // buf[r:w] has been read and not taken

	// For waitRead.
	raw   syscall.RawConn
	ready func(fd uintptr) bool
	n     int
	err   error

	// For what is carried on inside the wait, see carry.go: by whom, if by anyone; how much
	// of what is at the front has been sent; and whether the wait ends after a while.
	courier courier
	inbox   inbox
	sent    int
	armed   bool

	// asked is what asks, unless that is nil, came to when all that is here had been read.
	asks  *atomic.Uint32
	asked uint32
}

// note notes how much has been asked for by now.
func (in *reader) note() {
	if in.asks != nil {
		in.asked = in.asks.Load()
	}
}

func newReader(p *Proxy, src side) *reader { return &reader{p: p, src: src} }

// ensure makes sure that there is a buffer.
func (in *reader) ensure() {
	if in.pooled == nil {
		in.pooled = in.p.buffer()
		in.buf = *in.pooled
	}
}

// release gives the buffer back. Nothing of bytes may be used afterwards.
func (in *reader) release() {
	if in.pooled != nil {
		in.p.buffers.Put(in.pooled)
	}
	in.pooled, in.buf, in.r, in.w = nil, nil, 0, 0
}

// detach hands the buffer over to whom b, which has been taken and is all that is in
// it, is given to, if b is large enough for that to pay; otherwise it returns nil.
func (in *reader) detach(b []byte) *[]byte {
	if len(b) < bufferSize/2 || in.w > 0 || in.pooled == nil || len(in.buf) != bufferSize || &b[0] != &(*in.pooled)[0] {
		return nil
	}
	pooled := in.pooled
	in.pooled, in.buf = nil, nil
	return pooled
}

// bytes returns what has been read and not taken. It is valid until fill or release.
func (in *reader) bytes() []byte { return in.buf[in.r:in.w] }

// take removes n bytes from the front.
func (in *reader) take(n int) {
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// fill reads at least one more byte. It moves or doubles the buffer if that is full.
func (in *reader) fill() error { return in.fillOr(nil) }

// fillOr is fill for a reader with nothing in it that waits for the next message: by, if it
// is not nil, may carry on what comes, and fillOr returns once it has left something, or
// with its error, whatever it has left.
func (in *reader) fillOr(by courier) error {
	var n int
	var err error
	if in.w == 0 {
		if len(in.buf) > bufferSize {
			in.release() // it had grown for one message
		}
		in.courier = by
		n, err = in.waitRead()
		in.courier = nil
	} else {
		in.room()
		n, err = in.src.Read(in.buf[in.w:])
	}
	in.w += n
	if by == nil { // otherwise it was noted before any was carried on
		in.note()
	}
	if n > 0 && (err == nil || by == nil) {
		return nil // an error of the connection comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// room makes space at the end of the buffer.
func (in *reader) room() {
	if in.w < len(in.buf) {
		return
	}
	if in.r > 0 {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
		return
	}
	bigger := make([]byte, 2*len(in.buf))
	copy(bigger, in.buf)
	in.buf = bigger
}

// skipLines takes empty lines off the front, which old clients send after a body (RFC 9112,
// 2.2).
func (in *reader) skipLines() {
	for bytes.HasPrefix(in.bytes(), []byte("\r\n")) {
		in.take(2)
	}
}

// replace puts b in place of the first n bytes.
func (in *reader) replace(n int, b []byte) {
	rest := in.bytes()[n:]
	fresh := make([]byte, max(bufferSize, len(b)+len(rest)))
	in.r, in.w = 0, copy(fresh, b)
	in.w += copy(fresh[in.w:], rest)
	in.buf = fresh
}
