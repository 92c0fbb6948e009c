package app_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.starlark.net/syntax"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	grpcstatus "google.golang.org/grpc/status"

	"starquake/app"
	"starquake/builtins"
	"starquake/dsl"
	"starquake/internal/dnstest"
	"starquake/runtime/journal"
)

// parametersScript gives every parameter of what looks and of load to real servers, and
// checks what each does. A second argument of error(…) is what its message must have.
const parametersScript = `
url, tls_url, ca = param("url"), param("tls_url"), param("ca")
rpc, rpc_tls, names, silent, nobody = param("rpc"), param("rpc_tls"), param("names"), param("silent"), param("nobody")
HEALTH = "grpc.health.v1.Health/Check"
LONG = "1m"   # for a busy machine

def error(what, got, expected):
    check(what, str(got.error), matches = expected)

def fails(what, fn, expected):
    r = attempt(fn)
    check(what, not r.ok and expected in str(r.error), detail = str(r.error))

def requests():
    r = http.request("PUT", url + "/echo", headers = {"X-A": "one"}, body = "b", timeout = LONG)
    check("method, headers, body", r.text, equals = "PUT one  b")
    check("ok", r.ok)
    for name, send in {"POST": http.post, "PUT": http.put, "PATCH": http.patch, "DELETE": http.delete, "GET": http.get}.items():
        check("json of " + name, send(url + "/echo", headers = {"X-A": "two"}, json = {"n": 1}, timeout = LONG).text, equals = name + " two application/json {\"n\":1}")
        check("body of " + name, send(url + "/echo", body = "b", timeout = LONG).text, equals = name + "   b")
    for send in [http.get, http.post, http.put, http.patch, http.delete, http.head]:
        fails("expect", lambda: send(url + "/503", timeout = LONG), "503")
        check("expect = any", send(url + "/503", expect = "any", timeout = LONG).ok, equals = False)
        check("expect = a list", send(url + "/503", expect = [503], timeout = LONG).status, equals = 503)
        check("follow", send(url + "/there", timeout = LONG).status, equals = 200)
        check("do not follow", send(url + "/there", follow = False, timeout = LONG).status, equals = 302)
        error("timeout", send(url + "/never", timeout = "50ms", expect = "any"), "timeout|within 50ms")
        error("an unknown authority", send(tls_url, expect = "any", timeout = LONG), "tls|certificate")
        check("ca", send(tls_url + "/", ca = ca, timeout = LONG).ok)
        check("server_name", send(tls_url + "/", ca = ca, server_name = "example.com", timeout = LONG).ok)
        error("another server_name", send(tls_url, ca = ca, server_name = "other.test", expect = "any", timeout = LONG), "other.test")
        check("insecure", send(tls_url + "/", insecure = True, timeout = LONG).ok)
    r = http.request("GET", url + "/there", follow = False, json = {}, timeout = LONG)
    check("request does not follow", r.status, equals = 302)
    check("request over TLS", http.request("GET", tls_url, ca = ca, server_name = "example.com", expect = 200, timeout = LONG).ok)
    check("request, insecure", http.request("GET", tls_url, insecure = True, timeout = LONG).ok)
    check("head with headers", http.head(url + "/echo", headers = {"X-A": "h"}, body = "b", timeout = LONG).status, equals = 200)
    check("head with json", http.head(url + "/echo", json = {}, timeout = LONG).ok)

def others():
    check("tcp", tcp.connect(rpc, timeout = LONG).ok)
    fails("tcp to nobody", lambda: tcp.connect(nobody, timeout = LONG), "refused")
    check("tcp closed", tcp.connect(nobody, expect = "closed", timeout = LONG).code, equals = "refused")
    check("dns", dns.lookup("shop.test", server = names, timeout = LONG).records, equals = ["192.0.2.9"])
    check("dns type", dns.lookup("shop.test", type = "TXT", server = names, timeout = LONG).records, equals = ["hello"])
    check("dns missing", dns.lookup("none.test", server = names, expect = "missing", timeout = LONG).code, equals = "NXDOMAIN")
    error("dns timeout", dns.lookup("never.test", server = names, expect = "any", timeout = "50ms"), "within|timeout")

    check("health", grpc.health(rpc, service = "shop", timeout = LONG).status, equals = "SERVING")
    check("not serving", grpc.health(rpc, service = "sick", expect = "NOT_SERVING", timeout = LONG).status, equals = "NOT_SERVING")
    fails("health expects", lambda: grpc.health(rpc, service = "sick", timeout = LONG), "NOT_SERVING")
    check("health metadata", grpc.health(rpc, metadata = {"refuse": "yes"}, expect = "any", timeout = LONG).code, equals = "PERMISSION_DENIED")
    error("health timeout", grpc.health(silent, timeout = "50ms", expect = "any"), "within|timeout")
    check("call", grpc.call(rpc, HEALTH, message = {"service": "shop"}, timeout = LONG).json(), equals = {"status": "SERVING"})
    check("call expects", grpc.call(rpc, HEALTH, message = {"service": "none"}, expect = ["OK", "NOT_FOUND"], timeout = LONG).code, equals = "NOT_FOUND")
    fails("call fails", lambda: grpc.call(rpc, HEALTH, message = {"service": "none"}, timeout = LONG), "NOT_FOUND")
    check("call metadata", grpc.call(rpc, HEALTH, metadata = {"refuse": "yes"}, expect = "any", timeout = LONG).code, equals = "PERMISSION_DENIED")
    error("call timeout", grpc.call(silent, HEALTH, timeout = "50ms", expect = "any"), "within|timeout")
    for name, ask in {"health": lambda **how: grpc.health(rpc_tls, **how), "call": lambda **how: grpc.call(rpc_tls, HEALTH, **how)}.items():
        error(name + ": an unknown authority", ask(tls = True, expect = "any", timeout = LONG), "tls|certificate")
        check(name + ": ca", ask(ca = ca, timeout = LONG).ok)
        check(name + ": server_name", ask(ca = ca, server_name = "example.com", timeout = LONG).ok)
        error(name + ": another server_name", ask(ca = ca, server_name = "other.test", expect = "any", timeout = LONG), "other.test")
        check(name + ": insecure", ask(insecure = True, timeout = LONG).ok)

    check("prometheus", prometheus.query("up", url = url, headers = {"X-A": "p"}, timeout = LONG).value, equals = 7)
    check("prometheus ca", prometheus.query("up", url = tls_url, headers = {"X-A": "p"}, ca = ca, server_name = "example.com", timeout = LONG).value, equals = 7)
    check("prometheus insecure", prometheus.query("up", url = tls_url, headers = {"X-A": "p"}, insecure = True, timeout = LONG).value, equals = 7)

def probes():
    fine = {
        "http": probe.http(url + "/echo", method = "POST", headers = {"X-A": "q"}, body = "z", status = [200, 204], contains = "POST q  z", below = LONG, timeout = LONG),
        "json": probe.http(url + "/json", json = {"a[0]": 1}, timeout = LONG),
        "ca": probe.http(tls_url, ca = ca, server_name = "example.com", timeout = LONG),
        "insecure": probe.http(tls_url, insecure = True, timeout = LONG),
        "tcp": probe.tcp(rpc, below = LONG, timeout = LONG),
        "dns": probe.dns("shop.test", type = "TXT", server = names, contains = "hello", below = LONG, timeout = LONG),
        "grpc": probe.grpc(rpc, service = "shop", below = LONG, timeout = LONG),
        "grpc ca": probe.grpc(rpc_tls, tls = True, ca = ca, server_name = "example.com", timeout = LONG),
        "grpc insecure": probe.grpc(rpc_tls, insecure = True, timeout = LONG),
        "prometheus": probe.prometheus("up", below = 8, above = 6, url = url, headers = {"X-A": "p"}, timeout = LONG),
        "prometheus ca": probe.prometheus("up", url = tls_url, headers = {"X-A": "p"}, ca = ca, server_name = "example.com", timeout = LONG),
        "prometheus insecure": probe.prometheus("up", url = tls_url, headers = {"X-A": "p"}, insecure = True, timeout = LONG),
    }
    for name, p in fine.items():
        r = observe(p)
        check("probe " + name, r.ok, detail = str(r.error))
    bad = [
        ("status", probe.http(url + "/503", timeout = LONG), "status 503"),
        ("contains", probe.http(url + "/json", contains = "nothing", timeout = LONG), "contain"),
        ("json", probe.http(url + "/json", json = {"a[0]": 2}, timeout = LONG), "expected 2"),
        ("below", probe.http(url + "/late", below = "1ms", timeout = LONG), "below 1ms"),
        ("timeout", probe.http(url + "/never", timeout = "50ms"), "timeout|within"),
        ("an unknown authority", probe.http(tls_url, timeout = LONG), "certificate"),
        ("another name", probe.http(tls_url, ca = ca, server_name = "other.test", timeout = LONG), "other.test"),
        ("a short body", probe.http(url + "/short", timeout = LONG), "eof|ended|EOF"),
        ("a body that dies", probe.http(url + "/dies", timeout = LONG), "reset|eof"),
        ("nobody", probe.tcp(nobody, timeout = LONG), "refused"),
        ("no such record", probe.dns("shop.test", server = names, contains = "192.0.2.1", timeout = LONG), "192.0.2.1"),
        ("dns timeout", probe.dns("never.test", server = names, timeout = "50ms"), "timeout|within"),
        ("not serving", probe.grpc(rpc, service = "sick", timeout = LONG), "NOT_SERVING"),
        ("metadata", probe.grpc(rpc, metadata = {"refuse": "yes"}, timeout = LONG), "PERMISSION_DENIED"),
        ("grpc without TLS", probe.grpc(rpc_tls, tls = True, timeout = LONG), "certificate"),
        ("grpc stalls", probe.grpc(silent, timeout = "50ms"), "timeout|within"),
        ("below of a query", probe.prometheus("up", below = 7, url = url, headers = {"X-A": "p"}, timeout = LONG), "below 7"),
        ("above of a query", probe.prometheus("up", above = 7, url = url, headers = {"X-A": "p"}, timeout = LONG), "above 7"),
        ("query stalls", probe.prometheus("up", url = "http://" + silent, timeout = "50ms"), "timeout|within"),
        ("query of a liar", probe.prometheus("up", url = url + "/short", timeout = LONG), "eof|ended|EOF"),
    ]
    for name, p, expected in bad:
        r = observe(p)
        check("probe fails: " + name, not r.ok)
        check("probe says: " + name, str(r.error), matches = expected)

# The rates are low: a machine that is busy is no limit for so few requests.
def loads():
    f = traffic.run(traffic.http(url + "/echo", 8, duration = "1s", method = "POST", headers = {"X-A": "l"}, body = "load", timeout = LONG, max_in_flight = 9))
    check("load", f.by_status, equals = {"200": 8})
    check("what load sends", http.get(url + "/last", timeout = LONG).text, equals = "POST l  load")
    traffic.run(traffic.http(url + "/echo", rate = 2, duration = "1s", json = {"n": 1}, timeout = LONG))
    check("json of load", http.get(url + "/last", timeout = LONG).text, equals = "GET  application/json {\"n\":1}")
    check("stages", traffic.run(traffic.http(url + "/", rate = [(4, "1s"), (ramp(2, 6, over = "1s"), "1s")], timeout = LONG)).requests, equals = 8)
    f = traffic.run(traffic.http(url + "/", rate = 8, duration = "1s", warmup = "500ms", timeout = LONG))
    check("warmup", f.requests, equals = 4)
    check("expect", traffic.run(traffic.http(url + "/503", rate = 4, duration = "1s", timeout = LONG)).errors, equals = 4)
    check("expect 503", traffic.run(traffic.http(url + "/503", rate = 4, duration = "1s", expect = 503, timeout = LONG)).errors, equals = 0)
    f = traffic.run(traffic.http(url + "/never", rate = 4, duration = "1s", timeout = "1s", max_in_flight = 1))
    check("max_in_flight", f.dropped, at_least = 1)
    check("timeout of load", f.by_status.get("timeout", 0), at_least = 1)
    f = traffic.run(traffic.http(url + "/503", rate = 2, duration = "1h", stop_when = ["error_rate > 50%"], timeout = LONG))
    check("stop_when", f.stopped_by, matches = "error_rate > 50%")
    for path in ["/short", "/dies"]:
        f = traffic.run(traffic.http(url + path, rate = 4, duration = "1s", timeout = LONG))
        check("load on " + path, (f.requests, f.errors), equals = (4, 4))
    f = traffic.run(traffic.http(url + "/stalls", rate = 4, duration = "1s", timeout = "200ms", max_in_flight = 9))
    check("load on a stall", f.by_status, equals = {"timeout": 4})

    f = traffic.run(traffic.grpc(rpc, HEALTH, 4, duration = "1s", message = {"service": "shop"}, timeout = LONG, max_in_flight = 9, warmup = "500ms"))
    check("grpc load", f.by_status, equals = {"OK": 2})
    f = traffic.run(traffic.grpc(rpc, HEALTH, rate = 4, duration = "1s", message = {"service": "none"}, timeout = LONG))
    check("grpc load fails", (f.errors, f.by_status), equals = (4, {"NOT_FOUND": 4}))
    f = traffic.run(traffic.grpc(rpc, HEALTH, rate = 4, duration = "1s", message = {"service": "none"}, expect = ["OK", "NOT_FOUND"], timeout = LONG))
    check("grpc load expects", f.errors, equals = 0)
    f = traffic.run(traffic.grpc(rpc, HEALTH, rate = 4, duration = "1s", metadata = {"refuse": "yes"}, timeout = LONG))
    check("grpc load metadata", f.by_status, equals = {"PERMISSION_DENIED": 4})
    f = traffic.run(traffic.grpc(rpc_tls, HEALTH, rate = 4, duration = "1s", tls = True, timeout = LONG))
    check("grpc load does not trust anybody", (f.requests, f.errors), equals = (4, 4))
    f = traffic.run(traffic.grpc(silent, HEALTH, rate = 4, duration = "1s", timeout = "200ms", max_in_flight = 9))
    check("grpc load on a stall", f.by_status, equals = {"DEADLINE_EXCEEDED": 4})
    f = traffic.run(traffic.grpc(rpc, HEALTH, rate = 2, duration = "1h", message = {"service": "none"}, stop_when = ["error_rate > 50%"], timeout = LONG))
    check("grpc stop_when", f.stopped_by, matches = "error_rate > 50%")

    going = traffic.start(traffic.http(url + "/503", rate = 2, duration = "1h", timeout = LONG))
    watched = traffic.http(url + "/503", rate = 2, duration = "1h", timeout = LONG)
    wait_until(lambda: going.window(last = "10s").errors > 0, timeout = LONG, every = "100ms")
    check("window of load", observe(probe.traffic(watched, "error_rate", below = 0.5, window = "10s")).ok, equals = False)
    check("above", observe(probe.traffic(watched, "errors", above = 0, window = "10s")).ok)
    check("errors of load that was stopped", going.stop().errors, at_least = 1)

def main():
    requests()
    others()
    probes()
    loads()
`

