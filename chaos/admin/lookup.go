package admin

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// lookUpTimeout is how long the look-up of one address may take.
const lookUpTimeout = 10 * time.Second

// lookUp finds the IP address and port of an address to listen on: those that package net
// would take, and its errors. A name server may take its time, so that nobody who calls it
// holds the plane's mu: leases of other targets would run out, and faults stay on.
func lookUp(ctx context.Context, listen string) (*net.TCPAddr, error) {
	if listen == "" {
		return &net.TCPAddr{}, nil // any
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	host, service, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" {
		all, err := net.DefaultResolver.LookupIPAddr(ctx, host)
		if err != nil {
			return nil, err
		}
		v4 := slices.IndexFunc(all, func(a net.IPAddr) bool { return a.IP.To4() != nil })
		host = all[max(0, v4)].String()
	}
	return net.ResolveTCPAddr("tcp", net.JoinHostPort(host, strconv.Itoa(port))) // of which nobody is asked
}

// listenError is an error of looking up as one of listening, as package net has it.
func listenError(err error) error { return &net.OpError{Op: "listen", Net: "tcp", Err: err} }
