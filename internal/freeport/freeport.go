// Package freeport finds addresses of this machine at which somebody will listen later.
package freeport

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

// The ports lie below those that the systems give to whoever takes any: a port of those could
// be somebody else's by the time that one listens, a client's too.
const lowest, highest = 20000, 32000

var given atomic.Int64

// Address is an address at which nobody listens, and which this process is given once.
func Address() (string, error) {
	// Processes that run side by side begin at different ports.
	const apart = 61
	var err error
	for range highest - lowest {
		n := os.Getpid()*apart + int(given.Add(1))
		var l net.Listener
		l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(lowest+n%(highest-lowest))))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}
