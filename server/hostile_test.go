package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPolicy: a script cannot widen what the operator permits.
func TestPolicy(t *testing.T) {
	flag := upstream(t)
	_, elsewhere, _ := strings.Cut(upstream(t), ",")
	run := func(body string) map[string]any {
		return map[string]any{"format": "starlark", "content": "orchestration(name = \"x\")\ndef main():\n    " + body + "\n"}
	}
	l := serve(t, "--proxy", flag)
	for _, body := range []string{
		`exec.run(["true"])`,
		`http.get("http://` + elsewhere + `/")`,
		`http.get("http://169.254.169.254/latest/meta-data/")`,
		`http.get("http://[::ffff:169.254.169.254]/")`,
		`proxy("mine", listen = "127.0.0.1:0", upstream = "` + elsewhere + `")`,
		`step("s", duration = "1s", chaos = fault.latency("1s"), on = toxiproxy("http://` + elsewhere + `").proxy("x"))`,
		`traffic.run(traffic.http("http://` + elsewhere + `/", rate = 1, duration = "1s"))`,
	} {
		a := l.do("POST", "/api/v1/runs", run(body))
		if a.status != 422 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	l.do("POST", "/api/v1/runs", run(`http.get("http://"+target("api").listen+"/")`)).is(201)
	// The names of the machine go together, at the port that was named.
	_, port, _ := net.SplitHostPort(elsewhere)
	l = serve(t, "--proxy", "other=127.0.0.1:0,127.0.0.2:"+port)
	for _, host := range []string{"localhost", "127.0.0.1", "127.0.0.2"} {
		l.do("POST", "/api/v1/runs", run(`http.get("http://`+host+`:`+port+`/", expect = "any")`)).is(201)
	}
	l.do("POST", "/api/v1/runs", run(`http.get("http://127.0.0.3:`+port+`/", expect = "any")`)).is(422, "denied")
	l = serve(t, "--proxy", flag, "--allow-net", "127.0.0.1", "--allow-exec", "true", "--allow-proxies")
	for _, body := range []string{`exec.run(["true"])`, `http.get("http://` + elsewhere + `/")`, `proxy("mine", listen = "127.0.0.1:0", upstream = "` + elsewhere + `"); log("it is open")`} {
		id := l.do("POST", "/api/v1/runs", run(body)).is(201).text("id")
		if end := l.over(id); end.text("verdict") != "passed" {
			t.Errorf("%s: %s", body, end.body)
		}
	}
	for _, host := range []string{"169.254.169.254", "2852039166"} { // no way of writing an address leads there
		l.do("POST", "/api/v1/runs", run(`http.get("http://`+host+`/")`)).is(422, "denied")
	}
}

// TestForeign: without tokens no page of another site and no other name reaches it.
func TestForeign(t *testing.T) {
	l := serve(t)
	l.do("GET", "/api/v1/runs", nil, "Host: evil.example").is(403, "foreign_host")
	l.do("GET", "/api/v1/runs", nil, "Host: 127.0.0.1.evil.example:3000").is(403, "foreign_host")
	l.do("POST", "/api/v1/runs", "{}", "Origin: http://evil.example").is(403, "foreign_origin")
	l.do("POST", "/api/v1/runs", "{}", "Origin: null").is(403, "foreign_origin")
	l.do("GET", "/api/v1/runs", nil, "Sec-Fetch-Site: cross-site").is(403, "foreign_origin")
	l.do("GET", "/api/v1/runs", nil, "Origin: "+l.url, "Sec-Fetch-Site: same-origin").is(200)
	l.do("POST", "/api/v1/runs", "{}", "Content-Type: text/plain").is(415, "unsupported_media_type")
	if who := l.do("GET", "/api/v1/whoami", nil).is(200); who.text("role") != "admin" {
		t.Errorf("who: %s", who.body)
	}
	l.do("GET", "/none", nil).is(404, "not_found")
	l.do("PATCH", "/api/v1/runs", "{}").is(405, "method_not_allowed")
	page := l.do("GET", "/", nil)
	if !strings.Contains(string(page.body), "/api/v1/openapi.json") || page.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("page: %v %s", page.header, page.body)
	}
}

// TestListenOutside: an address that others reach is refused.
func TestListenOutside(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "nonsense"} {
		out, err := command("serve", "--listen", addr, "--data", t.TempDir())
		if err == nil || !strings.Contains(out, "--listen") {
			t.Errorf("%s: %v %s", addr, err, out)
		}
	}
}

// raw sends bytes, and gives the first line of the answer; "" where the connection ended
// without one.
func (l *lab) raw(text string) string {
	l.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(conn, text) // it may be cut off
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

// TestRaw sends what no client of ours would.
func TestRaw(t *testing.T) {
	l := serve(t)
	for _, text := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"GET http://%zz/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /api/v1/runs/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET //api/../../etc HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
		"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\nxx",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	} {
		if line := l.raw(text); strings.HasPrefix(line, "HTTP/1.1 2") || strings.HasPrefix(line, "HTTP/1.1 5") {
			t.Errorf("%.60q: %s", text, line)
		}
	}
	l.do("GET", "/healthz", nil).is(200)
}

