package proxy

import "time"

// body finds the end of a message's body.
type body struct {
	done   bool
	left   int64 // of a body with a length; -1 until the connection ends
	chunks *chunkReader
	// content, if it is set, is given the content that feed meets, without its framing.
	content func(b []byte)
}

func newBody(h *head) body {
	switch {
	case h.chunked:
		return body{chunks: new(chunkReader)}
	case h.length > 0:
		return body{left: h.length}
	}
	return body{done: true}
}

// feed returns how many bytes of b belong to the body.
func (y *body) feed(b []byte) (n int, err error) {
	switch {
	case y.done:
		return 0, nil
	case y.chunks != nil:
		n, y.done, err = y.chunks.feed(b, y.content)
		return n, err
	}
	n = len(b)
	if y.left >= 0 {
		n = int(min(y.left, int64(n)))
		y.left -= int64(n)
		y.done = y.left == 0
	}
	if y.content != nil && n > 0 {
		y.content(b[:n])
	}
	return n, nil
}

// spliceBody is from which length on the rest of a body is left to the kernel.
const spliceBody = 128 << 10

// spliceBody lets the kernel relay the rest of a body of known length. It comes back
// early, without an error, when there are other faults than those of a generation.
func (c *conn) spliceBody(dst, src side, y *body, way direction, gen uint64) error {
	var r rush
	for y.left > 0 {
		c.mu.Lock()
		c.splicing[way] = true
		c.mu.Unlock()
		var err error
		var n int64
		if c.p.faults.Load().gen == gen { // after splicing is set: see kick
			n, err = spliceN(socketOf(dst), socketOf(src), min(y.left, spliceUnit), &r)
		}
		c.mu.Lock()
		c.splicing[way] = false
		c.mu.Unlock()
		y.left -= n
		c.p.window.moved(time.Now(), way, int(n))
		if isTimeout(err) && c.woke(way) {
			err = nil
		}
		if err != nil || c.p.faults.Load().gen != gen {
			return err
		}
	}
	y.done = true
	return nil
}
