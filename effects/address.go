package effects

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// splitAddress takes "host:port" apart.
func splitAddress(addr string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return "", 0, problem(CodeInvalid, "%q is no address; write \"host:port\"", addr)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, problem(CodeInvalid, "%q has the port %q; expected 1 to 65535", addr, text)
	}
	return host, uint16(n), nil
}

// FormAddress says what is wrong with an address, whatever is permitted. In a plan the port
// of a proxy that takes any is 0: it is known when the proxy listens.
func FormAddress(addr string) error {
	if host, port, err := net.SplitHostPort(addr); err == nil && host != "" && port == "0" {
		return nil
	}
	_, _, err := splitAddress(addr)
	return err
}

// checkAddress says whether a connection to "host:port" can be permitted.
func (n *network) checkAddress(addr string) error {
	host, port, err := splitAddress(addr)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return n.checkAddr(host, netip.AddrPortFrom(ip, port))
	}
	return n.checkName(host, port)
}

// checkLookup says whether a name may be asked of the system's resolver: where
// requests to it can be permitted on any port. A lookup tells a name server what is
// asked for, so it is not free where the network is closed.
func (n *network) checkLookup(name string) error {
	anyPort := func(rule nameRule) bool { return n.named(name, rule.port) }
	if !n.all && len(n.prefixes) == 0 && !slices.ContainsFunc(n.names, anyPort) {
		return n.denied(name)
	}
	if n.within == nil {
		return nil
	}
	return n.within.checkLookup(name)
}
