package h2

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

const (
	// maxList bounds the header fields of a message, as they count against
	// SETTINGS_MAX_HEADER_LIST_SIZE; maxBlock their compressed form.
	maxList  = 1 << 20
	maxBlock = 1 << 20
	// maxFragments bounds the frames of a header block.
	maxFragments = 128
)

// block is a header block that comes in more than one frame.
type block struct {
	open   bool
	stream uint32
	end    bool   // END_STREAM
	raw    []byte // the frames so far, with their heads
	frames int
}

// encoder writes header blocks once the original ones cannot be passed on any more.
type encoder struct {
	on  bool
	buf bytes.Buffer
	enc *hpack.Encoder
}

func (w *way) initBlocks() {
	w.tableSize = defaultTable
	w.dec = hpack.NewDecoder(defaultTable, func(f Field) {
		if w.listSize += int(f.Size()); w.listSize <= maxList {
			w.fields = append(w.fields, f)
		}
	})
	w.dec.SetMaxStringLength(maxList)
	w.dec.SetAllowedMaxDynamicTableSize(defaultTable)
}

// setTable notes the size of table that the receiver agrees to. The sender may go on
// with a greater one until it has acknowledged that, which is not waited for.
func (w *way) setTable(size uint32) {
	w.dec.SetAllowedMaxDynamicTableSize(max(size, defaultTable, w.tableSize))
	w.tableSize = size
	if w.encoder.on {
		w.encoder.enc.SetMaxDynamicTableSizeLimit(min(size, defaultTable))
	}
}

// headers handles HEADERS and CONTINUATION. The frames of a block that comes in more
// than one are kept, so that nothing can get between them.
func (w *way) headers(h head, f []byte) error {
	b := &w.block
	content, ok := f[headLen:], true
	if h.kind == frameHeaders {
		if content, ok = h.unpad(content); !ok {
			return w.broken(ProtocolError, "HEADERS on stream %d with more padding than payload", h.stream)
		}
		w.fields, w.listSize = w.fields[:0], 0
		b.stream, b.end, b.raw, b.frames = h.stream, h.flags&flagEndStream != 0, b.raw[:0], 0
	}
	if _, err := w.dec.Write(content); err != nil {
		return w.broken(CompressionError, "the header block of stream %d: %v", h.stream, err)
	}
	b.frames++
	if w.listSize > maxList || len(b.raw) > maxBlock || b.frames > maxFragments {
		return w.broken(EnhanceYourCalm, "the header of stream %d has %d bytes in %d frames, expected at most %d in %d",
			h.stream, w.listSize, b.frames, maxList, maxFragments)
	}
	b.open = h.flags&flagEndHeaders == 0
	if b.open || h.kind == frameContinuation {
		b.raw = append(b.raw, f...)
	}
	if b.open {
		return nil
	}
	if err := w.dec.Close(); err != nil {
		return w.broken(CompressionError, "the header block of stream %d: %v", h.stream, err)
	}
	m := message{id: h.stream, fields: w.fields, end: b.end, raw: f}
	if h.kind == frameContinuation {
		m.raw, m.kept = b.raw, true
		if cap(b.raw) > fullBuffer {
			b.raw = nil
		}
	}
	if w.d == toUpstream {
		return w.r.clientHeader(&m)
	}
	return w.r.upstreamHeader(&m)
}

// message is a header block as it came.
type message struct {
	id     uint32
	fields []Field // valid until the next block
	end    bool    // END_STREAM
	raw    []byte  // its frames
	kept   bool    // raw is not in the read buffer
}

// passBlock relays a header block as it came, with the stream's id on that way.
func (w *way) passBlock(m *message, id uint32) {
	if id != m.id {
		for f := m.raw; len(f) > 0; f = f[headLen+parseHead(f).length:] {
			setStream(f, id)
		}
	}
	if !m.kept {
		w.pass(m.raw)
		return
	}
	sink := &w.r.sinks[w.d]
	sink.buf = append(sink.add(), m.raw...)
}

// encode makes this way write all header blocks anew from now on: one was withheld or
// changed, so the receiver's table is no longer the sender's. It begins with an empty
// table.
func (w *way) encode() {
	e := &w.encoder
	if e.on {
		return
	}
	e.on = true
	w.r.altered = true
	e.enc = hpack.NewEncoder(&e.buf)
	size := min(w.tableSize, defaultTable)
	e.enc.SetMaxDynamicTableSizeLimit(size)
	e.enc.SetMaxDynamicTableSize(0) // is written before the next block, and empties the receiver's
	e.enc.SetMaxDynamicTableSize(size)
}

// writeBlock writes a header block. While the others are passed on as they came, it
// leaves the receiver's table as it is.
func (w *way) writeBlock(id uint32, fields []Field, end bool) {
	e := &w.encoder
	if !e.on && w.tableSize < defaultTable {
		// The receiver expects the next block to begin with the new size of its table,
		// which only the sender could write.
		w.encode()
	}
	e.buf.Reset()
	for _, f := range fields {
		if e.on {
			_ = e.enc.WriteField(f) // a bytes.Buffer takes everything
		} else {
			writeLiteral(&e.buf, f)
		}
	}
	sink := &w.r.sinks[w.d]
	b, rest := sink.add(), e.buf.Bytes()
	kind, flags := uint8(frameHeaders), uint8(0)
	if end {
		flags = flagEndStream
	}
	for {
		part := rest[:min(len(rest), defaultMaxFrame)]
		if rest = rest[len(part):]; len(rest) == 0 {
			flags |= flagEndHeaders
		}
		b = append(appendHead(b, len(part), kind, flags, id), part...)
		if len(rest) == 0 {
			break
		}
		kind, flags = frameContinuation, 0
	}
	sink.buf = b
	if e.buf.Cap() > fullBuffer {
		// The encoder keeps a pointer to it, so it is emptied, not replaced.
		e.buf = bytes.Buffer{}
	}
}

// writeLiteral writes a field that no table is asked for nor changed by (RFC 7541, 6.2.2).
func writeLiteral(b *bytes.Buffer, f Field) {
	b.WriteByte(0)
	for _, text := range [...]string{f.Name, f.Value} {
		var n [10]byte
		b.Write(appendInt(n[:0], len(text)))
		b.WriteString(text)
	}
}

// appendInt appends an integer with a prefix of 7 bits (RFC 7541, 5.1).
func appendInt(b []byte, n int) []byte {
	if n < 127 {
		return append(b, byte(n))
	}
	b = append(b, 127)
	for n -= 127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}
