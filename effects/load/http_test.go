package load

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"starquake/internal/porttest"
)

// inBubble runs load of a specification in a bubble, against a server that listens in memory:
// how many requests are due, sent and late does not depend on how busy this machine is.
func inBubble(t *testing.T, spec Spec, serve func(net.Listener), look func(t *testing.T, f *Figures)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := fasthttputil.NewInmemoryListener()
		served := make(chan struct{})
		go func() {
			defer close(served)
			serve(l)
		}()
		opt := testOptions()
		opt.Dial = func(string) (net.Conn, error) { return l.Dial() }
		f := runWith(t, spec, opt)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-served
		time.Sleep(time.Minute) // of the bubble's time: the client's goroutine that closes idle connections ends
		look(t, f)
	})
}

// handled serves HTTP until its listener is closed.
func handled(h http.HandlerFunc) func(net.Listener) {
	return func(l net.Listener) {
		server := &http.Server{Handler: h}
		_ = server.Serve(l) // closed
		_ = server.Close()  // so is its listener
	}
}

func TestSteady(t *testing.T) {
	var served atomic.Int64
	server := handled(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		if n := served.Add(1); n%10 == 0 {
			w.WriteHeader(503)
		}
		fmt.Fprint(w, "hello")
	})
	inBubble(t, Spec{HTTP: &HTTP{URL: "http://steady.test/"}, Rate: constant(500), Duration: time.Second}, server, func(t *testing.T, f *Figures) {
		if f.Requests != 500 || served.Load() != 500 || f.Errors != 50 || f.ByStatus["200"] != 450 || f.ByStatus["503"] != 50 {
			t.Fatalf("got %+v, served %d; expected 500 requests, 50 of them 503", f, served.Load())
		}
		if math.Abs(f.Throughput-450) > 1 || f.ErrorRate != 0.1 || f.P50 <= 0 || f.P50 > f.P99 || f.P99 > f.Max+time.Millisecond {
			t.Fatalf("figures contradict each other: %+v", f)
		}
	})
}

// TestReal sends over sockets of the system.
func TestReal(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served.Add(1) }))
	defer server.Close()
	f := run(t, Spec{HTTP: &HTTP{URL: server.URL}, Rate: constant(200), Duration: time.Second})
	// A machine that is too busy does not send all.
	if f.Requests == 0 || f.Requests+f.Dropped != 200 || served.Load() != f.Requests || f.Errors != 0 || f.ByStatus["200"] != f.Requests || f.P50 <= 0 {
		t.Fatalf("got %+v, served %d; expected 200 requests", f, served.Load())
	}
}

func TestWarmupIsNotCounted(t *testing.T) {
	var served atomic.Int64
	server := handled(func(w http.ResponseWriter, r *http.Request) { served.Add(1) })
	inBubble(t, Spec{HTTP: &HTTP{URL: "http://warm.test/"}, Rate: constant(200), Duration: time.Second, Warmup: 500 * time.Millisecond}, server, func(t *testing.T, f *Figures) {
		if f.Requests != 100 || served.Load() != 200 || f.Span != 500*time.Millisecond {
			t.Fatalf("counted %d of %d in %s; expected 100 of 200 in 500ms", f.Requests, served.Load(), f.Span)
		}
	})
}

// TestStall has a server that answers nothing for two of ten seconds: of 2000 requests
// the 400 due in the stall wait for its end, so 20 wait more than 1.9 s and those are
// one in a hundred. Time is simulated: what a loaded machine adds would not be the tool's.
func TestStall(t *testing.T) {
	var begin time.Time // when the first request is due
	var once sync.Once
	server := handled(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { begin = time.Now() })
		from, to := begin.Add(3*time.Second), begin.Add(5*time.Second)
		if now := time.Now(); !now.Before(from) && now.Before(to) {
			time.Sleep(time.Until(to))
		}
	})
	inBubble(t, Spec{HTTP: &HTTP{URL: "http://stalls.test/"}, Rate: constant(200), Duration: 10 * time.Second}, server, func(t *testing.T, f *Figures) {
		truth := 1900 * time.Millisecond
		if off := math.Abs(float64(f.P99-truth)) / float64(truth); off > 0.05 || f.Errors > 0 || f.Requests != 2000 || f.Late > 0 {
			t.Fatalf("p99 %s, errors %d of %d, %d late; expected %s within 5 %% and none of 2000", f.P99, f.Errors, f.Requests, f.Late, truth)
		}
		if f.LongestOutage < 1990*time.Millisecond || f.LongestOutage > 2010*time.Millisecond {
			t.Fatalf("longest outage %s; expected 2s", f.LongestOutage)
		}
		t.Logf("p99 %s, outage %s", f.P99, f.LongestOutage)
	})
}

func TestDead(t *testing.T) {
	f := run(t, Spec{HTTP: &HTTP{URL: "http://" + porttest.Refused}, Rate: constant(100), Duration: time.Second})
	// A machine that is too busy does not send all.
	if f.Requests == 0 || f.Requests+f.Dropped != 100 || f.Errors != f.Requests || f.Throughput != 0 || f.LongestOutage < 900*time.Millisecond {
		t.Fatalf("got %+v; expected 100 errors and an outage of all the time", f)
	}
}

// TestSilentTLS: a server that takes connections and says nothing, as one behind a black hole,
// is timed out while TLS is begun, too.
func TestSilentTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, c)
		}
	}()
	spec := Spec{HTTP: &HTTP{URL: "https://" + l.Addr().String()}, Rate: constant(20), Duration: 500 * time.Millisecond, Timeout: 200 * time.Millisecond, MaxInFlight: 10}
	began := time.Now()
	f := run(t, spec)
	l.Close()
	<-ended
	for _, c := range held {
		c.Close()
	}
	if f.Requests == 0 || f.Errors != f.Requests || f.ByStatus["timeout"] != f.Requests || time.Since(began) > soon/2 {
		t.Errorf("after %s got %+v; expected that all were timed out", time.Since(began), f)
	}
}