// TestParameters wants every parameter of what looks and of load to do what the
// reference says, against real servers: one that stalls, one that dies and one that lies
// of its length among them.
func TestParameters(t *testing.T) {
	plain, secure := httptest.NewServer(echo()), httptest.NewUnstartedServer(echo())
	secure.Config.ErrorLog, plain.Config.ErrorLog = log.New(io.Discard, "", 0), log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(func() {
		for _, s := range []*httptest.Server{plain, secure} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	params := map[string]string{
		"url": plain.URL, "tls_url": secure.URL, "ca": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})),
		"rpc": healthServer(t), "rpc_tls": healthServer(t, grpc.Creds(credentials.NewServerTLSFromCert(&secure.TLS.Certificates[0]))),
		"names": nameServer(t), "silent": silentServer(t), "nobody": nobody(t),
	}
	given := map[string]builtins.GivenParam{}
	for name, value := range params {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		given[name] = builtins.GivenParam{JSON: raw}
	}
	r := begin(t, parametersScript, app.RunOptions{Options: app.Options{Params: given, AllowLoad: []string{"127.0.0.1"}}})
	<-r.Done()
	res := finish(t, r, journal.VerdictPassed)
	for _, c := range res.View.Checks {
		if !c.OK {
			t.Errorf("%s: %s, expected %s %s", c.Name, c.Value, c.Limit, c.Detail)
		}
	}
	// A query without an answer is no failure that an attempt could hold: the run is errored.
	for query, says := range map[string]string{
		`prometheus.query("up", url = url, timeout = "1m")`:                             "prometheus",
		`prometheus.query("up", url = "http://" + silent, timeout = "50ms")`:            "50ms",
		`prometheus.query("up", url = tls_url, headers = {"X-A": "p"}, timeout = "1m")`: "certificate",
	} {
		r := begin(t, fmt.Sprintf(`
url, tls_url, silent = param("url"), param("tls_url"), param("silent")
def main():
    check("its error", str(attempt(lambda: %s).error), matches = %q)
`, query, says), app.RunOptions{Options: app.Options{Params: map[string]builtins.GivenParam{"url": given["url"], "tls_url": given["tls_url"], "silent": given["silent"]}}})
		res := finish(t, r, journal.VerdictErrored)
		if res.Outcome.Reason != "query_failed" || len(res.View.Checks) != 1 || !res.View.Checks[0].OK {
			t.Errorf("%s: %s, %s", query, res.Outcome.Reason, res.Outcome.Message)
		}
	}
}

