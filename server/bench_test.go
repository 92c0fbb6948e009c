package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The benchmarks measure the real program over real connections, with a client in a
// process of its own on the same machine: what they say is of both together.

const trivial = "orchestration(name = \"trivial\")\ndef main():\n    log(\"x\")\n"

// plain makes a request without looking at its answer any further than its status.
func (l *lab) plain(method, path, body string) error {
	req, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = bufio.NewReader(resp.Body).Discard(1 << 30)
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %d", method, path, resp.StatusCode)
	}
	_ = err // the end of the body
	return nil
}

// startMany starts n runs of a script from several clients.
func (l *lab) startMany(b *testing.B, script string, n, clients int) time.Duration {
	b.Helper()
	l.client.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	body, err := json.Marshal(map[string]any{"content": script, "format": "starlark"})
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := l.plain("POST", "/api/v1/runs", string(body)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// rss is the resident memory of the server, in MiB.
func (l *lab) rss(b *testing.B) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.cmd.Process.Pid))
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	return 0
}

// BenchmarkStarts starts a trivial orchestration again and again.
func BenchmarkStarts(b *testing.B) {
	for name, args := range map[string][]string{"in memory": {"--in-memory"}, "durable": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				l := serve(b, append(args, "--log-level", "error")...)
				l.startMany(b, trivial, 500, 16) // warm
				const n = 5000
				took := l.startMany(b, trivial, n, 16)
				b.ReportMetric(n/took.Seconds(), "starts/s")
				l.kill()
			}
		})
	}
}

// BenchmarkParked has runs that wait, and asks for them meanwhile.
func BenchmarkParked(b *testing.B) {
	for _, runs := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) {
			for b.Loop() {
				l := serve(b, "--log-level", "error")
				took := l.startMany(b, waits, runs, 16)
				b.ReportMetric(float64(runs)/took.Seconds(), "starts/s")
				b.ReportMetric(l.rss(b), "MiB")
				id := l.begin(waits)
				for name, path := range map[string]string{"status": "/api/v1/runs/" + id + "/status", "list": "/api/v1/runs", "legacy": "/api/chaos/orchestration/status"} {
					var times []time.Duration
					for range 1000 {
						began := time.Now()
						if err := l.plain("GET", path, ""); err != nil {
							b.Fatal(err)
						}
						times = append(times, time.Since(began))
					}
					slices.Sort(times)
					b.ReportMetric(float64(times[500].Microseconds())/1000, name+"-p50-ms")
					b.ReportMetric(float64(times[990].Microseconds())/1000, name+"-p99-ms")
				}
				l.kill()
			}
		})
	}
}

// BenchmarkWatchers has a thousand streams of one run, and says how long an event takes to
// the last of them.
func BenchmarkWatchers(b *testing.B) {
	const watchers, events = 1000, 20
	for b.Loop() {
		l := serve(b, "--log-level", "error")
		l.client.Transport = &http.Transport{MaxIdleConnsPerHost: watchers}
		id := l.begin(`
orchestration(name = "ticks")
def main():
    approve("all are here?")
    loop(lambda i: step("tick", duration = "500ms"), times = 20)
`)
		var ready, done sync.WaitGroup
		var mu sync.Mutex
		var worst []time.Duration
		var origin time.Time
		if err := json.Unmarshal(fmt.Appendf(nil, "%q", l.do("GET", "/api/v1/runs/"+id, nil).text("view.origin")), &origin); err != nil {
			b.Fatal(err)
		}
		for range watchers {
			ready.Add(1)
			done.Go(func() {
				req, _ := http.NewRequestWithContext(context.Background(), "GET", l.url+"/api/v1/runs/"+id+"/events", nil)
				req.Header.Set("Accept", "text/event-stream")
				resp, err := l.client.Do(req)
				if err != nil {
					b.Error(err)
					ready.Done()
					return
				}
				defer resp.Body.Close()
				lines := bufio.NewScanner(resp.Body)
				var late []time.Duration
				first := true
				for lines.Scan() {
					if first {
						ready.Done()
						first = false
					}
					text, ok := strings.CutPrefix(lines.Text(), "data: ")
					if !ok || !strings.Contains(text, `"kind":"step.end"`) {
						continue
					}
					var e struct{ At time.Duration }
					if json.Unmarshal([]byte(text), &e) == nil {
						late = append(late, time.Since(origin.Add(e.At)))
					}
				}
				mu.Lock()
				worst = append(worst, late...)
				mu.Unlock()
			})
		}
		ready.Wait()
		l.do("POST", "/api/v1/runs/"+id+"/approve", nil).is(200)
		done.Wait()
		if len(worst) != watchers*events {
			b.Fatalf("%d events came, expected %d", len(worst), watchers*events)
		}
		slices.Sort(worst)
		b.ReportMetric(float64(worst[len(worst)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(worst[len(worst)*99/100].Microseconds())/1000, "p99-ms")
		b.ReportMetric(float64(worst[len(worst)-1].Microseconds())/1000, "max-ms")
		b.ReportMetric(l.rss(b), "MiB")
		l.kill()
	}
}
