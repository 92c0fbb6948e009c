package examples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"starquake/app"
	"starquake/builtins"
	"starquake/chaos/proxy/graphql/graphqltest"
	"starquake/chaos/proxy/h2/h2test"
	"starquake/runtime/journal"
)

// TestProtocols runs the examples and the templates of several protocols before real
// servers, with clients of each that ask all the time: every fault hits, the clients see
// the trouble of their protocol, and afterwards the run has passed.
func TestProtocols(t *testing.T) {
	servers := startServers(t)
	templates := filepath.Join("..", "dsl", "files", "templates")
	for _, test := range []struct {
		path     string
		compress int
		// protocols are those of the targets, trouble is what each's clients must see.
		protocols, trouble map[string]string
	}{
		{"multi-protocol-chaos.yaml", 40, map[string]string{"http": "http", "grpc": "grpc", "websocket": "ws", "graphql": "graphql"},
			map[string]string{"http": "502", "grpc": "Unavailable", "ws": "broken", "graphql": "429"}},
		{"multi-protocol-chaos.star", 40, map[string]string{"http": "http", "grpc": "grpc", "websocket": "ws", "graphql": "graphql"},
			map[string]string{"http": "502", "grpc": "Unavailable", "ws": "StatusGoingAway", "graphql": "SERVICE_UNAVAILABLE"}},
		{filepath.Join(templates, "multi-protocol.yaml"), 30, map[string]string{"web": "http", "rpc": "grpc", "socket": "ws"},
			map[string]string{"http": "502", "grpc": "Unavailable", "ws": "broken"}},
		{filepath.Join(templates, "multi-protocol.star"), 30, map[string]string{"web": "http", "rpc": "grpc", "socket": "ws"},
			map[string]string{"http": "502", "grpc": "Unavailable", "ws": "StatusGoingAway"}},
	} {
		t.Run(filepath.Base(test.path), func(t *testing.T) {
			s, diags := app.Load(test.path)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			env := &app.Environment{}
			for name, protocol := range test.protocols {
				if err := env.AddProxy(name + "=127.0.0.1:0," + servers[protocol] + "," + protocol); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			c := &clients{ctx: ctx, leave: cancel, steps: len(test.protocols), protocols: test.protocols, saw: map[string]map[string]int{}, proxies: map[string]string{}}
			running, err := s.Start(app.RunOptions{Options: app.Options{Env: env}, Compress: test.compress, OnRecord: c.note})
			if err != nil {
				t.Fatal(err)
			}
			res := running.Wait()
			cancel()
			c.wg.Wait()
			if res.Outcome.Verdict != journal.VerdictPassed {
				t.Errorf("%s: %s: %s", res.Outcome.Verdict, res.Outcome.Reason, res.Outcome.Message)
			}
			for _, f := range res.View.Faults {
				if f.Hit == 0 || f.Inapplicable > 0 {
					t.Errorf("%s on %s hit %d of %d, inapplicable %d", f.Text, f.Target, f.Hit, f.Seen, f.Inapplicable)
				}
			}
			for protocol, trouble := range test.trouble {
				if saw := c.saw[protocol]; saw[trouble] == 0 || saw["ok"] == 0 {
					t.Errorf("clients of %s saw %v, want ok and %s", protocol, saw, trouble)
				}
			}
		})
	}
}

// startServers starts a server for each protocol, and returns their addresses.
func startServers(t *testing.T) map[string]string {
	start := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	rpc, _ := h2test.StartGRPC(t, &h2test.Service{})
	return map[string]string{
		"grpc":    rpc,
		"graphql": graphqltest.Start(t).Addr,
		"http":    start(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }),
		"ws": start(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			for {
				kind, b, err := c.Read(r.Context())
				if err != nil || c.Write(r.Context(), kind, b) != nil {
					return
				}
			}
		}),
	}
}

// atOnce is how many clients of a protocol ask at once.
const atOnce = 32

// clients ask through the proxies of a run for as long as it lasts.
type clients struct {
	ctx       context.Context
	leave     context.CancelFunc
	steps     int               // that have not ended; then the clients leave
	protocols map[string]string // by target
	proxies   map[string]string // targets by the place of the effect that opened each
	wg        sync.WaitGroup

	mu  sync.Mutex
	saw map[string]map[string]int // by protocol, what came how often
}

