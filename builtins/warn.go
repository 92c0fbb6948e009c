package builtins

import (
	"net"
	"net/url"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/effects/load"
)

// warnIdle says of a fault that its parameters have it do nothing: requests meet it, and
// nothing else tells.
func (c *Call) warnIdle(t *task, faults []FaultArgs) {
	for _, f := range faults {
		if f.Fault.Idle() {
			t.env.warn(c, t.branch, "fault_does_nothing", "%s does nothing to what it hits, and so tests nothing; give it more than 0, or leave it out", f.Text)
			return
		}
	}
}

// warnDelay says of a delay that nothing can wait for in the time that the chaos is on:
// what it holds is released at the end, and looks no slower than that time.
func (c *Call) warnDelay(t *task, faults []FaultArgs) {
	if !c.Has("duration") {
		return
	}
	d := c.Duration("duration")
	for _, f := range faults {
		if delay := f.Fault.LeastDelay(); delay > d && d > 0 {
			t.env.warn(c, t.branch, "delay_too_long", "the delay of %s is longer than the %s for which the chaos is on: at its end what is held is released, and shows no more than %s; give it more time, or a shorter delay",
				Duration(delay), Duration(d), Duration(d))
			return
		}
	}
}

// warnPast says of a step's load that it goes past the target with the step's faults.
func (c *Call) warnPast(t *task, faults []FaultArgs) {
	traffic, ok := c.Value("traffic").(*Traffic)
	if !ok {
		return
	}
	to := addressOf(&traffic.spec)
	for _, f := range faults {
		target := t.env.find(f.Target)
		if target == nil || !sameAddress(to, target.Upstream) || sameAddress(to, target.Listen) {
			continue
		}
		t.env.warn(c, t.branch, "load_past_target", "the load of this step goes to %s, which is the upstream of target %q, and so past its faults; send it to %s, where the target listens (target.listen)",
			to, target.Name, target.Listen)
		return
	}
}

// warnLimits says of an upper limit of a latency that no request can be slower: each has
// ended by its timeout.
func (c *Call) warnLimits(t *task, st *stepTraffic) {
	if st == nil {
		return
	}
	timeout := st.traffic.spec.Patience()
	for _, l := range st.limits {
		if never := neverHolds(l.figure, l.bound, l.op); never != "" {
			t.env.warn(c, t.branch, "limit_never_holds", "%s %s %s never holds: %s; give another limit, or look at the step's .traffic.%s with check(…, at_most = …)",
				l.figure, limitName[l.op], limitText(l.bound, l.bound), never, l.figure)
			return
		}
	}
	for _, l := range st.limits {
		d, ok := l.bound.(Duration)
		if ok && l.op == syntax.LT && load.IsLatency(l.figure) && time.Duration(d) > timeout {
			t.env.warn(c, t.branch, "limit_beyond_timeout", "%s below %s cannot fail: a request ends after its timeout of %s; lower the limit (a plain number is of seconds), or raise the timeout of the traffic",
				l.figure, d, Duration(timeout))
			return
		}
	}
}

// limitName is what the two limits of traffic's figures are called.
var limitName = map[syntax.Token]string{syntax.LT: "below", syntax.GT: "above"}

// neverHolds says why no figure of traffic can keep a limit, "" if one can: none is less than
// 0, a share is no more than 1, and both limits leave out what they name.
func neverHolds(figure string, bound starlark.Value, op syntax.Token) string {
	n, ok := number(bound)
	if d, is := bound.(Duration); is {
		n, ok = time.Duration(d).Seconds(), true
	}
	switch {
	case !ok:
	case op == syntax.LT && n <= 0:
		return "no figure is less than 0"
	case op == syntax.GT && load.IsShare(figure) && n >= 1:
		return "no share is more than 100%"
	}
	return ""
}

// addressOf is the host and port that load goes to, "" if its URL cannot be read.
func addressOf(spec *load.Spec) string {
	if spec.HTTP == nil {
		if spec.GRPC != nil {
			return spec.GRPC.Addr
		}
		return ""
	}
	u, err := url.Parse(spec.HTTP.URL)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// sameAddress reports whether two addresses are the same as they are written; the names
// of this machine are one.
func sameAddress(a, b string) bool {
	canonical := func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return ""
		}
		if ip := net.ParseIP(host); host == "localhost" || ip.IsLoopback() {
			host = "localhost"
		}
		return net.JoinHostPort(host, port)
	}
	return a != "" && canonical(a) != "" && canonical(a) == canonical(b)
}
