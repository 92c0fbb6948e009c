package effects

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"starquake/internal/dnstest"
	"starquake/internal/porttest"
)

// silent listens and says nothing; dying ends each connection once something came.
func silent(t *testing.T) string {
	return tcpServer(t, func(conn net.Conn) { buf := make([]byte, 1); _, _ = conn.Read(buf) }, true)
}
func dying(t *testing.T) string {
	return tcpServer(t, func(conn net.Conn) { buf := make([]byte, 1); _, _ = conn.Read(buf) }, false)
}

// tcpServer serves each connection by fn; with keep it stays open until the test's end.
func tcpServer(t *testing.T, fn func(net.Conn), keep bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done); _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fn(conn)
				if keep {
					<-done
				}
			}()
		}
	}()
	return l.Addr().String()
}

func TestTCP(t *testing.T) {
	e := newEffects(t, Policy{Network: []string{"127.0.0.1"}}, Options{})
	up := silent(t)
	if got := mustPerform[TCPAnswer](t, e, KindTCP, TCPArgs{Addr: up}); got.Error != nil || got.Address != up || got.Elapsed <= 0 {
		t.Errorf("an open port: %+v", got)
	}
	for addr, want := range map[string]string{
		porttest.Refused: CodeRefused, "169.254.169.254:80": CodeDenied, "10.1.2.3:80": CodeDenied, "nonsense": CodeInvalid, "127.0.0.1:0": CodeInvalid,
	} {
		if got := mustPerform[TCPAnswer](t, e, KindTCP, TCPArgs{Addr: addr}); codeIn(got.Error) != want {
			t.Errorf("%s: %v, want the code %s", addr, got.Error, want)
		}
	}
	if err := e.Check(KindTCP, json.RawMessage(`{"addr":"10.1.2.3:80"}`)); code(err) != CodeDenied {
		t.Errorf("checking a forbidden address: %v", err)
	}
}

