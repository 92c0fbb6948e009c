package server_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// newToken makes a token as an operator does.
func newToken(t testing.TB, data, role string) string {
	t.Helper()
	out, err := exec.Command(program, "token", "new", "--name", "a-"+role, "--role", role, "--data", data).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// need is the least role for each operation. A new operation needs a row here: who may
// have it is decided by somebody, not by what happened to be written.
var need = map[string]string{
	"health": "", "ready": "",
	"whoami": "viewer", "metrics": "viewer",

	"list-orchestrations": "viewer", "get-orchestration": "viewer", "list-versions": "viewer",
	"validate-orchestration": "viewer", "plan-orchestration": "viewer",
	"import-orchestration": "operator", "put-orchestration": "operator", "delete-orchestration": "operator",

	"list-runs": "viewer", "get-run": "viewer", "get-run-status": "viewer", "get-events": "viewer", "download-journal": "viewer", "get-report": "viewer",
	"start-run": "operator", "pause-run": "operator", "resume-run": "operator", "skip-step": "operator", "stop-run": "operator",
	"approve-run": "operator", "reject-run": "operator",

	"list-targets": "viewer", "get-target": "viewer", "get-target-stats": "viewer",
	"add-target": "admin", "remove-target": "admin",

	"list-schedules": "viewer", "get-schedule": "viewer", "preview-schedule": "viewer",
	"put-schedule": "operator", "delete-schedule": "operator", "enable-schedule": "operator", "disable-schedule": "operator", "trigger-schedule": "operator",

	"list-scenarios": "viewer", "list-profiles": "viewer",

	"chaos-status": "viewer", "chaos-orchestration-status": "viewer", "chaos-export": "viewer",
	"chaos-scenarios": "viewer", "chaos-scenarios-predefined": "viewer", "chaos-profiles": "viewer",
	"chaos-import": "operator", "chaos-start": "operator", "chaos-stop": "operator",
	"chaos-pause": "operator", "chaos-resume": "operator", "chaos-skip": "operator",
}

// document reads the server's OpenAPI document.
func (l *lab) document(doc any) {
	l.t.Helper()
	resp, err := l.client.Get(l.url + "/api/v1/openapi.json")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(doc); err != nil {
		l.t.Fatal(err)
	}
}

// operations are all that the server's document has: "id METHOD path".
func (l *lab) operations() (all [][3]string) {
	var doc struct {
		Paths map[string]map[string]struct {
			ID   string `json:"operationId"`
			Role string `json:"x-role"`
		}
	}
	l.document(&doc)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			want, known := need[o.ID]
			if !known {
				l.t.Errorf("%s %s: operation %s has no row in the table of who may have it", method, path, o.ID)
			}
			if o.Role != want {
				l.t.Errorf("%s: the document says %q, expected %q", o.ID, o.Role, want)
			}
			path := strings.NewReplacer("{id}", "none", "{name}", "none").Replace(path)
			all = append(all, [3]string{o.ID, strings.ToUpper(method), path})
		}
	}
	return all
}

// TestAuthorization asks for every operation as everybody.
func TestAuthorization(t *testing.T) {
	data := t.TempDir()
	tokens := map[string]string{"": ""}
	for _, role := range []string{"viewer", "operator", "admin"} {
		tokens[role] = newToken(t, data, role)
	}
	l := serveIn(t, data, "--require-token", "--request-rate", "0")
	rank := map[string]int{"": 0, "viewer": 1, "operator": 2, "admin": 3}
	operations := l.operations()
	if len(operations) < 20 {
		t.Fatalf("only %d operations", len(operations))
	}
	for _, o := range operations {
		for _, role := range slices.Sorted(maps.Keys(tokens)) {
			token := tokens[role]
			var headers []string
			if token != "" {
				headers = append(headers, bearer(token))
			}
			var body any
			if o[1] != "GET" && o[1] != "DELETE" {
				body = map[string]any{}
			}
			a := l.do(o[1], o[2], body, headers...)
			want := need[o[0]]
			switch {
			case rank[role] >= rank[want]:
				if a.status == 401 || a.status == 403 || a.status >= 500 && a.status != 503 {
					t.Errorf("%s as %q: %d %s", o[0], role, a.status, a.body)
				}
			case role == "":
				a.is(401, "unauthorized")
				if a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: a 401 does not say what is wanted", o[0])
				}
			default:
				a.is(403, "forbidden")
			}
		}
	}
}

