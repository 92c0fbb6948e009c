package main

import (
	"encoding/json"
	"fmt"

	"starquake/app"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// replayCmd is `starquake replay`.
type replayCmd struct {
	ID     string `arg:"" name:"run" help:"A run, the beginning of its id, or last."`
	Edit   string `placeholder:"FILE" help:"Execute this script in place of the recorded one, and show where it parts from the run."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	lenientFlag
	reportFlag
	dataFlag
}

// replayed is the answer of --output json.
type replayed struct {
	ID      string `json:"id"`
	Records int    `json:"records"`
	// Ended says that the journal has the end of the run.
	Ended bool `json:"ended"`
	// Differs is the first difference, null if there is none.
	Differs *difference `json:"differs"`
}

type difference struct {
	Record int             `json:"record"` // counted from 1
	Was    *journal.Record `json:"was"`
	Is     *journal.Record `json:"is"`
}

// Run executes a recorded run again with the answers that it got. The exit code is 1 if
// it makes another journal.
func (c *replayCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *replayCmd) run(sh *shell) error {
	reports, err := c.files()
	if err != nil {
		return err
	}
	st, id, err := c.find(c.ID)
	if err != nil {
		return err
	}
	defer st.Close()
	entry, recs, err := st.Read(id)
	if err != nil {
		return errored("%w", err)
	}
	var edited *app.Script
	if c.Edit != "" {
		given := givenFlags{File: c.Edit, lenientFlag: c.lenientFlag}
		if edited, err = given.load(sh); err != nil {
			return err
		}
	}
	res, err := app.Replay(entry.Info, recs, edited)
	if err != nil {
		return errored("run %s: %w", id, err)
	}
	if c.Output == formatJSON {
		answer := replayed{ID: id, Records: res.Records, Ended: res.Ended}
		if d := res.Differs; d != nil {
			answer.Differs, answer.Ended = &difference{d.Number, d.Was, d.Is}, false
		}
		if err := sh.json(formatJSON, answer); err != nil {
			return err
		}
	} else if err := c.tell(sh, id, res, recs); err != nil {
		return err
	}
	if res.Differs == nil {
		if err := writeReports(reports, reported(&entry, recs)); err != nil { // what was made is what was recorded
			return errored("%w", err)
		}
		return nil
	}
	if len(reports) > 0 {
		fmt.Fprintln(sh.err, "starquake: no report is written: what the script makes is not the recorded run, and ends where they part")
	}
	return ended(journal.VerdictFailed.ExitCode())
}

// tell writes what came of the replay for people.
func (c *replayCmd) tell(sh *shell, id string, res *app.Replayed, recs []journal.Record) error {
	var err error
	switch {
	case res.Differs != nil:
		err = parts(sh, id, res.Differs, recs)
	case res.Ended:
		_, err = fmt.Fprintf(sh.out, "run %s: the same journal, %d records\n", id, res.Records)
	default:
		_, err = fmt.Fprintf(sh.out, "run %s: the same %d records; there the journal ends, before the run did\n", id, res.Records)
	}
	return err
}

// parts shows where a replay parts from the journal.
func parts(sh *shell, id string, d *runtime.Divergence, recs []journal.Record) error {
	fmt.Fprintf(sh.out, "run %s: they part at record %d", id, d.Number)
	if at := d.Is; at != nil || d.Was != nil {
		if at == nil {
			at = d.Was
		}
		fmt.Fprintf(sh.out, ", %s after the start", at.At)
	}
	if step := lastStep(recs[:min(d.Number-1, len(recs))]); step != "" {
		fmt.Fprintf(sh.out, ", behind the begin of step %q", step)
	}
	_, err := fmt.Fprintf(sh.out, "\n  the run had      %s\n  the script makes %s\n", line(d.Was), line(d.Is))
	return err
}

// lastStep is the path of the last step that had begun.
func lastStep(recs []journal.Record) string {
	for i := len(recs) - 1; i >= 0; i-- {
		if b, ok := recs[i].Body.(*journal.StepBeginBody); ok {
			return b.Path
		}
	}
	return ""
}

// line is a record as it stands in the journal.
func line(rec *journal.Record) string {
	if rec == nil {
		return "nothing more"
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return string(rec.Kind)
	}
	return string(text)
}
