package proxy

import (
	"io"
	"net"
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

// reader is a connection with the bytes that have been read and not yet taken.
type reader struct {
	p      *Proxy
	src    *net.TCPConn
	pooled *[]byte // buf belongs to it unless buf has grown
	buf    []byte
	r, w   int // buf[r:w] has been read and not taken
}

func newReader(p *Proxy, src *net.TCPConn) *reader {
	pooled := p.buffer()
	return &reader{p: p, src: src, pooled: pooled, buf: *pooled}
}

// free gives the buffer back. Nothing of bytes may be used afterwards.
func (in *reader) free() {
	in.p.buffers.Put(in.pooled)
	in.pooled, in.buf, in.r, in.w = nil, nil, 0, 0
}

// bytes returns what has been read and not taken. It is valid until fill or free.
func (in *reader) bytes() []byte { return in.buf[in.r:in.w] }

// take removes n bytes from the front.
func (in *reader) take(n int) {
	if in.r += n; in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// fill reads at least one more byte. It moves or doubles the buffer if that is full.
func (in *reader) fill() error {
	if in.w == len(in.buf) {
		if in.r == 0 {
			bigger := make([]byte, 2*len(in.buf))
			copy(bigger, in.buf)
			in.buf = bigger
		} else {
			in.w = copy(in.buf, in.buf[in.r:in.w])
			in.r = 0
		}
	}
	n, err := in.src.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
