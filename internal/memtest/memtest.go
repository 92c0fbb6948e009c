// Package memtest gives tests HTTP over connections in memory. In a bubble of
// testing/synctest its clock then goes on by itself, which it does not while somebody waits
// for a socket of the system: what happens after so long does not depend on how busy the
// machine is. Only tests import it.
package memtest

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/valyala/fasthttp/fasthttputil"
)

// Listen gives a listener, and a client all of whose requests come to it, whatever their host.
// The client keeps no connection: a kept one would have to be closed before its bubble ends.
func Listen(t testing.TB) (net.Listener, *http.Client) {
	t.Helper()
	l := fasthttputil.NewInmemoryListener()
	t.Cleanup(func() { _ = l.Close() }) // a server has closed it
	dial := func(context.Context, string, string) (net.Conn, error) { return l.Dial() }
	return l, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}
