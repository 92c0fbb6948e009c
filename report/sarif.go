package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/url"
	"path"
	"slices"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// The parts of SARIF 2.1.0 that are written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		Properties  map[string]any    `json:"properties"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		CommandLine         string `json:"commandLine"`
		ExecutionSuccessful bool   `json:"executionSuccessful"`
		ExitCode            int    `json:"exitCode"`
		StartTimeUTC        string `json:"startTimeUtc"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Kind         string            `json:"kind,omitempty"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
		Col  int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// writeSARIF writes the failures of a run as results of a static analysis, so that code
// scanning shows them at their lines. Those that count for nothing are warnings.
func writeSARIF(w io.Writer, r *Run) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "starquake", Version: line(r.Version), Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{
			CommandLine: line(r.command()), ExitCode: r.exitCode(), StartTimeUTC: r.Origin.UTC().Format("2006-01-02T15:04:05Z"),
			ExecutionSuccessful: r.State == view.Ended && (r.Verdict == journal.VerdictPassed || r.Verdict == journal.VerdictFailed || r.Verdict == journal.VerdictAborted),
		}},
		Results:    []sarifResult{},
		Properties: map[string]any{"verdict": r.verdict(), "reason": line(r.reason()), "orchestration": line(r.Name)},
	}
	list, more := findings(r)
	if more > 0 {
		run.Properties["leftOut"] = more
	}
	rules := map[string]int{}
	for _, f := range list {
		code := line(f.Code)
		index, known := rules[code]
		if !known {
			index = len(rules)
			rules[code] = index
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{code, sarifText{"starquake: " + code}})
		}
		result := sarifResult{
			RuleID: code, RuleIndex: index, Level: "error", Message: sarifText{line(f.Message)},
			Fingerprints: map[string]string{"starquake/v1": fingerprint(r.Name, f.Code, f.Path, f.File)},
		}
		if f.held() != "" {
			result.Level = "warning"
		}
		// Code scanning refuses results without a place: the script stands for the run.
		place := sarifLocation{Physical: &sarifPhysical{Artifact: sarifArtifact{uri(cmp.Or(f.File, r.file(r.Script)))}}}
		if f.Line > 0 {
			place.Physical.Region = &sarifRegion{f.Line, f.Col}
		}
		if f.Path != "" {
			place.Logical = []sarifLogical{{line(f.Path), "member"}}
		}
		if place.Physical.Artifact.URI == "" {
			place.Physical = nil
		}
		if place.Physical != nil || place.Logical != nil {
			result.Locations = []sarifLocation{place}
		}
		run.Results = append(run.Results, result)
	}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// exitCode is the code that the run ends its process with.
func (r *Run) exitCode() int {
	if r.State != view.Ended {
		return journal.VerdictErrored.ExitCode()
	}
	return r.Verdict.ExitCode()
}

// fingerprint tells the same failure in another run, whatever its figures.
func fingerprint(parts ...string) string {
	h := fnv.New64a()
	for _, p := range parts {
		fmt.Fprintf(h, "%q", p)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// uri is a path as a reference; one that leaves the folder is only its name, since a
// result must lie within the repository.
func uri(file string) string {
	if file == "" {
		return ""
	}
	file = path.Clean(line(file))
	if path.IsAbs(file) || slices.Contains([]string{"..", "."}, file) || len(file) > 2 && file[:3] == "../" {
		file = path.Base(file)
	}
	return (&url.URL{Path: file}).String()
}

// encode writes JSON as a person reads it.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// score is a score as people read it; "" without one.
func score(v *float64) string {
	if v == nil {
		return ""
	}
	return text.Number(float64(int(*v + 0.5)))
}
