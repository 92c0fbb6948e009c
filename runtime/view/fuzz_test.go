package view_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// FuzzFold folds JSON lines, of which those that are no records are left out.
func FuzzFold(f *testing.F) {
	for _, j := range viewtest.Samples() {
		if len(j.Records) > 40 {
			j.Records = j.Records[:40]
		}
		var lines bytes.Buffer
		for _, rec := range j.Records {
			text, err := json.Marshal(rec)
			if err != nil {
				f.Fatal(err)
			}
			lines.Write(append(text, '\n'))
		}
		f.Add(lines.Bytes())
		// Backwards, so that ends come before their begins.
		parts := bytes.Split(lines.Bytes(), []byte("\n"))
		for i, k := 0, len(parts)-1; i < k; i, k = i+1, k-1 {
			parts[i], parts[k] = parts[k], parts[i]
		}
		f.Add(bytes.Join(parts, []byte("\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fold := view.New()
		n := 0
		for line := range bytes.Lines(data) {
			var rec journal.Record
			if json.Unmarshal(line, &rec) != nil {
				continue
			}
			fold.Add(rec)
			n++
		}
		run := fold.Run()
		consistent(t, run, n)
		if _, err := json.Marshal(run); err != nil {
			t.Errorf("a run does not marshal: %v", err)
		}
		if _, err := json.Marshal(view.PlanJSON(run)); err != nil {
			t.Errorf("a plan does not marshal: %v", err)
		}
	})
}

// consistent checks what holds of every run, whatever the journal says.
func consistent(t *testing.T, run *view.Run, records int) {
	t.Helper()
	c := run.Counts
	if c.Events != records {
		t.Errorf("%d events of %d records", c.Events, records)
	}
	open := 0
	for i, s := range run.Steps {
		if s.Index != i || s.Parent >= i || s.Parent < -1 {
			t.Errorf("step %d has index %d and parent %d", i, s.Index, s.Parent)
		}
		if s.Begun > s.Start || s.Start > s.End {
			t.Errorf("step %d begun %d, start %d, end %d", i, s.Begun, s.Start, s.End)
		}
		if !s.Over() {
			open++
		}
	}
	if c.Passed+c.Failed+c.Skipped+c.Stopped+open != len(run.Steps) {
		t.Errorf("%d steps, %d open, counts %+v", len(run.Steps), open, c)
	}
	on := 0
	for _, f := range run.Faults {
		if f.State == view.FaultOn || f.State == view.FaultLifting && f.WasOn {
			on++
		}
		if d := run.OnFor(f, run.Now); f.Start > f.End || d < 0 || d > max(f.End, run.Now)-f.Start {
			t.Errorf("fault %s start %d, end %d, on for %d", f.ID, f.Start, f.End, d)
		}
		if f.Step >= len(run.Steps) {
			t.Errorf("fault %s is of step %d of %d", f.ID, f.Step, len(run.Steps))
		}
	}
	if on != run.FaultsOn || on > run.MaxFaults {
		t.Errorf("%d faults are on, the run says %d of at most %d", on, run.FaultsOn, run.MaxFaults)
	}
	if run.State == view.Ended && (open > 0 || on > 0) {
		t.Errorf("the run ended with %d steps and %d faults open", open, on)
	}
}
