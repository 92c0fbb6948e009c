package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"starquake/chaos/proxy/h2/h2test"
)

// A client of HTTP/2 that asks whether to send its body, and waits, is told to where the body
// is read before the request goes on.
func TestInvitesHTTP2(t *testing.T) {
	p := startProxy(t, "auto", h2test.StartHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", got, r.Header["Expect"])
	}))
	tr := &http.Transport{ExpectContinueTimeout: generous, Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	for kind, args := range map[string]map[string]any{
		"rewrite":       {"direction": "request", "json_patch": []any{map[string]any{"op": "add", "path": "/a", "value": 1}}},
		"graphql_error": {"codes": "DOWN", "match": map[string]any{"graphql_operation": "Other"}},
	} {
		a := apply(t, p, "x", kind, args)
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+p.Addr()+"/graphql", strings.NewReader(`{"query":"query Q{a}"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Expect", "100-continue")
		req.Header.Set("Content-Type", "application/json")
		resp, err := (&http.Client{Transport: tr, Timeout: generous}).Do(req)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(got), "query Q{a}") || !strings.HasSuffix(string(got), "} []") {
			t.Errorf("%s: %s, %v", kind, got, err)
		}
		a.Remove()
	}
}
