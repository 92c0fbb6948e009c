package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is a response that the proxy gives itself: one with a status, or an end of the
// connection in place of one. The zero answer is none.
type answer struct {
	end     ending
	status  int
	grpc    int // the status for gRPC, if status is 200
	means   int // the status that faults go by, if it is another
	body    string
	headers map[string]string
	fault   string // the kind of fault that made it, if one did
	rank    rank   // of that kind
}

// given reports whether there is an answer.
func (a *answer) given() bool { return a.status != 0 || a.end != endNever }

// encode writes the response to a request with the given method.
func (a *answer) encode(head, keep bool) []byte {
	body := a.content()
	bodiless := a.status == http.StatusNoContent || a.status == http.StatusNotModified
	var b strings.Builder
	b.WriteString("HTTP/1.1 " + strconv.Itoa(a.status) + " " + statusText(a.status) + "\r\n")
	typed := false
	for _, name := range slices.Sorted(maps.Keys(a.headers)) {
		b.WriteString(name + ": " + a.headers[name] + "\r\n")
		typed = typed || isName([]byte(name), "content-type")
	}
	if !bodiless {
		if !typed {
			b.WriteString("Content-Type: text/plain; charset=utf-8\r\n")
		}
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	if a.fault != "" {
		b.WriteString("Starquake-Fault: " + a.fault + "\r\n")
	}
	if !keep {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	if !head && !bodiless {
		b.WriteString(body)
	}
	return []byte(b.String())
}

// content returns the body, or a line in its place.
func (a *answer) content() string {
	if a.body != "" {
		return a.body
	}
	return strconv.Itoa(a.status) + " " + statusText(a.status) + ": " + injectedBy(a.fault) + "\n"
}

// outcome is the status that faults go by.
func (a *answer) outcome() int {
	if a.means != 0 {
		return a.means
	}
	return a.status
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Status"
}

// refusal is the answer to what cannot be read as a request.
func refusal(p *Proxy, err *headError) answer {
	return answer{status: err.status, body: fmt.Sprintf("starquake proxy %s: the request is refused: %s\n", p.config.Name, err.what)}
}

// badGateway is the answer when the upstream gives none.
func badGateway(p *Proxy, err error) answer {
	var opErr *net.OpError
	what := err.Error()
	if errors.As(err, &opErr) {
		what = opErr.Op + ": " + opErr.Err.Error() // without addresses said twice
	}
	return answer{status: http.StatusBadGateway,
		body: fmt.Sprintf("starquake proxy %s: the upstream %s gave no answer: %s\n", p.config.Name, p.Upstream(), what)}
}

// write sends a to the client. The caller is the one who may write.
func (c *conn) write(a *answer, head, keep bool) bool {
	n, err := c.client.Write(a.encode(head, keep))
	c.p.window.moved(time.Now(), toClient, n)
	return err == nil
}

// maxDrain is how much of a request's body is read to keep its connection.
const maxDrain = 256 << 10

// answerRequest answers a request instead of the upstream, after the delays of its answer. It
// reports whether the connection goes on.
func (c *conn) answerRequest(in *reader, h *head, p *pending, a *answer) bool {
	v := p.verdict
	defer v.done(a.outcome())
	if !c.await(0) {
		return false
	}
	if v != nil && !c.holdRequest(time.Now(), v.response) {
		return false
	}
	v.done(a.outcome()) // before the client has it, and may ask again
	if a.end != endNever {
		c.p.window.request(time.Now(), p.started, noAnswer, c.touched(p))
		c.end(a.end)
		return false
	}
	body := newBody(h)
	keep := h.minor == 1 && !h.close && !h.expect && h.length <= maxDrain
	if !c.write(a, string(h.method) == "HEAD", keep) {
		return false
	}
	c.p.window.request(time.Now(), p.started, a.status, c.touched(p))
	in.take(h.size)
	if !keep || !c.drain(in, &body) {
		c.mu.Lock()
		c.uploading = true
		c.mu.Unlock()
		c.endGently()
		return false
	}
	return c.requestDone(nil, in)
}

// drain reads the rest of a body, and reports whether it came to its end.
func (c *conn) drain(in *reader, body *body) bool {
	for total := 0; ; {
		n, err := body.feed(in.bytes())
		in.take(n)
		if total += n; err != nil || total > maxDrain {
			return false
		}
		if body.done {
			return true
		}
		if c.fillClient(in) != nil {
			return false
		}
	}
}
