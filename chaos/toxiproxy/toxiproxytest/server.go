// Package toxiproxytest starts a real Toxiproxy server for a test. Only tests import it.
package toxiproxytest

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"starquake/internal/porttest"
)

// Server is a Toxiproxy server, in a process of its own: as people run it, and with what
// races it has.
type Server struct {
	// URL is the address of its API.
	URL string
	t   testing.TB
	cmd *exec.Cmd
}

// The packages of the commands, which are tools of go.mod.
const (
	program = "github.com/Shopify/toxiproxy/v2/cmd/server"
	client  = "github.com/Shopify/toxiproxy/v2/cmd/cli"
)

// CLI gives the path of toxiproxy-cli.
func CLI(t testing.TB) string { return built(t, client) }

// built builds a command into Go's cache.
func built(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.Command("go", "tool", "-n", program).Output()
	if err != nil {
		t.Fatalf("building %s: %v", program, err)
	}
	return strings.TrimSpace(string(path))
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	binary := built(t, program)
	addr := porttest.Free(t)
	host, port, _ := strings.Cut(addr, ":")
	s := &Server{URL: "http://" + addr, t: t, cmd: exec.Command(binary, "-host", host, "-port", port)}
	s.cmd.Env = append(os.Environ(), "LOG_LEVEL=fatal")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(s.URL + "/version")
		if err == nil {
			resp.Body.Close()
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("Toxiproxy does not answer: %v", err)
		}
	}
}

// Stop ends the server as kill -9 does.
func (s *Server) Stop() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it was killed
	}
	http.DefaultClient.CloseIdleConnections()
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
	resp, err := http.DefaultClient.Do(req)
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
