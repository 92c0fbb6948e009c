package admin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/chaos"
	"starquake/chaos/admin"
	"starquake/chaos/link"
	"starquake/chaos/proxy"
	"starquake/chaos/remote"
	"starquake/internal/waittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side is a plane with its API, and a service behind one target, "orders".
type side struct {
	*httptest.Server
	plane  *admin.Plane
	orders string // URL through the proxy
	token  string
}

func start(t *testing.T, opt admin.Options) *side {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "fine") }))
	t.Cleanup(service.Close)
	plane := admin.NewPlane(nil)
	addr, created, err := plane.Open(t.Context(), proxy.Config{
		Name: "orders", Listen: "127.0.0.1:0", Upstream: strings.TrimPrefix(service.URL, "http://"), Protocol: "http", Labels: map[string]string{"tier": "back"},
	})
	if err != nil || !created {
		t.Fatal(created, err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = admin.NewServer(plane, opt)
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		if err := plane.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &side{Server: server, plane: plane, orders: "http://" + addr, token: opt.Token}
}

// do makes a request and returns status and body.
func (s *side) do(t *testing.T, method, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// status asks the service through the proxy.
func (s *side) status(t *testing.T) int {
	t.Helper()
	resp, err := http.Get(s.orders)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // or the connection is not kept
	resp.Body.Close()
	return resp.StatusCode
}

const failing = `{"fault": {"kind": "http_error", "params": {"codes": [503]}}, "seed": "7", "ttl": "1m"}`

// Nobody counts what meets a refusal of all connections, so no count of it is shown: not
// where faults are listed, not when it is taken off, not in the metrics.
func TestUncountedFault(t *testing.T) {
	s := start(t, admin.Options{})
	for _, test := range []struct {
		fault   string
		counted bool
	}{
		{`{"kind": "refuse"}`, false},
		{`{"kind": "refuse", "probability": 0.5}`, true},
	} {
		const path = "/v1/targets/orders/faults/f"
		if status, text := s.do(t, "PUT", path, `{"fault": `+test.fault+`, "ttl": "1m"}`); status != 201 {
			t.Fatal(status, text)
		}
		_, list := s.do(t, "GET", "/v1/targets/orders/faults", "")
		_, one := s.do(t, "GET", path, "")
		_, metrics := s.do(t, "GET", "/metrics", "")
		_, gone := s.do(t, "DELETE", path, "")
		for where, text := range map[string]string{"listed": list, "one": one, "taken off": gone} {
			if stats, not := strings.Contains(text, `"stats":{"seen":0,"hit":0`), strings.Contains(text, `"uncounted":true`); stats != test.counted || not == test.counted {
				t.Errorf("%s, %s: %s", test.fault, where, text)
			}
		}
		for _, name := range []string{"seen", "hit"} {
			if strings.Contains(metrics, "starquake_fault_"+name+`_total{fault="f"`) != test.counted {
				t.Errorf("%s: metrics:\n%s", test.fault, metrics)
			}
		}
	}
}

// TestFaults walks through the life of a fault.
func TestFaults(t *testing.T) {
	s := start(t, admin.Options{})
	for _, step := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/version", "", 200, `"api":"1"`},
		{"GET", "/v1/targets", "", 200, `"name":"orders"`},
		{"PUT", "/v1/targets/orders/faults/f", failing, 201, `"expires_at"`},
		{"PUT", "/v1/targets/orders/faults/f", failing, 200, `"expires_at"`},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, "503", "500", 1), 409, `"code":"fault_differs"`},
		{"POST", "/v1/targets/orders/faults/f/renew", `{"ttl": "30s"}`, 200, `"expires_at"`},
		{"POST", "/v1/targets/orders/faults/g/renew", `{"ttl": "30s"}`, 404, `"code":"no_such_fault"`},
		{"POST", "/v1/targets/orders/faults/f/renew", `{"ttl": "2d"}`, 400, `expected 1s to 1d, got 2d`},
		{"GET", "/v1/targets/orders/faults", "", 200, `"id":"f"`},
		{"GET", "/v1/targets/orders/faults/g", "", 404, `"code":"no_such_fault"`},
		{"POST", "/v1/pause", `{"faults": ["g"]}`, 404, `"code":"no_such_fault"`},
		{"POST", "/v1/pause", `{"lift": true}`, 400, `faults is missing; expected a list of the ids`},
		{"POST", "/v1/resume", `{}`, 400, `"code":"faults"`},
		{"POST", "/v1/resume", `{"faults": ["f"], "lift": true}`, 400, `"code":"lift"`},
		{"POST", "/v1/pause", `{"faults": "f"}`, 400, `the body: faults: expected a list, found a string`},
		{"PUT", "/v1/targets/orders/faults/g", `[]`, 400, `the body: expected an object, found a list`},
		{"PUT", "/v1/targets/orders/faults/g", ``, 400, `the body: it is empty; expected a JSON object`},
		{"PUT", "/v1/targets/orders/faults/g", `{"color": 1}`, 400, `the body: there is no key \"color\"`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "latency", "params": {"delay": "1s"}, "color": 1}, "ttl": "1m"}`, 400, `fault: there is no key \"color\"`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "earthquake"}, "ttl": "1m"}`, 400, `graphql_slow_fields, tls_fault"`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "slow_close", "params": {"dely": "1s"}}, "ttl": "1m"}`, 400, `parameter \"dely\" is unknown; there are delay, direction"`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "slow_close", "params": {"delay": "1s", "probability": 0.5}}, "ttl": "1m"}`, 400, `probability stands beside params, not among them`},
		{"POST", "/v1/resume", `{"faults": ["g"]}`, 404, `there is no fault \"g\" on any target`},
		{"PUT", "/v1/targets/orders/faults/number", strings.Replace(failing, `"7"`, `18446744073709551615`, 1), 201, `"expires_at"`},
		{"DELETE", "/v1/targets/orders/faults/number", "", 200, `"stats"`},
		{"PUT", "/v1/targets/orders/faults/g", strings.Replace(failing, `"1m"`, "60", 1), 400, `expected a duration as a string such as \"15s\", got 60`},
		{"POST", "/v1/targets/orders/faults/f/renew", `{"ttl": 60}`, 400, `expected a duration as a string`},
		{"PUT", "/v1/targets/orders/faults/g", `{"ttl": "1m"}`, 400, `fault is missing; expected`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": 5, "ttl": "1m"}`, 400, `"fault: expected an object with kind and params, found a number"`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": 5}, "ttl": "1m"}`, 400, `kind: expected the name of a fault`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "latency", "params": {"delay": "-1s"}}, "ttl": "1m"}`, 400, `it is negative; expected 0s or more`},
		{"PUT", "/v1/targets/orders/faults/g", `{"fault": {"kind": "http_error", "params": {"codes": [503], "pattern": "sequence([503, None, 500])"}}, "ttl": "1m"}`, 201, `"expires_at"`},
		{"DELETE", "/v1/targets/orders/faults/g", "", 200, `"stats"`},
		{"PUT", "/v1/targets/orders/faults/ramp", `{"fault": {"kind": "latency", "params": {"delay": {"ramp": {"start": "0ms", "end": "300ms", "over": "1m"}}}, "probability": {"ramp": {"start": 0.1, "end": 0.2, "over": "1m", "shape": "exponential"}}, "pulse": {"on": "2s", "off": "8s"}}, "ttl": "1m", "elapsed": "3s"}`, 201, `"expires_at"`},
		{"GET", "/v1/targets/orders/faults/ramp", "", 200, `"pulse":{"on":"2s","off":"8s"}`},
		{"DELETE", "/v1/targets/orders/faults/ramp", "", 200, `"stats"`},
		{"GET", "/v1/targets/payments/faults", "", 404, `there are: \"orders\"`},
	} {
		if status, text := s.do(t, step.method, step.path, step.body); status != step.status || !strings.Contains(text, step.says) {
			t.Errorf("%s %s: %d %s; want %d with %s", step.method, step.path, status, text, step.status, step.says)
		}
	}
	if status := s.status(t); status != 503 {
		t.Errorf("with the fault on it answers %d", status)
	}
	if _, text := s.do(t, "GET", "/metrics", ""); !strings.Contains(text, `starquake_fault_hit_total{fault="f",kind="http_error",target="orders"} 1`) {
		t.Errorf("metrics:\n%s", text)
	}
	if _, text := s.do(t, "GET", "/v1/targets/orders/faults/f", ""); strings.Contains(text, "paused") || strings.Contains(text, "lifted") {
		t.Errorf("on: %s", text)
	}
	s.do(t, "POST", "/v1/pause", `{"faults": ["f"]}`)
	if _, text := s.do(t, "GET", "/v1/targets/orders/faults/f", ""); !strings.Contains(text, `"paused":true,"stats"`) {
		t.Errorf("paused: %s", text)
	}
	s.do(t, "POST", "/v1/pause", `{"faults": ["f", "gone"], "lift": true}`)
	if _, text := s.do(t, "GET", "/v1/targets/orders/faults", ""); !strings.Contains(text, `"paused":true,"lifted":true`) {
		t.Errorf("lifted: %s", text)
	}
	if status := s.status(t); status != 200 {
		t.Errorf("lifted it answers %d", status)
	}
	s.do(t, "POST", "/v1/resume", `{"faults": ["f"]}`)
	if _, text := s.do(t, "GET", "/v1/targets/orders/faults/f", ""); strings.Contains(text, "paused") || strings.Contains(text, "lifted") {
		t.Errorf("restored: %s", text)
	}
	if status := s.status(t); status != 503 {
		t.Errorf("restored it answers %d", status)
	}
	s.do(t, "PUT", "/v1/targets/orders/faults/held", `{"fault": {"kind": "http_error", "params": {"codes": 500}}, "ttl": "1m", "lifted": true}`)
	if _, text := s.do(t, "GET", "/v1/targets/orders/faults/held", ""); !strings.Contains(text, `"lifted":true,"stats":{"seen":0,"hit":0`) {
		t.Errorf("put on lifted: %s", text)
	}
	status, text := s.do(t, "DELETE", "/v1/targets/orders/faults/f", "")
	var gone struct{ Stats chaos.Stats }
	if err := json.Unmarshal([]byte(text), &gone); err != nil || status != 200 || gone.Stats.Hit != 2 {
		t.Errorf("taken off: %d %s %v", status, text, err)
	}
	if status := s.status(t); status != 200 {
		t.Errorf("without it it answers %d", status)
	}
	if _, text := s.do(t, "GET", "/v1/targets/orders/window?last=1m", ""); !strings.Contains(text, `"connections":`) || strings.Contains(text, `"requests":0`) {
		t.Errorf("window: %s", text)
	}
}

