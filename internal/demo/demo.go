// Package demo is a small shop over HTTP: something to aim chaos at before one has
// a system of one's own, and for tests. It takes a few milliseconds for each
// request, as a real service would, and can depend on a payment provider, so that a
// proxy has a way to stand in.
//
//	GET  /health     {"status": "ok"}
//	GET  /catalog    a list of items
//	*    /checkout   an order; asks the payment provider, if it has one
//	*    /pay        a payment: the service can be the provider of another
//	GET  /metrics    counters, in the text format of Prometheus
//
// What lives here: that service. What may not: anything of Starquake.
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
	// Payments is the base URL of the payment provider, for example that of a proxy
	// before another demo service. "" pays by itself.
	Payments string
	// Work is how long a request takes at least; it varies up to twice that. Zero is
	// two milliseconds, negative none.
	Work time.Duration
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
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo service: %w", err)
	}
	s := &Service{url: "http://" + listener.Addr().String(), shop: newShop(config), served: make(chan struct{})}
	s.server = &http.Server{
		Handler:           s.shop.handler(),
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
	s.stop = context.AfterFunc(ctx, s.shut)
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
