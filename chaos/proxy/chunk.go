package proxy

import "bytes"

// The most that a chunk's extensions and the trailers may take; more is an attack.
const (
	maxChunkLine = 4 << 10
	maxTrailers  = 64 << 10
)

// chunkReader finds the end of a chunked body. It changes nothing: the bytes go on
// as they came. The zero chunkReader is at the beginning of a body.
type chunkReader struct {
	state chunkState
	left  int64 // of the chunk's data
	line  int   // length of the line so far
	trail int   // length of the trailers so far
	name  bool  // the trailer line has had its colon
}

type chunkState uint8

const (
	chunkSize chunkState = iota // digits of a size
	chunkExt                    // extensions, to the CR
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerLine
	trailerLF
	chunkEndLF
	chunkDone
)

// feed takes bytes of the body off the front of b: how many belong to it, and whether
// it ends there. It goes on where the last call ended. content, unless it is nil, is
// given the data of the chunks.
func (c *chunkReader) feed(b []byte, content func([]byte)) (n int, done bool, err error) {
	for n < len(b) && c.state != chunkDone {
		if c.state == chunkData {
			step := min(c.left, int64(len(b)-n))
			if content != nil {
				content(b[n : n+int(step)])
			}
			n += int(step)
			if c.left -= step; c.left == 0 {
				c.state = chunkDataCR
			}
			continue
		}
		if err := c.next(b[n]); err != nil {
			return n, false, err
		}
		n++
	}
	return n, c.state == chunkDone, nil
}

// next takes one byte that is not data.
func (c *chunkReader) next(b byte) error {
	switch c.state {
	case chunkSize:
		return c.size(b)
	case chunkExt:
		if c.line++; c.line > maxChunkLine {
			return badHead("a chunk's extensions are longer than %d bytes", maxChunkLine)
		}
		if b == '\r' {
			c.state = chunkSizeLF
		} else if b < ' ' && b != '\t' || b == 0x7f {
			return badHead("a chunk's extensions have the control character %#02x", b)
		}
	case chunkSizeLF:
		if b != '\n' {
			return badHead("a chunk's size is not followed by CR LF")
		}
		c.line = 0
		if c.state = chunkData; c.left == 0 {
			c.state = trailerStart
		}
	case chunkDataCR, chunkDataLF:
		return c.dataEnd(b)
	default:
		return c.trailer(b)
	}
	return nil
}

func (c *chunkReader) size(b byte) error {
	digit := bytes.IndexByte([]byte("0123456789abcdef"), lower(b))
	switch {
	case digit >= 0:
		if c.line++; c.line > 15 { // 15 digits fit an int64
			return badHead("a chunk's size has more than 15 digits")
		}
		c.left = c.left<<4 | int64(digit)
		return nil
	case c.line == 0:
		return badHead("a chunk's size is missing")
	case b == '\r':
		c.state = chunkSizeLF
		return nil
	case b == ';':
		c.state = chunkExt
		return nil
	}
	return badHead("a chunk's size has the character %q", b)
}

func (c *chunkReader) dataEnd(b byte) error {
	if c.state == chunkDataCR && b == '\r' {
		c.state = chunkDataLF
		return nil
	}
	if c.state == chunkDataLF && b == '\n' {
		c.state = chunkSize
		return nil
	}
	return badHead("a chunk is longer than its size says")
}

func (c *chunkReader) trailer(b byte) error {
	if c.trail++; c.trail > maxTrailers {
		return badHead("the trailers are longer than %d bytes", maxTrailers)
	}
	switch c.state {
	case trailerStart:
		if b == '\r' {
			c.state = chunkEndLF
			return nil
		}
		if !tokenChar(b) {
			return badHead("a trailer line is not Name: value")
		}
		c.state, c.name = trailerLine, false
	case trailerLine:
		switch {
		case b == '\r' && c.name:
			c.state = trailerLF
		case b == ':':
			c.name = true
		case !c.name && !tokenChar(b), b < ' ' && b != '\t', b == 0x7f:
			return badHead("a trailer line is not Name: value")
		}
	case trailerLF:
		if b != '\n' {
			return badHead("a trailer line does not end in CR LF")
		}
		c.state = trailerStart
	case chunkEndLF:
		if b != '\n' {
			return badHead("the trailers do not end in CR LF")
		}
		c.state = chunkDone
	}
	return nil
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
