package h2

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/internal/alarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; it is never waited out.
const patience = 4 * time.Minute

// planner is Hooks made of functions, any of which may be nil.
type planner struct {
	request func(req *Request, plan *Plan)
	done    func(state any, out Outcome)
	changed func(state any) Change
}

func (p planner) Request(req *Request, plan *Plan) {
	if p.request != nil {
		p.request(req, plan)
	}
}

func (p planner) Done(state any, out Outcome) {
	if p.done != nil {
		p.done(state, out)
	}
}

func (p planner) Changed(state any) Change {
	if p.changed != nil {
		return p.changed(state)
	}
	return Change{}
}

// testRelays listens and relays each connection.
type testRelays struct {
	addr string
	mu   sync.Mutex
	all  []*Relay
	errs []error // of those that have ended
	cond *sync.Cond
}

// relayTo starts relays in front of addr, and ends them with the test.
func relayTo(t testing.TB, addr string, hooks Hooks) *testRelays {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	clock, err := alarm.New()
	if err != nil {
		t.Fatal(err)
	}
	relays := &testRelays{addr: l.Addr().String()}
	relays.cond = sync.NewCond(&relays.mu)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			r := New(Config{Client: client, Upstream: up, Hooks: hooks, Clock: clock})
			relays.mu.Lock()
			relays.all = append(relays.all, r)
			relays.mu.Unlock()
			wg.Go(func() {
				err := r.Run(ctx)
				relays.mu.Lock()
				relays.errs = append(relays.errs, err)
				relays.cond.Broadcast()
				relays.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		wg.Wait()
		clock.Close()
		for _, r := range relays.all {
			if r.held != [2]int{} || r.queues != [2]int{} || len(r.streams) != 0 {
				t.Errorf("after its end the relay still holds %v bytes in %v queues, %d streams", r.held, r.queues, len(r.streams))
			}
		}
	})
	return relays
}

// relays returns those there are.
func (x *testRelays) relays() []*Relay {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]*Relay(nil), x.all...)
}

// ended waits until n relays have ended and returns their errors.
func (x *testRelays) ended(n int) []error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.errs) < n {
		x.cond.Wait()
	}
	return append([]error(nil), x.errs...)
}

// splice is a proxy that looks at nothing.
func splice(t testing.TB, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", addr)
			if err != nil {
				client.Close()
				continue
			}
			wg.Go(func() { io.Copy(up, client); up.Close(); client.Close() })
			wg.Go(func() { io.Copy(client, up); up.Close(); client.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// until waits for what comes soon.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come", what)
		}
	}
}

// after is a delay of a fixed time. Closing over ends it early.
type after struct {
	d      time.Duration
	over   chan struct{}
	served chan time.Duration
}

func newAfter(d time.Duration) *after {
	return &after{d, make(chan struct{}), make(chan time.Duration, 1000)}
}

func (a *after) Due(start time.Time) time.Time {
	select {
	case <-a.over:
		return start
	default:
		return start.Add(a.d)
	}
}

func (a *after) Served(late time.Duration) { a.served <- late }

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
