// Package loopback tells which hosts are this machine and nothing else, for all that is let in,
// or sent in clear text, only there.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether a host, with or without the brackets of an IPv6 address, is this machine. A
// name that merely resolves to it is not: it may resolve to something else tomorrow.
func Is(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}
