package proxy

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"starquake/chaos/proxy/h2/h2test"
)

// Of several rate limits the lowest holds: what one of them turns away takes nothing from
// the others.
func TestLowestRateLimit(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {})
	limits := func(t *testing.T, p *Proxy) (all, each func()) {
		return func() { apply(t, p, "all", "rate_limit", map[string]any{"rate": 0.001, "burst": 2}) },
			func() {
				apply(t, p, "each", "rate_limit", map[string]any{"rate": 0.001, "burst": 1, "per": "endpoint"})
			}
	}
	for _, name := range []string{"the lowest last", "the lowest first"} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, "http", upstream)
			first, then := limits(t, p)
			if name == "the lowest first" {
				first, then = then, first
			}
			first()
			then()
			client := newClient(t)
			for i, test := range []struct {
				path   string
				status int
			}{{"/a", 200}, {"/a", 429}, {"/a", 429}, {"/b", 200}, {"/c", 429}} {
				if status, _ := get(t, client, "http://"+p.Addr()+test.path); status != test.status {
					t.Errorf("request %d of %s got %d, want %d", i, test.path, status, test.status)
				}
			}
		})
	}
}

// A bulkhead that is full answers at once, whatever there is to wait for in another.
func TestFullBulkheadAnswersAtOnce(t *testing.T) {
	for _, name := range []string{"full last", "full first"} {
		t.Run(name, func(t *testing.T) {
			arrived, release := make(chan struct{}, 2), make(chan struct{})
			upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-release
			})
			p := startProxy(t, "http", upstream)
			var waits *Applied
			wide := func() {
				waits = apply(t, p, "waits", "bulkhead", map[string]any{"max_concurrent": 1, "queue_timeout": "20s"})
			}
			full := func() { apply(t, p, "full", "bulkhead", map[string]any{"max_concurrent": 1, "queue": 0}) }
			if name == "full first" {
				wide, full = full, wide
			}
			wide()
			full()
			var wg sync.WaitGroup
			defer wg.Wait()
			defer close(release)
			wg.Go(func() { get(t, newClient(t), "http://"+p.Addr()) })
			<-arrived
			status, _ := get(t, newClient(t), "http://"+p.Addr())
			if s := waits.Stats(); status != 503 || s.Asked != 0 {
				t.Errorf("got %d; the other is %+v, want nobody to have waited", status, s)
			}
		})
	}
}

// The same of messages: one that a limit closes for takes nothing from another.
func TestLowestRateLimitOfMessages(t *testing.T) {
	p := startProxy(t, "ws", startSocketEcho(t, websocket.CompressionDisabled))
	c, ctx := dialSocket(t, p, websocket.CompressionDisabled)
	other, _ := dialSocket(t, p, websocket.CompressionDisabled)
	apply(t, p, "all", "rate_limit", map[string]any{"rate": 0.001, "burst": 2})
	tight := apply(t, p, "tight", "rate_limit", map[string]any{"rate": 0.001, "burst": 1})
	say(t, ctx, c, "a")
	hear(t, ctx, c, "a")
	say(t, ctx, c, "b")
	if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != 1008 {
		t.Fatalf("%v, want it closed with 1008", err)
	}
	tight.Remove()
	say(t, ctx, other, "c")
	hear(t, ctx, other, "c")
}

// A request that has waited too long in one bulkhead is answered then, without the delays
// that come later, and waits in no other any more: its place there is not lost.
func TestQueueTimeoutLeavesOtherQueues(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2 %v", http2), func(t *testing.T) {
			arrived, release := make(chan struct{}, 3), make(chan struct{})
			handler := func(w http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-release
			}
			p := startProxy(t, "auto", startHTTP(t, handler))
			client := func() *http.Client { return newClient(t) }
			if http2 {
				p = startProxy(t, "auto", h2test.StartHTTP2(t, handler))
				client = func() *http.Client { return h2test.NewHTTP2Client(t) }
			}
			apply(t, p, "short", "bulkhead", map[string]any{"max_concurrent": 1, "queue_timeout": "20ms"})
			apply(t, p, "long", "bulkhead", map[string]any{"max_concurrent": 1, "queue_timeout": "20s"})
			var wg sync.WaitGroup
			wg.Go(func() { get(t, client(), "http://"+p.Addr()) })
			<-arrived
			slow := apply(t, p, "slow", "latency", map[string]any{"delay": "20s", "direction": "request"})
			start := time.Now()
			if status, _ := get(t, client(), "http://"+p.Addr()); status != 503 || time.Since(start) > 10*time.Second {
				t.Errorf("got %d after %v, want 503 after 20ms", status, time.Since(start))
			}
			if s := slow.Remove(); s.Asked != 0 {
				t.Errorf("the delay is %+v, want none served", s)
			}
			close(release)
			wg.Wait()
			if status, _ := get(t, client(), "http://"+p.Addr()); status != 200 {
				t.Errorf("the next got %d, want 200", status)
			}
		})
	}
}
