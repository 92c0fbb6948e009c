package builtins

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/dsl"
	"starquake/runtime"
)

// KindAttach is the kind of the effect that asks an engine for a target, before the first
// fault: that it is there, and what is to be known of it. Its arguments are AttachArgs,
// its answer an engine.Attached.
const KindAttach = "attach"

// AttachArgs are the arguments of KindAttach.
type AttachArgs struct {
	Name   string     `json:"name"` // the run's for the target
	Engine engine.Ref `json:"engine"`
}

// engines are the builtins that name targets of data planes in other processes.
func engines() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig: `toxiproxy(url: string, *, token: secret|None = None)`,
			Doc: "Names a Toxiproxy server by the address of its API, such as \"http://127.0.0.1:8474\". toxiproxy(url).proxy(name) is its proxy of that name as a target; " +
				"the run calls it so too, or by alias. It can do latency, bandwidth, blackhole, partition, timeout, reset, refuse, slow_close, slicer and limit_data, without match and ramps; " +
				"target.supports(fault) tells of one fault. It does not count what meets a fault, so min_hits says nothing there. Its faults do not end by themselves: a process of ours takes them off if the run's is killed.",
			Planned: "the proxy is there; nothing is asked",
			Family:  "chaos",
		}, declares(engineServer(engine.Toxiproxy))},
		{dsl.Builtin{
			Sig: `mockforge(url: string, *, name: string = "mockforge", labels: dict = {}, token: secret|None = None)`,
			Doc: "Is a MockForge server as a target, by the address of its API. It has one configuration for all that it serves: the run writes what its faults amount to over what was there, " +
				"and goes back to that at their end; no other run may use it meanwhile. It can do what the config of an orchestration file can say, ramps too. " +
				"It does not count what meets a fault, so min_hits says nothing there. Its faults do not end by themselves: a process of ours takes them off if the run's is killed.",
			Planned: "the server is there; nothing is asked",
			Family:  "chaos",
		}, declares(mockforge)},
		{dsl.Builtin{
			Sig: `starquake(url: string, *, token: secret|None = None)`,
			Doc: "Names another starquake (`starquake proxy`, an agent or a server) by the address of its API. starquake(url).proxy(name) is its target of that name; the run calls it so too, or by alias. " +
				"Faults there are leases of 15 s that the run renews: they go off by themselves if it cannot.",
			Planned: "the target is there, with protocol auto; nothing is asked",
			Family:  "chaos",
		}, declares(engineServer(engine.Starquake))},
	}
}

// engineRef is the engine that a call names.
func (c *Call) engineRef(kind string) (engine.Ref, error) {
	ref := engine.Ref{Kind: kind, URL: strings.TrimRight(c.String("url"), "/"), Token: c.String("token")}
	if strings.Contains(ref.URL, placeholderOpen) {
		return ref, c.Errorf("url", "a secret cannot be part of it: the address stands in the journal").WithHint(`give what opens it as token = secret("NAME")`)
	}
	if err := link.CheckURL(ref.URL); err != nil {
		return ref, c.Errorf("url", "%v", err)
	}
	return ref, nil
}

// engineServer makes toxiproxy or starquake: what has a method proxy.
func engineServer(kind string) func(*Call, *Env) (starlark.Value, error) {
	return func(c *Call, _ *Env) (starlark.Value, error) {
		ref, err := c.engineRef(kind)
		if err != nil {
			return nil, err
		}
		return NewObject(kind,
			Field{Name: "url", Value: starlark.String(ref.URL)},
			Method(Builtin{dsl.Builtin{Sig: kind + `.proxy(name: string, *, alias: string|None = None, labels: dict = {})`}, declares(func(c *Call, e *Env) (starlark.Value, error) {
				of := ref
				if of.Target = c.String("name"); of.Target == "" || len(of.Target) > 200 {
					return nil, c.Errorf("name", "expected a name of 1 to 200 bytes, got %d", len(of.Target))
				}
				return e.engineTarget(c, orElse(c.String("alias"), of.Target), of)
			})}),
		), nil
	}
}

func mockforge(c *Call, e *Env) (starlark.Value, error) {
	ref, err := c.engineRef(engine.MockForge)
	if err != nil {
		return nil, err
	}
	return e.engineTarget(c, c.String("name"), ref)
}

// engineTarget gives the target of a name, which is one of the run's from now on.
func (e *Env) engineTarget(c *Call, name string, ref engine.Ref) (starlark.Value, error) {
	labels, err := c.labels("labels")
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, c.Errorf("name", "expected a name, got an empty string")
	}
	if have := e.find(name); have != nil {
		if have.Engine != nil && have.Engine.Kind == ref.Kind && have.Engine.URL == ref.URL && have.Engine.Target == ref.Target {
			return have, e.name(c, have) // the same, named again
		}
		for _, given := range e.Targets {
			if given == have { // --proxy or the environment gave one of that name: it wins
				e.giveWay(c, &Target{Name: name, Labels: labels}, have)
				return have, e.name(c, have)
			}
		}
		return nil, c.Errorf("name", "a target %q is declared already, and is another one", name).WithHint("give this one another name in the run: alias = \"…\" (name = for mockforge)")
	}
	for _, t := range e.targets {
		if t.Engine != nil && t.Engine.Kind == ref.Kind && t.Engine.URL == ref.URL && t.Engine.Target == ref.Target {
			return nil, c.Errorf("", "the run has it already, as target %q", t.Name).WithHint("use that one: two names for one place would hide that faults meet there")
		}
	}
	kind, err := engine.KindOf(ref.Kind)
	if err != nil {
		return nil, err
	}
	t := &Target{Name: name, Protocol: kind.Protocol, Labels: labels, Engine: &ref}
	e.targets = append(e.targets, t)
	return t, e.name(c, t)
}

// attach asks the target's engine for it, and keeps what must be known of it.
func (e *Env) attach(t *task, target *Target) error {
	args, err := json.Marshal(AttachArgs{Name: target.Name, Engine: *target.Engine})
	if err != nil {
		return err
	}
	ans, err := t.branch.Perform(runtime.Ask{Kind: KindAttach, Args: args, Setup: true, Repeat: true})
	if err != nil {
		return err
	}
	if ans.Err != nil {
		return runtime.Failf(runtime.ClassErrored, ans.Err.Code, "target %q: %s", target.Name, ans.Err.Message)
	}
	var a engine.Attached
	if err := json.Unmarshal(ans.Data, &a); err != nil {
		return fmt.Errorf("target %q: the answer of its engine is unreadable: %w", target.Name, err)
	}
	target.opened, target.kinds = true, a.Supports
	target.Listen, target.Upstream = orElse(a.Listen, target.Listen), orElse(a.Upstream, target.Upstream)
	target.Protocol = orElse(a.Protocol, target.Protocol)
	if target.Labels == nil {
		target.Labels = a.Labels
	}
	ref := *target.Engine
	ref.Prior = a.Prior
	target.Engine = &ref
	if kind, err := engine.KindOf(ref.Kind); err == nil && !kind.Leased {
		e.guarded(t.branch, "of "+ref.Kind)
	}
	return nil
}

// guarded says once a run that faults do not end by themselves, and what happens then.
func (e *Env) guarded(b *runtime.Branch, whose string) {
	if e.saidGuarded {
		return
	}
	e.saidGuarded = true
	b.Log("info", "faults "+whose+" do not end by themselves: a guardian process takes them off if this one is killed; if both are, starquake cleanup does", nil)
}
