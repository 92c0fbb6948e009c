package app

import (
	"fmt"
	"maps"
	"slices"

	"starquake/chaos"
	"starquake/dsl"
)

// predefined refuses scenarios of the user's library that are called like predefined
// ones: scenario(name) could mean either.
func predefined(unit *dsl.Unit) (diags dsl.Diagnostics) {
	for _, p := range chaos.Scenarios() {
		if own, taken := unit.Scenarios[p.Name]; taken {
			diags = append(diags, dsl.Diagnostic{
				Severity: dsl.Error, Code: "scenario_predefined", File: own.Module, Line: own.Line, Col: len("def ") + 1, EndLine: own.Line, EndCol: len("def ") + 1 + len(p.Name),
				Message: fmt.Sprintf("there is a predefined scenario %s: scenario(%q) could be either", p.Name, p.Name),
				Help:    "give yours another name",
			})
		}
	}
	return diags
}

// Preset is a scenario or a network profile as it is listed.
type Preset struct {
	Name string `json:"name"`
	// Kind is "scenario" or "profile".
	Kind string `json:"kind"`
	Doc  string `json:"doc"`
	// Module is that of the user's library which defines it; "" for a predefined one.
	Module string `json:"module,omitempty"`
	// Params are the parameters of its function, which can be loaded from Load.
	Params []string      `json:"params,omitempty"`
	Load   string        `json:"load,omitempty"`
	Faults []chaos.Fault `json:"faults"`
	// Texts are the faults, a line each, for people.
	Texts []string `json:"texts"`
}

// Scenarios lists the predefined scenarios and profiles, and those of the user's library
// in the folder, if there is one.
func Scenarios(library string) ([]Preset, *Script, dsl.Diagnostics) {
	s, diags := Loader{Library: library}.LoadText("scenarios.star", []byte("pass\n"))
	if diags.HasErrors() {
		return nil, s, diags
	}
	helpers, more := LoadText("helpers.star", []byte("load(\"@starquake/scenarios.star\", \"slow_backend\")\n"))
	if more.HasErrors() {
		return nil, helpers, more
	}
	params := dsl.Parameters(helpers.Unit.Modules[scenarioHelpers])
	var all []Preset
	for _, p := range chaos.Scenarios() {
		preset := Preset{Name: p.Name, Kind: "scenario", Doc: p.Doc, Load: scenarioHelpers, Params: params[p.Name]}
		preset.Faults, _ = chaos.Scenario(p.Name) // it is in the table
		all = append(all, preset)
	}
	for _, p := range chaos.Profiles() {
		preset := Preset{Name: p.Name, Kind: "profile", Doc: p.Doc}
		preset.Faults, _ = chaos.Profile(p.Name) // it is in the table
		all = append(all, preset)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Unit.Scenarios)) {
		own := s.Unit.Scenarios[name]
		faults, err := s.newEnv().Scenario(name)
		if err != nil {
			return nil, s, append(diags, s.diagnostic(err))
		}
		all = append(all, Preset{Name: name, Kind: "scenario", Doc: own.Doc, Module: own.Module, Load: own.Module, Params: own.Params, Faults: faults})
	}
	for i := range all {
		for _, f := range all[i].Faults {
			all[i].Texts = append(all[i].Texts, f.String())
		}
	}
	return all, s, diags
}

// scenarioHelpers is the module of the standard library with the predefined scenarios as
// functions.
const scenarioHelpers = "@starquake/scenarios.star"

// ownScenario gives the faults of a scenario of the user's library.
func (s *Script) ownScenario(name string) ([]chaos.Fault, bool) {
	if _, is := s.Unit.Scenarios[name]; !is {
		return nil, false
	}
	faults, err := s.newEnv().Scenario(name)
	return faults, err == nil
}
