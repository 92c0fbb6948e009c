package proxy

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
)

// Where nothing passes, no header does: neither a request without a body, nor an answer
// without one, over HTTP/2 as over HTTP/1. All of it comes when the fault is gone.
func TestHeadersMeetWhatHoldsBytes(t *testing.T) {
	for _, name := range []string{"http", "h2"} {
		for _, midway := range []bool{false, true} {
			for _, f := range []struct {
				kind string
				args map[string]any
				asks bool // the upstream hears requests
			}{
				{"packet_loss", map[string]any{"percent": 100}, false},
				{"blackhole", map[string]any{"direction": "response"}, true},
			} {
				t.Run(fmt.Sprint(name, " ", f.kind, " midway ", midway), func(t *testing.T) {
					t.Parallel()
					asked, answer := make(chan string, 8), make(chan struct{})
					serve := func(w http.ResponseWriter, r *http.Request) {
						asked <- r.Method
						<-answer
						w.WriteHeader(http.StatusNoContent)
					}
					upstream := startHTTP(t, serve)
					if name == "h2" {
						upstream = h2test.StartHTTP2(t, serve)
					}
					p := startProxy(t, "http", upstream)
					client, _ := countedClient(t, p, name == "h2")
					var a *Applied
					if !midway {
						a = apply(t, p, "x", f.kind, f.args)
					}
					answered := make(chan string, 1)
					go func() {
						resp, err := client.Head("http://" + p.Addr())
						if err != nil {
							answered <- err.Error()
							return
						}
						resp.Body.Close()
						answered <- resp.Status
					}()
					if midway {
						want(t, asked, "HEAD")
						a = apply(t, p, "x", f.kind, f.args)
					}
					close(answer)
					eventually(t, "it is hit", func() bool { return a.Stats().Hit > 0 })
					if !midway && f.asks {
						want(t, asked, "HEAD")
					}
					select {
					case got := <-answered:
						t.Fatalf("answered %q", got)
					case got := <-asked:
						t.Fatalf("the upstream was asked %q", got)
					case <-time.After(50 * time.Millisecond):
					}
					a.Remove()
					want(t, answered, "204 No Content")
				})
			}
		}
	}
}
