package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	customersEach = 2                      // of a place, at a time
	pause         = 100 * time.Millisecond // between two requests of one customer
	patience      = 2 * time.Second        // of a customer
)

// welcome lets customers in, who use every place until the function that it returns is
// called. They pay by their orders alone: how many payments an order costs is to be seen.
func welcome(ctx context.Context, places []Place, w ways) func() error {
	client := &http.Client{Transport: &http.Transport{DialContext: w.dial, DisableKeepAlives: true}}
	post := func(url, body string) func(context.Context) error {
		return func(ctx context.Context) error { return send(ctx, client, url, body) }
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, p := range places {
		use := map[string]func(context.Context) error{
			Checkout: post("http://"+p.Addr+"/checkout", "{}"),
			Catalog:  post("http://"+p.Addr+"/catalog", "{}"),
			Search:   post("http://"+p.Addr+"/graphql", `{"query":"query Items { items { name stock } }"}`),
			Database: func(ctx context.Context) error { return query(ctx, w.dial, p.Addr) },
			News:     func(ctx context.Context) error { return chat(ctx, client, p.Addr) },
			Delivery: func(ctx context.Context) error { return call(ctx, w, p.Addr) },
		}[p.Name]
		if use == nil {
			continue
		}
		for range customersEach {
			wg.Go(func() {
				tick := time.NewTicker(pause)
				defer tick.Stop()
				for ctx.Err() == nil {
					one, done := context.WithTimeout(ctx, patience)
					_ = use(one) // the run that disturbs it counts what became of it, at its proxy
					done()
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
				}
			})
		}
	}
	return func() error {
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
		return nil
	}
}

// send sends a request and reads the answer.
func send(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return err
}

// chat says something over WebSocket a few times.
func chat(ctx context.Context, client *http.Client, addr string) error {
	conn, _, err := websocket.Dial(ctx, "ws://"+addr, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for range 3 {
		if err := conn.Write(ctx, websocket.MessageText, []byte("what is new?")); err != nil {
			return err
		}
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

// call asks over gRPC whether the service is well.
func call(ctx context.Context, w ways, addr string) error {
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(w.dialTCP), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, new(grpc_health_v1.HealthCheckRequest))
	return err
}
