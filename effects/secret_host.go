package effects

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// secretHosts refuses what goes to a name that has a secret in it, unless the policy names it:
// to find out which address it has is to tell it to whoever serves that name, and with that
// the secret, also where a connection would not be permitted. args still name the secrets.
func (e *Effects) secretHosts(kind string, args json.RawMessage) error {
	if e.opts.Reveal == nil || !namesSecret(string(args)) {
		return nil
	}
	var v any
	if json.Unmarshal(args, &v) != nil {
		return nil // whoever performs it says so
	}
	return e.secretHostsIn(v, kind == KindDNS)
}

func (e *Effects) secretHostsIn(v any, lookup bool) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := e.secretHostsIn(item, lookup); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			text, ok := v[key].(string)
			if !ok {
				if err := e.secretHostsIn(v[key], lookup); err != nil {
					return err
				}
				continue
			}
			host, named := "", false
			switch key { // as the arguments of effects and probes have them
			case "url":
				host = hostIn(text)
				named = namesSecret(host) && e.client.network.namesHost(hostOf(hostIn(e.opts.Reveal(text))))
			case "name": // of a lookup; of others it is what they are called
				if kind, of := v["kind"].(string); of && kind != KindDNS || !of && !lookup {
					continue
				}
				fallthrough
			case "addr", "server":
				host = text
				named = namesSecret(host) && e.client.network.namesHost(hostOf(e.opts.Reveal(text)))
			}
			if namesSecret(host) && !named {
				return problem(CodeDenied, "a name with a secret in it is not asked for: whoever serves the name would be told the secret; --allow-net with that name, or a domain that it is below, would permit it")
			}
		}
	}
	return nil
}

// hostIn is the host of a URL, with its port.
func hostIn(rawURL string) string {
	_, rest, _ := strings.Cut(rawURL, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest[strings.LastIndexByte(rest, '@')+1:]
}

// hostOf is an address without its port, if it has one.
func hostOf(address string) string {
	if host, _, err := splitAddress(address); err == nil {
		return host
	}
	return address
}

// namesHost reports whether the policy permits a host by its name on some port, or it is an
// address, of which nobody is asked.
func (n *network) namesHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	named := n.all || slices.ContainsFunc(n.names, func(rule nameRule) bool { return n.named(host, rule.port) })
	return named && (n.within == nil || n.within.namesHost(host))
}
