// Package porttest gives tests addresses at which they listen later, or not at all.
package porttest

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Refused is an address of this machine at which nobody listens: the system gives its port
// to nobody who takes any.
const Refused = "127.0.0.1:1"

// The ports that Free gives lie below those that the systems give to whoever takes any: a
// port of those could be somebody else's by the time that the test listens, a client's too.
const lowest, highest = 20000, 32000

var given atomic.Int64

// Free is an address of this machine at which nobody listens, and which is given once.
func Free(t testing.TB) string {
	t.Helper()
	addr, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// FreeAddress is Free for those who have no test at hand.
func FreeAddress() (string, error) {
	// Test processes that run side by side begin at different ports.
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
