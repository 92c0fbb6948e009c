// Package graphqltest has the GraphQL server that tests of the data plane speak to. It is
// for tests alone, and knows nothing of the data plane.
package graphqltest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/graph-gophers/graphql-go"
)

const schema = `
	type Query {
		user(id: ID!): User
		users: [User]
		big(n: Int!): String
	}
	type Mutation { rename(id: ID!, name: String!): User }
	type Subscription { ticks(n: Int!): Int! }
	type User { id: ID! name: String email: String orders: [Order] }
	type Order { id: ID! total: Float }
`

// Server is a GraphQL server, over HTTP/1.1 and HTTP/2 without TLS: POST with JSON, batches
// or a bare document, GET, persisted documents, and subscriptions over WebSocket
// (graphql-transport-ws). It packs its answers for clients that take them so.
type Server struct {
	// Addr is where it listens.
	Addr string
	// Persisted are documents by their hash.
	Persisted map[string]string

	schema *graphql.Schema
	// calls counts operations, renamed mutations among them, of which each acts.
	calls, renamed atomic.Int64
}

// Start serves until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{Persisted: map[string]string{"abc": `query GetUser { user(id: "1") { name email } }`}}
	s.schema = graphql.MustParseSchema(schema, &root{s}, graphql.UseFieldResolvers())
	h := httptest.NewUnstartedServer(s)
	h.Config.Protocols = new(http.Protocols)
	h.Config.Protocols.SetHTTP1(true)
	h.Config.Protocols.SetUnencryptedHTTP2(true)
	h.Start()
	t.Cleanup(h.Close)
	s.Addr = h.Listener.Addr().String()
	return s
}

// Calls returns how many operations it has executed.
func (s *Server) Calls() int { return int(s.calls.Load()) }

// Renamed returns how many of them were the mutation.
func (s *Server) Renamed() int { return int(s.renamed.Load()) }

// request is an operation as it is sent.
type request struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    struct {
		PersistedQuery struct {
			Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
	} `json:"extensions"`
}

// ServeHTTP answers operations.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		s.subscribe(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var reqs []request
	batch := false
	switch {
	case r.Method == http.MethodGet:
		one := request{Query: r.FormValue("query"), OperationName: r.FormValue("operationName")}
		_ = json.Unmarshal([]byte(r.FormValue("extensions")), &one.Extensions) // none is fine
		_ = json.Unmarshal([]byte(r.FormValue("variables")), &one.Variables)
		reqs = []request{one}
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/graphql"):
		reqs = []request{{Query: string(body)}}
	case bytes.HasPrefix(body, []byte("[")):
		batch = true
		err = json.Unmarshal(body, &reqs)
	default:
		reqs = make([]request, 1)
		err = json.Unmarshal(body, &reqs[0])
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers := make([]*graphql.Response, len(reqs))
	for i, one := range reqs {
		answers[i] = s.exec(r.Context(), &one)
	}
	var answer any = answers
	if !batch {
		answer = answers[0]
	}
	text, _ := json.Marshal(answer) // of what the library made
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		_, _ = z.Write(text) // the client has gone: nobody to tell
		return
	}
	_, _ = w.Write(text)
}

func (s *Server) exec(ctx context.Context, r *request) *graphql.Response {
	s.calls.Add(1)
	if r.Query == "" {
		r.Query = s.Persisted[r.Extensions.PersistedQuery.Hash]
	}
	return s.schema.Exec(ctx, r.Query, r.OperationName, r.Variables)
}

// frame is a message of graphql-transport-ws.
type frame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// subscribe serves one subscription on a WebSocket.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		var in frame
		if wsjson.Read(r.Context(), c, &in) != nil {
			return
		}
		switch in.Type {
		case "connection_init":
			err = wsjson.Write(r.Context(), c, frame{Type: "connection_ack"})
		case "subscribe":
			var ask request
			if json.Unmarshal(in.Payload, &ask) != nil {
				return
			}
			err = s.feed(r.Context(), c, in.ID, &ask)
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) feed(ctx context.Context, c *websocket.Conn, id string, ask *request) error {
	events, err := s.schema.Subscribe(ctx, ask.Query, ask.OperationName, ask.Variables)
	if err != nil {
		return err
	}
	for event := range events {
		payload, err := json.Marshal(event)
		if err != nil {
			return err
		}
		if err := wsjson.Write(ctx, c, frame{Type: "next", ID: id, Payload: payload}); err != nil {
			return err
		}
	}
	return wsjson.Write(ctx, c, frame{Type: "complete", ID: id})
}

// root resolves the fields of the schema.
type root struct{ s *Server }

type user struct {
	ID          graphql.ID
	Name, Email *string
	Orders      *[]*order
}

type order struct {
	ID    graphql.ID
	Total *float64
}

func newUser(id graphql.ID) *user {
	name, email, total := "user "+string(id), string(id)+"@example.com", 12.50
	return &user{id, &name, &email, &[]*order{{"a", &total}, {"b", &total}}}
}

// User resolves user(id).
func (*root) User(args struct{ ID graphql.ID }) *user { return newUser(args.ID) }

// Users resolves users.
func (*root) Users() *[]*user { return &[]*user{newUser("1"), newUser("2")} }

// Big resolves big(n), a string of that length.
func (*root) Big(args struct{ N int32 }) *string {
	text := strings.Repeat("x", int(args.N))
	return &text
}

// Rename resolves rename(id, name).
func (r *root) Rename(args struct {
	ID   graphql.ID
	Name string
}) *user {
	r.s.renamed.Add(1)
	u := newUser(args.ID)
	u.Name = &args.Name
	return u
}

// Ticks resolves ticks(n).
func (*root) Ticks(ctx context.Context, args struct{ N int32 }) <-chan int32 {
	c := make(chan int32)
	go func() {
		defer close(c)
		for i := range args.N {
			select {
			case c <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}
