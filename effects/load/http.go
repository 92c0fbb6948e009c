package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// idleConn is how long an unused connection is kept: short enough that one which
	// the server has closed meanwhile is seldom met, for nothing is asked twice. It is
	// also how long the client's goroutine that closes them outlives the load.
	idleConn = 200 * time.Millisecond
	// maxResponse bounds the body of an answer, which is read and thrown away.
	maxResponse = 64 << 20
	maxHeaders  = 64 << 10
)

// Dial makes a connection to host:port.
type Dial func(addr string) (net.Conn, error)

// Options are what a sender needs besides its specification.
type Options struct {
	Dial Dial
	TLS  *tls.Config // nil: the system's roots
	// Method says what the gRPC call takes; nil where its message is empty.
	Method *Method
	// Accept says which HTTP statuses are no error; nil: 200 to 399.
	Accept func(status int) bool
	// Code words why there is no answer: "refused", "reset", "tls", …
	Code func(error) string
}

// httpSender sends an HTTP/1.1 request. Redirects are answers, not followed.
type httpSender struct {
	client  *fasthttp.HostClient
	request *fasthttp.Request // never changed
	opt     Options
	conns   *connections
	texts   sync.Map // of statuses, as text
}

// NewHTTP makes the sender of an HTTP request.
func NewHTTP(h *HTTP, slots int, opt Options) (Sender, error) {
	u, err := url.Parse(h.URL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("url: %q; expected one with a host", h.URL)
	}
	conns := &connections{dial: opt.Dial, open: map[net.Conn]bool{}}
	s := &httpSender{request: new(fasthttp.Request), opt: opt, conns: conns}
	if opt.Accept == nil {
		s.opt.Accept = func(status int) bool { return status >= 200 && status < 400 }
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	config := opt.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	s.client = &fasthttp.HostClient{
		Addr: net.JoinHostPort(u.Hostname(), port), IsTLS: u.Scheme == "https", TLSConfig: config,
		Dial: conns.make, MaxConns: slots, MaxIdleConnDuration: idleConn,
		MaxIdemponentCallAttempts: 1, RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		StreamResponseBody: true, MaxResponseBodySize: 64 << 10, ReadBufferSize: maxHeaders / 8,
		NoDefaultUserAgentHeader: true, DisablePathNormalizing: true, DisableHeaderNamesNormalizing: true,
	}
	s.request.Header.SetMethod(h.Method)
	if h.Method == "" {
		s.request.Header.SetMethod("GET")
	}
	s.request.SetRequestURI(h.URL)
	s.request.Header.SetUserAgent("starquake")
	s.request.Header.SetNoDefaultContentType(true) // nobody but the script says what a body is
	for name, value := range h.Headers {
		s.request.Header.Set(name, value)
	}
	if host := s.request.Header.Peek("Host"); len(host) > 0 {
		s.request.UseHostHeader = true
	}
	if h.Body != "" {
		s.request.SetBodyString(h.Body)
	}
	return s, nil
}

// Send implements Sender.
func (s *httpSender) Send(deadline time.Time) Outcome {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	s.request.CopyTo(req)
	if err := s.client.DoDeadline(req, resp, deadline); err != nil {
		return s.opt.failure(err)
	}
	status := resp.StatusCode()
	err := discard(resp)
	if closeErr := resp.CloseBodyStream(); err == nil {
		err = closeErr
	}
	if err != nil {
		return s.opt.failure(err)
	}
	text, ok := s.texts.Load(status)
	if !ok {
		text, _ = s.texts.LoadOrStore(status, strconv.Itoa(status))
	}
	return Outcome{Status: text.(string), OK: s.opt.Accept(status)}
}

// errTooLong is for a body longer than maxResponse.
var errTooLong = errors.New("the answer's body is too long")

// discard reads the body of an answer to its end.
func discard(resp *fasthttp.Response) error {
	body := resp.BodyStream()
	if body == nil {
		return nil
	}
	n, err := io.Copy(io.Discard, io.LimitReader(body, maxResponse+1))
	switch {
	case err != nil:
		return err
	case n > maxResponse:
		return errTooLong
	case resp.Header.ContentLength() > 0 && n < int64(resp.Header.ContentLength()) && !resp.SkipBody:
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Close implements Sender.
func (s *httpSender) Close() {
	s.conns.close()
	s.client.CloseIdleConnections()
}

// failure is the outcome of a request without a whole answer.
func (o *Options) failure(err error) Outcome {
	for _, local := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM, fasthttp.ErrNoFreeConns,
	} {
		if errors.Is(err, local) {
			return Outcome{Status: "local", Local: true}
		}
	}
	switch {
	case errors.Is(err, fasthttp.ErrTimeout), errors.Is(err, fasthttp.ErrDialTimeout):
		return Outcome{Status: "timeout"}
	case errors.Is(err, fasthttp.ErrConnectionClosed), errors.Is(err, net.ErrClosed):
		return Outcome{Status: "eof"}
	case errors.Is(err, errTooLong):
		return Outcome{Status: "too_long"}
	}
	return Outcome{Status: o.Code(err)}
}

// connections are those that a sender has open, so that all can be closed at once.
type connections struct {
	dial   Dial
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// make makes a connection.
func (c *connections) make(addr string) (net.Conn, error) {
	conn, err := c.dial(addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	kept := &keptConn{Conn: conn, of: c}
	c.open[kept] = true
	return kept, nil
}

// close closes all and makes no more.
func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = map[net.Conn]bool{}
	c.mu.Unlock()
	for conn := range open {
		conn.(*keptConn).Conn.Close()
	}
}

// keptConn is a connection that is forgotten when it is closed.
type keptConn struct {
	net.Conn
	of *connections
}

// SetWriteDeadline is also one for reading. With TLS the first write does the handshake, which
// reads; the client sets a deadline for that only when it waits for the answer, the same one.
func (k *keptConn) SetWriteDeadline(t time.Time) error { return k.Conn.SetDeadline(t) }

func (k *keptConn) Close() error {
	k.of.mu.Lock()
	delete(k.of.open, k)
	k.of.mu.Unlock()
	return k.Conn.Close()
}
