package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// shop is the service without its listener.
type shop struct {
	payments string
	work     time.Duration
	client   *http.Client

	mu       sync.Mutex
	order    int            // the last order's number
	counters map[string]int // `path="/pay",status="200"` → requests
	paths    map[string]int
}

// newShop makes a shop.
func newShop(config Config) *shop {
	work := config.Work
	if work == 0 {
		work = 2 * time.Millisecond
	}
	return &shop{
		payments: config.Payments,
		work:     work,
		// No proxy from the environment: the way to the provider is what is tested.
		client:   &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second}},
		counters: map[string]int{},
		paths:    map[string]int{},
	}
}

// close closes connections to the provider.
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

		status, body := http.StatusServiceUnavailable, any(map[string]any{"error": "gone"})
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
// chance, so that two runs meet the same service. It reports false if ctx ended.
func (s *shop) toil(ctx context.Context, number int) bool {
	if s.work < 0 {
		return true
	}
	timer := time.NewTimer(s.work + s.work*time.Duration(number*7%11)/10)
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

func (s *shop) catalog(*http.Request, int) (int, any) {
	return http.StatusOK, map[string]any{"items": []item{
		{"p-100", "orrery", 24900, 7},
		{"p-101", "sextant", 18900, 3},
		{"p-102", "star chart", 1900, 120},
	}}
}

func (s *shop) checkout(r *http.Request, number int) (int, any) {
	payment := "self"
	if s.payments != "" {
		var err error
		if payment, err = s.askProvider(r.Context()); err != nil {
			return http.StatusBadGateway, map[string]any{"error": "payment failed", "detail": err.Error()}
		}
	}
	return http.StatusOK, map[string]any{"order": fmt.Sprintf("o-%06d", number), "cents": 26800, "payment": payment}
}

// askProvider asks for a payment and returns its name.
func (s *shop) askProvider(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.payments+"/pay", http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the provider answered %s", resp.Status)
	}
	var paid struct {
		Payment string `json:"payment"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&paid); err != nil {
		return "", fmt.Errorf("reading the provider's answer: %w", err)
	}
	return paid.Payment, nil
}

func (s *shop) pay(_ *http.Request, number int) (int, any) {
	return http.StatusOK, map[string]any{"payment": fmt.Sprintf("pay-%06d", number)}
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
