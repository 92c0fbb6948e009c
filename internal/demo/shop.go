package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// shop is the service without its listener.
type shop struct {
	config Config
	client *http.Client
	room   chan struct{} // one for each request that is worked on or waits; nil: no limit
	hands  chan struct{} // one for each that is worked on

	mu       sync.Mutex
	order    int            // the last order's number
	counters map[string]int // `path="/pay",status="200"` → requests
	paths    map[string]int
}

// newShop makes a shop.
func newShop(config Config) *shop {
	if config.Work == 0 {
		config.Work = 2 * time.Millisecond
	}
	if config.Patience == 0 {
		config.Patience = 2 * time.Second
	}
	every := config.Dial != nil // connection anew: the way there may be another one by then
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	s := &shop{
		config: config,
		// No proxy from the environment: the way to the provider is what is tested.
		client:   &http.Client{Timeout: config.Patience, Transport: &http.Transport{DialContext: config.Dial, DisableKeepAlives: every, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second}},
		counters: map[string]int{},
		paths:    map[string]int{},
	}
	if config.Workers > 0 {
		s.hands = make(chan struct{}, config.Workers)
		s.room = make(chan struct{}, config.Workers+config.Queue)
	}
	return s
}

// close closes connections to other services.
func (s *shop) close() { s.client.CloseIdleConnections() }

// requests is how many requests a path has had.
func (s *shop) requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths[path]
}

// handler serves the paths of the package comment.
func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]func(*http.Request, int) (int, any){
		"/health": s.health, "/catalog": s.catalog, "/checkout": s.checkout, "/pay": s.pay,
	} {
		mux.Handle(path, s.counted(path, serve))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "a service of the demo shop: /health /catalog /checkout /pay /metrics")
	})
	mux.HandleFunc("GET /metrics", s.metrics)
	return mux
}

// counted works for a while, answers with what serve gives, and counts it.
func (s *shop) counted(path string, serve func(*http.Request, int) (int, any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)) // what the order says does not matter
		s.mu.Lock()
		s.order++
		number := s.order
		s.paths[path]++
		s.mu.Unlock()

		status, body := http.StatusServiceUnavailable, any(map[string]any{"error": "no room"})
		if s.toil(r.Context(), number) {
			status, body = serve(r, number)
		}
		s.mu.Lock()
		s.counters[fmt.Sprintf("path=%q,status=\"%d\"", path, status)]++
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
	})
}

// toil takes the time of one request, which varies with its number and not by
// chance, so that two runs meet the same service. It reports false if there was no
// room for it or ctx ended.
func (s *shop) toil(ctx context.Context, number int) bool {
	if s.room != nil {
		select {
		case s.room <- struct{}{}:
			defer func() { <-s.room }()
		default:
			return false
		}
		select {
		case s.hands <- struct{}{}:
			defer func() { <-s.hands }()
		case <-ctx.Done():
			return false
		}
	}
	if s.config.Work < 0 {
		return true
	}
	timer := time.NewTimer(s.config.Work + s.config.Work*time.Duration(number*7%11)/10)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *shop) health(*http.Request, int) (int, any) {
	return http.StatusOK, map[string]string{"status": "ok"}
}

// item is something to buy.
type item struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
	Stock int    `json:"stock"`
}

func (s *shop) catalog(r *http.Request, _ int) (int, any) {
	if err := s.askDatabase(r.Context()); err != nil {
		return http.StatusBadGateway, failure("stock unknown", err)
	}
	return http.StatusOK, map[string]any{"items": stock}
}

// stock is what there is to buy.
var stock = []item{
	{"p-100", "orrery", 24900, 7},
	{"p-101", "sextant", 18900, 3},
	{"p-102", "star chart", 1900, 120},
}

func (s *shop) checkout(r *http.Request, number int) (int, any) {
	if s.config.Catalog != "" {
		if err := s.ask(r.Context(), http.MethodGet, s.config.Catalog+"/catalog", new(struct{})); err != nil {
			return http.StatusBadGateway, failure("catalog failed", err)
		}
	}
	paid := struct{ Payment string }{"self"}
	if s.config.Payments != "" {
		if err := s.ask(r.Context(), http.MethodPost, s.config.Payments+"/pay", &paid); err != nil {
			return http.StatusBadGateway, failure("payment failed", err)
		}
	}
	return http.StatusOK, map[string]any{"order": fmt.Sprintf("o-%06d", number), "cents": 26800, "payment": paid.Payment}
}

func (s *shop) pay(r *http.Request, number int) (int, any) {
	if err := s.askDatabase(r.Context()); err != nil {
		return http.StatusBadGateway, failure("not booked", err)
	}
	return http.StatusOK, map[string]any{"payment": fmt.Sprintf("pay-%06d", number)}
}

func failure(what string, err error) any {
	return map[string]any{"error": what, "detail": err.Error()}
}

// ask asks another service, and again, at once, as often as the configuration says: this
// is what makes a storm of a service that is only slow.
func (s *shop) ask(ctx context.Context, method, url string, answer any) error {
	var err error
	for range 1 + s.config.Retries {
		if err = s.askOnce(ctx, method, url, answer); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("after %d tries: %w", 1+s.config.Retries, err)
}

func (s *shop) askOnce(ctx context.Context, method, url string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(answer); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// askDatabase asks the database on a connection of its own, if there is one.
func (s *shop) askDatabase(ctx context.Context) error {
	if s.config.Database == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	return query(ctx, s.config.Dial, s.config.Database)
}

func (s *shop) metrics(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	counters := maps.Clone(s.counters)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintln(w, "# HELP demo_requests_total Requests by path and status.")
	fmt.Fprintln(w, "# TYPE demo_requests_total counter")
	for _, labels := range slices.Sorted(maps.Keys(counters)) {
		fmt.Fprintf(w, "demo_requests_total{%s} %d\n", labels, counters[labels])
	}
}
