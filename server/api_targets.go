package server

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/proxy"
	"starquake/effects"
	"starquake/units"
)

// TargetState is a target as clients see it.
type TargetState struct {
	Name     string            `json:"name" doc:"What scripts call it."`
	Listen   string            `json:"listen,omitempty" doc:"Where clients connect; absent of an engine's, as upstream is."`
	Upstream string            `json:"upstream,omitempty" doc:"Where that leads."`
	Protocol string            `json:"protocol,omitempty" doc:"What is spoken: auto finds out."`
	Engine   string            `json:"engine,omitempty" doc:"The data plane in another process that it belongs to; absent for one of the server's own."`
	Labels   map[string]string `json:"labels,omitempty" doc:"What scripts select it by."`
	TLS      *TargetTLS        `json:"tls,omitempty" doc:"How it terminates TLS; absent where TLS passes through."`
	Added    bool              `json:"added" doc:"Added while the server ran; others are in its configuration."`
}

// NewTarget is a proxy that is to be opened.
type NewTarget struct {
	Name     string            `json:"name" minLength:"1" maxLength:"200" doc:"What scripts call it."`
	Listen   string            `json:"listen" minLength:"1" maxLength:"300" doc:"Where clients connect: HOST:PORT; port 0 takes a free one."`
	Upstream string            `json:"upstream" minLength:"1" maxLength:"300" doc:"Where that leads: HOST:PORT."`
	Protocol string            `json:"protocol,omitempty" enum:"auto,tcp,http,grpc,ws,graphql,tls" default:"auto" doc:"What is spoken: auto finds out."`
	Labels   map[string]string `json:"labels,omitempty" doc:"What scripts select it by."`
	TLS      *TargetTLS        `json:"tls,omitempty"`
}

// TargetPath is the target that a request is about.
type TargetPath struct {
	Name string `path:"name" doc:"The target."`
}

// TargetList are the targets.
type TargetList struct {
	Targets []TargetState `json:"targets" nullable:"false" doc:"By name."`
	Damaged []Damaged     `json:"damaged,omitempty" doc:"Those that were added and cannot be read, or opened: what was given one of them waits until it is added anew or removed, or can be opened, which is tried again."`
}

func (s *Server) target(t *builtins.Target) TargetState {
	out := TargetState{Name: t.Name, Listen: t.Listen, Upstream: t.Upstream, Protocol: t.Protocol, Labels: t.Labels, Added: s.targets.added(t.Name)}
	if t.Engine != nil {
		out.Engine = t.Engine.Kind
	}
	if t.TLS != nil {
		out.TLS = &TargetTLS{t.TLS}
	}
	return out
}

func (s *Server) targetRoutes() {
	const tag, base = "targets", "/api/v1/targets"
	type list struct{ Body TargetList }
	huma.Register(s.api, op("GET", base, "list-targets", Viewer, "What runs can put faults on.", tag), func(context.Context, *struct{}) (*list, error) {
		var out list
		out.Body.Targets = []TargetState{}
		for _, t := range s.targets.all() {
			out.Body.Targets = append(out.Body.Targets, s.target(t))
		}
		out.Body.Damaged = damagedOf(s.targets.unreadable())
		return &out, nil
	})
	type one struct{ Body TargetState }
	huma.Register(s.api, op("GET", base+"/{name}", "get-target", Viewer, "A target.", tag), func(_ context.Context, in *TargetPath) (*one, error) {
		name := unescape(in.Name)
		for _, t := range s.targets.all() {
			if t.Name == name {
				return &one{s.target(t)}, nil
			}
		}
		return nil, cmp.Or(s.targets.readable([]string{name}), error(noTarget(name)))
	})
	type window struct{ Body chaos.WindowStats }
	huma.Register(s.api, op("GET", base+"/{name}/stats", "get-target-stats", Viewer, "The traffic of the last time through a target of the server's own. Of an engine's there is none here: 409 target_of_engine.", tag), func(_ context.Context, in *struct {
		TargetPath
		Last string `query:"last" default:"1m" maxLength:"20" doc:"How far back: a duration of up to ten minutes."`
	}) (*window, error) {
		last, err := units.ParseDuration(in.Last)
		if err != nil || last < time.Second || last > proxy.MaxWindow {
			return nil, problemf(400, "invalid_request", "last %q: expected a duration from 1s to %s, which is as long as figures are kept", in.Last, units.FormatDuration(proxy.MaxWindow))
		}
		name := unescape(in.Name)
		for _, t := range s.targets.all() {
			if t.Name == name && t.Engine != nil {
				return nil, problemf(409, "target_of_engine", "target %q belongs to another process (%s), and has its traffic there; expected one of the server's own", name, t.Engine.Kind)
			}
		}
		p, err := s.plane.Proxy(name)
		if err != nil {
			return nil, noTarget(name)
		}
		return &window{p.Window(last)}, nil
	})
	type createdOut struct {
		Status   int
		Location string `header:"Location" doc:"Where the target is."`
		Body     TargetState
	}
	add := op("POST", base, "add-target", Admin, "Open a proxy as a target. It is kept, and opened again when the server starts. The same once more changes nothing.", tag)
	huma.Register(s.api, created(add, "There is such a target: nothing has changed."), func(ctx context.Context, in *struct{ Body NewTarget }) (*createdOut, error) {
		b := &in.Body
		if err := checkName(b.Name); err != nil {
			return nil, err
		}
		if err := checkLabels(b.Labels); err != nil {
			return nil, err
		}
		t := &builtins.Target{Name: b.Name, Listen: b.Listen, Upstream: b.Upstream, Protocol: b.Protocol, Labels: b.Labels, Open: true}
		if err := chaos.CheckAddress(t.Listen); err != nil {
			return nil, problemf(400, "invalid_target", "listen: %v", err)
		}
		if err := chaos.CheckUpstream(t.Upstream); err != nil {
			return nil, problemf(400, "invalid_target", "upstream: %v", err)
		}
		if err := chaos.CheckLoop(t.Listen, t.Upstream); err != nil {
			return nil, problemf(400, "invalid_target", "%v", err)
		}
		if err := effects.CheckRelay(t.Upstream); err != nil {
			return nil, problemf(400, "invalid_target", "upstream: %v; a target that leads there can only be in the server's configuration", err)
		}
		var err error
		if t.TLS, err = b.TLS.settled(); err != nil {
			return nil, problemf(400, "invalid_target", "tls: %v", err)
		}
		opened, fresh, err := s.targets.add(ctx, t, whoOf(ctx).Name)
		if err != nil {
			return nil, asProblem(err)
		}
		s.runs.mended()
		out := &createdOut{Status: http.StatusCreated, Location: base + "/" + url.PathEscape(t.Name), Body: s.target(opened)}
		if !fresh {
			out.Status = http.StatusOK
		}
		return out, nil
	})
	huma.Register(s.api, op("DELETE", base+"/{name}", "remove-target", Admin, "Close a target that was added, unless a run has it.", tag), func(ctx context.Context, in *TargetPath) (*struct{}, error) {
		if err := s.targets.remove(ctx, unescape(in.Name), s.runs.using); err != nil {
			return nil, failure(err)
		}
		s.runs.mended()
		return nil, nil
	})
}