// TestRefused sends what is wrong: each gets its status and code, and nothing is on.
func TestRefused(t *testing.T) {
	s := start(t, admin.Options{})
	for _, bad := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"PUT", "/v1/targets/orders/faults/f", `{`, 400, "bad_body"},
		{"PUT", "/v1/targets/orders/faults/f", failing + "x", 400, "bad_body"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "latency"}, "ttl": "1m", "color": 1}`, 400, "bad_body"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `, "ttl": "1m"`, "", 1), 400, "ttl"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `1m`, "1ms", 1), 400, "ttl"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `1m`, "48h", 1), 400, "ttl"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `"7"`, `"-7"`, 1), 400, "seed"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `503`, `99`, 1), 400, "fault_params"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `http_error`, `earthquake`, 1), 400, "fault_kind"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `codes`, `code`, 1), 400, "fault_params"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "latency"}, "ttl": "1m"}`, 400, "fault_params"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "latency", "params": []}, "ttl": "1m"}`, 400, "fault_params"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": []}, "ttl": "1m"}`, 400, "fault_kind"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": null, "ttl": "1m"}`, 400, "fault"},
		{"PUT", "/v1/targets/orders/faults/f", strings.Replace(failing, `"7"`, `7.5`, 1), 400, "seed"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "refuse", "probability": 2}, "ttl": "1m"}`, 400, "fault_probability"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "refuse", "match": {"paths": "/x"}}, "ttl": "1m"}`, 400, "fault_match"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "refuse", "pulse": {"on": "1s"}}, "ttl": "1m"}`, 400, "fault_pulse"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kinds": "refuse"}, "ttl": "1m"}`, 400, "fault"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"params": {}}, "ttl": "1m"}`, 400, "fault_kind"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "exec"}, "ttl": "1m"}`, 400, "fault_params"},
		{"PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "grpc_error", "params": {"codes": ["UNAVAILABLE"]}}, "ttl": "1m"}`, 422, "fault_protocol"},
		{"PUT", "/v1/targets/none/faults/f", failing, 404, "no_such_target"},
		{"PUT", "/v1/targets/x", `{"listen": "127.0.0.1:99999", "upstream": "127.0.0.1:1"}`, 400, "listen"},
		{"PUT", "/v1/targets/x", `{"listen": "127.0.0.1:1", "upstream": "localhost:1"}`, 400, "listen"},
		{"PUT", "/v1/targets/orders", `{"listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "protocol": "tcp"}`, 409, "target_differs"},
		{"DELETE", "/v1/targets/none", "", 404, "no_such_target"},
		{"GET", "/v1/targets/orders/window?last=-1s", "", 400, "window"},
		{"GET", "/v1/targets/orders/window?last=1m&since=" + time.Now().Add(-time.Second).Format("2006-01-02T15:04:05Z"), "", 400, "window"},
		{"GET", "/v1/targets/orders/window?lst=1m", "", 400, "query"},
		{"GET", "/v1/targets/orders/faults?last=1m", "", 400, "query"},
		{"GET", "/v1/hits?target=orders&sinse=1", "", 400, "query"},
		{"POST", "/v1/targets/none/disconnect", "{}", 404, "no_such_target"},
		{"POST", "/v1/targets/orders/disconnect", `{"how": "politely"}`, 400, "disconnect"},
		{"POST", "/v1/targets/orders/disconnect", `{"match": {"path": "/x"}}`, 400, "disconnect"},
		{"GET", "/v1/hits?target=none", "", 404, "no_such_target"},
		{"GET", "/v1/hits?target=orders&since=x", "", 400, "since"},
		{"GET", "/v2/targets", "", 404, "not_found"},
		{"POST", "/v1/targets/orders/faults", failing, 405, "method_not_allowed"},
		{"POST", "/v1/targets/orders", "{}", 405, "method_not_allowed"},
		{"PUT", "/v1/targets/orders/faults/f", `{"seed": "` + strings.Repeat("1", 1<<21) + `"}`, 413, "too_large"},
	} {
		status, text := s.do(t, bad.method, bad.path, bad.body)
		var p struct {
			Status       int
			Code, Detail string
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil || status != bad.status || p.Status != status || p.Code != bad.code || p.Detail == "" {
			t.Errorf("%s %s %.80s: %d %s", bad.method, bad.path, bad.body, status, text)
		}
	}
	if faults, err := s.plane.Faults("orders", ""); err != nil || len(faults) > 0 {
		t.Errorf("on: %v %v", faults, err)
	}
}

