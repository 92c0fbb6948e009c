package server_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starquake/chaos"
)

// TestTargetMetadata: no target that is added leads to the metadata address of a cloud.
func TestTargetMetadata(t *testing.T) {
	l := serve(t)
	for _, upstream := range []string{"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "0xa9fea9fe:80", "[fd00:ec2::254]:80"} {
		a := l.do("POST", "/api/v1/targets", map[string]any{"name": "meta", "listen": "127.0.0.1:0", "upstream": upstream}).is(400, "invalid_target")
		if !strings.Contains(a.problem().Detail, "metadata") {
			t.Errorf("%s: %s", upstream, a.body)
		}
	}
	l.do("GET", "/api/v1/targets/meta", nil).is(404, "target_not_found")
	l.do("GET", "/api/v1/runs?verdict=unclaen", nil).is(400)
	l.do("GET", "/api/v1/runs?verdict=unclean", nil).is(200)
}

// TestTargetTLS: a target that is added takes the TLS that those of an environment and of
// scripts take, has faults inside it, and has it again when the server does.
func TestTargetTLS(t *testing.T) {
	behind := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer behind.Close()
	cert, key, pool := certificate(t)
	l := serve(t)
	add := func(name string, tls any) map[string]any {
		return map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": behind.Listener.Addr().String(), "protocol": "http", "tls": tls}
	}
	own := add("shop", map[string]any{"cert": cert, "key": key, "insecure": true})
	made := l.do("POST", "/api/v1/targets", own).is(201)
	if made.text("tls.cert") != cert || made.get("tls.insecure") != true || made.get("tls.beside") != nil || strings.Contains(string(made.body), "PRIVATE") {
		t.Errorf("added: %s", made.body)
	}
	l.do("POST", "/api/v1/targets", own).is(200)
	l.do("POST", "/api/v1/targets", add("shop", "pass")).is(409, "target_differs")
	if plain := l.do("POST", "/api/v1/targets", add("plain", "pass")).is(201); plain.get("tls") != nil {
		t.Errorf("passes: %s", plain.body)
	}
	for _, protocol := range append(chaos.Protocols(), "auto") { // those that scripts may say
		body := add("p-"+protocol, "pass")
		body["protocol"] = protocol
		l.do("POST", "/api/v1/targets", body).is(201)
	}

	// What is wrong is told, and nothing is opened.
	for says, wrong := range map[string]any{
		"starquake ca":  "terminate", // there is no authority yet
		"go together":   map[string]any{"cert": cert},
		"no such file":  map[string]any{"cert": "/none.pem", "key": key},
		"\"terminate\"": "off",
		"cart":          map[string]any{"cart": cert},
		"expected":      map[string]any{"insecure": "yes"},
		"a mapping":     []any{},
	} {
		if p := l.do("POST", "/api/v1/targets", add("wrong", wrong)).is(400); !strings.Contains(p.problem().Detail, says) {
			t.Errorf("%v: %s, expected it to say %q", wrong, p.body, says)
		}
		l.do("GET", "/api/v1/targets/wrong", nil).is(404, "target_not_found")
	}
	if out, err := command("ca", "--data", l.data); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.do("POST", "/api/v1/targets", add("local", "terminate")).is(201)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: patience}
	defer client.CloseIdleConnections()
	status := func(l *lab) int {
		t.Helper()
		resp, err := client.Get("https://" + l.do("GET", "/api/v1/targets/shop", nil).is(200).text("listen"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := status(l); got != 200 {
		t.Errorf("without a fault: %d", got)
	}
	l.stop()
	l = serveIn(t, l.data)
	id := l.begin("def main():\n    step(\"s\", duration = \"1h\", chaos = fault.http_error(503), on = target(\"shop\"))\n", "targets", []string{"shop"})
	l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 })
	if got := status(l); got != 503 {
		t.Errorf("with a fault inside TLS: %d", got)
	}
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	if got := l.do("GET", "/api/v1/targets/local", nil).is(200); got.get("tls") == nil {
		t.Errorf("after the restart: %s", got.body)
	}

	// A file that is gone at the next start is named, its target is not opened, and the others are.
	l.stop()
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	l = serveIn(t, l.data)
	a := l.do("GET", "/api/v1/targets", nil).is(200)
	if a.text("damaged.0.name") != "shop" || !strings.Contains(a.text("damaged.0.detail"), cert) || a.get("damaged.1") != nil {
		t.Errorf("without the certificate of one: %s", a.body)
	}
	l.do("GET", "/api/v1/targets/shop", nil).is(409, "target_damaged")
	l.do("GET", "/api/v1/targets/local", nil).is(200)
}

