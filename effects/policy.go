package effects

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Policy says what effects may touch. The zero value permits nothing.
type Policy struct {
	// AllowExec lists the programs that may be run: a base name ("kubectl") permits
	// what the PATH of this process finds under it, an absolute path that file; "*"
	// permits every program.
	AllowExec []string `json:"allow_exec,omitempty"`
	// Network lists where requests may go; "*" is everywhere. An entry is a host
	// ("api.test"), all hosts below a domain ("*.test"), an address or a prefix
	// ("10.0.0.0/8", "::1"), each with ":port" behind it or for every port. A host is
	// compared with the name in the URL, and permits whatever that name resolves to;
	// an address or prefix is compared with the address that is connected to.
	//
	// Addresses at which a cloud hands out credentials are permitted by no entry.
	Network []string `json:"network"`
	// Load lists where load may go, as Network does; Network must permit it too.
	Load []string `json:"load,omitempty"`
	// LoadOwnTargets lets load go to the hosts of the run's own targets too; see
	// Effects.NameTarget.
	LoadOwnTargets bool `json:"load_own_targets,omitempty"`
	// MaxLoadRate is the highest rate of any load, in requests per second. 0 is
	// DefaultMaxLoadRate.
	MaxLoadRate float64 `json:"max_load_rate,omitempty"`
	// MaxBody bounds the body of a request, and what is read of an answer's, in bytes. 0
	// bounds answers alone, by DefaultMaxBody.
	MaxBody int64 `json:"max_body,omitempty"`
	// Within, if set, must permit it too: a policy that was narrowed since.
	Within *Policy `json:"within,omitempty"`
}

// Validate returns an error for an entry that is none. Effects made from such a
// policy deny all that the kind of entry could concern.
func (p Policy) Validate() error {
	if _, err := parseNetwork(p.Network); err != nil {
		return err
	}
	if _, err := parseNetwork(p.Load); err != nil {
		return err
	}
	if err := validateExec(p.AllowExec); err != nil || p.Within == nil {
		return err
	}
	return p.Within.Validate()
}

// CheckURL says whether a request to that URL is permitted, without resolving its
// host: where only addresses could permit it, that is decided when it is connected to.
func (p Policy) CheckURL(rawURL string) error {
	rules, err := p.rules(reaching)
	if err != nil {
		return err
	}
	return rules.checkURL(rawURL)
}

// bodies is the least MaxBody of the policy and those within it.
func (p *Policy) bodies() int64 {
	most := p.MaxBody
	if p.Within != nil {
		if w := p.Within.bodies(); w > 0 && (most == 0 || w < most) {
			most = w
		}
	}
	return most
}

// network is a parsed Policy.Network.
type network struct {
	all      bool
	entries  []string // as given, for messages
	names    []nameRule
	prefixes []prefixRule
	within   *network // that of Policy.Within; may be nil
}

// reaching and loading are the lists of a policy that say where.
func reaching(p *Policy) []string { return p.Network }
func loading(p *Policy) []string  { return p.Load }

// rules parses one of those lists, and the same of Within.
func (p *Policy) rules(list func(*Policy) []string) (*network, error) {
	n, err := parseNetwork(list(p))
	if err == nil && p.Within != nil {
		n.within, err = p.Within.rules(list)
	}
	return n, err
}

// nameRule permits a host, or with below the hosts of a domain. Port 0 is every port.
type nameRule struct {
	name  string
	below bool
	port  uint16
}

// prefixRule permits addresses. Port 0 is every port.
type prefixRule struct {
	prefix netip.Prefix
	port   uint16
}

// parseNetwork reads the entries of Policy.Network.
func parseNetwork(entries []string) (*network, error) {
	n := &network{entries: entries}
	for _, entry := range entries {
		if entry == "*" {
			n.all = true
			continue
		}
		if strings.Contains(entry, "://") {
			host := "shop.example.com"
			if u, err := url.Parse(entry); err == nil && u.Host != "" {
				host = u.Host
			}
			return nil, problem(CodeInvalid, "network policy: %q is a URL; write its host alone, or with its port: %q", entry, host)
		}
		host, port, err := splitEntry(entry)
		if err != nil {
			return nil, err
		}
		if prefix, ok := parsePrefix(host); ok {
			n.prefixes = append(n.prefixes, prefixRule{prefix, port})
			continue
		}
		name, below := strings.CutPrefix(host, "*.")
		if name == "" || strings.ContainsAny(name, "*/:@[]? ") {
			return nil, problem(CodeInvalid, "network policy: %q is no host, domain (\"*.example.com\"), address or prefix (\"10.0.0.0/8\")", entry)
		}
		n.names = append(n.names, nameRule{plainHost(name), below, port})
	}
	return n, nil
}