// TestWho: only those who may use the API do.
func TestWho(t *testing.T) {
	open, closed := start(t, admin.Options{}), start(t, admin.Options{Token: "s3cret"})
	for _, ask := range []struct {
		side   *side
		header []string
		status int
	}{
		{open, nil, 200},
		{open, []string{"Host", "localhost:1"}, 200},
		{open, []string{"Host", "evil.test"}, 403},
		{open, []string{"Host", "127.0.0.1.evil.test:80"}, 403},
		{open, []string{"User-Agent", "Mozilla/5.0"}, 403},
		{open, []string{"Origin", "http://evil.test"}, 403},
		{closed, nil, 200},
		{closed, []string{"Host", "proxy.internal"}, 200},
		{closed, []string{"Authorization", "Bearer s3cre"}, 401},
		{closed, []string{"Authorization", "s3cret"}, 401},
		{closed, []string{"Authorization", ""}, 401},
	} {
		if status, text := ask.side.do(t, "GET", "/v1/targets", "", ask.header...); status != ask.status {
			t.Errorf("%v: %d %s, want %d", ask.header, status, text, ask.status)
		}
	}
	for addr, token := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "0.0.0.0:1": true, ":1": true, "10.0.0.1:1": true} {
		if err := admin.CheckAddress(addr, false); (err != nil) != token {
			t.Errorf("%s without a token: %v", addr, err)
		}
		if err := admin.CheckAddress(addr, true); err != nil {
			t.Errorf("%s with a token: %v", addr, err)
		}
	}
}