// TestWrongTokens: what is no token opens nothing, one that is revoked opens nothing from
// then on, and who tries many has to wait.
func TestWrongTokens(t *testing.T) {
	data := t.TempDir()
	viewer := newToken(t, data, "viewer")
	l := serveIn(t, data)
	l.do("GET", "/api/v1/whoami", nil, bearer(viewer)).is(200)
	if who := l.do("GET", "/api/v1/whoami", nil).is(200); who.text("role") != "admin" || who.text("kind") != "local" {
		t.Errorf("without a token: %s", who.body)
	}
	if out, err := exec.Command(program, "token", "revoke", "a-viewer", "--data", data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.do("GET", "/api/v1/whoami", nil, bearer(viewer)).is(401, "unauthorized")
	wrong := []string{"Bearer", "Basic YTpi", "Bearer " + viewer + "x", "Bearer a.b.c"}
	tries := 1
	for ; tries < 50; tries++ {
		a := l.do("GET", "/api/v1/runs", nil, "Authorization: "+wrong[tries%len(wrong)])
		if a.status == 429 {
			if wait := a.header.Get("Retry-After"); wait == "" || wait == "0" {
				t.Errorf("a 429 does not say when: %v", a.header)
			}
			break
		}
		a.is(401, "unauthorized")
	}
	if tries < 10 || tries == 50 {
		t.Errorf("%d wrong tokens were looked at", tries)
	}
	// Others behind the same address are not locked out, and chaos can be stopped.
	operator := newToken(t, data, "operator")
	id := l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n"}, bearer(operator)).is(201).text("id")
	l.do("GET", "/api/v1/runs", nil, bearer(viewer)).is(429, "too_many_requests")
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil, bearer(operator)).is(200)
	l.do("GET", "/healthz", nil).is(200)
}

// TestRateLimit: who asks too often is told to wait, but may stop chaos.
func TestRateLimit(t *testing.T) {
	data := t.TempDir()
	operator, viewer := newToken(t, data, "operator"), newToken(t, data, "viewer")
	l := serveIn(t, data, "--request-rate", "0.01")
	l.do("GET", "/api/v1/runs", nil, bearer(operator)).is(200)
	a := l.do("GET", "/api/v1/runs", nil, bearer(operator)).is(429, "too_many_requests")
	if a.header.Get("Retry-After") == "" {
		t.Errorf("a 429 does not say when: %v", a.header)
	}
	l.do("POST", "/api/v1/runs/none/stop", map[string]any{}, bearer(operator)).is(404)
	l.do("POST", "/api/chaos/orchestration/stop", nil, bearer(operator)).is(409)
	l.do("GET", "/api/v1/runs", nil, bearer(viewer)).is(200) // somebody else is not held up
}

// TestStrangersBody: of a body that somebody sends who is not let in, little is read. All
// requests are in memory before they are looked at, and anybody can send them.
func TestStrangersBody(t *testing.T) {
	data := t.TempDir()
	token := newToken(t, data, "viewer")
	l := serveIn(t, data, "--require-token")
	const path = "/api/v1/orchestrations/validate"
	head := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 20_000, strings.Repeat("x", 20_000))
	for name, text := range map[string]string{
		"long":           head + "Content-Length: 8000000\r\n\r\n{",
		"long, token":    head + bearer("sqt_wrong") + "\r\nContent-Length: 8000000\r\n\r\n{",
		"chunked":        head + "Transfer-Encoding: chunked\r\n\r\n" + chunk,
		"another's path": "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n{",
	} {
		if line := l.raw(text); line != "HTTP/1.1 401 Unauthorized" {
			t.Errorf("%s: got %q, want a 401 before there is all of the body", name, line)
		}
	}
	long := map[string]string{"content": strings.Repeat("# long\n", 300_000), "format": "starlark"}
	l.do("POST", path, long, bearer(token)).is(200)
	l.do("POST", path, long).is(401, "unauthorized")
	l.do("POST", path, strings.Repeat("x", 9<<20), bearer(token)).is(413, "too_large")
	log, err := os.ReadFile(filepath.Join(data, "audit", "current.jsonl"))
	if err != nil || strings.Count(string(log), `"status":401,"code":"unauthorized"`) < 5 {
		t.Errorf("the audit log is %s, %v", log, err)
	}
}

// TestForeignPages: no page of somebody else's can use a browser on this machine.
func TestForeignPages(t *testing.T) {
	l := serve(t)
	own := strings.TrimPrefix(l.url, "http://")
	for _, headers := range [][]string{
		{"Host: evil.example.com"}, {"Host: " + strings.Replace(own, "127.0.0.1", "127.0.0.1.nip.example", 1)},
		{"Origin: http://evil.example.com"}, {"Origin: null"}, {"Origin: http://" + own + ".evil.example.com"},
		{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"},
		{"X-Forwarded-For: 10.0.0.1"}, {"Forwarded: for=10.0.0.1"}, {"Via: 1.1 proxy"},
	} {
		a := l.do("POST", "/api/v1/runs", map[string]any{"name": "x"}, headers...)
		want := "foreign_host"
		if strings.HasPrefix(headers[0], "Origin") || strings.HasPrefix(headers[0], "Sec-") {
			want = "foreign_origin"
		}
		if a.is(403, want); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%v: CORS is open: %v", headers, a.header)
		}
	}
	l.do("GET", "/api/v1/runs", nil, "Origin: "+l.url, "Sec-Fetch-Site: same-origin").is(200)
	a := l.do("OPTIONS", "/api/v1/runs", nil, "Origin: "+l.url, "Access-Control-Request-Method: POST")
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("CORS is open: %v", a.header)
		}
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
	if a.header.Get("Set-Cookie") != "" {
		t.Errorf("a cookie: %v", a.header)
	}
}

