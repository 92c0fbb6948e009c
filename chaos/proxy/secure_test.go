package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"starquake/chaos"
	"starquake/chaos/proxy/h2/h2test"
	"starquake/chaos/proxy/pki"
)

// newAuthority makes an authority, and the pool of those who trust it.
func newAuthority(t testing.TB, name string) (*pki.Authority, *x509.CertPool) {
	t.Helper()
	a, err := pki.New(pkix.Name{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	return a, pool
}

// mint makes a certificate of a for names.
func mint(t testing.TB, a *pki.Authority, names ...string) *tls.Certificate {
	t.Helper()
	n, err := pki.NamesOf(names...)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Mint(n, pki.Sound)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// secured is a proxy that terminates TLS, before an upstream.
type secured struct {
	*Proxy
	// roots are those that its clients trust.
	roots *x509.CertPool
}

// startSecure opens a proxy that terminates TLS with an authority of its own.
func startSecure(t testing.TB, protocol, upstream string, config TLS) secured {
	t.Helper()
	authority, roots := newAuthority(t, "local CA")
	if config.Certificate == nil {
		config.Authority = authority
	}
	p, err := Listen(t.Context(), Config{Name: "test", Listen: "127.0.0.1:0", Upstream: upstream, Protocol: protocol, TLS: &config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return secured{p, roots}
}

// startHTTPS opens an HTTPS server that speaks HTTP/1.1 and HTTP/2, and returns its
// address and those to trust for it. It answers with protocol, name and path.
func startHTTPS(t testing.TB, name string) (string, *x509.CertPool) {
	t.Helper()
	authority, roots := newAuthority(t, "upstream CA")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %d", r.Proto, r.TLS.ServerName, r.URL.Path, len(body))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{*mint(t, authority, name, "127.0.0.1")}}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), roots
}

// client is an HTTPS client that calls whatever it is asked for at the proxy.
func (p secured) client(t testing.TB, http2 bool) *http.Client {
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: p.roots},
		ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.Addr())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: generous}
}

// dial shakes hands with the proxy.
func (p secured) dial(t testing.TB, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	config = config.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.RootCAs == nil {
		config.RootCAs = p.roots
	}
	if config.ServerName == "" {
		config.ServerName = "shop.test"
	}
	c := tls.Client(dialRaw(t, p.Addr()), config)
	return c, c.Handshake()
}

// What a client offers is what the upstream is offered, and the name that it asks for is
// the one that both certificates are for: HTTP/2 stays HTTP/2.
func TestTLSKeepsProtocolAndName(t *testing.T) {
	upstream, roots := startHTTPS(t, "shop.test")
	for _, protocol := range []string{"auto", "http", "tcp", "tls"} {
		for _, http2 := range []bool{false, true} {
			p := startSecure(t, protocol, upstream, TLS{Roots: roots})
			client := oneConnection(t, p.client(t, http2), "https", "shop.test:443")
			want := "HTTP/1.1 shop.test /cart 0"
			if http2 {
				want = "HTTP/2.0 shop.test /cart 0"
			}
			for range 3 {
				if code, body := get(t, client, "https://shop.test/cart"); code != 200 || body != want {
					t.Fatalf("%s: got %d %q, want %q", protocol, code, body, want)
				}
			}
			if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
				t.Errorf("%s: %d connections for requests in turn, want 1", protocol, n)
			}
		}
	}
}

// Faults of requests act inside, with the engines that there are for what is not encrypted.
func TestTLSFaultsOfRequests(t *testing.T) {
	upstream, roots := startHTTPS(t, "shop.test")
	for _, http2 := range []bool{false, true} {
		p := startSecure(t, "auto", upstream, TLS{Roots: roots})
		client := oneConnection(t, p.client(t, http2), "https", "shop.test:443")
		get(t, client, "https://shop.test/")
		a := apply(t, p.Proxy, "e", "http_error", map[string]any{"codes": 503, "match": map[string]any{"path": "/cart"}})
		late := apply(t, p.Proxy, "l", "latency", map[string]any{"delay": "30ms"})
		began := time.Now()
		if code, _ := get(t, client, "https://shop.test/cart"); code != 503 {
			t.Errorf("http2 %v: got %d, want 503", http2, code)
		}
		if code, _ := get(t, client, "https://shop.test/other"); code != 200 {
			t.Errorf("http2 %v: another path got %d", http2, code)
		}
		if took := time.Since(began); took < 60*time.Millisecond {
			t.Errorf("http2 %v: two requests of 30ms took %v", http2, took)
		}
		if s := a.Remove(); s.Seen != 1 || s.Hit != 1 || s.Inapplicable != 0 {
			t.Errorf("http2 %v: counted %+v", http2, s)
		}
		if s := late.Remove(); s.Hit != 2 {
			t.Errorf("http2 %v: latency counted %+v", http2, s)
		}
		if code, _ := get(t, client, "https://shop.test/cart"); code != 200 {
			t.Errorf("http2 %v: after the fault %d", http2, code)
		}
		if n := p.Window(windowSeconds * time.Second).Connections; n != 1 {
			t.Errorf("http2 %v: %d connections, want 1", http2, n)
		}
	}
}

// A large body passes whole both ways, and a client that ends its side gets its answer.
func TestTLSCarriesBytes(t *testing.T) {
	upstream, roots := startHTTPS(t, "shop.test")
	p := startSecure(t, "auto", upstream, TLS{Roots: roots})
	for _, http2 := range []bool{false, true} {
		resp, err := p.client(t, http2).Post("https://shop.test/", "text/plain", bytes.NewReader(make([]byte, 5<<20)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasSuffix(string(body), " 5242880") {
			t.Errorf("got %q, %v", body, err)
		}
	}

	plain := startTCP(t, echo)
	p = startSecure(t, "auto", plain, TLS{Plain: true})
	c, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := bytes.Repeat([]byte("\x00starquake"), 300_000)
	go func() {
		_, _ = c.Write(sent) // what is lost is missed below
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("of %d bytes %d came back, %v", len(sent), len(got), err)
	}
}

// What the upstream has cut short does not end as if it were whole.
func TestTLSCutShort(t *testing.T) {
	authority, roots := newAuthority(t, "upstream CA")
	cert := mint(t, authority, "shop.test")
	for _, whole := range []bool{true, false} {
		upstream := startTCP(t, func(c net.Conn) {
			s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}})
			if _, err := io.WriteString(s, "some of it"); err == nil && whole {
				_ = s.CloseWrite()
			}
		})
		p := startSecure(t, "tcp", upstream, TLS{Roots: roots})
		var sent bytes.Buffer
		raw := dialRaw(t, p.Addr())
		// In TLS 1.2 one can see which records are alerts.
		c := tls.Client(recording{raw, &sent}, &tls.Config{RootCAs: p.roots, ServerName: "shop.test", MaxVersion: tls.VersionTLS12})
		if got, err := io.ReadAll(c); err != nil || string(got) != "some of it" {
			t.Fatalf("got %q, %v", got, err)
		}
		last := byte(0)
		for b := sent.Bytes(); len(b) >= 5; {
			last = b[0]
			b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
		}
		if alert := last == 21; alert != whole {
			t.Errorf("whole %v: the last record is of type %d", whole, last)
		}
		c.Close()
	}
}

