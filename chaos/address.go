package chaos

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxShown bounds what a message shows of an address that is none.
const maxShown = 60

// CheckUpstream checks "host:port" of something to connect to.
func CheckUpstream(s string) error {
	if !isUpstream(s) {
		return fmt.Errorf("expected an address to connect to such as \"127.0.0.1:8081\", got %.*q%s", maxShown, s, instead(s))
	}
	return nil
}

func isUpstream(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	return err == nil && perr == nil && n != 0 && host != ""
}

// instead says what to write for what people write most in place of an address: a URL, or a
// port alone. It is empty where that is not known.
func instead(s string) string {
	_, at, isURL := strings.Cut(s, "://")
	at, _, _ = strings.Cut(at, "/")
	switch {
	case !isURL:
		at = "127.0.0.1:" + s
	case !strings.Contains(at, ":"):
		return "; leave the scheme out, and say the port"
	}
	if len(at) > maxShown || !isUpstream(at) {
		return ""
	}
	return fmt.Sprintf("; write %q", at)
}

// CheckAddress checks "host:port"; the host may be empty, the port 0.
func CheckAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected an address such as \"127.0.0.1:8080\", got %.*q%s", maxShown, s, instead(s))
	}
	return nil
}

// CheckLoop refuses the upstream of a proxy that is the proxy itself, as far as the two
// addresses tell without asking anybody: a request would go round until no connection is
// left. What is wrong with either alone is not looked at.
func CheckLoop(listen, upstream string) error {
	if !Reaches(upstream, listen) {
		return nil
	}
	return fmt.Errorf("upstream %s is where the proxy itself listens (%s): each request would come back to it without end; give the address of the service behind it", upstream, listen)
}

// Reaches reports whether who connects to addr comes to what listens at listen, as far as the
// two addresses tell without asking anybody.
func Reaches(addr, listen string) bool {
	here, port, err := net.SplitHostPort(listen)
	there, toPort, toErr := net.SplitHostPort(addr)
	if there == "" { // which is this machine
		there = "localhost"
	}
	return err == nil && toErr == nil && port != "0" && port == toPort && reaches(strings.ToLower(there), strings.ToLower(here))
}

// reaches reports whether who connects to a host meets what listens on another on the same
// port.
func reaches(there, here string) bool {
	if there == here {
		return true
	}
	to, err := netip.ParseAddr(there)
	to = to.Unmap()
	local := there == "localhost"
	if err == nil {
		// To connect to the unspecified address is to connect to this machine.
		local = to.IsLoopback() || to.IsUnspecified()
	}
	if !local {
		return false
	}
	on, err := netip.ParseAddr(here)
	on = on.Unmap()
	switch {
	case here == "" || here == "localhost" || err == nil && on.Is6() && on.IsUnspecified():
		return true
	case err != nil:
		return false
	case there == "localhost" || to.IsUnspecified():
		return on.IsLoopback() || on.IsUnspecified()
	}
	// Of the addresses 127.0.0.0/8 each is another.
	return to == on || on.IsUnspecified() && to.Is4()
}
