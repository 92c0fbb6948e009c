// Package porttest gives tests addresses at which they listen later, or not at all.
package porttest

import (
	"testing"

	"starquake/internal/freeport"
)

// Refused is an address of this machine at which nobody listens: the system gives its port
// to nobody who takes any.
const Refused = "127.0.0.1:1"

// Free is an address of this machine at which nobody listens, and which is given once.
func Free(t testing.TB) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