// recording keeps what is read.
type recording struct {
	net.Conn
	to io.Writer
}

func (r recording) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	_, _ = r.to.Write(b[:n])
	return n, err
}

// A server that speaks first is heard, inside too.
func TestTLSServerSpeaksFirst(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 ready\r\n"); echo(c) }), TLS{Plain: true})
	c, err := p.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	readFull(t, c, "220 ready\r\n")
	send(t, c, "EHLO\r\n")
	readFull(t, c, "EHLO\r\n")
}

// An upstream that shows a certificate that is not trusted is as one that is not there,
// unless any is trusted or another name is asked for; a certificate of ours is shown.
func TestTLSUpstreamVerification(t *testing.T) {
	upstream, roots := startHTTPS(t, "shop.test")
	_, strangers := newAuthority(t, "strangers")
	mine, minePool := newAuthority(t, "clients")
	asks := startMutual(t, minePool)
	for _, test := range []struct {
		name, upstream string
		config         TLS
		asked          string
		code           int
		text           string
	}{
		{"trusted", upstream, TLS{Roots: roots}, "shop.test", 200, "shop.test"},
		{"of a stranger", upstream, TLS{Roots: strangers}, "shop.test", 502, "certificate signed by unknown authority"},
		{"of the system", upstream, TLS{}, "shop.test", 502, "failed to verify certificate"},
		{"of another name", upstream, TLS{Roots: roots}, "other.test", 502, "not other.test"},
		{"server name", upstream, TLS{Roots: roots, ServerName: "shop.test"}, "other.test", 200, "shop.test"},
		{"insecure", upstream, TLS{Insecure: true}, "other.test", 200, "other.test"},
		{"ours", asks, TLS{Insecure: true, ClientCertificate: mint(t, mine, "me.test")}, "shop.test", 200, "me.test"},
		{"no upstream", "127.0.0.1:1", TLS{}, "shop.test", 502, "refused"},
		{"no TLS upstream", startTCP(t, func(c net.Conn) { _, _ = io.WriteString(c, "HELLO WORLD") }), TLS{}, "shop.test", 502, "does not look like a TLS handshake"},
	} {
		p := startSecure(t, "auto", test.upstream, test.config)
		if code, body := get(t, p.client(t, false), "https://"+test.asked+"/"); code != test.code || !strings.Contains(body, test.text) {
			t.Errorf("%s: got %d %q, want %d and %q", test.name, code, body, test.code, test.text)
		}
	}
}