// TestHeaderInjection: nothing of a request gets into the head of an answer.
func TestHeaderInjection(t *testing.T) {
	l := serve(t)
	for _, path := range []string{"/api/v1/runs/x%0d%0aX-Evil:%20yes", "/api/v1/orchestrations/x%0aX-Evil:%20yes", "/%0d%0aX-Evil:%20yes", "/api/v1/targets/a%00b"} {
		a := l.do("GET", path, nil)
		if a.status < 400 || a.status >= 500 || a.header.Get("X-Evil") != "" {
			t.Errorf("%s: %d, %v", path, a.status, a.header)
		}
	}
	// As raw bytes, which no proper client sends.
	for _, head := range []string{"GET /api/v1/runs/x\nX-Evil: yes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, head)
		answer := make([]byte, 4096)
		n, _ := conn.Read(answer)
		conn.Close()
		if bytes.Contains(answer[:n], []byte("\r\nX-Evil")) {
			t.Errorf("%q: %s", head, answer[:n])
		}
	}
	l.do("GET", "/healthz", nil).is(200)
}

// TestSlowClients: many connections that dribble hold nobody up, and are closed.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	l := serve(t)
	var slow []net.Conn
	for i := range 200 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		heads := []string{"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", "POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"}
		if _, err := fmt.Fprint(conn, heads[i%2]); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	for range 20 {
		l.do("GET", "/api/v1/runs", nil).is(200)
		for _, conn := range slow[:20] {
			fmt.Fprint(conn, "x") // and so on; it may be closed already
		}
	}
	for _, conn := range slow {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); os.IsTimeout(err) {
			t.Fatal("a connection that dribbles stays open")
		}
	}
	l.do("GET", "/healthz", nil).is(200)
}

// TestScriptsReachNothing: a script's requests go where the server's operator permits,
// however the address is written, and never to where a cloud hands out credentials.
func TestScriptsReachNothing(t *testing.T) {
	var hits atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1) }))
	defer canary.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(canary.URL, "http://"))
	var trap atomic.Int32
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trap.Add(1)
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer redirect.Close()
	asks := func(url string) string {
		return fmt.Sprintf("def main():\n    http.get(%q, timeout = \"5s\")\n", url)
	}
	denied := func(l *lab, url, why string) {
		t.Helper()
		a := l.do("POST", "/api/v1/runs", map[string]any{"content": asks(url), "format": "starlark"})
		if a.status != 422 { // else it was refused beforehand: nothing was started
			a = l.over(a.is(201).text("id"))
		}
		if a.text("verdict") == "passed" || !bytes.Contains(a.body, []byte(why)) {
			t.Errorf("%s: expected it to be refused, saying %q: %s", url, why, a.body)
		}
	}
	closed := serve(t)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0.0.0.0", "[::]", "127.0.0.1.", "user@127.0.0.1"} {
		denied(closed, "http://"+host+":"+port+"/", "not permitted")
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("a script that may reach nothing made %d requests", n)
	}
	open := serve(t, "--allow-net", "*", "--allow-load", "*", "--allow-proxies")
	for _, host := range []string{
		"169.254.169.254", "169.254.169.254.", "169.254.169.254:80", "user:pass@169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]",
		"[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "[FD00:EC2:0::254]", "[fd20:ce::254]", "169.254.170.2", "100.100.100.200",
		"2852039166", "0xa9fea9fe", "0xA9FEA9FE", "025177524776", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.254.43518", "169.16689662", "0251.254.0xa9.254",
	} {
		denied(open, "http://"+host+"/latest/meta-data/", "metadata address")
		denied(open, redirect.URL+"/?to="+url.QueryEscape("http://"+host+"/latest/meta-data/"), "metadata address")
	}
	if trap.Load() == 0 {
		t.Error("no redirect was followed: the test does not see what it is to see")
	}
	// By whatever else a script reaches hosts, also where the plan does not see it.
	for _, body := range []string{
		`tcp.connect("169.254.169.254:80")`,
		`grpc.health("[fd00:ec2::254]:80")`,
		`guard("g", probe.http("http://169.254.169.254/")); sleep("1h")`,
		`wait_until(probe.tcp("2852039166:80"), timeout = "2s")`,
		`traffic.run(traffic.http("http://169.254.169.254/", rate = 1, duration = "1s"))`,
		`proxy("mine", listen = "127.0.0.1:0", upstream = "169.254.169.254:80")`,
		`proxy("mine", listen = "127.0.0.1:0", upstream = "[::ffff:169.254.169.254]:80")`,
		`proxy("mine", listen = "127.0.0.1:0", upstream = "0xa9fea9fe:80")`,
	} {
		for _, when := range []string{"True", "time.now().year > 2000"} {
			a := open.do("POST", "/api/v1/runs", map[string]any{"content": "def main():\n    if " + when + ":\n        " + body + "\n", "format": "starlark"})
			if a.status != 422 {
				a = open.over(a.is(201).text("id"))
			}
			if a.text("verdict") == "passed" || !bytes.Contains(a.body, []byte("metadata address")) {
				t.Errorf("%s: %s", body, a.body)
			}
		}
	}
	if end := open.over(open.begin(asks(canary.URL))); end.get("verdict") != "passed" || hits.Load() != 1 {
		t.Errorf("what is permitted: %s, %d requests", end.body, hits.Load())
	}
}

