package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/dsl"
	"starquake/internal/nearest"
	"starquake/runtime/journal"
)

// Target is a place where faults can be put on: an embedded proxy, or what an
// environment or the server defines.
type Target struct {
	Name     string            `json:"name"`
	Listen   string            `json:"listen,omitempty"`
	Upstream string            `json:"upstream,omitempty"`
	Protocol string            `json:"protocol,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// TLS is how it terminates TLS; nil: TLS passes through.
	TLS *chaos.TLS `json:"tls,omitempty"`
	// Engine is the data plane in another process that it belongs to; nil: the embedded one.
	Engine *engine.Ref `json:"engine,omitempty"`
	// Open says that the run opens it itself, with an effect of KindProxy.
	Open bool `json:"-"`

	at      journal.Frame // the call that declared it; zero: it was given
	opened  bool          // or attached
	named   bool          // by the script: what an engine has and nobody names is not asked for
	assumed bool          // by a plan: nobody has said what it is
	kinds   []string      // of fault that its engine said it can do; nil: those of its protocol
}

// KindProxy is the kind of the held effect that opens an embedded proxy. Its
// arguments are a Target; its first report has the address that it listens on.
const KindProxy = "proxy"

// ProxyReport is the first report of a KindProxy effect.
type ProxyReport struct {
	Listen string `json:"listen"`
}

var (
	_ TargetValue       = (*Target)(nil)
	_ starlark.HasAttrs = (*Target)(nil)
)

// TargetName gives the name.
func (t *Target) TargetName() string    { return t.Name }
func (t *Target) String() string        { return fmt.Sprintf("target(%q)", t.Name) }
func (t *Target) Type() string          { return "target" }
func (t *Target) Freeze()               {}
func (t *Target) Truth() starlark.Bool  { return true }
func (t *Target) Hash() (uint32, error) { return starlark.String(t.Name).Hash() }

// AttrNames lists what a script can read.
func (t *Target) AttrNames() []string {
	return []string{"disconnect", "labels", "listen", "name", "protocol", "supports", "upstream", "window"}
}

// Attr gives an attribute.
func (t *Target) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(t.Name), nil
	case "listen":
		if t.Open && !t.opened && strings.HasSuffix(t.Listen, ":0") {
			return nil, &ArgError{Builtin: "target.listen", Message: fmt.Sprintf("target %q takes a port that is free, which is known once main() begins", t.Name),
				Hint: "read it in main(), or give the proxy a fixed port"}
		}
		return starlark.String(t.Listen), nil
	case "upstream":
		return starlark.String(t.Upstream), nil
	case "protocol":
		return starlark.String(t.Protocol), nil
	case "labels":
		d := starlark.NewDict(len(t.Labels))
		for _, k := range keys(t.Labels) {
			_ = d.SetKey(starlark.String(k), starlark.String(t.Labels[k])) // a fresh dict takes strings
		}
		d.Freeze()
		return d, nil
	case "supports":
		return Method(Builtin{dsl.Builtin{Sig: `target.supports(fault: faults)`}, func(c *Call) (starlark.Value, error) {
			all, err := Faults(c.Value("fault"))
			if err != nil {
				return nil, c.Errorf("fault", "%v", err)
			}
			for _, f := range all {
				if t.supports(&f.Fault) != nil {
					return starlark.False, nil
				}
			}
			return starlark.True, nil
		}}).Value, nil
	case "window":
		return Method(Builtin{dsl.Builtin{Sig: `target.window(last: duration|None = None, *, since: any = None, simulated: dict|None = None)`}, looks(t.window)}).Value, nil
	case "disconnect":
		return Method(Builtin{dsl.Builtin{
			Sig:     `target.disconnect(how: string = "rst", match: match|None = None, *, simulated: dict|None = None)`,
			Choices: map[string][]string{"how": {"rst", "fin"}},
		}, acts(t.disconnect)}).Value, nil
	}
	return nil, nil
}

// supports says whether the target can do a fault.
func (t *Target) supports(f *chaos.Fault) error {
	k, err := chaos.KindOf(f.Kind)
	if err != nil {
		return err
	}
	err = k.Speaks(orElse(t.Protocol, "auto"))
	if t.Engine != nil && k.Targeted() {
		err = t.engineCan(f, err)
	}
	if err == nil && t.Open {
		err = k.OnTLS(t.TLS != nil)
	}
	if err != nil {
		return fmt.Errorf("target %q: %w", t.Name, err)
	}
	return nil
}

// engineCan says whether the target's engine can do a fault; speaks is what the protocol
// says of its kind, which counts where the engine has not said so itself.
func (t *Target) engineCan(f *chaos.Fault, speaks error) error {
	row, err := engine.KindOf(t.Engine.Kind)
	if err != nil {
		return err
	}
	if err := row.Fits(f); err != nil {
		return err
	}
	if t.kinds != nil && !slices.Contains(t.kinds, f.Kind) {
		return fmt.Errorf("the %s at %s cannot do a fault of kind %s on protocol %s; it can %s",
			t.Engine.Kind, t.Engine.URL, f.Kind, t.Protocol, strings.Join(t.kinds, ", "))
	}
	return speaks
}

// targeting are the builtins that declare and name targets.
func targeting() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:     `proxy(name: string, listen: string, upstream: string, protocol: string = "auto", labels: dict = {}, tls: string|dict = "pass")`,
			Doc:     "Declares an embedded proxy, which lives as long as the run, and gives it as a target, which has what target(name) has. Its listener opens when main starts. Clients connect to listen (host:port, port 0 for any), and it passes on to upstream.",
			Planned: "listens; nothing is opened",
			Help:    map[string]string{"tls": tlsTargetHelp()},
			Family:  "chaos", Choices: map[string][]string{"protocol": append([]string{"auto"}, chaos.Protocols()...)},
		}, declares(proxy)},
		{dsl.Builtin{
			Sig: `target(name: string)`,
			Doc: "Names a target that the environment, --proxy or the server defines, or that the script has declared. It has .name .labels .listen .upstream .protocol, .supports(fault), .disconnect(how, match), and .window(last) or .window(since): its traffic up to now, at most of ten minutes. A target counts by the second: the one in which the window begins counts as a whole, so nothing that came since is missing, at most a second from before is there too, and .span says from when on it is. " +
				"A window has .requests .connections .active .bytes_in .bytes_out .errors .span, and in .all, of those that a fault touched in .faulted, and of the others in .clean, .count .mean .p50 .p90 .p95 .p99 .p999 .max; without requests there .count is 0 and the others are None, though 0 in a plan.",
			Family: "chaos",
		}, declares(target)},
		{dsl.Builtin{
			Sig:    `targets(**labels)`,
			Doc:    "Gives the run's targets that have these labels: those declared so far, and those given to the run. An empty selection is an error.",
			Family: "chaos",
		}, declares(targets)},
		{dsl.Builtin{
			Sig:    `service(name: string)`,
			Doc:    "Names a service whose address the environment defines: service(name).url(path) is an address below it.",
			Family: "chaos",
		}, declares(service)},
	}
}

func proxy(c *Call, e *Env) (starlark.Value, error) {
	labels, err := c.labels("labels")
	if err != nil {
		return nil, err
	}
	tls, err := c.terminates("tls")
	if err != nil {
		return nil, err
	}
	t := &Target{TLS: tls, Name: c.String("name"), Listen: c.String("listen"), Upstream: c.String("upstream"), Protocol: c.String("protocol"), Labels: labels, Open: true}
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	if err := chaos.CheckAddress(t.Listen); err != nil {
		return nil, c.Errorf("listen", "%v", err)
	}
	if err := chaos.CheckUpstream(t.Upstream); err != nil {
		return nil, c.Errorf("upstream", "%v", err)
	}
	if err := chaos.CheckLoop(t.Listen, t.Upstream); err != nil {
		return nil, c.Errorf("upstream", "%v", err)
	}
	if have := e.find(t.Name); have != nil {
		if slices.Contains(e.Targets, have) {
			e.giveWay(c, t, have) // --proxy or the environment gave one of that name: it wins
			return have, nil
		}
		return nil, c.Errorf("name", "a target %q is declared twice%s", t.Name, have.firstAt())
	}
	if have := e.listens(t.Listen); have != nil {
		return nil, c.Errorf("listen", "%s is where target %q listens already%s", t.Listen, have.Name, have.firstAt()).
			WithHint("give each a port of its own, or port 0 for any")
	}
	t.at = c.at()
	e.targets = append(e.targets, t)
	if task := taskOf(c.Thread); task.branch != nil && !e.declaring {
		if err := e.open(task, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// name notes that the script names a target, which is attached now if it acts, or else
// when it begins to.
func (e *Env) name(c *Call, target *Target) error {
	target.named = true
	if task := taskOf(c.Thread); task.branch != nil && !e.declaring && target.Engine != nil {
		return e.open(task, target)
	}
	return nil
}

func target(c *Call, e *Env) (starlark.Value, error) {
	name := c.String("name")
	if t := e.find(name); t != nil {
		return t, e.name(c, t)
	}
	var names []string
	for _, t := range e.targets {
		if !t.assumed {
			names = append(names, t.Name)
		}
	}
	near := nearest.Of(name, names)
	if e.AnyTarget {
		host := AssumedHost(name)
		t := &Target{Name: name, Protocol: "auto", Listen: host + ":1", Upstream: "upstream." + host + ":1", assumed: true}
		e.targets = append(e.targets, t)
		code, help := CodeNotGiven, fmt.Sprintf("give it with --proxy %s=LISTEN,UPSTREAM or in --env", name)
		if slices.Contains(e.LeftOut, name) {
			near, help = "", "name it in the start's targets too, or none for all of them"
		}
		if near != "" {
			code, help = "target_name", fmt.Sprintf("did you mean %q? Else %s", near, help)
		}
		e.assumedAs(c, code, "target %q is not defined, and %s → %s stands for it; %s", name, t.Listen, t.Upstream, help)
		return t, nil
	}
	err := c.Errorf("name", "there is no target %q", name)
	if slices.Contains(e.LeftOut, name) {
		return nil, notGiven(c.Errorf("name", "target %q is not among those that this run was given", name).
			WithHint("name it in the start's targets too, or none for all of them"))
	}
	if near != "" {
		return nil, notGiven(err.WithHint("did you mean %q?", near))
	}
	return nil, notGiven(err.WithHint("give it with --proxy %s=LISTEN,UPSTREAM or in the environment (--env)", name))
}

func targets(c *Call, e *Env) (starlark.Value, error) {
	want := map[string]string{}
	for _, kv := range c.Named() {
		key, _ := text(kv[0])
		label, ok := kv[1].(starlark.String)
		if !ok {
			return nil, c.Errorf(key, "expected a string, as labels are, got %s", describe(kv[1]))
		}
		want[key] = string(label)
	}
	var found []starlark.Value
	for _, t := range e.targets {
		fits := true
		for key, label := range want {
			have, ok := t.Labels[key]
			fits = fits && ok && have == label
		}
		if fits {
			found = append(found, t)
			if err := e.name(c, t); err != nil {
				return nil, err
			}
		}
	}
	if len(found) == 0 {
		if e.AnyTarget {
			what := "this run has no target"
			if len(e.targets) > 0 {
				what = "no target of this run has these labels"
			}
			return starlark.NewList([]starlark.Value{e.assumeEvery(c, what)}), nil
		}
		if len(c.Named()) == 0 {
			return nil, c.noTarget()
		}
		return nil, notGiven(c.Errorf("", "no target of this run has these labels").WithHint("its targets: %s", e.targetList()))
	}
	return starlark.NewList(found), nil
}

// AssumedHost stands in a plan for the host of something by that name, of which nobody has
// said where it is: none ever has such a name.
func AssumedHost(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-':
			return r
		}
		return '-'
	}, name) + ".invalid"
}

func service(c *Call, e *Env) (starlark.Value, error) {
	name := c.String("name")
	base, ok := e.Services[name]
	if !ok {
		if !e.AnyTarget {
			err := c.Errorf("name", "the environment defines no service %q", name)
			if near := nearest.Of(name, keys(e.Services)); near != "" {
				return nil, notGiven(err.WithHint("did you mean %q?", near))
			}
			return nil, notGiven(err.WithHint("name its address under services in the file given with --env"))
		}
		base = "http://" + name + ".invalid"
		e.assumed(c, "service %q is not defined, and %s stands for it; name its address under services in --env", name, base)
	}
	base = strings.TrimRight(base, "/")
	return NewObject("service",
		Field{Name: "name", Value: starlark.String(name)},
		Method(Builtin{dsl.Builtin{Sig: `service.url(path: string = "")`}, func(c *Call) (starlark.Value, error) {
			path := c.String("path")
			if path != "" && !strings.HasPrefix(path, "/") {
				path = "/" + path
			}
			return starlark.String(base + path), nil
		}}),
	), nil
}