// startMutual opens an HTTPS server that wants certificates of clients and tells whose
// they are.
func startMutual(t *testing.T, clients *x509.CertPool) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.PeerCertificates[0].DNSNames)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, ClientCAs: clients}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// The certificates that are made are for the name that is asked for, or for the address.
func TestTLSMints(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true})
	for _, name := range []string{"a.test", "b.test", "127.0.0.1"} {
		c, err := p.dial(t, &tls.Config{ServerName: name})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.Close()
	}
	c, err := p.dial(t, &tls.Config{ServerName: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	leaf := c.ConnectionState().PeerCertificates[0]
	if life := time.Until(leaf.NotAfter); life > 25*time.Hour || !slices.Equal(leaf.DNSNames, []string{"a.test"}) {
		t.Errorf("a leaf lives %v, for %v", life, leaf.DNSNames)
	}
	given := mint(t, p.config.TLS.Authority, "given.test")
	q := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true, Certificate: given})
	c, err = q.dial(t, &tls.Config{ServerName: "given.test", RootCAs: p.roots})
	if err != nil {
		t.Fatal(err)
	}
	if leaf := c.ConnectionState().PeerCertificates[0]; !leaf.Equal(given.Leaf) {
		t.Errorf("shown is another certificate than the one given: %v", leaf.DNSNames)
	}
}

