package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Shop is a whole shop that is open.
type Shop struct {
	Places   []Place
	services map[string]*Service
	close    []func() error // newest last
}

// Open opens all of a shop at the places, which ends with Close. Customers come if
// there are any.
func Open(ctx context.Context, places []Place, customers bool) (*Shop, error) {
	s := &Shop{Places: places, services: map[string]*Service{}}
	at, w := map[string]string{}, waysOf(places)
	for _, p := range places {
		at[p.Name] = p.Addr
	}
	configs := map[string]Config{
		Checkout: {Dial: w.dial, Payments: "http://" + at[Payments], Catalog: "http://" + at[Catalog], Patience: 300 * time.Millisecond, Retries: 3},
		Payments: {Dial: w.dial, Database: at[Database], Work: 8 * time.Millisecond, Workers: 2, Queue: 20},
		Catalog:  {Dial: w.dial, Database: at[Database]},
	}
	others := map[string]func(ctx context.Context, addr string) (func() error, error){
		Database: openDatabase, Delivery: openDelivery,
		News:   func(ctx context.Context, addr string) (func() error, error) { return openWeb(ctx, addr, news) },
		Search: func(ctx context.Context, addr string) (func() error, error) { return openWeb(ctx, addr, search) },
	}
	for _, p := range places {
		var (
			end func() error
			err error
		)
		if config, ok := configs[p.Name]; ok {
			var service *Service
			if service, err = StartWith(ctx, p.Addr, config); err == nil {
				s.services[p.Name], end = service, service.Close
			}
		} else {
			end, err = others[p.Name](ctx, p.Addr)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s of the shop: %w", p.Name, err), s.Close())
		}
		s.close = append(s.close, end)
	}
	if customers {
		s.close = append(s.close, welcome(ctx, places, w))
	}
	return s, nil
}

// Service is the HTTP service of a name: Checkout, Payments or Catalog.
func (s *Shop) Service(name string) *Service { return s.services[name] }

// Place is where the part of a name is.
func (s *Shop) Place(name string) Place {
	for _, p := range s.Places {
		if p.Name == name {
			return p
		}
	}
	return Place{}
}

// Close closes the shop, its customers first, and waits for all of it.
func (s *Shop) Close() error {
	var errs []error
	for i := len(s.close) - 1; i >= 0; i-- {
		errs = append(errs, s.close[i]())
	}
	s.close = nil
	return errors.Join(errs...)
}

// openWeb opens something that speaks HTTP and is no Service.
func openWeb(ctx context.Context, addr string, handler http.HandlerFunc) (func() error, error) {
	s, err := serve(ctx, addr, handler)
	if err != nil {
		return nil, err
	}
	return func() error {
		err := s.server.Close()
		<-s.served
		return errors.Join(err, s.err)
	}, nil
}
