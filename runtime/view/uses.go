package view

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// uses collects what a run touches or would touch: targets, hosts, commands and
// secrets. They are read from the arguments of effects.
type uses struct {
	targets                  map[string]*Target
	hosts, commands, secrets map[string]bool
	// known holds what was read from arguments seen before, by kind and text: a
	// loop asks for the same thing over and over.
	known map[string]map[string]*described
	kept  int  // entries of known
	dirty bool // the sets changed since fill
}

// The bounds of what uses remembers of arguments seen before.
const (
	maxKnown     = 2048
	maxKnownSize = 2048
)

// described is what a fold reads from an effect's arguments.
type described struct {
	text string // for people
	// The rest is for faults only.
	target, name, kind         string
	params, probability, match json.RawMessage
}

func newUses() uses {
	return uses{
		targets: map[string]*Target{}, hosts: map[string]bool{},
		commands: map[string]bool{}, secrets: map[string]bool{},
		known: map[string]map[string]*described{},
	}
}

// of describes an effect and notes what it uses.
func (u *uses) of(kind string, args json.RawMessage) *described {
	byArgs := u.known[kind]
	if d := byArgs[string(args)]; d != nil {
		return d
	}
	d := u.read(kind, args)
	if u.kept < maxKnown && len(args) <= maxKnownSize {
		if byArgs == nil {
			byArgs = map[string]*described{}
			u.known[kind] = byArgs
		}
		byArgs[string(args)] = d
		u.kept++
	}
	return d
}

func (u *uses) read(kind string, args json.RawMessage) *described {
	u.secretsIn(args)
	if kind == "fault" {
		d, api := readFault(args)
		u.add(u.hosts, hostOf(api))
		u.ownFault(d)
		return d
	}
	var a effectArgs
	if json.Unmarshal(args, &a) != nil {
		return &described{}
	}
	u.note(&a, 0)
	switch kind {
	case "proxy":
		if t := u.target(a.Name); t != nil {
			t.Listen, t.Upstream = a.Listen, a.Upstream
		}
	case "attach":
		u.add(u.hosts, hostOf(a.Engine.URL))
		if t := u.target(a.Name); t != nil {
			t.Engine = clip(strings.TrimSpace(a.Engine.Kind + " " + a.Engine.URL + " " + a.Engine.Target))
		}
		return &described{text: clip(a.Name + " of " + a.Engine.Kind + " " + a.Engine.URL)}
	}
	return &described{text: clip(a.String())}
}

// effectArgs are the arguments that tell what an effect of any kind touches. Each
// kind uses some of them.
type effectArgs struct {
	Method, URL, Message   string
	Addr, Address          string
	Name, Listen, Upstream string
	Argv                   []string
	Engine                 struct{ Kind, URL, Target string }
	Probe                  *probeArgs
	Of                     []probeArgs
	Server, Query, Channel string
	// Spec is that of load, and HTTP or GRPC what it sends.
	Spec, HTTP, GRPC *probeArgs
}

// probeArgs are effectArgs read leniently: a probe, or what load sends, may be of any
// shape, and one that is not an object only says nothing.
type probeArgs struct{ effectArgs }

func (p *probeArgs) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		_ = json.Unmarshal(text, &p.effectArgs) // fields of another type stay empty
	}
	return nil
}

// String is the effect for people, as far as its arguments tell.
func (a *effectArgs) String() string {
	switch {
	case a.Channel != "" && a.Message != "":
		return a.Channel + ": " + a.Message
	case a.Message != "":
		return a.Message
	case a.Query != "":
		return a.Query
	case len(a.Argv) > 0:
		return strings.Join(a.Argv, " ")
	case a.URL != "":
		return strings.TrimSpace(a.Method + " " + a.URL)
	case a.Listen != "":
		return a.Name + " " + a.Listen + " → " + a.Upstream
	case a.Probe != nil:
		return a.Probe.String()
	case a.Spec != nil:
		return a.Spec.String()
	case a.HTTP != nil:
		return a.HTTP.String()
	case a.GRPC != nil:
		return strings.TrimSpace(a.GRPC.Addr + " " + a.GRPC.Method)
	case a.Addr != "" || a.Address != "":
		return strings.TrimSpace(a.Addr + a.Address + " " + a.Method)
	}
	return a.Name
}

// maxProbeDepth bounds how deep probes within probes are looked through.
const maxProbeDepth = 16

