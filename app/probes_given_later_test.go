package app_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestProbesOfAnyPort has probes and calls at a proxy that takes a port of its own choice: in
// the plan that port is 0, since nobody knows it before the proxy listens.
func TestProbesOfAnyPort(t *testing.T) {
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	res := begin(t, `
shop = proxy("shop", listen = "127.0.0.1:0", upstream = "`+strings.TrimPrefix(service.URL, "http://")+`")

def main():
    guard("it listens", probe.tcp(shop.listen))
    tcp.connect(shop.listen)
    observe(probe.grpc(shop.listen))  # it is none, and may say so
    grpc.health(shop.listen, expect = "any")
`, app.RunOptions{}).Wait()
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("%s: %s", res.Outcome.Verdict, res.Outcome.Message)
	}
}

// TestSecretsInProbes gives probes and load what only a secret tells: a plan does without its
// text, and a run looks at what it is made of.
func TestSecretsInProbes(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}]}}`))
	}))
	defer service.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer secure.Close()
	const probes = `
def main():
    check("prometheus", observe(probe.prometheus("up", above = 0, url = secret("address"))).ok)
    check("http", observe(probe.http(secret("address"))).ok)
    observe(probe.grpc("127.0.0.1:1", metadata = {"authorization": "Bearer " + secret("address")}))
    observe(probe.grpc("127.0.0.1:1", ca = secret("authority")))
    traffic.grpc("127.0.0.1:1", "grpc.health.v1.Health/Check", rate = 1, metadata = {"authorization": secret("address")})
    sent = traffic.run(traffic.http(secret("address"), rate = 20, duration = "100ms"))
    check("load", sent.errors, equals = 0)
`
	t.Setenv("STARQUAKE_SECRET_ADDRESS", service.URL)
	s, diags := app.LoadText("t.star", []byte(probes))
	if diags.HasErrors() {
		t.Fatal(rendered(diags, s))
	}
	planned, err := s.Plan(app.PlanOptions{})
	if err != nil || planned.Outcome.Verdict != journal.VerdictPassed {
		t.Fatalf("%v: %s", err, planned.Outcome.Message)
	}
	t.Setenv("STARQUAKE_SECRET_AUTHORITY", "nonsense")
	opt := app.RunOptions{Options: app.Options{AllowLoad: []string{"127.0.0.1"}}}
	if _, err := s.Start(opt); err == nil || !strings.Contains(err.Error(), "ca has no certificate in it") {
		t.Errorf("a certificate that is none: %v", err)
	}
	t.Setenv("STARQUAKE_SECRET_AUTHORITY", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	res := begin(t, probes, opt).Wait()
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("%s: %s", res.Outcome.Verdict, res.Outcome.Message)
	}
}