// nameServer answers over UDP and TCP: one name with two addresses, one that does not
// fit a datagram, one that fails, and one that is never answered.
func nameServer(t *testing.T) string {
	t.Helper()
	return dnstest.Start(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		add := func(text string) {
			rr, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		_, tcp := w.RemoteAddr().(*net.TCPAddr)
		switch q.Question[0].Name {
		case "shop.test.":
			add("shop.test. 60 IN A 192.0.2.9")
			add("shop.test. 60 IN A 192.0.2.10")
		case "mail.test.":
			add("mail.test. 60 IN MX 10 mx.test.")
		case "text.test.":
			add(`text.test. 60 IN TXT "v=spf1 " "-all"`)
		case "big.test.":
			if m.Truncated = !tcp; tcp {
				add("big.test. 60 IN A 192.0.2.77")
			}
		case "broken.test.":
			m.Rcode = dns.RcodeServerFailure
		case "never.test.":
			return
		case "9.2.0.192.in-addr.arpa.":
			add("9.2.0.192.in-addr.arpa. 60 IN PTR shop.test.")
		default:
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
}

func TestDNS(t *testing.T) {
	server := nameServer(t)
	e := newEffects(t, Policy{Network: []string{"127.0.0.1"}}, Options{})
	for _, test := range []struct {
		name, kind, code, records, fails string
	}{
		{name: "shop.test", code: DNSFound, records: "192.0.2.10 192.0.2.9"},
		{name: "mail.test", kind: "MX", code: DNSFound, records: "10 mx.test."},
		{name: "text.test", kind: "TXT", code: DNSFound, records: "v=spf1 -all"},
		{name: "big.test", code: DNSFound, records: "192.0.2.77"},
		{name: "192.0.2.9", kind: "PTR", code: DNSFound, records: "shop.test."},
		{name: "gone.test", code: DNSMissing},
		{name: "broken.test", code: "SERVFAIL"},
		{name: "never.test", fails: CodeTimeout},
		{name: "shop.test", kind: "AXFR", fails: CodeInvalid},
		{name: "with blank", fails: CodeInvalid},
	} {
		args := DNSArgs{Name: test.name, Type: test.kind, Server: server, Timeout: soon}
		if test.fails == CodeTimeout {
			args.Timeout = 50 * time.Millisecond
		}
		got := mustPerform[DNSAnswer](t, e, KindDNS, args)
		if got.Code != test.code || strings.Join(got.Records, " ") != test.records || codeIn(got.Error) != test.fails {
			t.Errorf("%s %s: %+v %v", test.kind, test.name, got, got.Error)
		}
	}
	got := mustPerform[DNSAnswer](t, e, KindDNS, DNSArgs{Name: "shop.test", Server: "169.254.169.254"})
	if codeIn(got.Error) != CodeDenied {
		t.Errorf("a name server at a metadata address: %v", got.Error)
	}
	none := newEffects(t, Policy{Network: []string{"shop.test:443"}}, Options{})
	if err := none.Check(KindDNS, json.RawMessage(`{"name":"else.test"}`)); code(err) != CodeDenied {
		t.Errorf("a lookup where the network is closed: %v", err)
	}
	if err := none.Check(KindDNS, json.RawMessage(`{"name":"shop.test"}`)); err != nil {
		t.Errorf("a lookup of a name that is open on one port: %v", err)
	}
	if got := mustPerform[DNSAnswer](t, newEffects(t, open(), Options{}), KindDNS, DNSArgs{Name: "localhost"}); got.Code != DNSFound || got.Records[0] != "127.0.0.1" {
		t.Errorf("localhost by the system's resolver: %+v %v", got, got.Error)
	}
}

// TestCancelled cancels calls of every kind that wait for a silent server.
func TestCancelled(t *testing.T) {
	addr := silent(t)
	e := newEffects(t, open(), Options{})
	for kind, args := range map[string]any{
		KindGRPC:       GRPCArgs{Addr: addr, Method: GRPCHealth, Timeout: time.Hour},
		KindPrometheus: PrometheusArgs{URL: "http://" + addr, Query: "up", Timeout: time.Hour},
		KindDNS:        DNSArgs{Name: "never.test", Server: nameServer(t), Timeout: time.Hour},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		_, err := perform[json.RawMessage](t, ctx, e, kind, args)
		if code(err) != CodeStopped {
			t.Errorf("%s: %v, want the code stopped", kind, err)
		}
		timer.Stop()
		cancel()
	}
}

func TestHTTPTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	e := newEffects(t, open(), Options{})
	for _, test := range []struct {
		name string
		args *TLSArgs
		want string
	}{
		{"nothing said", nil, CodeTLS},
		{"its ca", &TLSArgs{CA: ca}, ""},
		{"its ca and name", &TLSArgs{CA: ca, ServerName: "example.com"}, ""},
		{"another name", &TLSArgs{CA: ca, ServerName: "other.test"}, CodeTLS},
		{"insecure", &TLSArgs{Insecure: true}, ""},
		{"no certificate", &TLSArgs{CA: "x"}, CodeInvalid},
	} {
		got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: s.URL, TLS: test.args})
		if codeIn(got.Error) != test.want {
			t.Errorf("%s: %v, want the code %q", test.name, got.Error, test.want)
		}
	}
}

// TestLiars has servers whose Content-Length is not what comes.
func TestLiars(t *testing.T) {
	lie := func(answer string) string {
		return "http://" + tcpServer(t, func(conn net.Conn) {
			buf := make([]byte, 4096)
			_, _ = conn.Read(buf)
			_, _ = conn.Write([]byte(answer))
		}, false)
	}
	e := newEffects(t, open(), Options{})
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort":                               CodeEOF,
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nshort":                                CodeFailed,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx":                  CodeFailed,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nxyz":              CodeFailed,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy and much more": "",
	} {
		url := lie(answer)
		got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url, Fresh: true})
		if c := codeIn(got.Error); c != want {
			t.Errorf("%q: %v, want the code %q", answer, got.Error, want)
		}
		prom := mustPerform[PrometheusAnswer](t, e, KindPrometheus, PrometheusArgs{URL: url, Query: "up"})
		if prom.Error == nil || len(prom.Samples) > 0 {
			t.Errorf("%q is an answer of Prometheus: %+v", answer, prom)
		}
	}
}