func (u *uses) note(a *effectArgs, depth int) {
	u.add(u.hosts, hostOf(a.URL))
	u.add(u.hosts, a.Addr)
	u.add(u.hosts, a.Address)
	u.add(u.hosts, a.Server)
	u.add(u.hosts, a.Upstream)
	if len(a.Argv) > 0 {
		u.add(u.commands, strings.Join(a.Argv, " "))
	}
	if depth == maxProbeDepth {
		return
	}
	for _, of := range []*probeArgs{a.Probe, a.Spec, a.HTTP, a.GRPC} {
		if of != nil {
			u.note(&of.effectArgs, depth+1)
		}
	}
	for i := range a.Of {
		u.note(&a.Of[i].effectArgs, depth+1)
	}
}

// readFault describes a fault; api is the address of the engine that it is put on.
func readFault(args json.RawMessage) (d *described, api string) {
	var a struct {
		Target, Name, Text string
		Engine             struct{ URL string }
		Fault              struct {
			Kind                       string
			Params, Probability, Match json.RawMessage
		}
	}
	_ = json.Unmarshal(args, &a) // what could be read of a malformed one is still shown
	d = &described{
		target: clip(a.Target), name: clip(a.Name), kind: clip(a.Fault.Kind), text: clip(a.Text),
		params: a.Fault.Params, probability: a.Fault.Probability, match: a.Fault.Match,
	}
	if d.text == "" {
		d.text = d.kind
	}
	return d, a.Engine.URL
}

// The marks that a secret's name stands between where its text would be.
const (
	secretOpen  = "⟦secret:"
	secretClose = "⟧"
)

func (u *uses) secretsIn(text []byte) {
	for {
		_, rest, found := bytes.Cut(text, []byte(secretOpen))
		if !found {
			return
		}
		name, after, found := bytes.Cut(rest, []byte(secretClose))
		if !found {
			return
		}
		u.add(u.secrets, string(name))
		text = after
	}
}

// ownFault notes what a fault of the user's own runs or calls: its params hold how
// it goes on and off, each an argv or a request, and how that is confirmed.
func (u *uses) ownFault(d *described) {
	if d.kind != "exec" && d.kind != "http" {
		return
	}
	var params struct {
		On, Off json.RawMessage
		Check   *probeArgs
	}
	if json.Unmarshal(d.params, &params) != nil {
		return
	}
	for _, raw := range []json.RawMessage{params.On, params.Off} {
		var argv []string
		var argvs [][]string
		var url string
		var request probeArgs
		if json.Unmarshal(raw, &argv) == nil {
			u.note(&effectArgs{Argv: argv}, 0)
		} else if json.Unmarshal(raw, &argvs) == nil {
			for _, argv := range argvs {
				u.note(&effectArgs{Argv: argv}, 0)
			}
		} else if json.Unmarshal(raw, &url) == nil {
			u.note(&effectArgs{URL: url}, 0)
		} else if json.Unmarshal(raw, &request) == nil {
			u.note(&request.effectArgs, 0)
		}
	}
	if params.Check != nil {
		u.note(&params.Check.effectArgs, 0)
	}
}

func (u *uses) add(set map[string]bool, s string) {
	if s == "" || set[s] || len(set) >= MaxUses {
		return
	}
	set[clip(s)] = true
	u.dirty = true
}

// target returns the target called name, made if it is new; nil for none.
func (u *uses) target(name string) *Target {
	t := u.targets[name]
	if t == nil && name != "" && len(u.targets) < MaxUses {
		t = &Target{Name: clip(name)}
		u.targets[name] = t
		u.dirty = true
	}
	return t
}

// fill puts the sets into r, sorted.
func (u *uses) fill(r *Run) {
	if !u.dirty {
		return
	}
	u.dirty = false
	r.Hosts = slices.Sorted(maps.Keys(u.hosts))
	r.Commands = slices.Sorted(maps.Keys(u.commands))
	r.Secrets = slices.Sorted(maps.Keys(u.secrets))
	r.Targets = slices.SortedFunc(maps.Values(u.targets), func(a, b *Target) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// hostOf is the host and port of a URL, without its user and password.
func hostOf(raw string) string {
	if raw == "" {
		return ""
	}
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		return u.Host
	}
	// A URL that does not parse, such as one with a secret in it, still has a host.
	_, rest, found := strings.Cut(raw, "://")
	if !found {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return host[strings.LastIndexByte(host, '@')+1:]
}
