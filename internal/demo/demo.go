// Package demo is a small shop: something to aim chaos at before one has a system of
// one's own, and for tests. A Service is one process of it, over HTTP; it takes a few
// milliseconds for each request, as a real service would.
//
//	GET  /           what the service is
//	GET  /health     {"status": "ok"}
//	GET  /catalog    a list of items; asks the database, if it has one
//	*    /checkout   an order; asks the catalog and the payment provider, if it has them
//	*    /pay        a payment; asks the database, if it has one
//	GET  /metrics    counters, in the text format of Prometheus
//
// A Shop is all of them together at the addresses of Places: checkout, which calls
// catalog and payments and tries again at once what does not answer in time, a database
// of its own protocol, a service each over gRPC, GraphQL and WebSocket, and customers
// that use all of it all the time.
//
// What lives here: that shop. What may not: anything of Starquake.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config is what can differ from one service to another. The zero value works.
type Config struct {
	// Payments and Catalog are the base URLs of the payment provider and of the catalog,
	// for example those of proxies before other services. "" does it by itself.
	Payments, Catalog string
	// Database is the address of the database; "" needs none.
	Database string
	// Work is how long a request takes at least; it varies up to twice that. Zero is
	// two milliseconds, negative none.
	Work time.Duration
	// Workers is how many requests are worked on at a time, and Queue how many more may
	// wait for that; one that finds no room gets 503. Zero workers: as many as come.
	Workers, Queue int
	// Patience is how long the service waits for an answer of another one; zero is two
	// seconds. Retries is how often it asks again, at once, for what failed.
	Patience time.Duration
	Retries  int
	// Dial, if set, is how the service reaches the others.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Service is a running demo service.
type Service struct {
	url    string
	server *http.Server
	shop   *shop
	stop   func() bool // takes back the wish to close with the context
	served chan struct{}
	once   sync.Once
	err    error
}

// Start starts a service at addr ("127.0.0.1:8080", port 0 for any), which ends with
// ctx or Close.
func Start(ctx context.Context, addr string) (*Service, error) {
	return StartWith(ctx, addr, Config{})
}

// StartWith is Start with a configuration.
func StartWith(ctx context.Context, addr string, config Config) (*Service, error) {
	shop := newShop(config)
	s, err := serve(ctx, addr, shop.handler())
	if err != nil {
		return nil, err
	}
	s.shop = shop
	s.stop = context.AfterFunc(ctx, s.shut)
	return s, nil
}

// serve serves a handler until the service is shut.
func serve(ctx context.Context, addr string, handler http.Handler) (*Service, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo service: %w", err)
	}
	s := &Service{url: "http://" + listener.Addr().String(), served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go func() {
		defer close(s.served)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.err = fmt.Errorf("demo service: %w", err)
		}
	}()
	return s, nil
}

// URL is the base URL, without a slash at its end.
func (s *Service) URL() string { return s.url }

// Addr is the address it listens at.
func (s *Service) Addr() string { return strings.TrimPrefix(s.url, "http://") }

// Requests is how many requests a path has had.
func (s *Service) Requests(path string) int { return s.shop.requests(path) }

// Close ends the service and its connections and waits for it. It may be called more
// than once; the error is that with which serving ended.
func (s *Service) Close() error {
	s.stop()
	s.shut()
	<-s.served
	return s.err
}

// shut begins the end.
func (s *Service) shut() {
	s.once.Do(func() {
		_ = s.server.Close() // of a listener that is closed already: nothing to do about it
		s.shop.close()
	})
}
