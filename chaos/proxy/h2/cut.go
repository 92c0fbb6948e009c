package h2

import "encoding/binary"

// scanner finds the ends of gRPC messages: each is a byte, a length of four bytes, and
// that many bytes.
type scanner struct {
	prefix [5]byte
	have   int    // bytes of prefix
	left   uint32 // bytes of the message after it
}

// next consumes p up to the end of the present message, and reports whether it came.
func (c *scanner) next(p []byte) (n int, ended bool) {
	if c.have < len(c.prefix) {
		n = copy(c.prefix[c.have:], p)
		if c.have += n; c.have < len(c.prefix) {
			return n, false
		}
		c.left = binary.BigEndian.Uint32(c.prefix[1:])
	}
	rest := min(uint64(c.left), uint64(len(p)-n))
	c.left -= uint32(rest)
	if c.left == 0 {
		c.have = 0
	}
	return n + int(rest), c.left == 0
}

// take returns how much of p goes through, and whether the message is cut there.
func (b *body) take(p []byte) (n int, cut bool) {
	if b.messages > 0 {
		for n < len(p) {
			k, ended := b.scan.next(p[n:])
			n += k
			if ended {
				b.messages--
			}
			if b.messages == 0 && b.cutting() {
				b.drop(len(p) - n)
				return n, true
			}
			if b.messages < 0 {
				return len(p), false
			}
		}
		return n, false
	}
	if b.left < 0 {
		return len(p), false
	}
	if b.left <= int64(len(p)) {
		if !b.cutting() {
			return len(p), false
		}
		b.drop(len(p) - int(b.left))
		return int(b.left), true
	}
	b.left -= int64(len(p))
	return len(p), false
}

// takeWhole is take for a message, or what has been collected of one that is too long.
func (b *body) takeWhole(p []byte) (n int, cut bool) {
	if b.cutting() && b.cut.Keep != nil {
		b.left = max(0, b.cut.Keep(int64(len(p))))
	}
	return b.take(p)
}

// drop tells the cut what does not go through.
func (b *body) drop(n int) {
	if n > 0 && b.cut.Dropped != nil {
		b.cut.Dropped(n)
	}
}
