package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// timing says when.
type timing interface {
	// next is the first time after one, zero if there is none. Made is when the schedule was.
	next(made, after time.Time) time.Time
}

// once is at one time.
type once time.Time

func (o once) next(_, after time.Time) time.Time {
	if at := time.Time(o); at.After(after) {
		return at
	}
	return time.Time{}
}

// delay is once, so long after the schedule was made.
type delay time.Duration

func (d delay) next(made, after time.Time) time.Time {
	return once(made.Add(time.Duration(d))).next(made, after)
}

// interval is every so often, from when the schedule was made.
type interval time.Duration

func (i interval) next(made, after time.Time) time.Time {
	every := time.Duration(i)
	if after.Before(made) {
		return made.Add(every)
	}
	return made.Add((after.Sub(made)/every + 1) * every)
}

// crontab is whenever its fields match, in a time zone.
type crontab struct {
	fields *cron.SpecSchedule
	zone   *time.Location
	// hours says that the line leaves the hour open, so that it goes by the hours that there
	// are and not by what the clock shows.
	hours bool
}

// maxCron bounds a crontab's line, in bytes.
const maxCron = 200

// newCrontab reads a line of a crontab.
func newCrontab(line string, zone *time.Location) (timing, error) {
	if len(line) > maxCron {
		return nil, fmt.Errorf("cron: it has %d characters; expected at most %d", len(line), maxCron)
	}
	if strings.Contains(line, "=") {
		return nil, fmt.Errorf("cron: %q: the time zone goes into time_zone", line)
	}
	parser, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.Parse(line)
	if err != nil {
		return nil, fmt.Errorf(`cron: %q: %w; expected five fields, for example "30 2 * * mon-fri", or @hourly, @daily, @weekly, @monthly`, line, err)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok { // @every
		return nil, fmt.Errorf("cron: %q: an interval goes into every", line)
	}
	fields.Location = time.UTC // it is asked of the clock on the wall, see next
	fields.DowOrDom = true     // as in every crontab: where both days are given, either counts
	c := &crontab{fields: fields, zone: zone, hours: line == "@hourly"}
	if words := strings.Fields(line); len(words) == 5 {
		c.hours = strings.HasPrefix(words[1], "*")
	}
	if c.next(time.Time{}, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("cron: %q never comes: there is no such day", line)
	}
	return c, nil
}

// maxPeriods bounds through how many periods of a zone's offset it is searched. Most zones
// have two a year, some four, and package cron looks five years ahead.
const maxPeriods = 40

// next goes through the zone's periods, in each of which the clock on the wall runs
// evenly. The wall is written as a time in UTC, for which package cron has no rules of
// its own to bring in.
func (c *crontab) next(_, after time.Time) time.Time {
	for n := range maxPeriods {
		first := n == 0
		start, end := after.In(c.zone).ZoneBounds()
		if !end.IsZero() && !end.After(after) {
			// Package time has periods end on December 31 of leap years that do not.
			end = after.Add(24 * time.Hour)
		}
		offset := offsetAt(after, c.zone)
		from := after.UTC().Add(offset) // on the wall, exclusive
		if !first {
			from = from.Add(-1)
		}
		if !start.IsZero() && !c.hours {
			reached := start.UTC().Add(offsetAt(start.Add(-1), c.zone)) // on the wall, when the period began
			begins := start.UTC().Add(offset)
			if w := c.fields.Next(reached.Add(-1)); !first && start.Equal(after) && !w.IsZero() && w.Before(begins) {
				return start.UTC() // jumped over
			}
			if from.Before(reached) {
				from = reached.Add(-1) // up to there it was met before the clock was put back
			}
		}
		wall := c.fields.Next(from)
		if wall.IsZero() {
			return time.Time{}
		}
		if at := wall.Add(-offset); end.IsZero() || at.Before(end) {
			return at
		}
		after = end
	}
	return time.Time{}
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
