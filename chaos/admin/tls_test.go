package admin_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"starquake/chaos"
	"starquake/chaos/admin"
	"starquake/chaos/link"
	"starquake/chaos/proxy"
	"starquake/chaos/proxy/pki"
	"starquake/chaos/remote"
)

// A target of the API terminates TLS as one of a run does; only such ones take tls_fault,
// here and from another starquake.
func TestTLSTarget(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	authority, _, err := pki.Ensure(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, admin.Options{LoadTLS: func(spec *chaos.TLS) (*proxy.TLS, error) {
		return proxy.LoadTLS(spec, func(name string) (string, error) { return filepath.Join(t.TempDir(), name), nil }, dir)
	}})
	target := `{"listen": "127.0.0.1:0", "upstream": "127.0.0.1:1", "tls": `
	for body, want := range map[string]string{
		target + `"perhaps"}`:                                      `expected \"pass\", \"terminate\"`,
		target + `{"cert": "a.pem"}}`:                              "cert and key go together",
		target + `{"cert": "a.pem", "key": "a.key"}}`:              "no such file",
		target + `{"nothing": true}}`:                              "is unknown; there are cert",
		target + `{"insecure": "yes"}}`:                            "expected true or false",
		target + `{"upstream": "plain", "server_name": "a.test"}}`: "has no effect",
	} {
		if code, text := s.do(t, "PUT", "/v1/targets/shop", body); code != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", body, code, text, want)
		}
	}
	if code, text := s.do(t, "PUT", "/v1/targets/shop", target+`"terminate"}`); code != 201 {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := s.do(t, "PUT", "/v1/targets/shop", target+`{}}`); code != 200 {
		t.Errorf("the same again: %d %s", code, text)
	}
	if code, text := s.do(t, "PUT", "/v1/targets/shop", target+`{"insecure": true}}`); code != 409 {
		t.Errorf("another: %d %s", code, text)
	}
	p, err := s.plane.Proxy("shop")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate())
	client := &tls.Config{RootCAs: pool}
	shake := func() error {
		c, err := tls.Dial("tcp", p.Addr(), client)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := shake(); err != nil {
		t.Error(err)
	}
	fault := `{"fault": {"kind": "tls_fault", "params": {"kind": "expired"}}, "ttl": "1m"}`
	if code, text := s.do(t, "PUT", "/v1/targets/orders/faults/f", fault); code < 400 || !strings.Contains(text, "acts on targets that terminate TLS") {
		t.Errorf("on a target without TLS: %d %s", code, text)
	}
	if code, text := s.do(t, "PUT", "/v1/targets/shop/faults/f", fault); code != 201 {
		t.Fatalf("%d %s", code, text)
	}
	if err := shake(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("under the fault: %v", err)
	}
	if code, text := s.do(t, "DELETE", "/v1/targets/shop/faults/f", ""); code != 200 || !strings.Contains(text, `"hit":1`) {
		t.Errorf("%d %s", code, text)
	}
	if err := shake(); err != nil {
		t.Errorf("after the fault: %v", err)
	}
	for name, want := range map[string]bool{"shop": true, "orders": false} {
		r := remote.Target{Caller: link.Caller{Base: s.URL, HTTP: http.DefaultClient}, Name: name}
		state, err := r.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(state.Supports, "tls_fault") != want || !slices.Contains(state.Supports, "latency") {
			t.Errorf("%s supports %v", name, state.Supports)
		}
	}
}
