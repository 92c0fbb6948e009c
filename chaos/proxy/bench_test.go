package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"starquake/chaos"
)

// benchHTTP sends small requests over 64 connections at once.
func benchHTTP(b *testing.B, addr string) {
	b.SetParallelism(32) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		buf := make([]byte, 4096)
		for pb.Next() {
			if _, err := io.WriteString(c, "GET /api/1/orders HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n"); err != nil {
				b.Error(err)
				return
			}
			if _, err := r.Read(buf); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// benchUpstream answers each read with a small response: it costs as little as can be.
func benchUpstream(b *testing.B) string {
	return startTCP(b, benchAnswers)
}

func BenchmarkHTTPDirect(b *testing.B) { benchHTTP(b, benchUpstream(b)) }

func BenchmarkHTTP(b *testing.B) { benchHTTP(b, startProxy(b, "http", benchUpstream(b)).Addr()) }

func BenchmarkHTTPAuto(b *testing.B) { benchHTTP(b, startProxy(b, "auto", benchUpstream(b)).Addr()) }

// 100 faults that match nothing: what looking costs.
func BenchmarkHTTP100Faults(b *testing.B) {
	p := startProxy(b, "http", benchUpstream(b))
	for i := range 100 {
		apply(b, p, fmt.Sprint(i), "http_error", map[string]any{"codes": 500, "match": map[string]any{"path": fmt.Sprintf("/other/%d/*", i)}})
	}
	benchHTTP(b, p.Addr())
}

func BenchmarkDecide(b *testing.B) {
	for _, fits := range []bool{true, false} {
		for _, n := range []int{0, 1, 10, 100} {
			b.Run(fmt.Sprintf("faults=%d/fit=%t", n, fits), func(b *testing.B) {
				p := startProxy(b, "http", "127.0.0.1:1")
				for i := range n {
					fault := map[string]any{"codes": 500, "probability": 0}
					if !fits {
						fault["match"] = benchMatch(i)
					}
					apply(b, p, fmt.Sprint(i), "http_error", fault)
				}
				method, target, host := []byte(http.MethodGet), []byte("/api/1/orders"), []byte("bench")
				lines := []byte("Host: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n")
				b.ReportAllocs()
				b.ResetTimer()
				var req chaos.Request
				for range b.N {
					req = chaos.Request{Method: method, Target: target, Host: host, HeaderLines: lines}
					if p.decide(nil, &req) != nil {
						b.Fatal("it was hit")
					}
				}
			})
		}
	}
}

// benchMatch is one of the ways in which rules match that do not fit.
func benchMatch(i int) map[string]any {
	switch i % 5 {
	case 0:
		return map[string]any{"path": fmt.Sprintf("/shop/v%d/**", i)}
	case 1:
		return map[string]any{"path": fmt.Sprintf("/shop/*/orders/%d", i)}
	case 2:
		return map[string]any{"method": []any{"POST", "PUT"}, "path": fmt.Sprintf("/cart/%d", i)}
	case 3:
		return map[string]any{"headers": map[string]any{"x-tenant": fmt.Sprintf("t%d", i)}}
	}
	return map[string]any{"host": fmt.Sprintf("api%d.example.com", i)}
}

func BenchmarkParseRequest(b *testing.B) {
	text := []byte("GET /api/1/orders HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseRequest(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	text := []byte("HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 129\r\nConnection: keep-alive\r\n\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseResponse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChunks(b *testing.B) {
	text := []byte(strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 16) + "0\r\n\r\n")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var r chunkReader
		if n, done, err := r.feed(text, nil); n != len(text) || !done || err != nil {
			b.Fatal(n, done, err)
		}
	}
}

// BenchmarkTCP is the throughput of one bulk stream.
func BenchmarkTCP(b *testing.B) {
	for _, delay := range []string{"", "20ms", "100ms"} {
		b.Run("delay="+delay, func(b *testing.B) {
			upstream := startTCP(b, func(c net.Conn) {
				buf := make([]byte, 256<<10)
				for {
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			})
			p := startProxy(b, "tcp", upstream)
			if delay != "" {
				apply(b, p, "slow", "latency", map[string]any{"delay": delay})
			}
			c := dialRaw(b, p.Addr())
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(len(buf)))
			b.ResetTimer()
			for range b.N {
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			c.Close()
		})
	}
}

// BenchmarkHold reports by how much injected delays are late.
func BenchmarkHold(b *testing.B) {
	p := startProxy(b, "http", "127.0.0.1:1")
	a := apply(b, p, "slow", "latency", map[string]any{"delay": "20ms"})
	for _, d := range []time.Duration{1, 5, 20, 100} {
		d *= time.Millisecond
		b.Run(d.String(), func(b *testing.B) {
			var late []time.Duration
			for b.Loop() {
				start := time.Now()
				p.hold(start, []delay{{by: a.on, d: d}}, nil)
				late = append(late, time.Since(start)-d)
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2])/1e6, "p50-late-ms")
			b.ReportMetric(float64(late[len(late)*99/100])/1e6, "p99-late-ms")
		})
	}
}

// BenchmarkLatency reports by how much requests that are delayed take longer than those
// that are not, beyond the delay.
func BenchmarkLatency(b *testing.B) {
	for _, d := range []time.Duration{1, 5, 20, 100} {
		d *= time.Millisecond
		b.Run(d.String(), func(b *testing.B) {
			p := startProxy(b, "http", benchUpstream(b))
			c := dialRaw(b, p.Addr())
			if err := c.SetDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
			answer := make([]byte, len(benchResponse))
			ask := func() time.Duration {
				start := time.Now()
				if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, answer); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			var plain, late []time.Duration
			for range 200 {
				plain = append(plain, ask())
			}
			slices.Sort(plain)
			apply(b, p, "slow", "latency", map[string]any{"delay": d})
			for b.Loop() {
				late = append(late, ask()-d-plain[len(plain)/2])
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2])/1e6, "p50-late-ms")
			b.ReportMetric(float64(late[len(late)*99/100])/1e6, "p99-late-ms")
		})
	}
}

// BenchmarkBandwidth reports by how many percent the speed over five seconds is off.
func BenchmarkBandwidth(b *testing.B) {
	for _, rate := range []int{10_000, 100_000, 1_000_000, 10_000_000, 100_000_000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			p := startProxy(b, "tcp", startTCP(b, func(c net.Conn) {
				buf := make([]byte, 64<<10)
				for {
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}))
			apply(b, p, "narrow", "bandwidth", map[string]any{"rate": rate})
			for b.Loop() {
				c := dialRaw(b, p.Addr())
				buf := make([]byte, 64<<10)
				total := 0
				start := time.Now()
				for time.Since(start) < 5*time.Second {
					n, err := c.Read(buf)
					if total += n; err != nil {
						b.Fatal(err)
					}
				}
				got := float64(total) / time.Since(start).Seconds()
				b.ReportMetric(100*(got/float64(rate)-1), "%-off")
				c.Close()
			}
		})
	}
}
