package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/runtime/journal"
	"starquake/units"
)

// Export gives the script as an orchestration file in format, "yaml" or "json". The
// diagnostics say what the schema cannot, and where; with an error among them there is
// no text. err means that the file would not do what the script does: what it says was
// read back and planned, and the plan compared with the script's, event for event.
//
// The plans are made with opt, of which Isolate and what belongs to it count.
func (s *Script) Export(format string, opt Options) (text []byte, diags dsl.Diagnostics, err error) {
	if s.Unit.Main.Origin != nil {
		return nil, nil, fmt.Errorf("%s is an orchestration file already; starquake convert writes it in the other format", s.Unit.Main.Name)
	}
	doc, diags := files.Export(s.Unit, files.ExportOptions{Builtins: rows(), Scenario: s.ownScenario})
	if diags.HasErrors() {
		return nil, diags, nil
	}
	if text, err = files.Write(doc, format); err != nil {
		return nil, diags, err
	}
	return text, diags, s.sameAs("export."+format, text, Options{Isolate: opt.Isolate, MemoryLimit: opt.MemoryLimit})
}

// exportRecords bounds the plans that are compared: of an endless one the beginning is.
// exportFailures bounds the steps that are made to fail, each in a plan of its own.
const (
	exportRecords  = 100_000
	exportFailures = 100
)

// sameAs returns an error unless the orchestration file text does what the script does:
// when all goes well, and when any of the steps fails.
func (s *Script) sameAs(name string, text []byte, opt Options) error {
	other, diags := s.loader.LoadText(name, text)
	if err := diags.Err(); err != nil {
		return fmt.Errorf("the exported file would not be read: %w", err)
	}
	steps, err := s.compare(other, PlanOptions{Options: opt, MaxRecords: exportRecords})
	if err != nil {
		return err
	}
	for _, step := range steps[:min(len(steps), exportFailures)] {
		if _, err := s.compare(other, PlanOptions{Options: opt, MaxRecords: exportRecords / 10, FailSteps: []string{step}}); err != nil {
			return fmt.Errorf("when the step %q fails: %w", step, err)
		}
	}
	return nil
}

// compare plans the script and the file that was made of it, and returns an error where
// they differ, else the names of their steps.
func (s *Script) compare(file *Script, opt PlanOptions) (steps []string, err error) {
	var lines [2][]string
	cut := false
	seed := uint64(1)
	opt.Seed = &seed
	for i, script := range []*Script{s, file} {
		what := []string{"the script", "the exported file"}[i]
		res, err := script.Plan(opt)
		if err != nil {
			return nil, fmt.Errorf("planning %s: %w", what, err)
		}
		if v := res.Outcome.Verdict; v != journal.VerdictPassed && v != journal.VerdictFailed && !res.Cut {
			return nil, fmt.Errorf("the plan of %s ends %s, and what cannot be planned cannot be compared: %s", what, v, res.Outcome.Message)
		}
		lines[i], cut = Timeline(res.Records), cut || res.Cut
		for _, step := range res.View.Steps {
			if !slices.Contains(steps, step.Name) && len(steps) < exportFailures {
				steps = append(steps, step.Name)
			}
		}
	}
	return steps, firstDifference(lines[0], lines[1], cut)
}

// firstDifference says where two timelines begin to differ. Of those that were cut only
// the part is compared that both have.
func firstDifference(script, file []string, cut bool) error {
	for i := range max(len(script), len(file)) {
		switch {
		case i < len(script) && i < len(file) && script[i] == file[i]:
		case cut && (i >= len(script) || i >= len(file)):
			return nil
		default:
			return fmt.Errorf("the exported file would not do the same: the script has %s, and the file %s", lineOr(script, i), lineOr(file, i))
		}
	}
	return nil
}

func lineOr(lines []string, i int) string {
	if i < len(lines) {
		return fmt.Sprintf("%q", lines[i])
	}
	return "nothing more"
}

// Timeline writes what happens in a run, a line each, without what belongs to the text
// of its script: places, paths and names of branches. Two scripts that do the same have
// the same timeline.
func Timeline(recs []journal.Record) []string {
	var t timelineWriter
	for _, rec := range recs {
		t.add(rec)
	}
	t.flush()
	return t.lines
}

type timelineWriter struct {
	lines []string
	// held are lines about faults, whose order among themselves says nothing: they
	// compose in an order of their own.
	held   []string
	faults map[journal.Place]string
}

func (t *timelineWriter) flush() {
	slices.Sort(t.held)
	t.lines = append(t.lines, t.held...)
	t.held = nil
}

func (t *timelineWriter) add(rec journal.Record) {
	at := func(format string, args ...any) string {
		return units.FormatDuration(rec.At) + " " + fmt.Sprintf(format, args...)
	}
	line := func(format string, args ...any) {
		t.flush()
		t.lines = append(t.lines, at(format, args...))
	}
	switch b := rec.Body.(type) {
	case *journal.StepBeginBody:
		line("step %q begins, for %s after %s, labels %s", b.Name, dur(b.Duration), dur(b.Delay), plainJSON(b.Labels))
	case *journal.StepEndBody:
		line("step %q ends %s, tolerated %t, tried at %s", lastName(b.Path), b.Status, b.Tolerate, dur(b.Started))
	case *journal.TurnBody:
		line("turn %d begins", b.Turn)
	case *journal.EffectStartBody:
		if b.Kind != builtins.KindFault {
			line("%s %s", b.Kind, b.Args)
			return
		}
		var args builtins.FaultArgs
		if json.Unmarshal(b.Args, &args) != nil {
			return // what this program marshalled can be read
		}
		if t.faults == nil {
			t.faults = map[journal.Place]string{}
		}
		t.faults[rec.Place] = fmt.Sprintf("%s on %q in step %q", plainJSON(args.Fault), args.Target, args.Name)
		t.held = append(t.held, at("on: %s", t.faults[rec.Place]))
	case *journal.EffectEndBody:
		if fault, ok := t.faults[rec.Place]; ok {
			t.held = append(t.held, at("off: %s, %s", fault, b.Data))
		}
	case *journal.LogBody:
		line("log %s %q", b.Level, b.Message)
	case *journal.RunEndBody:
		line("ends %s", b.Verdict)
	}
}

func dur(d time.Duration) string { return units.FormatDuration(d) }

func plainJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// lastName is the name of a step within its path, without the number that tells it from
// others of that name.
func lastName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.LastIndexByte(name, '#'); i > 0 {
		name = name[:i]
	}
	return name
}
