package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"starquake/chaos/proxy/h2/h2test"
	"starquake/chaos/proxy/ws"
)

// The clients and upstreams of TestFaultsOfOpenConnections: six protocols that say the same.

// content is what every upstream answers; it is an answer of GraphQL too.
var content = `{"data":{"a":"` + strings.Repeat("0123456789", 100) + `"}}`

// half is how much of it an upstream sends that is asked to wait in the middle.
const half = 500

// wordSize is how long a word is that an upstream is asked with on a stream.
const wordSize = 16

// gates hold back the second halves, by the word that asked for them.
type gates struct{ sync.Map }

func (g *gates) pad(word string) string { return fmt.Sprintf("%-*s", wordSize, word) }

// shut makes a word whose answer waits in the middle until open is called.
func (g *gates) shut(n int) (word string, open func()) {
	word = fmt.Sprint("half", n)
	gate := make(chan struct{})
	g.Store(word, gate)
	return word, sync.OnceFunc(func() { close(gate) })
}

// write answers a word.
func (g *gates) write(word string, w func(part string, last bool)) {
	gate, waits := g.Load(strings.TrimSpace(word))
	w(content[:half], false)
	if waits {
		<-gate.(chan struct{})
	}
	w(content[half:], true)
}

// serveStream answers each word on a connection.
func (g *gates) serveStream(c net.Conn) {
	word := make([]byte, wordSize)
	for {
		if _, err := io.ReadFull(c, word); err != nil {
			return
		}
		g.write(string(word), func(part string, _ bool) { _, _ = io.WriteString(c, part) })
	}
}

// serveHTTP answers the word that is the path, as gRPC a call of gRPC.
func (g *gates) serveHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.Header.Get("Content-Type") == "application/grpc" {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(content))))
		defer w.Header().Set("Grpc-Status", "0")
	} else {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/chunks" {
			w.Header().Set("Trailer", "X-Sum")
			defer w.Header().Set("X-Sum", "0123456789")
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		}
	}
	g.write(r.URL.Path[1:], func(part string, _ bool) {
		_, _ = io.WriteString(w, part)
		w.(http.Flusher).Flush()
	})
}