// TestEveryParameterIsTried: no parameter of what looks or sends load is left out of
// TestParameters but those of a plan.
func TestEveryParameterIsTried(t *testing.T) {
	file, err := dsl.FileOptions().Parse("parameters.star", parametersScript, 0)
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string]map[string]bool{}
	// A name that stands for several builtins tries the keywords of a call for each.
	stands := map[string][]string{
		"send": {"http.get", "http.post", "http.put", "http.patch", "http.delete", "http.head"}, "ask": {"grpc.health", "grpc.call"},
	}
	sigs := map[string]*dsl.Signature{}
	for _, b := range builtins.Table() {
		sig, err := dsl.ParseSignature(b.Sig)
		if err != nil {
			t.Fatal(err)
		}
		sigs[sig.Name] = sig
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		var names []string
		switch fn := call.Fn.(type) {
		case *syntax.Ident:
			names = stands[fn.Name]
		case *syntax.DotExpr:
			if x, ok := fn.X.(*syntax.Ident); ok {
				names = []string{x.Name + "." + fn.Name.Name}
			}
		}
		for _, name := range names {
			if tried[name] == nil {
				tried[name] = map[string]bool{}
			}
			for i, arg := range call.Args {
				if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
					tried[name][b.X.(*syntax.Ident).Name] = true
				} else if sig := sigs[name]; sig != nil && i < len(sig.Params) {
					tried[name][sig.Params[i].Name] = true
				}
			}
		}
		return true
	})
	for name, sig := range sigs {
		family, rest, _ := strings.Cut(name, ".")
		if !slices.Contains([]string{"http", "tcp", "dns", "grpc", "prometheus", "traffic", "probe"}, family) || slices.Contains([]string{"exec", "all", "any"}, rest) {
			continue
		}
		for _, p := range sig.Params {
			if p.Name != "simulated" && !tried[name][p.Name] {
				t.Errorf("%s: nothing tries the parameter %s", name, p.Name)
			}
		}
	}
}