// What a client of crypto/tls sees of each tls_fault; with a certificate that was given,
// too. Afterwards the next handshake is good, and a connection that is open never notices.
func TestTLSFault(t *testing.T) {
	for _, own := range []bool{true, false} {
		config := TLS{Plain: true}
		var pool *x509.CertPool
		if !own {
			authority, trusted := newAuthority(t, "the company's CA")
			config.Certificate, pool = mint(t, authority, "shop.test"), trusted
		}
		p := startSecure(t, "auto", startTCP(t, echo), config)
		client := &tls.Config{RootCAs: pool, ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		for kind, want := range map[string]string{
			"expired":       "certificate has expired or is not yet valid: current time",
			"not_yet_valid": "is before",
			"wrong_host":    "certificate is valid for wrong-host.invalid, not shop.test",
			"self_signed":   "certificate signed by unknown authority",
			"alert":         "remote error: tls: handshake failure",
			"old_version":   "server selected unsupported protocol version 301",
		} {
			open, err := p.dial(t, client)
			if err != nil {
				t.Fatal(err)
			}
			send(t, open, "a") // and its session may be resumed
			readFull(t, open, "a")

			a := apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": kind})
			for range 2 {
				if _, err := p.dial(t, client); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: the handshake ended with %v, want %q", kind, err, want)
				}
			}
			if kind != "alert" && kind != "old_version" {
				anyone := &tls.Config{InsecureSkipVerify: true}
				c, err := p.dial(t, anyone)
				if err != nil {
					t.Fatalf("%s: a client that does not look: %v", kind, err)
				}
				send(t, c, "b")
				readFull(t, c, "b")
			}
			send(t, open, "c")
			readFull(t, open, "c")
			s := a.Remove()
			want := uint64(3)
			if kind == "alert" || kind == "old_version" {
				want = 2
			}
			if s.Seen != want || s.Hit != want || s.Inapplicable != 0 {
				t.Errorf("%s: counted %+v, want %d", kind, s, want)
			}
			if _, err := p.dial(t, client); err != nil {
				t.Errorf("%s: after the fault: %v", kind, err)
			}
			open.Close()
		}
	}
}

// Who still speaks TLS 1.0 is spoken to in it.
func TestTLSFaultOldVersionSpeaks(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true})
	apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": "old_version"})
	c, err := p.dial(t, &tls.Config{MinVersion: tls.VersionTLS10})
	if err != nil {
		t.Fatal(err)
	}
	if v := c.ConnectionState().Version; v != tls.VersionTLS10 {
		t.Errorf("they speak %s", tls.VersionName(v))
	}
	send(t, c, "a")
	readFull(t, c, "a")
}

// A handshake that stalls goes on when the fault is gone, and is given up with its client.
func TestTLSFaultStall(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true})
	a := apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": "stall"})
	raw := dialRaw(t, p.Addr())
	c := tls.Client(raw, &tls.Config{RootCAs: p.roots, ServerName: "shop.test"})
	done := make(chan error, 1)
	go func() { done <- c.Handshake() }()
	eventually(t, "the handshake meets the fault", func() bool { return a.Stats().Hit == 1 })
	select {
	case err := <-done:
		t.Fatalf("a stalled handshake has ended: %v", err)
	default:
	}
	apply(t, p.Proxy, "other", "reset", map[string]any{"probability": 0}).Remove() // readers are woken
	a.Remove()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	send(t, c, "a")
	readFull(t, c, "a")
	c.Close()

	a = apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": "stall"})
	gone := dialRaw(t, p.Addr())
	go func() { done <- tls.Client(gone, &tls.Config{ServerName: "shop.test"}).Handshake() }()
	eventually(t, "the handshake meets the fault", func() bool { return a.Stats().Hit == 1 })
	gone.Close()
	<-done
	eventually(t, "the client that has left is forgotten", func() bool { return p.ActiveConns() == 0 })
}