// TestQuery: a query parameter that there is not is refused, and so is a window longer than
// is kept; neither is answered as though it had not been asked for.
func TestQuery(t *testing.T) {
	l := serve(t)
	l.do("POST", "/api/v1/targets", map[string]any{"name": "q", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}).is(201)
	for path, want := range map[string][2]string{
		"/api/v1/runs?verdct=failed":          {"unknown_parameter", "did you mean verdict?"},
		"/api/v1/targets?page=2":              {"unknown_parameter", "this call has none"},
		"/api/v1/targets/q/stats?last=1h":     {"invalid_request", ""},
		"/api/v1/targets/q/stats?last=10m&x=": {"unknown_parameter", "there are last"},
	} {
		a := l.do("GET", path, nil).is(400, want[0])
		if want[1] != "" && a.text("help") != want[1] {
			t.Errorf("%s: the help is %q, want %q", path, a.text("help"), want[1])
		}
	}
	l.do("GET", "/api/v1/targets/q/stats?last=10m", nil).is(200)
	if a := l.do("POST", "/api/chaos/orchestration/stop?now=1", nil); a.text("code") == "unknown_parameter" {
		t.Errorf("what takes chaos off is refused for a parameter: %s", a.body)
	}
}

// TestWrongBodies: what is wrong is said in the words of the API, and all of it is found.
func TestWrongBodies(t *testing.T) {
	l := serve(t)
	const seed = "expected a whole number from 0 to 18446744073709551615, or its digits in a string"
	for body, want := range map[string]string{
		`{"content": "x", "seed": -1}`:                      "validation failed: body.seed: " + seed,
		`{"content": "x", "seed": 99999999999999999999999}`: seed,
		`{"content": "x", "seed": "99999999999999999999"}`:  seed,
		`{"content": "x", "seed": 1.5}`:                     seed,
		`[]`:                                                "validation failed: body: expected object",
		`{"content": 1, "format": "xml"}`:                   "; and 1 more, which errors has",
	} {
		if p := l.do("POST", "/api/v1/orchestrations/plan", body).is(400).problem(); !strings.Contains(p.Detail, want) || strings.Contains(p.Detail, "Go ") {
			t.Errorf("%s: %s", body, p.Detail)
		}
	}
}

// TestMeant: of a name that there is not, in a body or a path, it is said which it was meant to
// be, and of a file in place of JSON how it is sent.
func TestMeant(t *testing.T) {
	l := serve(t)
	l.do("PUT", "/api/v1/orchestrations/checkout", map[string]any{"content": waits, "format": "star"}).is(201)
	const wrap = `the body is JSON that has the text of the orchestration in it: {"content": "TEXT", "format": "yaml"}; jq -Rs '{content: .}' FILE makes it of a file`
	for _, test := range []struct {
		method, path, body, kind string
		status                   int
		code, detail, help       string
	}{
		{"GET", "/api/v1/orchestrations/chekout", "", "", 404, "orchestration_not_found", `"chekout"`, "did you mean checkout?"},
		{"GET", "/api/v1/orchestrations/chekout/versions", "", "", 404, "orchestration_not_found", `"chekout"`, "did you mean checkout?"},
		{"DELETE", "/api/v1/orchestrations/chekout", "", "", 404, "orchestration_not_found", `"chekout"`, "did you mean checkout?"},
		{"GET", "/api/v1/orchestrations/zzz", "", "", 404, "orchestration_not_found", `"zzz"`, ""},
		{"POST", "/api/v1/runs", `{"orchestration": "Checkout"}`, "application/json", 404, "orchestration_not_found", `"Checkout"`, "did you mean checkout?"},
		{"PUT", "/api/v1/schedules/s", `{"orchestration": "chekout", "after": "1h"}`, "application/json", 422, "orchestration_not_found", `"chekout"`, "did you mean checkout?"},
		{"POST", "/api/v1/runs", `{"orchestraton": "checkout"}`, "application/json", 400, "invalid_request", "body.orchestraton: unexpected property", "did you mean orchestration?"},
		{"POST", "/api/v1/orchestrations/plan", "name: x\nsteps: []\n", "application/json", 400, "bad_request", `body: expected a JSON object, found a text that begins with "name: x"`, wrap},
		{"POST", "/api/v1/orchestrations/plan", "name: x\n", "application/yaml", 415, "unsupported_media_type", "Content-Type: application/json", wrap},
		{"POST", "/api/v1/targets", "name: x\n", "application/json", 400, "bad_request", `body: expected a JSON object, found a text that begins with "name: x"`, ""},
	} {
		a := l.do(test.method, test.path, test.body, "Content-Type: "+test.kind).is(test.status, test.code)
		if p := a.problem(); !strings.Contains(p.Detail, test.detail) || p.Help != test.help {
			t.Errorf("%s %s %s: %q, help %q; want %q, %q", test.method, test.path, test.body, p.Detail, p.Help, test.detail, test.help)
		}
	}
}

// TestStatsOfEngine: a target that another process has is there, though its traffic is not.
func TestStatsOfEngine(t *testing.T) {
	env := filepath.Join(t.TempDir(), "lab.yaml")
	if err := os.WriteFile(env, []byte("targets:\n  plain: {starquake: \"http://127.0.0.1:1\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := serve(t, "--env", env)
	if at := l.do("GET", "/api/v1/targets", nil).is(200); at.text("targets.0.name") != "plain" {
		t.Fatalf("the targets: %s", at.body)
	}
	if p := l.do("GET", "/api/v1/targets/plain/stats", nil).is(409, "target_of_engine").problem(); !strings.Contains(p.Detail, "belongs to another process (starquake)") {
		t.Errorf("its traffic: %s", p.Detail)
	}
	l.do("GET", "/api/v1/targets/none/stats", nil).is(404, "target_not_found")
}
