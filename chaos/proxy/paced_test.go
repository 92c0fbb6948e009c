package proxy

import (
	"net/http"
	"testing"
	"time"

	"starquake/chaos/proxy/h2/h2test"
)

// pacedBody is a client of a server whose bodies are large, over HTTP/1 and HTTP/2.
func pacedBody(t *testing.T, test func(t *testing.T, p *Proxy, fetch func())) {
	serve := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300_000)) }
	for name, upstream := range map[string]string{"http": startHTTP(t, serve), "h2": h2test.StartHTTP2(t, serve)} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "http", upstream)
			client, _ := countedClient(t, p, name == "h2")
			test(t, p, func() { get(t, client, "http://"+p.Addr()) })
		})
	}
}

// What a fault that limits the speed says it asked for, and what that took, is the time that
// the body took: over HTTP/2 too, where the pieces come at once and wait for each other.
func TestPacedDelaysCountOnce(t *testing.T) {
	pacedBody(t, func(t *testing.T, p *Proxy, fetch func()) {
		const least, tries = 100 * time.Millisecond, 10
		for try := 1; ; try++ {
			a := apply(t, p, "x", "bandwidth", map[string]any{"rate": 1_000_000, "direction": "response"})
			start := time.Now()
			fetch()
			took := time.Since(start)
			s := a.Remove()
			// What comes late by a timer is caught up with, so less may have been asked for: by a
			// machine that stops for a while as much less as it stopped.
			if s.Asked < least && try < tries && took > 2*least {
				continue
			}
			if s.Asked < least || s.Asked > took || s.Achieved < s.Asked || s.Achieved > took {
				t.Errorf("%v were asked for and took %v; the body took %v", s.Asked, s.Achieved, took)
			}
			return
		}
	})
}

// When the limit goes off it cuts one wait short: pieces behind that have not waited.
func TestPacedDelaysAreReleasedOnce(t *testing.T) {
	pacedBody(t, func(t *testing.T, p *Proxy, fetch func()) {
		a := apply(t, p, "x", "bandwidth", map[string]any{"rate": 10_000, "direction": "response"})
		done := make(chan struct{})
		go func() {
			defer close(done)
			fetch()
		}()
		eventually(t, "some pieces have passed", func() bool { return a.Stats().Asked > 50*time.Millisecond })
		a.Remove()
		<-done
		if s := a.Stats(); s.Released > 1 {
			t.Errorf("%d waits were cut short, want one at most", s.Released)
		}
	})
}
