package effects

import (
	"net/netip"
	"slices"
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
