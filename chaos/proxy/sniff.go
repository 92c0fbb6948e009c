package proxy

import (
	"bytes"
	"time"
)

// sniffPatience is how long a client that has sent half a word, or whose upstream
// cannot be reached, has to say what it speaks.
const sniffPatience = time.Second

// begin settles what the client speaks. It returns false if the connection is over.
func (c *conn) begin(in *reader) bool {
	if c.hello != nil {
		return c.beginSecure(in)
	}
	switch c.p.config.Protocol {
	case "auto":
		return c.sniff(in)
	case "tcp":
		c.decide(speaksStream)
	case "tls":
		c.decide(speaksTLS)
	default:
		return c.beginHTTP(in)
	}
	return true
}

// beginHTTP tells HTTP/2 from HTTP/1, which the client of an HTTP target may speak.
func (c *conn) beginHTTP(in *reader) bool {
	for {
		// Whatever ends the connection here, the first request meets it too.
		if err := c.fillClient(in); err != nil || !isPreface(in.bytes()) {
			c.decide(speaksHTTP)
			return !c.over()
		}
		if len(in.bytes()) >= len(preface) {
			c.decide(speaksHTTP2)
			return true
		}
	}
}

// sniff finds out what the client speaks. It dials the upstream at once and relays
// what that sends, since in many protocols the server speaks first. It returns false
// if the connection is over.
func (c *conn) sniff(in *reader) bool {
	l := c.connect()
	for {
		had := len(in.bytes())
		err := in.fill()
		c.came(in, had)
		if isTimeout(err) && c.woke(toUpstream) {
			if !c.strike() {
				return false
			}
			continue
		}
		switch {
		case c.speaks.Load() != undecided: // the server spoke first
		case isTimeout(err) && len(in.bytes()) == 0: // the upstream is down and the client silent
			return false
		case err != nil:
			c.decide(speaksStream) // what was sent goes on, and its end
		default:
			c.decide(looksLike(in.bytes()))
		}
		// Under the lock, so that dial does not set its own after this.
		c.mu.Lock()
		c.woken[toUpstream] = false
		err = c.client.SetReadDeadline(time.Time{})
		c.mu.Unlock()
		if err != nil {
			return false
		}
		switch c.speaks.Load() {
		case undecided:
			if err := c.client.SetReadDeadline(time.Now().Add(sniffPatience)); err != nil {
				return false
			}
		case speaksStream:
			<-l.dialed
			return l.err == nil
		default:
			return true
		}
	}
}

// preface begins a connection of HTTP/2 (RFC 9113, 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// isSettings reports whether b, which a server has sent before its client has said
// anything, begins with a SETTINGS frame, as many servers of HTTP/2 do (RFC 9113, 6.5).
func isSettings(b []byte) bool {
	const head, entry, settings = 9, 6, 4
	if len(b) < head {
		return false
	}
	length := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return length%entry == 0 && length <= 64*entry && b[3] == settings && b[4] == 0 && bytes.Equal(b[5:head], make([]byte, 4))
}

// isPreface reports whether b begins as the preface does.
func isPreface(b []byte) bool {
	n := min(len(b), len(preface))
	return n > 0 && string(b[:n]) == preface[:n]
}

// The first byte of a TLS record with a handshake, and its protocol's major version.
const (
	tlsHandshake = 0x16
	tlsMajor     = 3
)

// looksLike tells a client's protocol from its first bytes. What may yet become one of
// those that are told apart is undecided.
func looksLike(b []byte) int32 {
	switch {
	case isPreface(b):
		if len(b) < len(preface) {
			return undecided
		}
		return speaksHTTP2
	case b[0] == tlsHandshake && len(b) == 1:
		return undecided
	case b[0] == tlsHandshake && b[1] == tlsMajor:
		return speaksTLS
	}
	if speaks := looksLikeHTTP(b); speaks != speaksStream || !isRequestLine(b) {
		return speaks
	}
	return speaksHTTP
}

// isRequestLine reports whether b begins with the whole first line of a request of HTTP/1,
// whose method may be anyone's (RFC 9110, 9.1): the version tells it from other protocols.
// PRI is nobody's: it is for the preface alone (RFC 9113, 11.6).
func isRequestLine(b []byte) bool {
	line, _, whole := bytes.Cut(b, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	target, version, _ := bytes.Cut(line, []byte(" "))
	return whole && isToken(method) && string(method) != "PRI" && len(target) > 0 && visible(target) &&
		(string(version) == "HTTP/1.1" || string(version) == "HTTP/1.0")
}

func looksLikeHTTP(b []byte) int32 {
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

// methods are those of RFC 9110, PATCH, and of WebDAV.
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
