package proxy

// relayTunnel relays one way of a connection whose sides have agreed to speak something
// else: after a 101 to a request for an upgrade, or a 2xx to a CONNECT. Both goroutines
// of the connection call it, each for its way, with what has been read already in in;
// c.upgraded is the request that it began with. A protocol with a relay of its own
// takes over here.
func (c *conn) relayTunnel(dst side, in *reader, way direction) {
	c.mu.Lock()
	frames := c.frames
	c.mu.Unlock()
	if frames != nil {
		c.relayFrames(frames, dst, in, way)
		return
	}
	c.relay(dst, in, way, nil)
}