// splitEntry takes ":port" off an entry. An IPv6 address has a port only in brackets.
func splitEntry(entry string) (host string, port uint16, err error) {
	host = entry
	i := strings.LastIndexByte(entry, ':')
	switch {
	case strings.HasPrefix(entry, "[") && strings.HasSuffix(entry, "]"):
		return entry[1 : len(entry)-1], 0, nil
	case i < 0, strings.Count(entry, ":") > 1 && !strings.HasPrefix(entry, "["):
		return host, 0, nil
	}
	host = strings.TrimSuffix(strings.TrimPrefix(entry[:i], "["), "]")
	n, err := strconv.ParseUint(entry[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", 0, problem(CodeInvalid, "network policy: %q has the port %q; expected 1 to 65535", entry, entry[i+1:])
	}
	return host, uint16(n), nil
}

// parsePrefix reads an address or a prefix.
func parsePrefix(s string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix.Masked(), true
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	return netip.Prefix{}, false
}

// plainHost is the form in which names are compared.
func plainHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// parseURL reads the URL of a request.
func parseURL(rawURL string) (*url.URL, error) {
	if !hasScheme(rawURL) {
		hint := "it must begin with http:// or https://"
		if rawURL != "" && !strings.Contains(rawURL, ":/") && !strings.HasPrefix(rawURL, "/") {
			hint = fmt.Sprintf("write %q", "http://"+rawURL)
		}
		return nil, problem(CodeInvalid, "%q is no URL for a request; %s", rawURL, hint)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, problem(CodeInvalid, "%q is no URL: %v", rawURL, unwrapURL(err))
	}
	if u.Hostname() == "" {
		return nil, problem(CodeInvalid, "%q is no URL for a request: it has no host", rawURL)
	}
	return u, nil
}

// hasScheme reports whether a URL begins with http: or https:, in letters of either case.
func hasScheme(rawURL string) bool {
	scheme, _, ok := strings.Cut(rawURL, ":")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// FormURL says what is wrong with the URL of a request, whatever is permitted. What a secret
// is in is looked at when its text is known, and the port 0 when it is another: in a plan it
// is that of a proxy that takes any.
func FormURL(rawURL string) error {
	if namesSecret(rawURL) {
		return nil
	}
	u, err := parseURL(rawURL)
	if err != nil || u.Port() == "0" {
		return err
	}
	_, err = portOf(u)
	return err
}

// portOf is the port that a request to the URL goes to.
func portOf(u *url.URL) (uint16, error) {
	switch s := u.Port(); {
	case s != "":
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return 0, problem(CodeInvalid, "%q has the port %s; expected 1 to 65535", u, s)
		}
		return uint16(n), nil
	case u.Scheme == "https":
		return 443, nil
	}
	return 80, nil
}

// checkURL is Policy.CheckURL.
func (n *network) checkURL(rawURL string) error {
	u, err := parseURL(rawURL)
	if err != nil {
		return err
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return n.checkAddr(u.Hostname(), netip.AddrPortFrom(addr, port))
	}
	return n.checkName(u.Hostname(), port)
}

// checkName says whether a connection to a name can be permitted. If only its
// address can tell, it can be.
func (n *network) checkName(name string, port uint16) error {
	if err := checkOdd(name); err != nil {
		return err
	}
	if !n.all && !n.named(name, port) && len(n.prefixes) == 0 {
		return n.denied(name)
	}
	if n.within == nil {
		return nil
	}
	return n.within.checkName(name, port)
}

// checkAddr says whether a connection to addr is permitted, which was asked for as
// host. It is asked of every connection just before it is made, so a name that
// resolves to something else the second time, and a redirect, meet it too.
func (n *network) checkAddr(host string, to netip.AddrPort) error {
	addr := to.Addr().Unmap().WithZone("")
	if err := refuseMetadata(host, addr); err != nil {
		return err
	}
	if !n.all && !n.named(host, to.Port()) && !slices.ContainsFunc(n.prefixes, func(rule prefixRule) bool {
		return rule.prefix.Contains(addr) && (rule.port == 0 || rule.port == to.Port())
	}) {
		return n.denied(host)
	}
	if n.within == nil {
		return nil
	}
	return n.within.checkAddr(host, to)
}

// named reports whether a rule names the host.
func (n *network) named(host string, port uint16) bool {
	host = plainHost(host)
	return slices.ContainsFunc(n.names, func(rule nameRule) bool {
		if rule.port != 0 && rule.port != port {
			return false
		}
		return host == rule.name && !rule.below || rule.below && strings.HasSuffix(host, "."+rule.name)
	})
}

// denied is the error for a host that no rule permits.
func (n *network) denied(host string) error {
	opens := "no network"
	if len(n.entries) > 0 {
		opens = "the network only to " + strings.Join(n.entries, ", ")
	}
	return problem(CodeDenied, "a request to %s is not permitted: the policy opens %s; --allow-net=%s would permit it", host, opens, host)
}

// aka names the host behind an address, where it was not the address itself.
func aka(host string, addr netip.Addr) string {
	if host == addr.String() {
		return ""
	}
	return " (" + host + ")"
}

// validateExec checks the entries of Policy.AllowExec.
func validateExec(entries []string) error {
	for _, entry := range entries {
		if entry == "" || filepath.Base(entry) != entry && !filepath.IsAbs(entry) {
			return problem(CodeInvalid, "exec policy: %q is neither a base name (\"kubectl\") nor an absolute path", entry)
		}
	}
	return nil
}
