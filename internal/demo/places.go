package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"starquake/internal/freeport"
)

// Place is where a part of the shop is.
type Place struct {
	Name string
	// Addr is where it listens.
	Addr string
	// Via is where others look for it first: the address of a proxy before it, which is
	// there while an orchestration runs. Nobody listening there, they go to Addr.
	Via string
	// Protocol is what it speaks, by the name that targets have for it.
	Protocol string
}

// The parts of the shop.
const (
	Checkout = "checkout"
	Payments = "payments"
	Catalog  = "catalog"
	Database = "database"
	Delivery = "delivery"
	News     = "news"
	Search   = "search"
)

// Fixed are the places that the examples in this repository name.
func Fixed() []Place {
	return []Place{
		{Checkout, "127.0.0.1:8080", "127.0.0.1:18080", "http"},
		{Payments, "127.0.0.1:8081", "127.0.0.1:18081", "http"},
		{Catalog, "127.0.0.1:8082", "127.0.0.1:18082", "http"},
		{Database, "127.0.0.1:5432", "127.0.0.1:15432", "tcp"},
		{Delivery, "127.0.0.1:50051", "127.0.0.1:15051", "grpc"},
		{News, "127.0.0.1:8090", "127.0.0.1:18090", "ws"},
		{Search, "127.0.0.1:4000", "127.0.0.1:18040", "graphql"},
	}
}

// Anywhere are places that nobody else has, and that the system gives to nobody meanwhile.
func Anywhere() ([]Place, error) {
	places := Fixed()
	for i := range places {
		for _, addr := range []*string{&places[i].Addr, &places[i].Via} {
			var err error
			if *addr, err = freeport.Address(); err != nil {
				return nil, fmt.Errorf("demo shop: %w", err)
			}
		}
	}
	return places, nil
}

// ways is how the parts of a shop and its customers find each other.
type ways map[string]string // the address of a proxy by that of the place behind it

func waysOf(places []Place) ways {
	w := ways{}
	for _, p := range places {
		w[p.Addr] = p.Via
	}
	return w
}

// dial dials a place by its proxy, if somebody listens there.
func (w ways) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	if via := w[addr]; via != "" {
		if conn, err := d.DialContext(ctx, network, via); !errors.Is(err, syscall.ECONNREFUSED) {
			return conn, err
		}
	}
	return d.DialContext(ctx, network, addr)
}

func (w ways) dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return w.dial(ctx, "tcp", addr)
}
