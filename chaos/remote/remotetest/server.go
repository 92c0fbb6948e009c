// Package remotetest is a fake of the other side of package remote for tests: it keeps
// leases as the contract of /v1 says, and does nothing to any traffic. Only tests import
// it.
package remotetest

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"starquake/chaos"
)

// Lease is a fault that is on.
type Lease struct {
	Fault         chaos.Fault
	Seed, Elapsed string
	Before        chaos.Stats
	Paused        bool
	Lifted        bool
	BeganLifted   bool // it was put on so
	Renewed       int
	expires       time.Time
}

// Server is the fake; it has one target, "orders".
type Server struct {
	*httptest.Server
	mu     sync.Mutex
	leases map[string]*Lease
	dead   bool
	mute   bool
	hidden bool
	stuck  bool
	late   chan struct{} // closed when what comes late may come; nil: nothing does
}

// Start starts a fake that ends with the test.
func Start(t testing.TB) *Server {
	s := unstarted(t)
	s.Server.Start()
	return s
}

// StartOn is Start with a listener of the test's own.
func StartOn(t testing.TB, l net.Listener) *Server {
	s := unstarted(t)
	_ = s.Listener.Close() // nobody listens there
	s.Listener = l
	s.Server.Start()
	return s
}

func unstarted(t testing.TB) *Server {
	s := &Server{leases: map[string]*Lease{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"version": "test", "api": "1", "supports": map[string][]string{"http": {"latency", "http_error"}}})
	})
	mux.HandleFunc("GET /v1/targets", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"targets": []any{map[string]any{
			"name": "orders", "listen": "127.0.0.1:1801", "upstream": "127.0.0.1:1802", "protocol": "http", "labels": map[string]string{"tier": "back"},
		}}})
	})
	mux.HandleFunc("PUT /v1/targets/orders/faults/{id}", s.put)
	mux.HandleFunc("POST /v1/targets/orders/faults/{id}/renew", s.renew)
	mux.HandleFunc("GET /v1/targets/orders/faults/{id}", s.stats)
	mux.HandleFunc("DELETE /v1/targets/orders/faults/{id}", s.stats)
	mux.HandleFunc("GET /v1/targets/orders/window", func(w http.ResponseWriter, r *http.Request) {
		last, err := time.ParseDuration(r.URL.Query().Get("last"))
		if err != nil {
			problem(w, 400, "invalid", err.Error())
			return
		}
		answer(w, 200, chaos.WindowStats{Span: last, Requests: 42})
	})
	mux.HandleFunc("POST /v1/pause", s.hold(true))
	mux.HandleFunc("POST /v1/resume", s.hold(false))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		dead, mute, hidden := s.dead, s.mute, s.hidden
		s.mu.Unlock()
		if hidden {
			http.NotFound(w, r)
			return
		}
		if mute {
			mux.ServeHTTP(httptest.NewRecorder(), r)
		}
		if dead || mute {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *Server) set(how *bool, to bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*how = to
}

// Die makes the server answer nothing any more, or again.
func (s *Server) Die(dead bool) { s.set(&s.dead, dead) }

// Mute makes the server do as it is told without an answer, or answer again.
func (s *Server) Mute(mute bool) { s.set(&s.mute, mute) }

// Hide makes another server answer in its place, which knows nothing of it, or not any more.
func (s *Server) Hide(hidden bool) { s.set(&s.hidden, hidden) }

// Stick makes the server refuse to hold faults and to let them go on, and nothing else.
func (s *Server) Stick(stuck bool) { s.set(&s.stuck, stuck) }

// Late makes the next fault go on only when it was looked for in vain, to be taken off.
func (s *Server) Late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = make(chan struct{})
}

// Forget drops all leases, as a restart does.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leases)
}

// Leases are those that are on.
func (s *Server) Leases() map[string]Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	out := map[string]Lease{}
	for id, l := range s.leases {
		out[id] = *l
	}
	return out
}

func (s *Server) expire() {
	for id, l := range s.leases {
		if time.Now().After(l.expires) {
			delete(s.leases, id)
		}
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Fault              chaos.Fault
		Seed, TTL, Elapsed string
		Before             chaos.Stats
		Paused, Lifted     bool
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		problem(w, 400, "invalid", err.Error())
		return
	}
	ttl, err := time.ParseDuration(in.TTL)
	if err != nil {
		problem(w, 400, "invalid", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if late := s.late; late != nil {
		s.mu.Unlock()
		<-late
		s.mu.Lock()
	}
	id := r.PathValue("id")
	s.leases[id] = &Lease{Fault: in.Fault, Seed: in.Seed, Elapsed: in.Elapsed, Before: in.Before, Paused: in.Paused, Lifted: in.Lifted, BeganLifted: in.Lifted, expires: time.Now().Add(ttl)}
	answer(w, 201, map[string]any{"id": id, "target": "orders", "expires_at": s.leases[id].expires})
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	var in struct{ TTL string }
	_ = json.NewDecoder(r.Body).Decode(&in) // ParseDuration tells
	ttl, err := time.ParseDuration(in.TTL)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	l := s.leases[r.PathValue("id")]
	switch {
	case err != nil:
		problem(w, 400, "invalid", err.Error())
	case l == nil:
		problem(w, 404, "no_such_fault", "no such fault")
	default:
		l.expires = time.Now().Add(ttl)
		l.Renewed++
		answer(w, 200, map[string]any{"expires_at": l.expires})
	}
}

func (s *Server) stats(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	id := r.PathValue("id")
	if s.leases[id] == nil {
		problem(w, 404, "no_such_fault", "no such fault")
		if s.late != nil {
			close(s.late)
			s.late = nil
		}
		return
	}
	if r.Method == http.MethodDelete {
		delete(s.leases, id)
	}
	answer(w, 200, map[string]any{"stats": chaos.Stats{Seen: 10, Hit: 4}})
}

func (s *Server) hold(on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Faults []string
			Lift   bool
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			problem(w, 400, "invalid", err.Error())
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stuck {
			problem(w, 503, "busy", "not now")
			return
		}
		for id, l := range s.leases {
			if slices.Contains(in.Faults, id) {
				l.Paused, l.Lifted = on, on && (l.Lifted || in.Lift)
			}
		}
		answer(w, 200, map[string]any{})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to a test
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "code": code, "detail": detail, "title": http.StatusText(status)}) // to a test
}