// TestAudit: who changed what, and who was refused, is noted, and no secret is.
func TestAudit(t *testing.T) {
	data := t.TempDir()
	operator := newToken(t, data, "operator")
	l := serveIn(t, data, "--audit-size", "1KiB")
	const secret = "hunter2"
	a := l.do("POST", "/api/v1/runs", map[string]any{"content": "def main():\n    sleep(\"0s\")\n", "format": "starlark", "labels": map[string]string{"note": secret}}, bearer(operator)).is(201)
	l.do("DELETE", "/api/v1/targets/api", nil, bearer(operator)).is(403)
	l.do("GET", "/api/v1/runs", nil, bearer(operator)).is(200)
	l.do("GET", "/api/v1/runs", nil, "Authorization: Bearer "+secret).is(401)
	l.do("POST", "/api/v1/runs", map[string]any{"orchestraton": "x"}, bearer(operator)).is(400, "invalid_request")
	for range 10 {
		l.do("POST", "/api/v1/runs/none/stop", nil).is(404, "run_not_found")
	}
	files, err := filepath.Glob(filepath.Join(data, "audit", "*.jsonl"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v: the log does not go on in new files", files, err)
	}
	var got []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(secret)) || bytes.Contains(text, []byte(operator)) {
			t.Errorf("%s has a secret: %s", file, text)
		}
		for line := range strings.Lines(string(text)) {
			var e struct {
				Time, Who, Role, Kind, From, What, On, Code, Request string
				Status                                               int
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time == "" || e.From != "127.0.0.1" || e.Request == "" {
				t.Errorf("%q: %v", line, err)
			}
			got = append(got, fmt.Sprintf("%s %s %s %s %d %s", e.Who, e.Kind, e.What, e.On, e.Status, e.Code))
		}
	}
	for _, want := range []string{
		"a-operator token start-run /api/v1/runs 201 ", "a-operator token remove-target /api/v1/targets/api 403 forbidden",
		"  list-runs /api/v1/runs 401 unauthorized", "local local stop-run /api/v1/runs/none/stop 404 run_not_found",
		"a-operator token start-run /api/v1/runs 400 invalid_request",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not noted: %q\nthere is %q", want, got)
		}
	}
	if len(got) != 14 {
		t.Errorf("%d entries, expected 14: %q", len(got), got)
	}
	id := a.header.Get("X-Request-Id")
	l.await("the log of request "+id, func() bool { return id != "" && strings.Contains(l.log.String(), id) })
}

// TestExposure: what would be open to everybody does not start.
func TestExposure(t *testing.T) {
	data := t.TempDir()
	start := func(args ...string) (code int, said string) {
		cmd := exec.Command(program, append([]string{"serve", "--data", data, "--listen", "0.0.0.0:0"}, args...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, said := start("--insecure"); code != 2 || !strings.Contains(said, "starquake token new") {
		t.Errorf("without a token: %d, %s", code, said)
	}
	newToken(t, data, "viewer")
	if code, said := start(); code != 2 || !strings.Contains(said, "--tls-cert") {
		t.Errorf("without TLS: %d, %s", code, said)
	}
	cert, key, pool := certificate(t)
	cmd := exec.Command(program, "serve", "--data", data, "--listen", "0.0.0.0:0", "--tls-cert", cert, "--tls-key", key)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	line, _ := bufio.NewReader(out).ReadString('\n')                                                  // what is no such line has no port
	_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimSpace(line), "API on https://")) // of both families, or of the one there is
	if err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://127.0.0.1:" + port + "/api/v1/runs")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("over TLS without a token: %d", resp.StatusCode)
	}
}

// certificate makes one for 127.0.0.1, in files.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}
