package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/chaos"
)

func TestMain(m *testing.M) {
	if n := os.Getenv(peerVar); n != "" {
		if err := peer(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// generous bounds what must happen at all: no test waits for it unless it fails.
const generous = 2 * time.Minute

// startProxy opens a proxy that ends with the test.
func startProxy(t testing.TB, protocol, upstream string) *Proxy {
	t.Helper()
	return startPrepared(t, protocol, upstream, func(*Proxy) {})
}

// startPrepared is startProxy with something done to the proxy before it listens.
func startPrepared(t testing.TB, protocol, upstream string, prepare func(*Proxy)) *Proxy {
	t.Helper()
	return startAt(t, "127.0.0.1:0", protocol, upstream, prepare)
}

// startAt is startPrepared at an address, for tests that give it up and want it again: one that
// the system gives may be somebody else's meanwhile.
func startAt(t testing.TB, listen, protocol, upstream string, prepare func(*Proxy)) *Proxy {
	t.Helper()
	p, err := Prepare(Config{Name: "test", Listen: listen, Upstream: upstream, Protocol: protocol})
	if err != nil {
		t.Fatal(err)
	}
	prepare(p)
	if err := p.Up(t.Context(), listen, upstream); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := p.ActiveConns(); n != 0 {
			t.Errorf("after Close %d connections are open", n)
		}
	})
	return p
}

// startHTTP opens an HTTP server that ends with the test.
func startHTTP(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// startTCP opens a server whose connections serve handles.
func startTCP(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// startAnswering starts an upstream that answers the requests of a connection one after the
// other, until answer says that there are no more.
func startAnswering(t testing.TB, answer func(c net.Conn, req *http.Request) (more bool)) string {
	t.Helper()
	return startTCP(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			req, err := http.ReadRequest(r)
			if err != nil || !answer(c, req) {
				return
			}
		}
	})
}

// connected gives both sides of a connection.
func connected(t testing.TB) (client, accepted *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client = dialRaw(t, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client, c.(*net.TCPConn)
}

// echo sends back what it gets, and ends when its client does.
func echo(c net.Conn) { _, _ = io.Copy(c, c) }

// newClient returns an HTTP client with connections of its own.
func newClient(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: generous}
}

// oneConnection makes a client of a single connection, over what the transport of c says, for
// tests that count connections: a Transport opens a second one for HTTP/2 now and then, also
// for requests in turn, and one for HTTP/1 when a busy machine lets it wait for the end of its
// own writing. A request for which that connection is lost fails.
func oneConnection(t testing.TB, c *http.Client, scheme, address string) *http.Client {
	t.Helper()
	tr := c.Transport.(*http.Transport)
	if !tr.ForceAttemptHTTP2 && tr.Protocols == nil {
		return &http.Client{Transport: inTurn(t, tr, scheme, address), Timeout: generous}
	}
	cc, err := tr.NewClientConn(t.Context(), scheme, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return &http.Client{Transport: cc, Timeout: generous}
}

// turns sends requests of HTTP/1 one after the other over one connection. An answer has to be
// read before the next request.
type turns struct {
	c       net.Conn
	answers *bufio.Reader
}

func inTurn(t testing.TB, tr *http.Transport, scheme, address string) *turns {
	t.Helper()
	dial := tr.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	c, err := dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if scheme == "https" {
		config := tr.TLSClientConfig.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
		c = tls.Client(c, config)
	}
	return &turns{c, bufio.NewReader(c)}
}

// RoundTrip implements http.RoundTripper.
func (x *turns) RoundTrip(req *http.Request) (*http.Response, error) {
	deadline, _ := req.Context().Deadline()
	_ = x.c.SetDeadline(deadline)
	if err := req.Write(x.c); err != nil {
		return nil, err
	}
	return http.ReadResponse(x.answers, req)
}

func dialRaw(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(generous)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// readFull reads exactly as much as want is long.
func readFull(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q (%v), want %q", got[:n], err, want)
	}
}

func mustFault(t testing.TB, kind string, args map[string]any) chaos.Fault {
	t.Helper()
	f, err := chaos.New(kind, args)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func apply(t testing.TB, p *Proxy, id, kind string, args map[string]any) *Applied {
	t.Helper()
	a, err := p.Apply(mustFault(t, kind, args), id, 7)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// get fetches a URL and returns status and body.
func get(t testing.TB, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// readResponse reads one response to a request with the method.
func readResponse(t testing.TB, r *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// eventually polls until ok, and fails after a generous time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{Name: "a", Listen: taken.Addr().String(), Upstream: "127.0.0.1:1"}, "cannot listen on " + taken.Addr().String()},
		{Config{Name: "a", Listen: "127.0.0.1:0", Upstream: "nowhere"}, `upstream address "nowhere": expected host:port`},
		{Config{Name: "a", Listen: "127.0.0.1", Upstream: "127.0.0.1:1"}, `listen address "127.0.0.1": expected host:port`},
		{Config{Name: "a", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:0"}, `upstream address "127.0.0.1:0"`},
		{Config{Name: "a", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Protocol: "smtp"}, `protocol "smtp" is unknown; expected one of auto, tcp, http`},
	} {
		p, err := Listen(t.Context(), test.config)
		if err == nil {
			p.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "proxy a: ") {
			t.Errorf("Listen(%+v): %v, want %q", test.config, err, test.want)
		}
	}
}

func TestSupports(t *testing.T) {
	p := startProxy(t, "tcp", "127.0.0.1:1")
	if err := p.Supports("latency"); err != nil {
		t.Error(err)
	}
	for kind, want := range map[string]string{
		"http_error": "cannot be done on protocol tcp; it can on http",
		"meteor":     `fault kind "meteor" is unknown`,
	} {
		if err := p.Supports(kind); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Supports(%s): %v, want %q", kind, err, want)
		}
	}
	if _, err := p.Apply(mustFault(t, "http_error", map[string]any{"codes": 500}), "x", 1); err == nil {
		t.Error("an http_error was put on a tcp proxy")
	}
	apply(t, p, "x", "latency", map[string]any{"delay": "1ms"})
	if _, err := p.Apply(mustFault(t, "latency", map[string]any{"delay": "1ms"}), "x", 1); err == nil || !strings.Contains(err.Error(), `the id "x" is taken`) {
		t.Errorf("a second fault x: %v", err)
	}
}

// Every kind of fault has its row here, and every row its kind.
func TestEveryKindHasARow(t *testing.T) {
	p := startProxy(t, "auto", "127.0.0.1:1")
	rows := 0
	for _, k := range chaos.Kinds() {
		if rowOf(k.Name) != nil {
			rows++
			continue
		}
		// What no engine here does is refused, not ignored.
		if err := p.Supports(k.Name); err == nil {
			t.Errorf("kind %s is accepted without a row in effects.go", k.Name)
		}
		for _, protocol := range k.Protocols {
			if protocol != "tls" {
				t.Errorf("kind %s is for %s and has no row in effects.go", k.Name, protocol)
			}
		}
	}
	if have := len(effectRows()); rows != have {
		t.Errorf("of %d rows %d are of kinds that there are", have, rows)
	}
}

func TestCloseCutsTheBusy(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
	})
	defer close(release)
	p, err := Listen(t.Context(), Config{Name: "busy", Listen: "127.0.0.1:0", Upstream: upstream})
	if err != nil {
		t.Fatal(err)
	}
	c := dialRaw(t, p.Addr())
	send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 connections were still busy") {
		t.Errorf("Close of a busy proxy: %v", err)
	}
	if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the client read %v", err)
	}
	if _, err := p.Apply(mustFault(t, "latency", map[string]any{"delay": 1}), "x", 1); err == nil {
		t.Error("a fault was put on a closed proxy")
	}
}

// Connections that end in the middle of anything leave nothing behind, whatever is on.
func TestDroppedConnectionsLeakNothing(t *testing.T) {
	n := 700
	if testing.Short() {
		n = 70
	}
	for name, faults := range map[string][]string{"no fault": nil, "slow": {"latency", "bandwidth", "slicer"}, "held": {"blackhole"}, "delayed": {"packet_loss"}} {
		dropConnections(t, n, name, faults)
	}
}

func dropConnections(t *testing.T, n int, name string, faults []string) {
	protocols := []string{"auto", "http", "tcp"}
	args := map[string]map[string]any{
		"latency":   {"delay": "3ms", "direction": "both"},
		"bandwidth": {"rate": "100KB/s"}, "slicer": {"average": 2, "delay": "1ms"}, "packet_loss": {"percent": 50},
	}
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	texts := []string{"", "G", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "\x16\x03\x01", "EHLO"}
	for _, protocol := range protocols {
		p := startProxy(t, protocol, upstream)
		var on []*Applied
		for _, kind := range faults {
			on = append(on, apply(t, p, kind, kind, args[kind]))
		}
		for i := range n / len(protocols) {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, texts[i%len(texts)]); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		}
		for _, a := range on {
			if a.Fault().Kind == "packet_loss" {
				a.Remove() // a lost FIN may take a minute
			}
		}
		eventually(t, name+": "+protocol+" forgets its connections", func() bool { return p.ActiveConns() == 0 })
	}
}
