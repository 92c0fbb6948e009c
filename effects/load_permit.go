package effects

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"starquake/effects/load"
	"starquake/runtime/journal"
)

// DefaultMaxLoadRate is the cap where the policy names none.
const DefaultMaxLoadRate = 50_000

// NameTarget tells that the run has a target with these addresses ("host:port"): load
// may go to its hosts, if the policy lets a script's own targets say so.
func (e *Effects) NameTarget(addrs ...string) {
	l := e.loads
	l.mu.Lock()
	defer l.mu.Unlock()
	named := l.policy.naming(LoadHosts(addrs...))
	if rules, err := named.rules(loading); err == nil { // else a target has no address that could be named
		l.policy, l.rules = *named, rules
	}
}

// naming is the policy in which load may go to the hosts of a target of the run's own.
func (p *Policy) naming(hosts []string) *Policy {
	named := *p
	if p.LoadOwnTargets {
		named.Load = slices.Clone(p.Load)
		for _, host := range hosts {
			if !slices.Contains(named.Load, host) {
				named.Load = append(named.Load, host)
			}
		}
	}
	if p.Within != nil {
		named.Within = p.Within.naming(hosts)
	}
	return &named
}

// maxLoadRate is the highest rate of load.
func (p *Policy) maxLoadRate() float64 {
	most := p.MaxLoadRate
	if most == 0 {
		most = DefaultMaxLoadRate
	}
	if p.Within != nil {
		most = min(most, p.Within.maxLoadRate())
	}
	return most
}

// LoadHosts are the entries for Policy.Load that addresses stand for: "host:port", a
// URL, or ":port", which is this machine. All names of this machine go together.
func LoadHosts(addrs ...string) []string {
	var out []string
	for _, addr := range addrs {
		if u, err := url.Parse(addr); err == nil && u.Host != "" {
			addr = u.Host
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = strings.Trim(addr, "[]")
		}
		ip, err := netip.ParseAddr(host)
		if host == "" || host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			out = append(out, "localhost", "127.0.0.0/8", "::1")
			continue
		}
		out = append(out, host)
	}
	return out
}

func (e *Effects) permitLoad(spec *load.Spec) error {
	if peak := spec.PeakRate(); peak > e.loads.max {
		return problem(CodeDenied, "load of %g requests per second is not permitted: the policy's most is %g; --max-load-rate=%g would permit it", peak, e.loads.max, peak)
	}
	body := 0
	switch {
	case spec.HTTP != nil:
		body = len(spec.HTTP.Body)
	case spec.GRPC != nil:
		body = len(spec.GRPC.Message)
	}
	if err := e.client.fits(body); err != nil {
		return err
	}
	to := loadURL(spec)
	if err := e.client.network.checkURL(to); err != nil {
		return err
	}
	return e.loads.denied(to, e.loads.permits().checkURL(to))
}

// loadURL is where load goes, as a URL.
func loadURL(spec *load.Spec) string {
	switch {
	case spec.HTTP != nil:
		return spec.HTTP.URL
	case spec.GRPC.TLS:
		return "https://" + spec.GRPC.Addr
	}
	return "http://" + spec.GRPC.Addr
}

// permits are the rules as they are now.
func (l *loader) permits() *network {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules
}

// denied words for load what a rule forbids.
func (l *loader) denied(to string, err error) error {
	var p *journal.EffectError
	if !errors.As(err, &p) || p.Code != CodeDenied || strings.Contains(p.Message, "metadata") {
		return err
	}
	host := to
	if u, parseErr := url.Parse(to); parseErr == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	known := "they name none"
	if entries := l.permits().entries; len(entries) > 0 {
		known = "they name " + strings.Join(entries, ", ")
	}
	return problem(CodeDenied, "load on %s is not permitted: load goes only to hosts that the environment or the script's own targets name, and %s; --allow-load=%s would permit it", host, known, host)
}
