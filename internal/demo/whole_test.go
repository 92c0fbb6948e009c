package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// open opens a shop that is closed with the test.
func open(t *testing.T, customers bool) *Shop {
	t.Helper()
	places, err := Anywhere()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), places, customers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestAnOrder wants one payment of one order where nothing is wrong.
func TestAnOrder(t *testing.T) {
	s := open(t, false)
	order := func() (status int, body string, paid, asked int) {
		payments, catalogs := s.Service(Payments).Requests("/pay"), s.Service(Catalog).Requests("/catalog")
		status, body = get(t, s.Service(Checkout).URL()+"/checkout")
		return status, body, s.Service(Payments).Requests("/pay") - payments, s.Service(Catalog).Requests("/catalog") - catalogs
	}
	status, body, paid, asked := order()
	for range 9 { // a machine that is busy for longer than checkout waits has it ask again
		if status == 200 && paid == 1 && asked == 1 {
			break
		}
		status, body, paid, asked = order()
	}
	if status != 200 || paid != 1 || asked != 1 {
		t.Errorf("checkout: %d %s: an order asked for %d payments and %d catalogs, want one of each", status, body, paid, asked)
	}
	if status, body := get(t, s.Service(Checkout).URL()+"/"); status != 200 {
		t.Errorf("/: %d %s", status, body)
	}
}

// TestAStorm wants an order to cost as many payments as it is tried when payments are
// slower than checkout waits, and one again afterwards.
func TestAStorm(t *testing.T) {
	var paid atomic.Int32
	var slow atomic.Bool
	over := make(chan struct{})
	payments := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paid.Add(1)
		if slow.Load() {
			select {
			case <-r.Context().Done():
			case <-over:
			}
			return
		}
		_, _ = io.WriteString(w, `{"payment":"p"}`)
	}))
	defer payments.Close()
	defer close(over)
	// storm says in what it differs, "" for nothing.
	storm := func(patience time.Duration) string {
		checkout := start(t, Config{Work: -1, Payments: payments.URL, Patience: patience, Retries: 3})
		for _, test := range []struct {
			slow         bool
			status, paid int32
		}{{false, 200, 1}, {true, 502, 4}, {false, 200, 1}} {
			slow.Store(test.slow)
			paid.Store(0)
			if status, body := get(t, checkout.URL()+"/checkout"); status != int(test.status) || paid.Load() != test.paid {
				return fmt.Sprintf("slow %v: %d %s and %d payments, want %d and %d", test.slow, status, body, paid.Load(), test.status, test.paid)
			}
		}
		return ""
	}
	differs := storm(200 * time.Millisecond)
	for patience := time.Second; differs != "" && patience < 20*time.Second; patience *= 4 { // a busy machine needs longer
		differs = storm(patience)
	}
	if differs != "" {
		t.Error(differs)
	}
}

// TestNoRoom wants what finds neither a worker nor a place in the queue to be turned away.
func TestNoRoom(t *testing.T) {
	s := newShop(Config{Work: -1, Workers: 1, Queue: 1})
	s.room <- struct{}{}
	s.room <- struct{}{}
	if s.toil(t.Context(), 1) {
		t.Error("a third one found room")
	}
	<-s.room
	s.hands <- struct{}{} // the first is worked on, and takes for ever
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.toil(ctx, 2) {
		t.Error("one that left was worked on")
	}
	<-s.hands
	if !s.toil(t.Context(), 3) {
		t.Error("there is room, and it was turned away")
	}
	if len(s.room) != 1 || len(s.hands) != 0 {
		t.Errorf("%d in the room and %d at work, want the one that was put there", len(s.room), len(s.hands))
	}
}

// TestCustomers wants customers at every place, and where somebody listens before it
// that they take that way.
func TestCustomers(t *testing.T) {
	s := open(t, true)
	var before sync.WaitGroup
	for _, p := range s.Places {
		l, err := net.Listen("tcp", p.Via)
		if err != nil {
			t.Fatal(err)
		}
		before.Go(func() {
			defer l.Close()
			conn, err := l.Accept() // comes, or the test hangs until it is ended
			if err == nil {
				_ = conn.Close()
			}
		})
	}
	before.Wait()
	for _, at := range []struct{ name, path string }{{Checkout, "/checkout"}, {Payments, "/pay"}, {Catalog, "/catalog"}} {
		for s.Service(at.name).Requests(at.path) == 0 {
			if t.Context().Err() != nil {
				t.Fatalf("nobody came to %s", at.name)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestPlaces asks every part in its own protocol, as customers do.
func TestPlaces(t *testing.T) {
	s := open(t, false)
	if err := query(t.Context(), new(net.Dialer).DialContext, s.Place(Database).Addr); err != nil {
		t.Error(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 2 {
		if err := chat(t.Context(), client, s.Place(News).Addr); err != nil {
			t.Error(err)
		}
		if err := call(t.Context(), waysOf(s.Places), s.Place(Delivery).Addr); err != nil {
			t.Error(err)
		}
	}
	if err := send(t.Context(), client, "http://"+s.Place(Search).Addr+"/graphql", `{"query":"{ items { name } }"}`); err != nil {
		t.Error(err)
	}
	if err := send(t.Context(), client, "http://"+s.Place(Search).Addr+"/graphql", `{"query":""}`); err == nil {
		t.Error("a query of nothing was answered")
	}
}

// TestTwoShops wants a shop whose place is taken to say so, and to close what it had opened.
func TestTwoShops(t *testing.T) {
	s := open(t, false)
	if other, err := Open(t.Context(), s.Places, false); err == nil {
		other.Close()
		t.Error("a second shop opened at the same places")
	}
}
