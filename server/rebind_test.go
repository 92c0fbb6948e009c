package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"starquake/internal/dnstest"
	"starquake/server"
	"starquake/store"
)

// here serves in this process, for tests that have to answer for names: everybody is admin.
func here(t *testing.T, config server.Config) *lab {
	t.Helper()
	data := t.TempDir()
	var err error
	if config.Store, err = store.Open(data, store.Options{}); err != nil {
		t.Fatal(err)
	}
	config.Version = "test"
	srv, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	l := &lab{t: t, url: "http://" + listener.Addr().String(), data: data, log: &said{}, client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(func() {
		l.client.CloseIdleConnections()
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := config.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	l.learn()
	return l
}

// TestNamesOfMetadata: no name leads a script to where a cloud hands out credentials,
// whatever it resolved to before, in a request, in a redirect or behind a proxy of its own.
func TestNamesOfMetadata(t *testing.T) {
	canary := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}))
	defer canary.Close()
	_, port, err := net.SplitHostPort(canary.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dnstest.Resolve(t, map[string][]string{
		"meta.test": {"169.254.169.254"}, "meta6.test": {"fd00:ec2::254"}, "mapped.test": {"::ffff:169.254.169.254"}, "good.test": {"127.0.0.1"},
		// They are good when they are asked for first, and for as long as anybody could look beforehand.
		"turns.test": {"127.0.0.1", "169.254.169.254"}, "relay.test": {"127.0.0.1", "127.0.0.1", "169.254.169.254"},
	})
	l := here(t, server.Config{InMemory: true, Policy: server.Policy{AllowNet: []string{"*"}, AllowProxies: true}})
	for _, tt := range []struct{ name, body string }{
		{"a name", `http.get("http://meta.test/latest/meta-data/")`},
		{"a name, IPv6", `http.get("http://meta6.test/latest/meta-data/")`},
		{"a name, mapped", `http.get("http://mapped.test/latest/meta-data/")`},
		{"a redirect", `http.get("http://good.test:PORT/?to=http://meta.test/")`},
		{"a name that turns", `http.get("http://turns.test:PORT/", headers = {"Connection": "close"}); http.get("http://turns.test:PORT/")`},
		{"TCP", `tcp.connect("meta.test:80")`},
		{"a proxy", `p = proxy("mine", listen = "127.0.0.1:0", upstream = "meta.test:80", protocol = "http"); http.get("http://" + p.listen + "/", expect = "2xx")`},
		{"a proxy whose name turns", `p = proxy("mine", listen = "127.0.0.1:0", upstream = "relay.test:PORT", protocol = "http"); http.get("http://" + p.listen + "/"); p.disconnect(); http.get("http://" + p.listen + "/")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := l.begin("def main():\n    " + strings.ReplaceAll(tt.body, "PORT", port) + "\n")
			if end := l.over(id); end.text("verdict") == "passed" || !strings.Contains(string(end.body), "metadata address") {
				t.Errorf("expected it to be refused, saying why: %s", end.body)
			}
		})
	}
	if end := l.over(l.begin(`def main(): http.get("http://good.test:` + port + `/")`)); end.text("verdict") != "passed" {
		t.Errorf("what is permitted: %s", end.body)
	}
}