// TestLiars has servers whose answers are not what they say.
func TestLiars(t *testing.T) {
	for name, answer := range map[string]string{
		"short body":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
		"huge length":     "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\nshort",
		"negative length": "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nshort",
		"no HTTP":         "\x00\x01\x02\x03\r\n\r\n",
		"nothing":         "",
		"broken chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := func(l net.Listener) {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					fmt.Fprint(conn, answer)
					conn.Close()
				}
			}
			spec := Spec{HTTP: &HTTP{URL: "http://lies.test/"}, Rate: constant(100), Duration: 200 * time.Millisecond, Timeout: 2 * time.Second}
			inBubble(t, spec, server, func(t *testing.T, f *Figures) {
				if f.Requests != 20 || f.Errors != 20 {
					t.Fatalf("got %+v; expected 20 errors", f)
				}
			})
		})
	}
}

// TestSlotsHeld has a server that answers nobody: its users find no slot, which is the
// system's doing and an error.
func TestSlotsHeld(t *testing.T) {
	server := handled(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	spec := Spec{HTTP: &HTTP{URL: "http://holds.test/"}, Rate: constant(100), Duration: 500 * time.Millisecond, Timeout: time.Second, MaxInFlight: 10}
	inBubble(t, spec, server, func(t *testing.T, f *Figures) {
		if f.Requests != 50 || f.Errors != 50 || f.Dropped != 40 || f.ByStatus["timeout"] != 10 || f.GeneratorLimited {
			t.Fatalf("got %+v; expected 10 timeouts and 40 dropped, by no fault of the generator", f)
		}
	})
}

// sleeper is a sender whose requests take as long as it says of each.
type sleeper struct {
	sent atomic.Int64
	take func(n int64) time.Duration
}

func (s *sleeper) Send(time.Time) Outcome {
	time.Sleep(s.take(s.sent.Add(1) - 1))
	return Outcome{Status: "200", OK: true}
}

func (*sleeper) Close() {}

// A request that was under way in a pause ends, by the load's clock, at its begin: those
// that come after it end when they do.
func TestPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sleeper{take: func(n int64) time.Duration {
			if n == 3 {
				return 10 * time.Second
			}
			return time.Millisecond
		}}
		g := New(Spec{HTTP: &HTTP{URL: "http://paused.test/"}, Rate: constant(1), Duration: 20 * time.Second}, s)
		time.AfterFunc(3500*time.Millisecond, g.Pause)
		time.AfterFunc(time.Minute, g.Resume)
		f := g.Run(t.Context())
		if f.Requests != 20 || f.Max != 10*time.Second || f.LongestOutage > time.Second {
			t.Errorf("got %+v; expected 20 requests, of which one took 10s, and no outage", f)
		}
		for i, p := range f.Series {
			if p.At != time.Duration(i)*time.Second || p.Requests != 1 {
				t.Errorf("at %s there are %d requests; expected one each second", p.At, p.Requests)
			}
		}
	})
}

// stuck answers its first requests at once, and others never.
type stuck struct {
	sent   atomic.Int64
	good   int64
	closed chan struct{}
}

func (s *stuck) Send(time.Time) Outcome {
	if s.sent.Add(1) <= s.good {
		return Outcome{Status: "200", OK: true}
	}
	<-s.closed
	return Outcome{Status: "closed"}
}

func (s *stuck) Close() { close(s.closed) }

// TestCutOff ends load while a system that has stopped to answer still owes most answers:
// they are in no count, but the latencies know how long they were waited for.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeout(t.Context(), 4*time.Second)
		defer end()
		g := New(Spec{HTTP: &HTTP{URL: "http://stuck.test/"}, Rate: constant(50)}, &stuck{good: 25, closed: make(chan struct{})})
		f := g.Run(ctx)
		if f.Requests != 25 || f.Errors != 0 || f.Unfinished < 170 {
			t.Errorf("got %+v; expected 25 requests and the rest unfinished", f)
		}
		if f.P50 < 2*time.Second || f.P99 < 4*time.Second || f.Max < f.P99-time.Millisecond {
			t.Errorf("p50 %s, p99 %s, longest %s; expected what the unanswered had taken by then", f.P50, f.P99, f.Max)
		}
	})
}

func TestStopWhen(t *testing.T) {
	server := handled(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	spec := Spec{HTTP: &HTTP{URL: "http://fails.test/"}, Rate: constant(100), Duration: soon, StopWhen: []string{"p99 > 1h", "error_rate > 50%"}}
	inBubble(t, spec, server, func(t *testing.T, f *Figures) {
		if f.StoppedBy != "error_rate > 50%" || f.Requests > 1000 {
			t.Fatalf("got %+v; expected it to be stopped by error_rate > 50%%", f)
		}
	})
}

// BenchmarkOffered20k offers 20 000 requests a second and reports what came of it.
func BenchmarkOffered20k(b *testing.B) {
	addr, stop := startServer(b)
	defer stop()
	for b.Loop() {
		before := cpu(b)
		f := run(b, Spec{HTTP: &HTTP{URL: "http://" + addr}, Rate: constant(20_000), Duration: 5 * time.Second})
		b.ReportMetric(f.Throughput, "achieved/s")
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(f.Requests), "µs-cpu/request")
		b.ReportMetric(float64(f.P99.Microseconds()), "µs-p99")
		b.ReportMetric(float64(f.Late)/float64(f.Requests), "late-share")
	}
}
