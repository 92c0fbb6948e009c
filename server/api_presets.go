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

// ScenarioList are scenarios.
type ScenarioList struct {
	Scenarios []Preset `json:"scenarios" nullable:"false" doc:"The predefined scenarios."`
}

// ProfileList are network profiles.
type ProfileList struct {
	Profiles []Preset `json:"profiles" nullable:"false" doc:"The network profiles."`
}

// presets are the routes that list scenarios and profiles.
func (s *Server) presets() {
	const tag = "scenarios"
	type scenarios struct{ Body ScenarioList }
	for path, id := range map[string]string{
		"/api/v1/scenarios": "list-scenarios", "/api/chaos/scenarios": "chaos-scenarios", "/api/chaos/scenarios/predefined": "chaos-scenarios-predefined",
	} {
		huma.Register(s.api, op("GET", path, id, Viewer, "The predefined scenarios.", tag), func(context.Context, *struct{}) (*scenarios, error) {
			all, err := presetsOf("scenario")
			return &scenarios{ScenarioList{all}}, err
		})
	}
	type profiles struct{ Body ProfileList }
	for path, id := range map[string]string{"/api/v1/profiles": "list-profiles", "/api/chaos/profiles": "chaos-profiles"} {
		huma.Register(s.api, op("GET", path, id, Viewer, "The network profiles.", tag), func(context.Context, *struct{}) (*profiles, error) {
			all, err := presetsOf("profile")
			return &profiles{ProfileList{all}}, err
		})
	}
}

// presetsOf are the scenarios, or the profiles.
func presetsOf(kind string) ([]Preset, error) {
	all, script, diags := app.Scenarios("")
	if diags.HasErrors() {
		return nil, diagnosed(500, diags, script.SourceOf)
	}
	out := []Preset{}
	for _, p := range all {
		if p.Kind == kind {
			out = append(out, Preset{Name: p.Name, Doc: p.Doc, Faults: p.Texts})
		}
	}
	return out, nil
}