// note is told of the run's records, and starts the clients of a proxy when it is open.
func (c *clients) note(rec journal.Record) {
	switch body := rec.Body.(type) {
	case *journal.EffectStartBody:
		var target builtins.Target
		if body.Kind == builtins.KindProxy && json.Unmarshal(body.Args, &target) == nil {
			c.proxies[rec.Place.String()] = target.Name
		}
	case *journal.StepEndBody:
		if c.steps--; c.steps == 0 {
			c.leave()
		}
	case *journal.EffectNoteBody:
		var open builtins.ProxyReport
		if name := c.proxies[rec.Place.String()]; name != "" && json.Unmarshal(body.Data, &open) == nil && open.Listen != "" {
			protocol := c.protocols[name]
			connect := map[string]func(addr string) func() string{"http": c.http, "grpc": c.grpc, "ws": c.ws, "graphql": c.graphql}[protocol]
			for range atOnce {
				c.wg.Go(func() { c.ask(protocol, connect(open.Listen)) })
			}
		}
	}
}

// ask asks until the run is over.
func (c *clients) ask(protocol string, once func() string) {
	for c.ctx.Err() == nil {
		came := once()
		c.mu.Lock()
		if c.saw[protocol] == nil {
			c.saw[protocol] = map[string]int{}
		}
		c.saw[protocol][came]++
		c.mu.Unlock()
		select { // clients think
		case <-time.After(20 * time.Millisecond):
		case <-c.ctx.Done():
		}
	}
	once() // closes what it has, now that the context is over
}

// post sends a request and returns status and body.
func (c *clients) post(client *http.Client, url, body string) (int, []byte, error) {
	if c.ctx.Err() != nil {
		client.CloseIdleConnections()
		return 0, nil, c.ctx.Err()
	}
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (c *clients) http(addr string) func() string {
	client := &http.Client{Transport: new(http.Transport)}
	return func() string {
		code, _, err := c.post(client, "http://"+addr, "")
		return outcome(code, err)
	}
}

// outcome is what an HTTP client takes for what came.
func outcome(code int, err error) string {
	switch {
	case err != nil:
		return "broken"
	case code != http.StatusOK:
		return fmt.Sprint(code)
	}
	return "ok"
}

func (c *clients) graphql(addr string) func() string {
	client := &http.Client{Transport: new(http.Transport)}
	return func() string {
		code, body, err := c.post(client, "http://"+addr+"/graphql", `{"query":"query Users { users { name } }"}`)
		var answer struct {
			Errors []struct{ Extensions struct{ Code string } }
		}
		if code == http.StatusOK && json.Unmarshal(body, &answer) == nil && len(answer.Errors) > 0 {
			return answer.Errors[0].Extensions.Code
		}
		return outcome(code, err)
	}
}

func (c *clients) grpc(addr string) func() string {
	client, err := grpc.NewClient("passthrough:///"+addr, h2test.Plain())
	return func() string {
		if err == nil && c.ctx.Err() != nil {
			err = errors.Join(c.ctx.Err(), client.Close())
		}
		if err != nil {
			return "broken"
		}
		if _, err := h2test.Unary(c.ctx, client, "hello"); err != nil {
			return status.Code(err).String()
		}
		return "ok"
	}
}

func (c *clients) ws(addr string) func() string {
	client := &http.Client{Transport: new(http.Transport)}
	var conn *websocket.Conn
	return func() string {
		err := c.ctx.Err()
		if conn == nil && err == nil {
			conn, _, err = websocket.Dial(c.ctx, "ws://"+addr, &websocket.DialOptions{HTTPClient: client})
		}
		if err == nil {
			err = conn.Write(c.ctx, websocket.MessageText, []byte("hello"))
		}
		if err == nil {
			_, _, err = conn.Read(c.ctx)
		}
		if err == nil {
			return "ok"
		}
		if conn != nil {
			conn.CloseNow()
			conn = nil
		}
		client.CloseIdleConnections()
		if code := websocket.CloseStatus(err); code != -1 {
			return code.String()
		}
		return "broken"
	}
}