// serveSocket answers each message of a WebSocket with one in two frames.
func (g *gates) serveSocket(c net.Conn) {
	r := bufio.NewReader(c)
	if _, err := http.ReadRequest(r); err != nil {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for {
		head, payload, err := readFrame(r)
		if err != nil || head.Op == ws.Close {
			return
		}
		op := ws.Text
		g.write(string(payload), func(part string, last bool) {
			_, _ = io.WriteString(c, frame(op, last, part))
			op = ws.Continuation
		})
	}
}

func readFrame(r *bufio.Reader) (head ws.Head, payload []byte, err error) {
	for n := 2; ; n++ {
		b, err := r.Peek(n)
		if err != nil {
			return head, nil, err
		}
		size := 0
		if head, size, err = ws.ParseHead(b); err != nil {
			return head, nil, err
		}
		if size > 0 {
			_, _ = r.Discard(size)
			break
		}
	}
	payload = make([]byte, head.Length)
	if _, err = io.ReadFull(r, payload); head.Masked {
		ws.Mask(head.Key, 0, payload)
	}
	return head, payload, err
}

// speaker is a protocol, as one client and one upstream speak it.
type speaker struct {
	// name is that of the protocol, declared is that of the target in its row.
	name, declared string
	http2          bool
	start          func(t testing.TB, g *gates) (addr string)
	// open makes a connection ready for a word.
	open func(c net.Conn) (asker, error)
}

// asker asks an upstream for a word. What it returns ends with io.EOF once the answer is
// whole. A status that is no success is an error.
type asker func(word string) (io.Reader, error)

// told is an answer that is no success, in the words of the protocol.
type told string

func (s told) Error() string { return string(s) }

func speakers() []speaker {
	serveTCP := func(serve func(*gates, net.Conn)) func(testing.TB, *gates) string {
		return func(t testing.TB, g *gates) string { return startTCP(t, func(c net.Conn) { serve(g, c) }) }
	}
	h1 := func(t testing.TB, g *gates) string { return startHTTP(t, g.serveHTTP) }
	h2 := func(t testing.TB, g *gates) string { return h2test.StartHTTP2(t, g.serveHTTP) }
	return []speaker{
		{"tcp", "tcp", false, serveTCP((*gates).serveStream), openStream},
		{"http", "http", false, h1, openHTTP("GET", "", "")},
		{"h2", "http", true, h2, openHTTP2("", "")},
		{"grpc", "grpc", true, h2, openHTTP2("application/grpc", "\x00\x00\x00\x00\x00")},
		{"ws", "ws", false, serveTCP((*gates).serveSocket), openSocket},
		{"graphql", "graphql", false, h1, openHTTP("POST", "application/json", `{"query":"{ a }"}`)},
	}
}

// wholly reads an answer of a known length; one that ends before is cut.
type wholly struct {
	r    io.Reader
	left int
}

func (w *wholly) Read(b []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n, err := w.r.Read(b[:min(len(b), w.left)])
	if w.left -= n; err == io.EOF && w.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func openStream(c net.Conn) (asker, error) {
	return func(word string) (io.Reader, error) {
		_, err := io.WriteString(c, new(gates).pad(word))
		return &wholly{c, len(content)}, err
	}, nil
}

func openHTTP(method, kind, body string) func(net.Conn) (asker, error) {
	return func(c net.Conn) (asker, error) {
		r := bufio.NewReader(c)
		return func(word string) (io.Reader, error) {
			if _, err := fmt.Fprintf(c, "%s /%s HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", method, word, kind, len(body), body); err != nil {
				return nil, err
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return nil, err
			}
			if resp.StatusCode != 200 {
				_, _ = io.Copy(io.Discard, resp.Body)
				return nil, told(strconv.Itoa(resp.StatusCode))
			}
			return resp.Body, nil
		}, nil
	}
}

// openHTTP2 opens a connection of HTTP/2; with a type of gRPC the answers are messages.
func openHTTP2(kind, body string) func(net.Conn) (asker, error) {
	return func(c net.Conn) (asker, error) {
		tr := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
		}
		tr.Protocols.SetUnencryptedHTTP2(true)
		cc, err := tr.NewClientConn(context.Background(), "http", "a:80")
		if err != nil {
			return nil, err
		}
		return func(word string) (io.Reader, error) {
			req, err := http.NewRequest("POST", "http://a/"+word, strings.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", kind)
			resp, err := cc.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			if resp.StatusCode != 200 {
				_, _ = io.Copy(io.Discard, resp.Body)
				return nil, told(strconv.Itoa(resp.StatusCode))
			}
			if kind == "" {
				return resp.Body, nil
			}
			return grpcAnswer(resp)
		}, nil
	}
}

func grpcAnswer(resp *http.Response) (io.Reader, error) {
	if code := resp.Header.Get("Grpc-Status"); code != "" {
		return nil, told("grpc " + code)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
		return nil, err
	}
	return readerFunc(func(b []byte) (int, error) {
		n, err := resp.Body.Read(b)
		if code := resp.Trailer.Get("Grpc-Status"); err == io.EOF && code != "0" {
			err = told("grpc " + code)
		}
		return n, err
	}), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func openSocket(c net.Conn) (asker, error) {
	r := bufio.NewReader(c)
	if _, err := io.WriteString(c, "GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, told(strconv.Itoa(resp.StatusCode))
	}
	return func(word string) (io.Reader, error) {
		if _, err := io.WriteString(c, maskedFrame(ws.Text, word)); err != nil {
			return nil, err
		}
		var payload []byte
		var last bool
		return readerFunc(func(b []byte) (int, error) {
			for len(payload) == 0 {
				if last {
					return 0, io.EOF
				}
				head, p, err := readFrame(r)
				switch {
				case err == io.EOF:
					return 0, io.ErrUnexpectedEOF
				case err != nil:
					return 0, err
				case head.Op == ws.Close:
					return 0, told(fmt.Sprint("close ", binary.BigEndian.Uint16(p)))
				}
				payload, last = p, head.Fin
			}
			n := copy(b, payload)
			payload = payload[n:]
			return n, nil
		}), nil
	}, nil
}

// seen is what became of a question, in a word.
func seen(got []byte, err error) string {
	var said told
	var stream http2.StreamError
	var alert tls.AlertError
	var cert *tls.CertificateVerificationError
	switch {
	case err == nil && string(got) == content:
		return "ok"
	case err == nil && strings.Contains(string(got), `"errors":`):
		return "errors"
	case err == nil && len(got) == len(content):
		return "changed"
	case errors.As(err, &said):
		return string(said)
	case errors.As(err, &stream):
		return "stream"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.Contains(err.Error(), "client conn could not be established"): // as http2 hides it
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "trailer"): // that does not end
		return "eof"
	case errors.As(err, &alert), errors.As(err, &cert):
		return "tls"
	}
	return fmt.Sprintf("%d bytes, %v", len(got), err)
}

// question is one word that is asked, by another goroutine, since its answer may hang.
type question struct {
	half  chan struct{} // closed when half of the answer is there
	done  chan struct{} // closed when it has ended: how, and when
	how   string
	ended time.Time
}

// answered waits for the end and returns how it was.
func (q *question) answered() string {
	select {
	case <-q.done:
		return q.how
	case <-time.After(generous):
		return "hangs"
	}
}

// client is a connection of a speaker to a proxy.
type client struct {
	conn net.Conn
	ask  asker
	err  error // why there is none
}

// dial opens one. It is closed by the test.
func (p *speaker) dial(ctx context.Context, addr string, secure *tls.Config) *client {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return &client{err: err}
	}
	_ = conn.SetDeadline(time.Now().Add(2 * generous))
	c := &client{conn: conn}
	if secure != nil {
		if p.http2 {
			secure = secure.Clone()
			secure.NextProtos = []string{"h2"}
		}
		s := tls.Client(conn, secure)
		c.conn, c.err = s, s.Handshake()
	}
	if c.err == nil {
		c.ask, c.err = p.open(c.conn)
	}
	return c
}

func (c *client) close() {
	if c != nil && c.conn != nil {
		_ = c.conn.Close()
	}
}

// put asks a word over what dial returns.
func put(word string, dial func() *client) *question {
	q := &question{half: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(q.done)
		c := dial()
		var got []byte
		err := c.err
		if err == nil {
			var r io.Reader
			if r, err = c.ask(word); err == nil {
				for b := make([]byte, half); err == nil; {
					before, n := len(got), 0
					n, err = r.Read(b)
					if got = append(got, b[:n]...); before < half && len(got) >= half {
						close(q.half)
					}
				}
				if err == io.EOF {
					err = nil
				}
			}
		}
		q.ended, q.how = time.Now(), seen(got, err)
	}()
	return q
}
