package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// target makes the target that an environment's file describes.
func (t *envTarget) target(name string) (*builtins.Target, error) {
	var ref *engine.Ref
	for _, of := range []engine.Ref{{Kind: engine.Toxiproxy, URL: t.Toxiproxy}, {Kind: engine.MockForge, URL: t.MockForge}, {Kind: engine.Starquake, URL: t.Starquake}} {
		switch {
		case of.URL == "":
			continue
		case ref != nil:
			return nil, fmt.Errorf("target %s: expected one engine, got %s and %s", name, ref.Kind, of.Kind)
		}
		ref = &of
	}
	if ref == nil {
		if t.Proxy != "" || t.Token != "" {
			return nil, fmt.Errorf("target %s: proxy and token are for a target of an engine; add toxiproxy, mockforge or starquake with its address", name)
		}
		target, err := newTarget(name, t.Listen, t.Upstream, t.Protocol)
		if err != nil {
			return nil, err
		}
		if target.TLS, err = chaos.ParseTLS(t.TLS, chaos.BesideEnvironment); err != nil {
			return nil, fmt.Errorf("target %s: %w", name, err)
		}
		return target, nil
	}
	if t.Listen != "" || t.Upstream != "" || t.Protocol != "" || t.TLS != nil {
		return nil, fmt.Errorf("target %s: listen, upstream, protocol and tls are the engine's own affair; leave them out beside %s", name, ref.Kind)
	}
	if err := link.CheckURL(ref.URL); err != nil {
		return nil, fmt.Errorf("target %s: %s: %w", name, ref.Kind, err)
	}
	ref.URL = strings.TrimRight(ref.URL, "/")
	if ref.Kind != engine.MockForge {
		if ref.Target = t.Proxy; ref.Target == "" {
			ref.Target = name
		}
	} else if t.Proxy != "" {
		return nil, fmt.Errorf("target %s: mockforge has no proxies; leave out proxy", name)
	}
	if t.Token != "" {
		secret, err := builtins.NewSecret(t.Token)
		if err != nil {
			return nil, fmt.Errorf("target %s: token: %w", name, err)
		}
		ref.Token = secret.String()
	}
	kind, err := engine.KindOf(ref.Kind)
	if err != nil {
		return nil, err
	}
	return &builtins.Target{Name: name, Protocol: kind.Protocol, Engine: ref}, nil
}

// marksDenied is a transport that tells clients of engines what is not permitted from what
// another try could do.
type marksDenied struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m marksDenied) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.RoundTripper.RoundTrip(req)
	var p *journal.EffectError
	if errors.As(err, &p) && p.Code == effects.CodeDenied {
		err = &link.DeniedError{Err: p}
	}
	return resp, err
}

// attach asks an engine for a target.
func (t *targets) attach(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.AttachArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	if err := t.lent.attach(&args); err != nil {
		return nil, err
	}
	a, err := t.engines.Attach(ctx, args.Engine)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return a, nil
}

// unreachable is the error of an engine that is not there as it should be.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &journal.EffectError{Code: effects.CodeStopped, Message: "stopped before the engine had answered"}
	}
	return &journal.EffectError{Code: "target_unreachable", Message: err.Error()}
}

// unknownHost ends the addresses that a plan has for what only an engine knows. Nothing
// ever has such a name.
const unknownHost = ".invalid"

// planAttach plans that the target is there, at an address that only its engine knows.
func planAttach(req *runtime.Request) (runtime.Planned, error) {
	var args builtins.AttachArgs
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	a := engine.Attached{Listen: builtins.AssumedHost(args.Name) + ":1"}
	if args.Engine.Kind == engine.MockForge {
		a.Prior = map[string]any{}
	}
	return answered(a), nil
}

// touched is an effect that a fault amounts to, as far as a policy can judge it.
type touched struct {
	kind string
	args json.RawMessage
}

// touches lists what a fault, or the attaching of a target, would send and start.
func touches(start *journal.EffectStartBody) []touched {
	request := func(url string) touched {
		raw, _ := json.Marshal(effects.HTTPArgs{URL: url}) // strings: cannot fail
		return touched{effects.KindHTTP, raw}
	}
	switch start.Kind {
	case builtins.KindAttach:
		var args builtins.AttachArgs
		if json.Unmarshal(start.Args, &args) == nil {
			return []touched{request(args.Engine.URL)}
		}
	case builtins.KindFault:
		var on struct{ Target string }
		if json.Unmarshal(start.Args, &on) != nil || on.Target != "" {
			return nil // its target was attached before
		}
		var args builtins.FaultArgs
		if json.Unmarshal(start.Args, &args) != nil {
			return nil
		}
		c, ok := changeOf(&args.Fault)
		if !ok {
			return nil
		}
		var out []touched
		for _, m := range []effects.Means{c.On, c.Off} {
			for _, argv := range m.Run {
				raw, _ := json.Marshal(effects.ExecArgs{Argv: argv}) // strings: cannot fail
				out = append(out, touched{effects.KindExec, raw})
			}
			if m.Send != nil {
				out = append(out, request(m.Send.URL))
			}
		}
		if len(c.Check) > 0 {
			out = append(out, touched{effects.KindProbe, c.Check})
		}
		return out
	}
	return nil
}

// undoGrace is what the undoing of a fault may take beyond what it says itself.
const undoGrace = 10 * time.Second

// endWithin is how long the end of an effect may take; 0 is what the world takes for it.
func endWithin(req *runtime.Request) time.Duration {
	if req.Kind != builtins.KindFault {
		return 0
	}
	var args builtins.FaultArgs
	if json.Unmarshal(req.Args, &args) != nil {
		return 0
	}
	c, ok := changeOf(&args.Fault)
	if !ok {
		return 0
	}
	within := c.Within + undoGrace
	if c.On.Send != nil { // which is not cut short, before it is undone
		within += c.On.Send.Timeout
	}
	return within
}

// undo takes off what the request of a held effect may have put on: its arguments, the id
// of the run and the place in it are all that it takes.
func (t *targets) undo(ctx context.Context, run string, req *runtime.Request) error {
	if req.Kind != builtins.KindFault {
		return nil // what else is held ends with its process
	}
	var args builtins.FaultArgs
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return fmt.Errorf("the journal has a fault at %s that cannot be read: %w", req.ID, err)
	}
	if args.Engine == nil && args.Target != "" {
		return nil // an embedded proxy, which went with its process
	}
	plane, err := t.plane(&args)
	if err == nil {
		err = plane.Undo(ctx, faultID(run, req.ID))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", describeFault(&args), err)
	}
	return nil
}

// faultID names a fault in all runs.
func faultID(run string, at journal.Place) string {
	return fmt.Sprintf("%s-%s-%d", run, at.Branch, at.Op)
}

// describeFault is a fault for people.
func describeFault(args *builtins.FaultArgs) string {
	if args.Target == "" {
		return args.Text
	}
	return args.Text + " on " + args.Target
}
