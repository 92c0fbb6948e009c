package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Who is held in a delay is woken by so much early as others went on late: some of many
// requests are then answered before their time, in either engine.
func TestDelaysAreSetEarly(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.Config.Protocols = protocols
	s.Start()
	t.Cleanup(s.Close)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		p := startProxy(t, "auto", s.Listener.Addr().String())
		protocols := new(http.Protocols)
		protocols.SetHTTP1(proto == "HTTP/1.1")
		protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
		tr := &http.Transport{Protocols: protocols}
		t.Cleanup(tr.CloseIdleConnections)
		a := apply(t, p, "slow", "latency", map[string]any{"delay": "20ms"})
		eventually(t, proto+": a request is early", func() bool {
			for range 300 {
				p.clock.Early.Rang(time.Hour) // as late as is believed
			}
			before := a.Stats()
			if status, got := get(t, &http.Client{Transport: tr}, "http://"+p.Addr()); status != 200 || got != proto {
				t.Fatalf("got %d %q, want %q", status, got, proto)
			}
			after := a.Stats()
			return after.Achieved-before.Achieved < after.Asked-before.Asked
		})
	}
}
