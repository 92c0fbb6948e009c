package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"starquake/chaos/proxy/h2/h2test"
	"starquake/chaos/proxy/ws"
)

// leaksVar is how many connections of each protocol TestLeaks drops.
const leaksVar = "STARQUAKE_LEAKS"

// dropped is a client that is gone after so many bytes.
type dropped struct {
	*net.TCPConn
	left int
}

func (d *dropped) Write(b []byte) (int, error) {
	n, err := d.TCPConn.Write(b[:min(len(b), d.left)])
	if d.left -= n; err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// aCall is what a client of HTTP/2 with prior knowledge sends to call a method of gRPC.
func aCall(t *testing.T) string {
	t.Helper()
	var head, b bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/test.Echo/Unary"}, {":authority", "a"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&b, nil)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteData(1, true, []byte("\x00\x00\x00\x00\x07\x0a\x05hello")); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Connections whose clients leave at any byte, with a FIN or a RST, with an answer on its
// way or not, leave nothing behind: no goroutine, no descriptor, no memory.
func TestLeaks(t *testing.T) {
	n := 300
	if v := os.Getenv(leaksVar); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	answers := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", 20<<10))
	})
	rpc, _ := h2test.StartGRPC(t, &h2test.Service{})
	socket := "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n" +
		maskedFrame(ws.Text, "hello") + maskedFrame(ws.Ping, "")
	post := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
	secure := startSecure(t, "auto", answers, TLS{Plain: true})
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text) }
	}
	for name, test := range map[string]struct {
		p       *Proxy
		longest int
		talk    func(net.Conn)
	}{
		"tcp":       {startProxy(t, "tcp", startTCP(t, echo)), 40, say(strings.Repeat("hello", 8))},
		"http":      {startProxy(t, "auto", answers), len(post), say(post)},
		"http2":     {startProxy(t, "auto", rpc), len(aCall(t)), say(aCall(t))},
		"websocket": {startProxy(t, "auto", startSocketEcho(t, websocket.CompressionDisabled)), len(socket), say(socket)},
		"tls": {secure.Proxy, 2500, func(c net.Conn) {
			s := tls.Client(c, &tls.Config{RootCAs: secure.roots, ServerName: "shop.test"})
			if s.Handshake() == nil {
				say(post)(s)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			drop := func(n int) {
				for i := range n {
					tcp, err := net.Dial("tcp", test.p.Addr())
					if err != nil {
						t.Fatal(err)
					}
					c := &dropped{tcp.(*net.TCPConn), i * 7 % (test.longest + 1)}
					if err := c.SetDeadline(time.Now().Add(generous)); err != nil {
						t.Fatal(err)
					}
					whole := c.left == test.longest
					test.talk(c)
					if whole { // an answer has begun
						_, _ = c.Read(make([]byte, 1))
					}
					if i%2 == 0 {
						_ = c.SetLinger(0)
					}
					c.Close()
				}
				eventually(t, "nobody is left", func() bool { return test.p.ActiveConns() == 0 })
			}
			drop(max(50, n/10)) // pools and tables are filled
			before, files, routines := heap(), descriptors(t), runtime.NumGoroutine()
			drop(n)
			// The upstreams, which are in this process, learn of it a little later.
			eventually(t, "goroutines and descriptors are what they were", func() bool {
				return runtime.NumGoroutine() <= routines+5 && descriptors(t) <= files+5
			})
			// Nor is the memory of what has a finalizer free after any given number of collections:
			// those of the upstream's sockets have one.
			eventually(t, "the memory is what it was", func() bool {
				left := heap() - before
				t.Logf("%d connections have left %d KB", n, left>>10)
				return left <= int64(n)*300+1<<20
			})
		})
	}
}

// cutUpstream answers each connection with the first bytes of a response, after the first
// bytes of a request, and then ends it.
func cutUpstream(t *testing.T, hears, says int, how string) string {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
	return startTCP(t, func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, hears)); err != nil {
			return
		}
		if _, err := io.WriteString(c, answer[:says]); err != nil {
			return
		}
		switch how {
		case "half-close": // and it reads on
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		case "reset":
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	})
}

// An upstream that ends at any point of a request or a response: a client is told with a
// 502 as long as nothing of an answer has come, and gets a whole answer or a connection that
// ends before its end, never one that looks whole, and never one that hangs.
func TestUpstreamEndsAnywhere(t *testing.T) {
	const request = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789"
	const headLength, whole = len("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), len("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")
	for _, how := range []string{"close", "half-close", "reset"} {
		for _, fault := range []bool{false, true} {
			for _, hears := range []int{0, 1, len(request) - 10, len(request) - 5, len(request)} {
				for _, says := range []int{0, 1, headLength - 1, headLength, headLength + 1, whole - 1, whole} {
					name := fmt.Sprint(how, " hears ", hears, " says ", says, " latency ", fault)
					p := startProxy(t, "http", cutUpstream(t, hears, says, how))
					if fault {
						apply(t, p, "l", "latency", map[string]any{"delay": "2ms"})
					}
					c := dialRaw(t, p.Addr())
					send(t, c, request)
					got, err := io.ReadAll(c)
					text := string(got)
					switch {
					case isTimeout(err):
						t.Errorf("%s: it hangs after %q", name, text)
					case says < headLength && how != "reset" && !strings.HasPrefix(text, "HTTP/1.1 502 "):
						t.Errorf("%s: got %q, %v, want a 502", name, text, err)
					case says < headLength && how == "reset" && text != "" && !strings.HasPrefix(text, "HTTP/1.1 502 "):
						t.Errorf("%s: got %q, %v, want a 502 or nothing", name, text, err)
					case says >= headLength && says < whole && strings.HasSuffix(text, "9"):
						t.Errorf("%s: got %q, which nobody has sent", name, text)
					case says == whole && how != "reset" && hears == len(request) && !strings.HasSuffix(text, "0123456789"):
						t.Errorf("%s: got %q, %v", name, text, err)
					}
					c.Close()
					eventually(t, name+" leaves nothing", func() bool { return p.ActiveConns() == 0 })
					if err := p.Close(t.Context()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
	}
}
