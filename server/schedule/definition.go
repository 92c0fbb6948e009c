package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"starquake/builtins"
	"starquake/units"
)

// Definition is a schedule as people write it.
type Definition struct {
	// Orchestration is the name of the one that is started.
	Orchestration string `json:"orchestration" minLength:"1" maxLength:"1000" doc:"The orchestration that is started, by its name."`
	// Params are its parameters by name.
	Params map[string]json.RawMessage `json:"params,omitempty" doc:"Parameters of the runs."`
	// Labels are put on the runs.
	Labels map[string]string `json:"labels,omitempty" doc:"Labels of the runs."`

	// Exactly one of At, After, Every and Cron says when.
	At       time.Time `json:"at,omitzero" doc:"Once, at this time."`
	After    string    `json:"after,omitempty" doc:"Once, so long after the schedule was made: 10m." example:"10m"`
	Every    string    `json:"every,omitempty" doc:"Every so often, from when the schedule was made: 6h." example:"6h"`
	Cron     string    `json:"cron,omitempty" doc:"Whenever a line of a crontab says: minute, hour, day of the month, month, day of the week." example:"30 2 * * mon-fri"`
	TimeZone string    `json:"time_zone,omitempty" doc:"The time zone of cron: Europe/Berlin. Without it UTC." example:"Europe/Berlin"`

	// Until ends it.
	Until time.Time `json:"until,omitzero" doc:"Not after this time."`
	// MaxRuns ends it; 0 is no limit.
	MaxRuns int `json:"max_runs,omitempty" minimum:"0" doc:"How many runs it starts at most; 0: no limit. Those that are triggered by hand do not count."`
	// Disabled says that it starts nothing by itself.
	Disabled bool `json:"disabled,omitempty" doc:"It starts nothing by itself."`
	// Concurrency is what happens when it is due while a run of it goes on.
	Concurrency string `json:"concurrency,omitempty" enum:"forbid,allow,replace" doc:"When it is due while a run of it goes on: forbid (the default) skips the new one, replace stops the old one first, allow runs both."`
	// Missed is what happens to times that passed while the server was down.
	Missed string `json:"missed,omitempty" enum:"skip,run_once" doc:"What becomes of times that passed while no server was there: skip (the default), or run_once, at once, for all of them."`
}

// The values of Definition.Concurrency and Missed.
const (
	Forbid  = "forbid"
	Allow   = "allow"
	Replace = "replace"
	Skip    = "skip"
	RunOnce = "run_once"
)

// The bounds of a definition.
const (
	maxText     = 64 << 10
	minEvery    = time.Second
	maxDuration = 366 * 24 * time.Hour
)

// Parse reads a definition, strictly.
func Parse(text []byte) (Definition, error) {
	var d Definition
	if len(text) > maxText {
		return d, fmt.Errorf("it has %d bytes; expected at most %d", len(text), maxText)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return Definition{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Definition{}, errors.New("expected one JSON object, and there is something behind it")
	}
	return d, d.Check()
}

// Check says what is wrong with a definition.
func (d *Definition) Check() error {
	_, err := d.timing()
	switch {
	case d.Orchestration == "":
		return errors.New("orchestration: expected the name of the one to start")
	case err != nil:
		return err
	case d.MaxRuns < 0:
		return fmt.Errorf("max_runs is %d; expected 0 (no limit) or more", d.MaxRuns)
	case d.Concurrency != "" && d.Concurrency != Forbid && d.Concurrency != Allow && d.Concurrency != Replace:
		return fmt.Errorf("concurrency is %.50q; expected forbid, allow or replace", d.Concurrency)
	case d.Missed != "" && d.Missed != Skip && d.Missed != RunOnce:
		return fmt.Errorf("missed is %.50q; expected skip or run_once", d.Missed)
	}
	for label := range d.Labels {
		if label == LabelSchedule {
			return fmt.Errorf("labels: %s is set by the schedule itself", LabelSchedule)
		}
	}
	return nil
}

// LabelSchedule is the label of a run that says which schedule started it.
const LabelSchedule = "schedule"

// name is what a schedule may be called: its name stands in addresses, labels and logs.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckName says what is wrong with a schedule's name.
func CheckName(s string) error {
	if !name.MatchString(s) {
		return fmt.Errorf("the name %.100q is none for a schedule; expected up to 100 letters, digits and . _ -, for example nightly", s)
	}
	return nil
}

// timing makes what says when, of the one field that does.
func (d *Definition) timing() (timing, error) {
	given := 0
	for _, is := range []bool{!d.At.IsZero(), d.After != "", d.Every != "", d.Cron != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, fmt.Errorf("%d of at, after, every and cron are given; expected exactly one", given)
	}
	if d.TimeZone != "" && d.Cron == "" {
		return nil, errors.New("time_zone belongs to cron; a time has its own (2026-05-01T12:00:00+02:00), and a duration none")
	}
	switch {
	case !d.At.IsZero():
		return once(d.At), nil
	case d.After != "":
		after, err := duration("after", d.After, 0)
		return delay(after), err
	case d.Every != "":
		every, err := duration("every", d.Every, minEvery)
		return interval(every), err
	}
	zone, err := builtins.LoadZone(d.TimeZone)
	if err != nil || d.TimeZone == "Local" {
		return nil, fmt.Errorf(`time_zone: %.100q is unknown; write for example "Europe/Berlin" or "UTC"`, d.TimeZone)
	}
	return newCrontab(d.Cron, zone)
}

func duration(field, text string, least time.Duration) (time.Duration, error) {
	if len(text) > 50 {
		return 0, fmt.Errorf("%s: expected a duration such as 10m", field)
	}
	d, err := units.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", field, err)
	}
	if d < least || d > maxDuration {
		return 0, fmt.Errorf("%s is %s; expected %s to %s", field, text, units.FormatDuration(least), units.FormatDuration(maxDuration))
	}
	return d, nil
}

// same reports whether two definitions are due at the same times.
func (d *Definition) same(e *Definition) bool {
	return d.At.Equal(e.At) && d.After == e.After && d.Every == e.Every && d.Cron == e.Cron && d.TimeZone == e.TimeZone
}

// next is the first time after one at which it is due, by its timing and Until; zero if
// there is none. Made is when delays and intervals began.
func (d *Definition) next(made, after time.Time) time.Time {
	t, err := d.timing()
	if err != nil {
		return time.Time{} // a definition was checked before it was kept
	}
	next := t.next(made, after)
	if !d.Until.IsZero() && next.After(d.Until) {
		return time.Time{}
	}
	return next.UTC()
}

// Preview gives the next times at which it is due, at most n.
func (d *Definition) Preview(made, after time.Time, n int) []time.Time {
	times := []time.Time{}
	for len(times) < n {
		if after = d.next(made, after); after.IsZero() {
			break
		}
		times = append(times, after)
	}
	return times
}