// Draws fall once for each connection, by the seed; match asks for source and name.
func TestTLSFaultDraws(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true})
	a := apply(t, p.Proxy, "half", "tls_fault", map[string]any{"kind": "alert", "probability": 0.5})
	first := apply(t, p.Proxy, "first", "tls_fault", map[string]any{"kind": "wrong_host", "match": map[string]any{"host": "a.test", "first": 2}})
	none := apply(t, p.Proxy, "none", "tls_fault", map[string]any{"kind": "alert", "match": map[string]any{"source": []any{"10.0.0.0/8"}}})
	failed := map[bool]int{}
	for i := range 60 {
		name := "b.test"
		if i%2 == 0 {
			name = "a.test"
		}
		c, err := p.dial(t, &tls.Config{ServerName: name})
		if failed[err != nil]++; err == nil {
			c.Close()
		}
	}
	s := a.Stats()
	if s.Seen != 60 || s.Hit < 15 || s.Hit > 45 {
		t.Errorf("one in two: %+v", s)
	}
	if f := first.Stats(); f.Hit != 2 || f.Seen >= 60-s.Hit {
		t.Errorf("the first two of a.test that the other has let through: %+v", f)
	}
	if n := none.Stats(); n.Seen != 0 {
		t.Errorf("a handshake from elsewhere: %+v", n)
	}
	if failed[true] != int(s.Hit)+2 {
		t.Errorf("%d handshakes have failed, and the faults have hit %d and 2", failed[true], s.Hit)
	}
	if _, err := chaos.New("tls_fault", map[string]any{"kind": "alert", "match": map[string]any{"path": "/a"}}); err == nil || !strings.Contains(err.Error(), "a handshake has no request yet") {
		t.Errorf("a path of a handshake: %v", err)
	}
}

// A target that does not terminate TLS refuses tls_fault, and passes TLS through: faults
// of connections act, those of requests cannot.
func TestTLSPassesThrough(t *testing.T) {
	upstream, roots := startHTTPS(t, "shop.test")
	p := secured{startProxy(t, "auto", upstream), roots}
	if err := p.Supports("tls_fault"); err == nil || !strings.Contains(err.Error(), "acts on targets that terminate TLS, and this one does not") {
		t.Errorf("tls_fault on a target that passes TLS through: %v", err)
	}
	if _, err := p.Apply(mustFault(t, "tls_fault", map[string]any{"kind": "alert"}), "f", 1); err == nil {
		t.Error("tls_fault was put on")
	}
	e := apply(t, p.Proxy, "e", "http_error", map[string]any{"codes": 503})
	l := apply(t, p.Proxy, "l", "latency", map[string]any{"delay": "10ms"})
	if code, body := get(t, p.client(t, true), "https://shop.test/"); code != 200 || !strings.HasPrefix(body, "HTTP/2.0 shop.test") {
		t.Errorf("got %d %q", code, body)
	}
	if s := e.Stats(); s.Inapplicable != 1 || s.Hit != 0 {
		t.Errorf("http_error: %+v", s)
	}
	if s := l.Stats(); s.Hit != 1 || s.Delayed == 0 {
		t.Errorf("latency: %+v", s)
	}
}

