// Package toxiproxytest starts a real Toxiproxy server within a test. Only tests import it.
package toxiproxytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Server is a Toxiproxy server.
type Server struct {
	*httptest.Server
	t   testing.TB
	api *toxiproxy.ApiServer
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	s := &Server{httptest.NewServer(api.Routes()), t, api}
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the API and all proxies, as the death of the server would.
func (s *Server) Stop() {
	s.Server.CloseClientConnections()
	s.Close()
	_ = s.api.Collection.Clear() // its proxies have gone or go with the test
}

// Proxy makes a proxy before an upstream and gives the address that it listens on.
func (s *Server) Proxy(name, upstream string) (listen string) {
	s.t.Helper()
	var made struct{ Listen string }
	s.Do(http.MethodPost, "/proxies", map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": upstream}, &made)
	return made.Listen
}

// Toxic is a toxic as the API has it.
type Toxic struct {
	Name, Type, Stream string
	Toxicity           float64
	Attributes         map[string]float64
}

// State is a proxy as the API has it.
type State struct {
	Enabled bool
	Toxics  []Toxic
}

// State asks for a proxy.
func (s *Server) State(name string) State {
	s.t.Helper()
	var state State
	s.Do(http.MethodGet, "/proxies/"+name, nil, &state)
	return state
}

// Clean reports whether a proxy is enabled and has no toxics.
func (s *Server) Clean(name string) bool {
	s.t.Helper()
	state := s.State(name)
	return state.Enabled && len(state.Toxics) == 0
}

// Do calls the API; a failure ends the test.
func (s *Server) Do(method, path string, in, out any) {
	s.t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(string(text)))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		s.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, body, err)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			s.t.Fatal(err)
		}
	}
}
