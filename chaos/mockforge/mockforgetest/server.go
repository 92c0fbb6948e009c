// Package mockforgetest is a fake of MockForge's chaos API for tests: it keeps a
// configuration and gives it back, takes only complete blocks as the real one does, and
// does nothing to any traffic. Only tests import it.
package mockforgetest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Server is the fake.
type Server struct {
	*httptest.Server
	mu     sync.Mutex
	config map[string]any
	writes int
	token  string
}

// required are the keys that a block must have.
var required = map[string][]string{
	"latency":         {"enabled", "jitter_percent", "probability"},
	"fault_injection": {"enabled", "http_errors", "http_error_probability", "connection_errors", "connection_error_probability", "timeout_errors", "timeout_ms", "timeout_probability", "partial_responses", "partial_response_probability"},
	"rate_limit":      {"enabled", "requests_per_second", "burst_size", "per_ip", "per_endpoint"},
	"traffic_shaping": {"enabled", "bandwidth_limit_bps", "packet_loss_percent", "max_connections", "connection_timeout_ms"},
	"circuit_breaker": {"enabled", "failure_threshold", "success_threshold", "timeout_ms", "half_open_max_requests", "failure_rate_threshold", "min_requests_for_rate", "rolling_window_ms"},
	"bulkhead":        {"enabled", "max_concurrent_requests", "max_queue_size", "queue_timeout_ms"},
}

// Initial is the configuration of a server that was just started.
func Initial() map[string]any {
	config := map[string]any{"enabled": false}
	for block := range required {
		config[block] = nil
	}
	return config
}

// Start starts a fake that ends with the test. A token, unless empty, must be given.
func Start(t testing.TB, token string) *Server {
	s := unstarted(t, token)
	s.Server.Start()
	return s
}

// StartOn is Start with a listener of the test's own.
func StartOn(t testing.TB, token string, l net.Listener) *Server {
	s := unstarted(t, token)
	_ = s.Listener.Close() // nobody listens there
	s.Listener = l
	s.Server.Start()
	return s
}

func unstarted(t testing.TB, token string) *Server {
	s := &Server{config: Initial(), token: token}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/chaos/config", s.get)
	mux.HandleFunc("PUT /api/chaos/config", s.put)
	s.Server = httptest.NewUnstartedServer(s.guard(mux))
	t.Cleanup(s.Close)
	return s
}

func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "who are you?"}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) get(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.config) // to a test
}

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	var config map[string]any
	if err := json.NewDecoder(r.Body).Decode(&config); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, ok := config["enabled"].(bool); !ok {
		http.Error(w, "missing field `enabled`", http.StatusUnprocessableEntity)
		return
	}
	for name, keys := range required {
		block, ok := config[name].(map[string]any)
		for _, key := range keys {
			if _, has := block[key]; ok && !has {
				http.Error(w, fmt.Sprintf("%s: missing field `%s`", name, key), http.StatusUnprocessableEntity)
				return
			}
		}
	}
	s.Set(config)
	fmt.Fprint(w, `{"message": "Configuration updated"}`)
}

// Set makes the configuration another one, as somebody else would.
func (s *Server) Set(config map[string]any) {
	text, _ := json.Marshal(config) // it was JSON
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = nil
	_ = json.Unmarshal(text, &s.config) // likewise
	s.writes++
}

// Config is the configuration as it is.
func (s *Server) Config() map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := json.Marshal(s.config) // it was JSON
	var out map[string]any
	_ = json.Unmarshal(text, &out) // likewise
	return out
}

// Block is one block of the configuration, nil where it has none.
func (s *Server) Block(name string) map[string]any {
	block, _ := s.Config()[name].(map[string]any)
	return block
}

// Writes is how often the configuration was written.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}
