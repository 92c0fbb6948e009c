package effects

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// planWatch is the planner of KindWatch: every reading is the planned one of its
// probe and takes no time.
func planWatch(req *runtime.Request) (runtime.Planned, error) {
	args, p, err := parseWatch(req.Args)
	if err != nil {
		return runtime.Planned{}, err
	}
	return newWatchPlan(args, p).planned(), nil
}

// newWatchPlan is the watch without "bad_after": all good, or, where the probe's own
// simulated reading is bad, all bad.
func newWatchPlan(args *WatchArgs, p probe) watchPlan {
	plan := watchPlan{every: args.Every, breaches: args.Breaches, good: p.planned(), badAfter: -1}
	switch {
	case plan.good.passedOver(args.IgnoreErrors, args.IgnoreNoData):
		plan.idle = true
	case !plan.good.OK:
		plan.good, plan.bad, plan.badAfter = Reading{OK: true}, plan.good, 0
	}
	return plan
}

// simulatedWatch is what a simulated WatchSummary may contain, "bad_after" and
// "bad_for" beside it.
func simulatedWatch() *simulation {
	return &simulation{
		answer: func() any { return new(WatchSummary) },
		extra:  []string{"bad_after", "bad_for"},
		plan: func(req *runtime.Request, planned runtime.Planned, fields map[string]json.RawMessage) (runtime.Planned, error) {
			after, stretched := fields["bad_after"]
			if _, alone := fields["bad_for"]; !stretched {
				if alone {
					return planned, errors.New("bad_for says how long readings are bad; it needs bad_after")
				}
				return planned, nil
			}
			args, p, err := parseWatch(req.Args)
			if err != nil {
				return planned, err
			}
			plan := newWatchPlan(args, p)
			plan.idle = false
			if plan.badAfter < 0 {
				plan.bad = Reading{Error: "simulated"}
			}
			if plan.badAfter, err = parseDuration(after); err != nil {
				return planned, fmt.Errorf("bad_after: %w", err)
			}
			if length, ok := fields["bad_for"]; ok {
				if plan.badFor, err = parseDuration(length); err != nil {
					return planned, fmt.Errorf("bad_for: %w", err)
				}
			}
			delete(fields, "bad_after")
			delete(fields, "bad_for")
			return plan.planned(), nil
		},
	}
}

// watchPlan is a watch in the virtual world: readings at every multiple of every,
// good but for a stretch of bad ones.
type watchPlan struct {
	every     time.Duration
	breaches  int
	good, bad Reading
	// badAfter is when readings become bad, negative for never; badFor for how long,
	// 0 for ever.
	badAfter, badFor time.Duration
	// idle says that no reading is good or bad.
	idle bool
}

// stretch gives the numbers of the first bad reading and of the first good one
// after it, from 0; -1 for none.
func (p watchPlan) stretch() (first, last int64) {
	if p.badAfter < 0 {
		return -1, -1
	}
	up := func(d time.Duration) int64 { return int64((d + p.every - 1) / p.every) }
	if p.badFor == 0 {
		return up(p.badAfter), -1
	}
	first, last = up(p.badAfter), up(p.badAfter+p.badFor)
	if first == last { // it passes between two readings
		return -1, -1
	}
	return first, last
}

// tallyUntil is the summary of a watch that ran for so long, by the same rules as
// that of a real one. It reckons instead of counting: a plan may span days.
func (p watchPlan) tallyUntil(ran time.Duration) WatchSummary {
	seen := int64(ran/p.every) + 1
	first, last := p.stretch()
	s := WatchSummary{Seen: int(seen), Last: &p.good}
	if p.idle {
		return s
	}
	if first < 0 || first >= seen {
		return s
	}
	end, until := seen, ran
	if last >= 0 && last < seen {
		end, until = last, time.Duration(last)*p.every
	} else {
		s.Last = &p.bad
	}
	at := time.Duration(first) * p.every
	s.Bad, s.FirstBadAfter, s.LongestBad = int(end-first), &at, until-at
	return s
}

// planned is the watch as the virtual world wants it.
func (p watchPlan) planned() runtime.Planned {
	first, last := p.stretch()
	if p.idle {
		on := WatchReport{State: runtime.WatchPending, Reading: p.good, Seen: 1}
		return runtime.Planned{Reports: []runtime.PlannedEvent{{Data: on}}, End: p.end}
	}
	on := WatchReport{State: runtime.WatchHolds, Reading: p.good, Seen: 1}
	if first == 0 {
		on.State, on.Reading, on.Bad = runtime.WatchPending, p.bad, 1
		if p.breaches == 1 {
			on.State = runtime.WatchBad
		}
	}
	reports := []runtime.PlannedEvent{{Data: on}}
	breach := first + int64(p.breaches) - 1
	happens := breach >= first && breach <= int64(runtime.Never/p.every) // neither sum nor product overflows
	happens = happens && first >= 0 && (last < 0 || breach < last)
	if happens || on.State == runtime.WatchPending {
		if happens && breach > 0 {
			reports = append(reports, runtime.PlannedEvent{
				After: time.Duration(breach) * p.every,
				Data:  WatchReport{State: runtime.WatchBad, Reading: p.bad, Seen: int(breach) + 1, Bad: p.breaches},
			})
		}
		if last >= 0 {
			reports = append(reports, runtime.PlannedEvent{
				After: time.Duration(last) * p.every,
				Data:  WatchReport{State: runtime.WatchHolds, Reading: p.good, Seen: int(last) + 1, Bad: int(last - first)},
			})
		}
	}
	return runtime.Planned{Reports: reports, End: p.end}
}

// end is the answer of a watch that ran for so long.
func (p watchPlan) end(ran time.Duration) (any, *journal.EffectError) { return p.tallyUntil(ran), nil }