// TestHugeBody: a gigabyte is refused when the limit is reached, and not kept.
func TestHugeBody(t *testing.T) {
	l := serve(t)
	for _, length := range []int64{-1, 1 << 30} {
		body := io.LimitReader(zeros{}, 1<<30)
		req, err := http.NewRequest("POST", l.url+"/api/v1/runs", body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Content-Type", "application/json")
		began := time.Now()
		resp, err := l.client.Do(req)
		if err != nil {
			t.Errorf("length %d: no answer: %v", length, err)
			continue
		}
		said, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 413 || err != nil || !strings.Contains(string(said), "the body is longer than 8388608 bytes") {
			t.Errorf("length %d: %d %s %v", length, resp.StatusCode, said, err)
		}
		t.Logf("length %d: refused after %s", length, time.Since(began))
	}
	l.do("GET", "/healthz", nil).is(200)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestSlowLoris: clients that send a byte now and then hold up nobody else.
func TestSlowLoris(t *testing.T) {
	l := serve(t)
	for i := range 200 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX-%d: ", i)
	}
	l.do("GET", "/api/v1/runs", nil).is(200)
	id := l.begin(waits)
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
}

// bodies are the calls that take one, as "METHOD path", from the document.
func (l *lab) bodies() (all []string) {
	var doc struct {
		Paths map[string]map[string]struct {
			Body any `json:"requestBody"`
		}
	}
	l.document(&doc)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if o.Body != nil {
				all = append(all, strings.ToUpper(method)+" "+strings.NewReplacer("{id}", "x", "{name}", "x").Replace(path))
			}
		}
	}
	slices.Sort(all)
	return all
}

// FuzzBody sends bodies that somebody has thought of to every call that takes one: none
// is a failure of the server, and all are answered as the document says.
func FuzzBody(f *testing.F) {
	l := serve(f, "--max-runs", "4", "--queue", "4", "--log-level", "error")
	calls := l.bodies()
	if len(calls) < 20 {
		f.Fatalf("only %d calls take a body: %q", len(calls), calls)
	}
	for i := range calls {
		for _, seed := range []string{
			"", "null", "{}", "[]", "1", `"x"`, "{", `{"content":1}`, `{"content":"name: x\nsteps: [{name: a}]","format":"yaml"}`,
			`{"name":null}`, `{"name":"x","steps":[{"name":"a","duration_seconds":1e309}]}`, `{"content":"\u0000"}`, `{"a":"` + strings.Repeat("x", 100) + `"}`,
			`{"content":"def main():\n  pass","format":"starlark","params":{"a":[1]},"seed":"99999999999999999999"}`, "\xff\xfe", `{"content":"x","content":"y"}`,
			`{"name":"../../x","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","tls":{"cert":"/etc/passwd","key":"/etc/passwd"}}`,
			`{"orchestration":"x","cron":"* * * * *","time_zone":"../../etc/passwd"}`, `{"orchestration":"x","every":"1ns","until":"x"}`, `{"path":"a/../b","comment":"\r\nX: y"}`,
			strings.Repeat("[", 10_000), `{"params":` + strings.Repeat(`{"a":`, 5_000) + `1` + strings.Repeat("}", 5_001),
		} {
			f.Add(i, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		was := l.t
		l.t = t
		defer func() { l.t = was }()
		method, path, _ := strings.Cut(calls[(i%len(calls)+len(calls))%len(calls)], " ")
		if a := l.do(method, path, body); a.status >= 500 {
			t.Errorf("%s: %d %s", a.what, a.status, a.body)
		}
	})
}

// TestWrongRequests: what is said of a request that is wrong leads to one that is right.
func TestWrongRequests(t *testing.T) {
	l := serve(t)
	for _, test := range []struct {
		body, kind string
		status     int
		detail     string
	}{
		{`{"content": "x", "seed": "abc"}`, "application/json", 400, "body.seed: expected a whole number from 0 to 18446744073709551615, or its digits in a string"},
		{"{\"content\": \"x\",\n  seed: 1}", "application/json", 400, "body: line 2, column 3: invalid character 's'"},
		{"{}", "application/x-www-form-urlencoded", 415, "send -H 'Content-Type: application/json'"},
	} {
		if p := l.do("POST", "/api/v1/runs", test.body, "Content-Type: "+test.kind).is(test.status).problem(); !strings.Contains(p.Detail, test.detail) {
			t.Errorf("%s: %q, expected %q", test.body, p.Detail, test.detail)
		}
	}
	// A HEAD is a GET without the body.
	for path, status := range map[string]int{"/healthz": 200, "/api/v1/runs": 200, "/api/v1/runs/none": 404, "/": 200} {
		resp, err := l.client.Head(l.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || len(body) > 0 || resp.StatusCode != status || resp.ContentLength <= 0 {
			t.Errorf("HEAD %s: %d, %d bytes announced, %q, %v", path, resp.StatusCode, resp.ContentLength, body, err)
		}
	}
}
