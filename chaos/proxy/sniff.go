package proxy

import (
	"bytes"
	"errors"
	"os"
	"time"
)

// sniffPatience is how long a client that has sent half a word, or whose upstream
// cannot be reached, has to say what it speaks.
const sniffPatience = time.Second

// sniff finds out what the client speaks. It dials the upstream at once and relays
// what that sends, since in many protocols the server speaks first. It returns false
// if the connection is over.
func (c *conn) sniff(in *reader) bool {
	l := c.connect()
	for {
		err := in.fill()
		timedOut := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case c.speaks.Load() != undecided: // the server spoke first
		case timedOut && len(in.bytes()) == 0: // the upstream is down and the client silent
			return false
		case err != nil:
			c.decide(speaksStream) // what was sent goes on, and its end
		default:
			c.decide(looksLike(in.bytes()))
		}
		// Under the lock, so that dial does not set its own after this.
		c.mu.Lock()
		err = c.client.SetReadDeadline(time.Time{})
		c.mu.Unlock()
		if err != nil {
			return false
		}
		switch c.speaks.Load() {
		case speaksHTTP:
			return true
		case speaksStream:
			<-l.dialed
			return l.err == nil
		}
		if err := c.client.SetReadDeadline(time.Now().Add(sniffPatience)); err != nil {
			return false
		}
	}
}

// looksLike tells a client's protocol from its first bytes. What may yet become an
// HTTP request is undecided. HTTP/2 and TLS are relayed as streams.
func looksLike(b []byte) int32 {
	const longest = len("VERSION-CONTROL ")
	method, target, ended := bytes.Cut(b, []byte(" "))
	if !ended {
		if len(b) < longest && isMethodPrefix(b) {
			return undecided
		}
		return speaksStream
	}
	if !isMethod(method) {
		return speaksStream
	}
	if len(target) == 0 {
		return undecided
	}
	// Other protocols have words like GET, but not followed by one of these.
	switch t := target[0]; {
	case t == '/', t == '*', t == 'h', t == 'H', string(method) == "CONNECT":
		return speaksHTTP
	}
	return speaksStream
}

// methods are those of RFC 9110, PATCH, and of WebDAV. PRI, which begins an HTTP/2
// connection, is not among them.
func methods() []string {
	return []string{
		"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
		"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "QUERY", "PURGE",
	}
}

func isMethod(b []byte) bool {
	for _, m := range methods() {
		if string(b) == m {
			return true
		}
	}
	return false
}

func isMethodPrefix(b []byte) bool {
	for _, m := range methods() {
		if len(b) <= len(m) && string(b) == m[:len(b)] {
			return true
		}
	}
	return false
}