// Faults of connections act on the connection below TLS.
func TestTLSFaultsOfConnections(t *testing.T) {
	p := startSecure(t, "tcp", startTCP(t, echo), TLS{Plain: true})
	dial := func() *tls.Conn {
		t.Helper()
		c, err := p.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, "a")
		readFull(t, c, "a")
		return c
	}
	one := make([]byte, 1)
	c := dial()
	a := apply(t, p.Proxy, "f", "reset", map[string]any{})
	if _, err := c.Read(one); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	a.Remove()
	c = dial()
	a = apply(t, p.Proxy, "f", "timeout", map[string]any{"after": "5ms"})
	if _, err := c.Read(one); err != io.EOF {
		t.Errorf("timeout: %v", err)
	}
	a.Remove()
	c = dial()
	a = apply(t, p.Proxy, "f", "blackhole", map[string]any{})
	send(t, c, "b")
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if _, err := c.Read(one); !isTimeout(err) {
		t.Errorf("blackhole: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(generous))
	a.Remove()
	readFull(t, c, "b")
	a = apply(t, p.Proxy, "f", "corrupt", map[string]any{"kind": "bit_flip"})
	send(t, c, strings.Repeat("c", 1000))
	got := make([]byte, 1000)
	if _, err := io.ReadFull(c, got); err != nil || string(got) == strings.Repeat("c", 1000) {
		t.Errorf("corrupt: %v", err)
	}
	a.Remove()
	a = apply(t, p.Proxy, "f", "max_connections", map[string]any{"n": 1})
	// The reset may come before the client knows that it has connected.
	if second, err := tls.Dial("tcp", p.Addr(), &tls.Config{RootCAs: p.roots, ServerName: "shop.test"}); err == nil {
		second.Close()
		t.Error("max_connections: a second connection came to be")
	}
	a.Remove()
	apply(t, p.Proxy, "f", "limit_data", map[string]any{"bytes": 10})
	d := dial()
	send(t, d, strings.Repeat("d", 100))
	if got, err := io.ReadAll(d); err != nil || len(got) > 9 {
		t.Errorf("limit_data: %d bytes, %v", len(got), err)
	}
}

// A fault that lets nothing of all connections pass acts on a handshake too: who hangs has
// not been answered at all. One that hits some, or asks about requests, waits for what comes inside.
func TestTLSHandshakeHangs(t *testing.T) {
	for _, protocol := range []string{"tcp", "auto", "http"} {
		p := startSecure(t, protocol, startTCP(t, echo), TLS{Plain: true})
		shake := func() (*tls.Conn, <-chan error) {
			c := tls.Client(dialRaw(t, p.Addr()), &tls.Config{RootCAs: p.roots, ServerName: "shop.test"})
			done := make(chan error, 1)
			go func() { done <- c.Handshake() }()
			return c, done
		}
		for _, kind := range []string{"blackhole", "partition"} {
			open, done := shake()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			a := apply(t, p.Proxy, "f", kind, map[string]any{"open_connections": "keep"})
			held, done := shake()
			eventually(t, kind+" hits the handshake", func() bool { return a.Stats().Hit == 1 })
			select {
			case err := <-done:
				t.Errorf("%s %s: the handshake has ended: %v", protocol, kind, err)
			case <-time.After(20 * time.Millisecond):
			}
			if protocol == "tcp" {
				ping(t, open)
			}
			if s := a.Remove(); s.Seen != 1 || s.Hit != 1 {
				t.Errorf("%s %s: %+v", protocol, kind, s)
			}
			if err := <-done; err != nil {
				t.Errorf("%s %s: after the fault: %v", protocol, kind, err)
			}
			open.Close()
			held.Close()
		}
		eventually(t, "nobody is left", func() bool { return p.ActiveConns() == 0 })
		a := apply(t, p.Proxy, "f", "timeout", map[string]any{"after": "20ms"})
		if _, done := shake(); !errors.Is(<-done, io.EOF) {
			t.Errorf("%s: a handshake under timeout did not end with EOF", protocol)
		}
		if s := a.Remove(); s.Seen != 1 || s.Hit != 1 {
			t.Errorf("%s timeout: %+v", protocol, s)
		}
		for kind, args := range map[string]map[string]any{
			"blackhole": {"probability": 0.5}, "partition": {"match": map[string]any{"first": 1}}, "timeout": {"after": "1m", "match": map[string]any{"source": []any{"10.0.0.0/8"}}}, "reset": {"after": "1m"},
		} {
			a := apply(t, p.Proxy, "f", kind, args)
			if _, done := shake(); <-done != nil {
				t.Errorf("%s: the handshake has met %s %v", protocol, kind, args)
			}
			a.Remove()
		}
	}
}

// gRPC inside TLS: its faults, and what a client sees of a handshake that fails.
func TestTLSCarriesGRPC(t *testing.T) {
	authority, roots := newAuthority(t, "upstream CA")
	addr, _ := h2test.StartGRPC(t, &h2test.Service{}, grpc.Creds(credentials.NewServerTLSFromCert(mint(t, authority, "shop.test"))))
	p := startSecure(t, "grpc", addr, TLS{Roots: roots})
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	dial := func() *grpc.ClientConn {
		c, err := grpc.NewClient("passthrough:///"+p.Addr(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(p.roots, "shop.test")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	if got, err := h2test.Unary(ctx, c, "hello"); err != nil || got != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	s := h2test.Bidi(ctx, t, c)
	h2test.Send(t, s, "one")
	h2test.Receive(t, s)
	a := apply(t, p.Proxy, "f", "grpc_error", map[string]any{"codes": "RESOURCE_EXHAUSTED"})
	if _, err := h2test.Unary(ctx, c, "hello"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("grpc_error: %v", err)
	}
	if s := a.Remove(); s.Hit != 1 {
		t.Errorf("grpc_error counted %+v", s)
	}
	for kind, want := range map[string]string{
		"expired": "certificate has expired", "wrong_host": "certificate is valid for wrong-host.invalid", "self_signed": "unknown authority", "alert": "handshake failure",
	} {
		a := apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": kind})
		_, err := h2test.Unary(ctx, dial(), "hello")
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", kind, err, want)
		}
		if got, err := h2test.Unary(ctx, c, "still"); err != nil || got != "still" {
			t.Errorf("%s: on a connection that is open: %q, %v", kind, got, err)
		}
		a.Remove()
		if _, err := h2test.Unary(ctx, dial(), "hello"); err != nil {
			t.Errorf("after %s: %v", kind, err)
		}
	}
	h2test.Send(t, s, "two")
	h2test.Receive(t, s)
}

// gRPC whose upstream does not speak TLS.
func TestTLSOverPlainGRPC(t *testing.T) {
	addr, _ := h2test.StartGRPC(t, &h2test.Service{})
	p := startSecure(t, "auto", addr, TLS{Plain: true})
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	c, err := grpc.NewClient("passthrough:///"+p.Addr(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(p.roots, "shop.test")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := h2test.Unary(ctx, c, "hello"); err != nil || got != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// WebSocket inside TLS, whose messages meet faults.
func TestTLSCarriesWebSocket(t *testing.T) {
	p := startSecure(t, "auto", startSocketEcho(t, websocket.CompressionContextTakeover), TLS{Plain: true})
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://shop.test/room", &websocket.DialOptions{HTTPClient: p.client(t, false), CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say(t, ctx, c, "one")
	hear(t, ctx, c, "one")
	apply(t, p.Proxy, "f", "ws_close", map[string]any{"codes": 1011})
	say(t, ctx, c, "two")
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 1011 {
		t.Errorf("ws_close: %v", err)
	}
}

// What curl says, which is OpenSSL or what else it was built with.
func TestTLSFaultForCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl here")
	}
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "fine") })
	p := startSecure(t, "auto", upstream, TLS{Plain: true})
	_, port, _ := net.SplitHostPort(p.Addr())
	ca := t.TempDir() + "/ca.pem"
	writeCertificate(t, ca, p.config.TLS.Authority.Certificate())
	call := func(more ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), curl, append(more, "-sS", "--cacert", ca, "--resolve", "shop.test:"+port+":127.0.0.1", "https://shop.test:"+port+"/")...)
		cmd.Env = []string{"LC_ALL=C"} // without the proxies and settings of whoever runs this
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := call(); code != 0 || out != "fine" {
		t.Fatalf("without a fault: exit %d, %s", code, out)
	}
	// The codes of `man curl`: 35 a handshake that fails, 60 a certificate, 28 time is up.
	for kind, want := range map[string]int{"expired": 60, "not_yet_valid": 60, "wrong_host": 60, "self_signed": 60, "alert": 35, "old_version": 35, "stall": 28} {
		a := apply(t, p.Proxy, "f", "tls_fault", map[string]any{"kind": kind})
		limit := "120"
		if kind == "stall" {
			limit = "0.5"
		}
		if out, code := call("--max-time", limit); code != want {
			t.Errorf("%s: exit %d, want %d: %s", kind, code, want, out)
		}
		a.Remove()
	}
	if out, code := call(); code != 0 || out != "fine" {
		t.Errorf("after the faults: exit %d, %s", code, out)
	}
}

