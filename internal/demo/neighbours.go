package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// openDatabase opens a database. It answers each line with a line.
func openDatabase(ctx context.Context, addr string) (func() error, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil { // closed
				return
			}
			wg.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				defer conn.Close()
				answerLines(conn)
			})
		}
	})
	return func() error {
		cancel()
		err := listener.Close()
		wg.Wait()
		return err
	}, nil
}

// maxLine is how long a question to the database may be.
const maxLine = 4 << 10

// answerLines answers until the client leaves or says too much.
func answerLines(conn io.ReadWriter) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 256), maxLine)
	for lines.Scan() {
		if _, err := fmt.Fprintf(conn, "ok %d\n", len(lines.Bytes())); err != nil {
			return
		}
	}
}

// query asks the database at addr something, on a connection of its own.
func query(ctx context.Context, dial func(ctx context.Context, network, addr string) (net.Conn, error), addr string) error {
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if _, err := io.WriteString(conn, "stock\n"); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxLine)).ReadString('\n')
	switch {
	case err != nil:
		return fmt.Errorf("database: %w", err)
	case line != "ok 5\n":
		return fmt.Errorf("database: the answer was %q", line)
	}
	return nil
}

// openDelivery opens a service over gRPC that can be asked whether it is well.
func openDelivery(ctx context.Context, addr string) (func() error, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 10))
	well := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, well)
	reflection.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		well.Shutdown()
		server.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}, nil
}

// news sends back over WebSocket what comes.
func news(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the client was told
	}
	defer conn.CloseNow()
	conn.SetReadLimit(64 << 10)
	for {
		ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
		kind, message, err := conn.Read(ctx)
		if err == nil {
			err = conn.Write(ctx, kind, message)
		}
		cancel()
		if err != nil {
			return
		}
	}
}

// search answers a GraphQL query, whatever it asks for, with what there is to buy.
func search(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Query string `json:"query"`
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&asked); err != nil || asked.Query == "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"errors":[{"message":"expected a query"}]}`) // the client has gone: nobody to tell
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"items": stock}})
}
