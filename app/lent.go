package app

import (
	"fmt"
	"reflect"

	"starquake/builtins"
	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/effects"
	"starquake/runtime/journal"
)

// lent is what a run may use that it does not own: proxies of a data plane that outlives
// it. The zero value lends nothing and forbids nothing.
type lent struct {
	plane *admin.Plane
	// confined says that the run may use only what it was given.
	confined bool
	given    []*builtins.Target
}

// proxy gives the proxy that is lent in place of a target that a run would open; nil
// where it is to open it itself. A proxy of the plane that the run was not given is none
// of its business, whatever it calls its own.
func (l *lent) proxy(t *builtins.Target) (*proxy.Proxy, error) {
	if err := l.open(t); err != nil {
		return nil, err
	}
	if l.plane == nil || !l.has(t) {
		return nil, nil
	}
	p, err := l.plane.Proxy(t.Name)
	if err != nil {
		return nil, &journal.EffectError{Code: "target_unreachable", Message: fmt.Sprintf("target %q is not a target of the server any more", t.Name)}
	}
	return p, nil
}

// open says whether the run may open a target.
func (l *lent) open(t *builtins.Target) error {
	if l.has(t) {
		return nil
	}
	if l.confined {
		return &journal.EffectError{Code: effects.CodeDenied, Message: fmt.Sprintf(
			"target %q: a script may not open proxies of its own here; use a target that the server has", t.Name)}
	}
	return effects.CheckRelay(t.Upstream)
}

// attach says whether the run may use a target of an engine.
func (l *lent) attach(a *builtins.AttachArgs) error {
	if !l.confined {
		return nil
	}
	for _, t := range l.given {
		if t.Name == a.Name && t.Engine != nil && reflect.DeepEqual(*t.Engine, a.Engine) {
			return nil
		}
	}
	return &journal.EffectError{Code: effects.CodeDenied, Message: fmt.Sprintf(
		"target %q: a script may not name engines of its own here; use a target that the server has", a.Name)}
}

func (l *lent) has(t *builtins.Target) bool {
	for _, given := range l.given {
		if given.Name == t.Name && given.Engine == nil && given.Upstream == t.Upstream {
			return true
		}
	}
	return false
}