// What is no TLS is refused in a way that its client understands.
func TestTLSRefusesOthers(t *testing.T) {
	p := startSecure(t, "auto", startTCP(t, echo), TLS{Plain: true})
	for text, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":    "400 Bad Request",
		"SSH-2.0-OpenSSH_9.9\r\n":              "",
		"\x16\x03\x01\xff\xff garbage":         "\x15", // an alert
		"\x16\x03\x01\x00\x05hello":            "\x15",
		"\x16\x03\x01\x00\x04\x01\xff\xff\xff": "", // a hello of 16 MiB
	} {
		c := dialRaw(t, p.Addr())
		send(t, c, text)
		c.CloseWrite()
		got, err := io.ReadAll(c)
		if !strings.Contains(string(got), want) || want == "" && len(got) > 7 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%.20q: got %q, %v; want %q", text, got, err, want)
		}
		c.Close()
	}
	eventually(t, "nobody is left", func() bool { return p.ActiveConns() == 0 })
	if c, err := p.dial(t, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	} else {
		c.Close()
	}
}

// Handshakes that end anywhere leave nothing behind: no goroutine, no descriptor, and no
// memory that grows with them.
func TestTLSDroppedHandshakesLeakNothing(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	hellos := make(chan []byte, 1)
	record := startTCP(t, func(c net.Conn) {
		b := make([]byte, 4096)
		k, _ := c.Read(b)
		hellos <- b[:k]
	})
	c := tls.Client(dialRaw(t, record), &tls.Config{ServerName: "shop.test", NextProtos: []string{"h2", "http/1.1"}})
	_ = c.Handshake() // it is not answered
	hello := <-hellos
	upstream, roots := startHTTPS(t, "shop.test")
	p := startSecure(t, "auto", upstream, TLS{Roots: roots})
	drop := func(n int) {
		for i := range n {
			c, err := net.Dial("tcp", p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(hello[:len(hello)*(i%11)/10]); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			c.Close()
		}
		eventually(t, "nobody is left", func() bool { return p.ActiveConns() == 0 })
	}
	drop(n / 10)
	before, files := heap(), descriptors(t)
	drop(n)
	// The upstream, which is in this process, learns of it a little later.
	eventually(t, "descriptors are what they were", func() bool { return descriptors(t) <= files+20 })
	// A handshake takes some 20 KB. What has a finalizer is free a collection later.
	eventually(t, "the memory is what it was", func() bool {
		left := heap() - before
		t.Logf("%d handshakes have left %d KB", n, left>>10)
		return left <= int64(n)*2000+1<<20
	})
}

// A connection that ends as its handshake does is over for both who serve it, or for
// neither: HTTP/2 is handed from the one to the other, who would wait for it for ever.
func TestTLSEndsWithItsHandshake(t *testing.T) {
	p := startSecure(t, "auto", "127.0.0.1:1", TLS{Plain: true})
	for _, before := range []bool{true, false} {
		near, far := net.Pipe()
		defer far.Close()
		c := &conn{p: p.Proxy, client: pipeSide{near}, hello: new(clientHello), cancel: func() {}}
		c.cond.L = &c.mu
		if before {
			c.cut()
		}
		goesOn := c.secure()
		c.cut()
		if link := c.awaitSecured(); goesOn == before || link != goesOn {
			t.Errorf("cut before: %t; the client's goroutine goes on: %t, the link's: %t", before, goesOn, link)
		}
	}
}

// pipeSide is a side that is no socket.
type pipeSide struct{ net.Conn }

func (pipeSide) CloseWrite() error   { return nil }
func (pipeSide) SetLinger(int) error { return nil }

func heap() int64 {
	runtime.GC()
	runtime.GC() // what was pooled
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// descriptors counts what is open, where that can be known.
func descriptors(t testing.TB) int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(files)
}

func writeCertificate(t testing.TB, path string, cert *x509.Certificate) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
}