// echo answers what it was asked, and misbehaves at some paths.
func echo() http.Handler {
	var last string
	lock := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := strings.Join([]string{r.Method, r.Header.Get("X-A"), r.Header.Get("Content-Type"), string(body)}, " ")
		lock <- struct{}{}
		last = text
		<-lock
		fmt.Fprint(w, text)
	})
	mux.HandleFunc("/last", func(w http.ResponseWriter, _ *http.Request) {
		lock <- struct{}{}
		defer func() { <-lock }()
		fmt.Fprint(w, last)
	})
	mux.HandleFunc("/503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a": [1]}`) })
	mux.HandleFunc("/late", func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) })
	never := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	mux.HandleFunc("/never", never)
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) { // in its body
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		never(w, r)
	})
	ends := func(w http.ResponseWriter, linger int) { // says that more comes than does
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		if tcp, ok := conn.(*net.TCPConn); ok && linger == 0 {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) { ends(w, -1) })
	mux.HandleFunc("/short/", func(w http.ResponseWriter, _ *http.Request) { ends(w, -1) })
	mux.HandleFunc("/dies", func(w http.ResponseWriter, _ *http.Request) { ends(w, 0) })
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-A") != "p" {
			http.Error(w, "who are you", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7"]}]}}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	return mux
}

// healthServer is grpc-go's, with reflection. It refuses who says so in the metadata.
func healthServer(t *testing.T, opts ...grpc.ServerOption) string {
	t.Helper()
	s := grpc.NewServer(append(opts, grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("refuse")) > 0 {
			return nil, grpcstatus.Error(codes.PermissionDenied, "as you like")
		}
		return next(ctx, req)
	}))...)
	checks := health.NewServer()
	checks.SetServingStatus("shop", healthpb.HealthCheckResponse_SERVING)
	checks.SetServingStatus("sick", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(s, checks)
	reflection.Register(s)
	l := listenLocal(t)
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return l.Addr().String()
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// nobody is an address at which nobody listens, nor can until the test is over: a socket has
// it that does not.
func nobody(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(at.(*syscall.SockaddrInet4).Port))
}

// silentServer takes connections and says nothing.
func silentServer(t *testing.T) string {
	l := listenLocal(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
		}
		for _, conn := range conns {
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().String()
}

// nameServer knows one name, over UDP.
func nameServer(t *testing.T) string {
	t.Helper()
	return dnstest.Start(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		text := map[string]string{"shop.test. A": "shop.test. 60 IN A 192.0.2.9", "shop.test. TXT": `shop.test. 60 IN TXT "hello"`}[q.Question[0].Name+" "+dns.TypeToString[q.Question[0].Qtype]]
		switch rr, err := dns.NewRR(text); {
		case q.Question[0].Name == "never.test.":
			return
		case err == nil && rr != nil:
			m.Answer = append(m.Answer, rr)
		default:
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
}
