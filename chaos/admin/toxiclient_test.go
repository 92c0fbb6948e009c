package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	client "github.com/Shopify/toxiproxy/v2/client"

	"starquake/chaos"
	"starquake/chaos/admin"
	"starquake/chaos/link"
	"starquake/chaos/toxiproxy"
	"starquake/chaos/toxiproxy/toxiproxytest"
)

// TestCLI drives the plane with toxiproxy-cli.
func TestCLI(t *testing.T) {
	s := start(t, admin.Options{})
	program := toxiproxytest.CLI(t)
	for _, step := range []struct {
		args string
		fail bool
		says string
	}{
		{"list", false, "orders"},
		{"create -l 127.0.0.1:0 -u 127.0.0.1:1 redis", false, "Created new proxy redis"},
		{"create -l 127.0.0.1:0 -u 127.0.0.1:1 redis", true, "proxy already exists"},
		{"toxic add -t latency -a latency=100 -a jitter=5 --toxicity 0.5 redis", false, "Added downstream latency toxic 'latency_downstream' on proxy 'redis'"},
		{"toxic add -t latency -a latency=100 redis", true, "toxic already exists"},
		{"toxic add -t latency -a latency=-5 -n minus redis", true, "expected 0 or more"},
		{"toxic add -t earthquake redis", true, "invalid toxic type"},
		{"toxic add -t bandwidth -a rate=10 --upstream redis", false, "bandwidth_upstream"},
		{"toxic update -n latency_downstream -a jitter=9 redis", false, "Updated toxic"},
		{"inspect redis", false, "jitter=9"},
		{"toxic remove -n bandwidth_upstream redis", false, "Removed toxic"},
		{"toxic remove -n bandwidth_upstream redis", true, "toxic not found"},
		{"toggle redis", false, "is now"},
		{"list", false, "disabled"},
		{"toggle redis", false, "is now"},
		{"delete redis", false, "Deleted proxy redis"},
		{"inspect redis", true, "proxy not found"},
	} {
		out, err := exec.Command(program, append([]string{"-host", s.URL}, strings.Fields(step.args)...)...).CombinedOutput()
		if (err != nil) != step.fail || !strings.Contains(string(out), step.says) {
			t.Errorf("toxiproxy-cli %s: %v\n%s\nwant %q", step.args, err, out, step.says)
		}
	}
}

