package effects

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// metadataAddresses are where clouds hand out credentials to whoever can reach
// them. Loopback and private networks are what chaos is made for and are open to
// the policy, which is why no general guard against server-side request forgery is
// used here: those deny them first.
func metadataAddresses() []string {
	return []string{
		"169.254.169.254", // AWS, Azure, Google, DigitalOcean, Oracle, OpenStack, …
		"169.254.170.2",   // AWS ECS task credentials
		"169.254.170.23",  // AWS EKS pod identity
		"169.254.0.23",    // Tencent
		"100.100.100.200", // Alibaba
		"168.63.129.16",   // Azure wire server
		"192.0.0.192",     // Oracle, first generation
		"fd00:ec2::254",   // AWS
		"fd00:ec2::23",    // AWS EKS pod identity
		"fd20:ce::254",    // Google
		"fd00:42::42",     // Scaleway
		"169.254.42.42",   // Scaleway
	}
}

// isMetadata reports whether a packet to addr could end at a metadata address. addr
// is unmapped and without zone.
func isMetadata(addr netip.Addr) bool {
	reached := append(embedded(addr), addr)
	return slices.ContainsFunc(metadataAddresses(), func(bad string) bool {
		return slices.Contains(reached, netip.MustParseAddr(bad))
	})
}

// embedded are the IPv4 addresses that a translator or a tunnel may take out of an
// IPv6 address: NAT64 in both its layouts, 6to4, and the old IPv4-compatible form.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	within := func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(addr) }
	switch {
	case within("64:ff9b::/96"), within("::/96"):
		return []netip.Addr{last}
	case within("64:ff9b:1::/48"):
		return []netip.Addr{last, netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})}
	case within("2002::/16"):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return nil
}

// CheckRelay refuses the upstream of a proxy, "host:port", by which a script would reach a
// metadata address. A name is looked at when it is connected to: see CheckRelayed.
func CheckRelay(upstream string) error {
	host, _, err := net.SplitHostPort(upstream)
	if err != nil {
		return nil // which opening it refuses, and says what was expected
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return refuseMetadata(host, addr)
	}
	return checkOdd(host)
}

// CheckRelayed is CheckRelay of the address that upstream was resolved to.
func CheckRelayed(upstream string, to netip.AddrPort) error {
	host, _, _ := net.SplitHostPort(upstream) // it was connected to
	return refuseMetadata(host, to.Addr())
}

// refuseMetadata is the error of an address that is never permitted, asked for as host.
func refuseMetadata(host string, addr netip.Addr) error {
	if addr = addr.Unmap().WithZone(""); !isMetadata(addr) {
		return nil
	}
	return problem(CodeDenied, "%s is never permitted: it is a cloud's metadata address%s", addr, aka(host, addr))
}

// checkOdd refuses a name that some resolvers take for the number of a metadata address:
// in one number, octal, hexadecimal, or with parts left out. This one may not, but the error
// is to say what is wrong.
func checkOdd(host string) error {
	addr, ok := oddNumber(plainHost(host))
	if !ok {
		return nil
	}
	return refuseMetadata(host, addr)
}

// oddNumber reads an IPv4 address as inet_aton does: up to four numbers, the last of which
// fills what is left.
func oddNumber(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 64)
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if err != nil || strings.Contains(part, "_") || strings.HasPrefix(part, "0b") || strings.HasPrefix(part, "0o") || n >= 1<<bits {
			return netip.Addr{}, false
		}
		sum = sum<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}
