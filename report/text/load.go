package text

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// LoadNow writes a line for each load that is on: how it goes.
func LoadNow(w io.Writer, at time.Duration, loads []view.LoadNow, opt Options) error {
	for i := range loads {
		l := &loads[i]
		if err := (&event{"load", cyan, orElse(l.Path, "traffic"), figuresNow(l), loadColor(l)}).write(w, at, opt); err != nil {
			return err
		}
	}
	return nil
}

// figuresNow are the live figures of load, for people.
func figuresNow(l *view.LoadNow) string {
	text := fmt.Sprintf("%.4g answers/s, %.3g%% errors", l.Answers, l.ErrorRate*100)
	if l.P99 > 0 {
		text += ", p99 " + short(l.P99)
	}
	return text
}

// loadColor is yellow where there are errors.
func loadColor(l *view.LoadNow) color {
	if l.ErrorRate > 0 {
		return yellow
	}
	return plain
}

// Unsent says of requests that were due and not sent whose doing that was: the system's, which
// had not answered those that held all slots, or this machine's.
func Unsent(dropped int64, byStatus map[string]int64) []string {
	var notes []string
	noSlot := min(byStatus["dropped"], dropped)
	if noSlot > 0 {
		notes = append(notes, fmt.Sprintf("%d found no free slot", noSlot))
	}
	if dropped > noSlot {
		notes = append(notes, fmt.Sprintf("%d not sent", dropped-noSlot))
	}
	return notes
}

// loaded tells what came of load, in a line.
func loaded(b *journal.EffectEndBody, e *view.Effect) *event {
	name := orElse(e.Path, "traffic")
	if b.Error != nil {
		return &event{"load", yellow, name, e.Text + withMessage(b.Error.Message), yellow}
	}
	var f struct {
		Requests, Errors, Dropped, Late int64
		P50, P99                        time.Duration
		Throughput                      float64
		Limited                         bool             `json:"generator_limited"`
		StoppedBy                       string           `json:"stopped_by"`
		ByStatus                        map[string]int64 `json:"by_status"`
	}
	if json.Unmarshal(b.Data, &f) != nil {
		return nil // another program's load: its figures are not ours to read
	}
	ev := &event{"load", cyan, name, fmt.Sprintf("%d requests, %d errors, %.4g answers/s, p50 %s, p99 %s", f.Requests, f.Errors, f.Throughput, short(f.P50), short(f.P99)), plain}
	for _, note := range Unsent(f.Dropped, f.ByStatus) {
		ev.text += ", " + note
	}
	if f.Late > 0 {
		ev.text += fmt.Sprintf(", %d late", f.Late)
	}
	if f.StoppedBy != "" {
		ev.text += ", stopped by " + f.StoppedBy
		ev.textColor = yellow
	}
	if f.Limited {
		ev.text += ": this machine was the limit"
		ev.textColor = yellow
	}
	return ev
}