// TestLease: a fault whose lease nobody renews is off, one that is renewed stays.
func TestLease(t *testing.T) {
	s := start(t, admin.Options{})
	put := admin.Put{TTL: admin.MinTTL}
	if err := json.Unmarshal([]byte(`{"kind": "http_error", "params": {"codes": [503]}}`), &put.Fault); err != nil {
		t.Fatal(err)
	}
	var began time.Time
	for tries := 1; ; tries++ {
		began = time.Now()
		for _, id := range []string{"renewed", "forgotten"} {
			if _, _, err := s.plane.Apply("orders", id, put); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.plane.Renew("orders", "renewed", time.Hour)
		if err == nil {
			break
		}
		if time.Since(began) < admin.MinTTL || tries == 10 { // else a busy machine came too late
			t.Fatal(err)
		}
	}
	for {
		faults, err := s.plane.Faults("orders", "")
		if err != nil {
			t.Fatal(err)
		}
		if len(faults) == 1 {
			if faults[0].ID != "renewed" || time.Since(began) < admin.MinTTL {
				t.Errorf("left after %s: %+v", time.Since(began), faults)
			}
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatal("the lease does not run out")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestRemote drives the plane with the client that runs use.
func TestRemote(t *testing.T) {
	s := start(t, admin.Options{Token: "s3cret"})
	target := &remote.Target{Caller: link.Caller{Base: s.URL, Token: "s3cret", HTTP: http.DefaultClient}, Name: "orders"}
	state, err := target.State(t.Context())
	if err != nil || state.Listen != strings.TrimPrefix(s.orders, "http://") || len(state.Supports) == 0 || state.Labels["tier"] != "back" {
		t.Fatalf("%+v %v", state, err)
	}
	var fault chaos.Fault
	if err := json.Unmarshal([]byte(`{"kind": "http_error", "params": {"codes": [503]}, "match": {"every": 3}}`), &fault); err != nil {
		t.Fatal(err)
	}
	applied, err := target.Apply(t.Context(), remote.Put{Fault: fault, ID: "run-0-3", Key: "0:3", Seed: 7,
		Before: chaos.Stats{Seen: 5, Hit: 1}, // so the next is the sixth
		Warn:   func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	if status := s.status(t); status != 503 {
		t.Errorf("with the fault on it answers %d", status)
	}
	stats, err := applied.Remove(context.Background())
	if err != nil || stats.Seen != 6 || stats.Hit != 2 {
		t.Errorf("%+v %v", stats, err)
	}
	if status := s.status(t); status != 200 {
		t.Errorf("without it it answers %d", status)
	}
	// A busy machine now and then keeps none, or opens another one.
	n, err := target.Disconnect(t.Context(), "fin", &chaos.Match{Source: []string{"127.0.0.1"}})
	for try := 1; n != 1 && err == nil && try < 10; try++ {
		s.status(t)
		n, err = target.Disconnect(t.Context(), "fin", &chaos.Match{Source: []string{"127.0.0.1"}})
	}
	if n != 1 || err != nil {
		t.Errorf("%d disconnected, %v; the client kept one", n, err)
	}
	if err := target.Undo(t.Context(), "run-0-3"); err != nil {
		t.Errorf("what is off already: %v", err)
	}
}

// TestHits streams what a fault does, from a number on.
func TestHits(t *testing.T) {
	s := start(t, admin.Options{})
	s.do(t, "PUT", "/v1/targets/orders/faults/f", failing)
	for range 3 {
		s.status(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/v1/hits?target=orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ids []string
	lines := bufio.NewScanner(resp.Body)
	for len(ids) < 2 && lines.Scan() {
		if id, ok := bytes.CutPrefix(lines.Bytes(), []byte("id: ")); ok {
			ids = append(ids, string(id))
		}
	}
	if fmt.Sprint(ids) != "[2 3]" {
		t.Errorf("hits %v, %v", ids, lines.Err())
	}
}

// A lease runs out on time also while the plane is busy with others.
func TestLeaseWhileBusy(t *testing.T) {
	s := start(t, admin.Options{})
	put := admin.Put{TTL: admin.MinTTL}
	if err := json.Unmarshal([]byte(`{"kind": "http_error", "params": {"codes": [503]}}`), &put.Fault); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.plane.Apply("orders", "forgotten", put); err != nil {
		t.Fatal(err)
	}
	s.plane.Busy(func() {
		for began := time.Now(); s.status(t) != http.StatusOK; time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > time.Minute {
				t.Error("the fault waits for the plane to be free again")
				break
			}
		}
	})
}

// slowLog is a log whose reader takes its time.
type slowLog struct {
	slog.Handler
	asked, let chan struct{}
}

func (l slowLog) Handle(context.Context, slog.Record) error {
	select {
	case l.asked <- struct{}{}:
	default: // another record
	}
	<-l.let
	return nil
}

// The plane goes on while the log takes its time: it is a pipe that somebody may not read.
func TestSlowLog(t *testing.T) {
	log := slowLog{slog.NewTextHandler(io.Discard, nil), make(chan struct{}, 1), make(chan struct{})}
	plane := admin.NewPlane(slog.New(log))
	defer plane.Close()
	defer close(log.let)
	if _, _, err := plane.Open(t.Context(), proxy.Config{Name: "a", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	put := admin.Put{TTL: admin.MinTTL}
	if err := json.Unmarshal([]byte(`{"kind": "latency", "params": {"delay": "1s"}}`), &put.Fault); err != nil {
		t.Fatal(err)
	}
	if _, _, err := plane.Apply("a", "forgotten", put); err != nil {
		t.Fatal(err)
	}
	<-log.asked // the lease has run out
	waittest.Within(t, time.Minute, "the plane waits for the log", func() { plane.Targets() })
}

// A target whose connections take their time to end, as one that tells a log that nobody reads
// what it has met, holds nobody up: leases of others are renewed, and faults are taken off.
func TestSlowConnection(t *testing.T) {
	for what, ask := range map[string][3]string{
		"disable":  {"POST", "/proxies/slow", `{"enabled": false}`},
		"update":   {"POST", "/proxies/slow", `{"upstream": "127.0.0.1:2"}`},
		"populate": {"POST", "/populate", `[{"name": "slow", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:2"}]`},
		"delete":   {"DELETE", "/proxies/slow", ""},
		"remove":   {"DELETE", "/v1/targets/slow", ""},
	} {
		t.Run(what, func(t *testing.T) {
			log := slowLog{slog.NewTextHandler(io.Discard, nil), make(chan struct{}, 1), make(chan struct{})}
			plane := admin.NewPlane(slog.New(log))
			defer plane.Close()
			read := sync.OnceFunc(func() { close(log.let) })
			defer read()
			addr, _, err := plane.Open(t.Context(), proxy.Config{Name: "slow", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Protocol: "tcp"})
			if err != nil {
				t.Fatal(err)
			}
			client, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := io.WriteString(client, "hello"); err != nil {
				t.Fatal(err)
			}
			<-log.asked // it cannot reach its upstream
			w := httptest.NewRecorder()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				admin.NewServer(plane, admin.Options{}).Handler.ServeHTTP(w, httptest.NewRequest(ask[0], "http://localhost"+ask[1], strings.NewReader(ask[2])))
			}()
			waittest.Within(t, time.Minute, "the connection is not cut", func() { _, _ = io.Copy(io.Discard, client) })
			waittest.Within(t, time.Minute, "the plane waits for a connection", func() { plane.Targets() })
			read()
			waittest.Within(t, time.Minute, "it does not end", func() { <-ended })
			if w.Code >= 300 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}
