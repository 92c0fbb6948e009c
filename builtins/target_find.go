package builtins

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// find gives the run's target of a name, or nil.
func (e *Env) find(name string) *Target {
	for _, t := range e.targets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// listens gives the proxy of the run that takes an address of its own already, or nil. One
// that gives way opens nothing.
func (e *Env) listens(addr string) *Target {
	for _, t := range e.targets {
		if t.Open && t.Engine == nil && sameListener(t.Listen, addr) {
			return t
		}
	}
	return nil
}

// sameListener says whether two listeners cannot be open at once: one port of one
// host, where no host and the unspecified address are all of them.
func sameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	canonical := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
			return ""
		}
		return host
	}
	hostA, hostB = canonical(hostA), canonical(hostB)
	return hostA == hostB || hostA == "" || hostB == ""
}

// firstAt says where a target came from, behind an error about a second one.
func (t *Target) firstAt() string {
	if t.at.File == "" {
		return ""
	}
	return fmt.Sprintf(", declared at %s:%d:%d", t.at.File, t.at.Line, t.at.Col)
}

func (e *Env) targetList() string {
	var list []string
	for _, t := range e.targets {
		item := t.Name
		for _, k := range keys(t.Labels) {
			item += fmt.Sprintf(" %s=%s", k, t.Labels[k])
		}
		list = append(list, item)
	}
	return orElse(strings.Join(list, "; "), "none")
}

// noTarget is the error for chaos that would reach nothing.
func (c *Call) noTarget() error {
	return notGiven(c.Errorf("", "this run has no target, so chaos would reach nothing").
		WithHint("declare one with proxy(…), in an orchestration file under targets:, or give one with --proxy NAME=LISTEN,UPSTREAM or --env FILE"))
}
