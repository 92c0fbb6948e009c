package effects

import (
	"bytes"
	"sync"
)

// capture keeps the first limit bytes that are written to it and drops the rest. It
// has a lock because a pipe that is given up on may still be written from while its
// bytes are read.
type capture struct {
	limit int64
	mu    sync.Mutex
	buf   bytes.Buffer
}

// Write never fails and never blocks, so a program cannot stall on its output.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := c.limit - int64(c.buf.Len()); room > 0 {
		c.buf.Write(p[:min(int64(len(p)), room)])
	}
	return len(p), nil
}

// bytes are a copy of what was kept.
func (c *capture) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.buf.Bytes())
}