// TestGoClient drives the plane with the client of Toxiproxy.
func TestGoClient(t *testing.T) {
	s := start(t, admin.Options{})
	c := client.NewClient(s.URL)
	made, err := c.Populate([]client.Proxy{{Name: "a", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Enabled: true}, {Name: "b", Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"}})
	if err != nil || len(made) != 2 || !made[0].Enabled || made[1].Enabled {
		t.Fatal(made, err)
	}
	orders, err := c.Proxy("orders")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := orders.AddToxic("", "timeout", "upstream", 1, client.Attributes{"timeout": 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(s.orders); err == nil {
		t.Error("a request passes the time-out")
	}
	if toxic, err := orders.UpdateToxic("timeout_upstream", 0, client.Attributes{}); err != nil || toxic.Attributes["timeout"] != 20.0 {
		t.Error(toxic, err)
	}
	if status := s.status(t); status != 200 {
		t.Errorf("at toxicity 0: %d", status)
	}
	if err := orders.Disable(); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(s.orders); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("disabled: %v", err)
	}
	if err := c.ResetState(); err != nil {
		t.Fatal(err)
	}
	if toxics, err := orders.Toxics(); err != nil || len(toxics) > 0 || s.status(t) != 200 {
		t.Errorf("after the reset: %v %v", toxics, err)
	}
	if err := orders.Delete(); err != nil {
		t.Error(err)
	}
	if _, err := c.Proxy("orders"); err == nil || !strings.Contains(err.Error(), "proxy not found") {
		t.Errorf("deleted: %v", err)
	}
}

// TestToxiproxyEngine drives the plane as toxiproxy(url).proxy(name) of a script does.
func TestToxiproxyEngine(t *testing.T) {
	s := start(t, admin.Options{})
	p := &toxiproxy.Proxy{Caller: link.Caller{HTTP: http.DefaultClient, Base: s.URL}, Name: "orders"}
	// One of a kind that Toxiproxy does not have: its attributes are not only numbers.
	foreign := `{"name":"theirs","type":"http_error","attributes":{"codes":[503]}}`
	if resp, err := http.Post(s.URL+"/proxies/orders/toxics", "application/json", strings.NewReader(foreign)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if state, err := p.State(t.Context()); err != nil || len(state.Toxics) != 1 {
		t.Fatalf("beside a toxic that is not Toxiproxy's: %+v, %v", state, err)
	}
	if req, err := http.NewRequest("DELETE", s.URL+"/proxies/orders/toxics/theirs", nil); err != nil {
		t.Fatal(err)
	} else if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 204 {
		t.Fatalf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	for kind, args := range map[string]map[string]any{
		"latency": {"delay": "5ms"}, "bandwidth": {"rate": "100KB/s"}, "blackhole": nil, "partition": nil, "timeout": {"after": "20ms"}, "reset": nil,
		"slow_close": {"delay": "5ms"}, "slicer": {"average": 2}, "limit_data": {"bytes": 3}, "refuse": {"open_connections": "close"},
	} {
		f, err := chaos.New(kind, args)
		if err != nil {
			t.Fatal(err)
		}
		a, err := p.Apply(t.Context(), f, "run-0-3", 0, link.Hold{}, func(err error) { t.Error(kind, err) })
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		state, err := p.State(t.Context())
		if err != nil || len(state.Toxics) == 0 || state.Enabled == (kind == "refuse") {
			t.Errorf("%s: %+v, %v", kind, state, err)
		}
		if faults, err := s.plane.Faults("orders", ""); err != nil || kind != "refuse" && (len(faults) != len(state.Toxics) || !strings.HasPrefix(faults[0].ID, "starquake-run-0-3-")) {
			t.Errorf("%s: faults %+v, %v", kind, faults, err)
		}
		if err := a.Remove(context.Background()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if state, err := p.State(t.Context()); err != nil || len(state.Toxics) > 0 || !state.Enabled {
			t.Errorf("%s afterwards: %+v, %v", kind, state, err)
		}
	}
	if status := s.status(t); status != 200 {
		t.Errorf("afterwards it answers %d", status)
	}
}

// FuzzToxics sends whatever comes to what reads toxics: nothing breaks, errors have the
// form of errors, and what is on is valid.
func FuzzToxics(f *testing.F) {
	for _, seed := range []string{
		`{"type":"latency","attributes":{"latency":5}}`, `{"type":"slicer","toxicity":1e39}`, `{"type":"http_error","attributes":{"codes":[503],"match":{}}}`,
		`{"type":"latency","ttl":"-1s","seed":-1,"match":[]}`, `{"type":"corrupt","stream":"upstream","attributes":{"kind":"bit_flip","direction":null}}`, `[`, `{"type":"noop","attributes":{"a":1}}`,
	} {
		f.Add(seed)
	}
	plane := admin.NewPlane(nil)
	server := admin.NewServer(plane, admin.Options{}).Handler
	f.Cleanup(func() { _ = plane.Close() })
	ask := func(method, path, body string) (int, []byte) {
		w := httptest.NewRecorder()
		req, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		if err != nil {
			f.Fatal(err)
		}
		server.ServeHTTP(w, req)
		return w.Code, w.Body.Bytes()
	}
	if status, body := ask("POST", "/proxies", `{"name":"p","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","protocol":"auto"}`); status != 201 {
		f.Fatal(status, string(body))
	}
	f.Fuzz(func(t *testing.T, body string) {
		status, answer := ask("POST", "/proxies/p/toxics", body)
		var e struct {
			Error  string
			Status int
		}
		switch err := json.Unmarshal(answer, &e); {
		case err != nil:
			t.Fatalf("%d %s: %v", status, answer, err)
		case status != 200 && (e.Error == "" || e.Status != status):
			t.Fatalf("%d %s", status, answer)
		}
		faults, err := plane.Faults("p", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, on := range faults {
			if err := on.Fault.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		if status, answer := ask("POST", "/reset", ""); status != 204 {
			t.Fatal(status, string(answer))
		}
	})
}
