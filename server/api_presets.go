package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"starquake/app"
)

// Preset is a predefined scenario or network profile.
type Preset struct {
	Name   string   `json:"name" doc:"What scripts and files call it."`
	Doc    string   `json:"doc" doc:"What it is."`
	Faults []string `json:"faults" nullable:"false" doc:"What it does, a line for each fault."`
}

// PresetList are scenarios or profiles.
type PresetList struct {
	Scenarios []Preset `json:"scenarios,omitempty" doc:"The predefined scenarios."`
	Profiles  []Preset `json:"profiles,omitempty" doc:"The network profiles."`
}

type presetList struct{ Body PresetList }

// presets are the routes that list scenarios and profiles.
func (s *Server) presets() {
	const tag = "scenarios"
	list := func(kind string) func(context.Context, *struct{}) (*presetList, error) {
		return func(context.Context, *struct{}) (*presetList, error) {
			all, script, diags := app.Scenarios("")
			if diags.HasErrors() {
				return nil, diagnosed(500, diags, script.SourceOf)
			}
			var out presetList
			for _, p := range all {
				shown := Preset{Name: p.Name, Doc: p.Doc, Faults: p.Texts}
				switch {
				case p.Kind != kind:
				case kind == "profile":
					out.Body.Profiles = append(out.Body.Profiles, shown)
				default:
					out.Body.Scenarios = append(out.Body.Scenarios, shown)
				}
			}
			return &out, nil
		}
	}
	for _, route := range []struct{ path, id, kind, summary string }{
		{"/api/v1/scenarios", "list-scenarios", "scenario", "The predefined scenarios."},
		{"/api/v1/profiles", "list-profiles", "profile", "The network profiles."},
		{"/api/chaos/scenarios", "chaos-scenarios", "scenario", "The predefined scenarios."},
		{"/api/chaos/scenarios/predefined", "chaos-scenarios-predefined", "scenario", "The predefined scenarios."},
		{"/api/chaos/profiles", "chaos-profiles", "profile", "The network profiles."},
	} {
		huma.Register(s.api, op("GET", route.path, route.id, Viewer, route.summary, tag), list(route.kind))
	}
}
