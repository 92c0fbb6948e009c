package builtins

import (
	"fmt"
	"slices"
	"strings"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/internal/nearest"
)

// FaultReference writes the reference of the kinds of fault, scenarios and profiles as
// Markdown, from their tables.
func FaultReference() []byte {
	var b strings.Builder
	b.WriteString("# Faults\n\nGenerated from the table of fault kinds. Each is made with `fault.KIND(…)`, and on a declared protocol only where that is listed; " +
		"a target of protocol `auto` takes every kind. Besides its own parameters every kind that is put on a target takes " +
		"`probability` (a share or a ramp, 1 unless said) and `match` (`fault.match(…)`).\n\n")
	b.WriteString("| kind |")
	for _, p := range chaos.Protocols() {
		b.WriteString(" " + p + " |")
	}
	b.WriteString(" what it does |\n|---|" + strings.Repeat("---|", len(chaos.Protocols())) + "---|\n")
	kinds := chaos.Kinds()
	for i := range kinds {
		k := &kinds[i]
		fmt.Fprintf(&b, "| [`%s`](#%s) |", k.Name, k.Name)
		for _, p := range chaos.Protocols() {
			if k.Targeted() && k.Speaks(p) == nil {
				p = "✓"
			} else {
				p = ""
			}
			b.WriteString(" " + p + " |")
		}
		fmt.Fprintf(&b, " %s |\n", cell(summary(k.Doc)))
	}
	for i := range kinds {
		faultEntry(&b, &kinds[i])
	}
	presetList(&b, "Scenarios", "scenario", chaos.Scenarios(), chaos.Scenario)
	presetList(&b, "Network profiles", "profile", chaos.Profiles(), chaos.Profile)
	return []byte(b.String())
}

// faultEntry is a kind's section of the reference.
func faultEntry(b *strings.Builder, k *chaos.Kind) {
	fmt.Fprintf(b, "\n## %s\n\n```python signature\n%s\n```\n\n%s\n\n", k.Name, k.Sig, k.Doc)
	fmt.Fprintf(b, "%s\n", faultProtocols(k))
	if len(k.Params) == 0 {
		return
	}
	b.WriteString("\n| parameter | type | default | accepts | meaning |\n|---|---|---|---|---|\n")
	for i := range k.Params {
		p := &k.Params[i]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", p.Name, p.Takes(), code(faultDefault(p)), cell(p.Accepts()), cell(p.Doc))
	}
}

// faultDefault is a parameter's default for people.
func faultDefault(p *chaos.ParamSpec) string {
	if p.Default == "" {
		return "required"
	}
	return p.Default
}

func faultProtocols(k *chaos.Kind) string {
	if !k.Targeted() {
		return "It is put on no target."
	}
	return "Protocols: " + strings.Join(k.Protocols, ", ") + ". Targets: proxy, " + strings.Join(faultEngines(k), ", ") + "."
}

// faultEngines names the engines that can do a kind of fault, besides the embedded proxy.
func faultEngines(k *chaos.Kind) []string {
	var names []string
	for _, e := range engine.Kinds() {
		if e.Faults == nil || slices.Contains(e.Faults, k.Name) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return names
}

// presetList is the section of scenarios or profiles.
func presetList(b *strings.Builder, title, builtin string, presets []chaos.Preset, get func(string) ([]chaos.Fault, error)) {
	fmt.Fprintf(b, "\n## %s\n\n| `%s(…)` | what it is | faults |\n|---|---|---|\n", title, builtin)
	for _, p := range presets {
		faults, _ := get(p.Name) // the tests of package chaos make all of them
		var texts []string
		for _, f := range faults {
			texts = append(texts, f.String())
		}
		fmt.Fprintf(b, "| `%q` | %s | %s |\n", p.Name, cell(p.Doc), cell(strings.Join(texts, "; ")))
	}
}

// FaultHelp is what "starquake faults KIND" prints; without a kind it lists them all.
func FaultHelp(kind string) (string, error) {
	if kind == "" {
		return faultList(), nil
	}
	var names []string
	for _, k := range chaos.Kinds() {
		if k.Name == kind {
			return faultHelpOn(&k), nil
		}
		names = append(names, k.Name)
	}
	if near := nearest.Of(kind, names); near != "" {
		return "", fmt.Errorf("there is no fault kind %s; did you mean %s?", clip(kind, 60), near)
	}
	return "", fmt.Errorf("there is no fault kind %s; without a kind all are listed", clip(kind, 60))
}

func faultList() string {
	var b strings.Builder
	kinds := chaos.Kinds()
	width := 0
	for i := range kinds {
		width = max(width, len(kinds[i].Name))
	}
	all := strings.Join(chaos.Protocols(), " ")
	for i := range kinds {
		k := &kinds[i]
		on := strings.Join(k.Protocols, " ")
		switch on {
		case all:
			on = "all protocols"
		case "":
			on = "no target"
		}
		fmt.Fprintf(&b, "%-*s  %s (%s)\n", width, k.Name, summary(k.Doc), on)
	}
	b.WriteString("\nOn protocol auto every kind can be put that needs a target. starquake faults KIND tells more.\n")
	return b.String()
}

func faultHelpOn(k *chaos.Kind) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n%s\n", k.Sig, wrap(k.Doc, 96), faultProtocols(k))
	for i := range k.Params {
		p := &k.Params[i]
		parts := []string{p.Takes()}
		if p.Default == "" {
			parts = append(parts, "required")
		} else {
			parts = append(parts, "default "+p.Default)
		}
		for _, more := range []string{p.Accepts(), p.Doc} {
			if more != "" {
				parts = append(parts, more)
			}
		}
		fmt.Fprintf(&b, "\n  %s\n      %s\n", p.Name, strings.Join(parts, "; "))
	}
	return b.String()
}
