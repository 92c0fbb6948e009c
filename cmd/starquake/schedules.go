package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"starquake/report/text"
	"starquake/server"
	"starquake/server/client"
	"starquake/server/schedule"
)

// schedulesCmd is `starquake schedules`: runs that a server starts at their times.
type schedulesCmd struct {
	List    schedulesListCmd    `cmd:"" default:"withargs" help:"List the schedules of a server."`
	Show    schedulesShowCmd    `cmd:"" help:"Show a schedule, and when it is due."`
	Put     schedulesPutCmd     `cmd:"" help:"Make a schedule, or change one."`
	Enable  schedulesEnableCmd  `cmd:"" help:"Let a schedule start runs by itself."`
	Disable schedulesDisableCmd `cmd:"" help:"Let a schedule start no runs by itself."`
	Trigger schedulesTriggerCmd `cmd:"" help:"Start a run of a schedule now."`
	Delete  schedulesDeleteCmd  `cmd:"" help:"Remove a schedule. Its runs go on."`
}

// schedulesFlags are those of all of them.
type schedulesFlags struct {
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	serverFlags
}

// with speaks to the server.
func (f *schedulesFlags) with(sh *shell, do func(context.Context, *client.Client) error) error {
	c, err := f.client()
	if err == nil {
		ctx, stop := interruptible()
		defer stop()
		err = refusedBy(do(ctx, c), "", nil)
	}
	return sh.failedIn(f.Output, err)
}

// show shows a schedule as it stands.
func (f *schedulesFlags) show(sh *shell, s server.Schedule, err error) error {
	if err != nil {
		return err
	}
	if f.Output == formatJSON {
		return sh.json(formatJSON, s)
	}
	d := &s.Definition
	fmt.Fprintf(sh.out, "schedule %s, version %d of %s by %s\n", text.Clean(s.Name), s.Version, s.Updated.UTC().Format(time.RFC3339), text.Clean(s.By))
	for _, line := range [][2]string{
		{"starts", text.Clean(d.Orchestration)}, {"when", when(d)}, {"due next", due(s.Due)},
		{"runs", fmt.Sprintf("%d%s", s.Runs, atMost(d.MaxRuns))}, {"last", last(s.Last)},
	} {
		if _, err := fmt.Fprintf(sh.out, "  %-9s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// when says when a schedule is due, as it was written.
func when(d *schedule.Definition) string {
	switch {
	case d.Cron != "":
		zone := d.TimeZone
		if zone == "" {
			zone = "UTC"
		}
		return text.Clean("cron " + d.Cron + " " + zone)
	case d.Every != "":
		return text.Clean("every " + d.Every)
	case d.After != "":
		return text.Clean("once, after " + d.After)
	}
	return "once, at " + d.At.UTC().Format(time.RFC3339)
}

func due(at *time.Time) string {
	if at == nil {
		return "never: it is disabled or over"
	}
	return at.UTC().Format(time.RFC3339)
}

func atMost(n int) string {
	if n == 0 {
		return ""
	}
	return " of " + strconv.Itoa(n)
}

type schedulesListCmd struct{ schedulesFlags }

// Run lists schedules.
func (c *schedulesListCmd) Run(sh *shell) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error {
		list, err := to.Schedules(ctx)
		switch {
		case err != nil:
			return err
		case c.Output == formatJSON:
			return sh.json(formatJSON, list)
		}
		for _, d := range list.Damaged {
			fmt.Fprintf(sh.err, "schedule %s cannot be read, and starts no runs: %s\n", text.Clean(d.Name), text.Clean(d.Detail))
		}
		if len(list.Schedules) == 0 {
			fmt.Fprintf(sh.err, "no schedules at %s\n", to.URL())
			return nil
		}
		table := tabwriter.NewWriter(sh.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SCHEDULE\tORCHESTRATION\tWHEN\tDUE NEXT\tRUNS")
		for i := range list.Schedules {
			s := &list.Schedules[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d%s\n", text.Clean(s.Name), text.Clean(s.Definition.Orchestration), when(&s.Definition), due(s.Due), s.Runs, atMost(s.Definition.MaxRuns))
		}
		return table.Flush()
	})
}

// scheduleArg names a schedule.
type scheduleArg struct {
	Name string `arg:"" help:"The schedule."`
	schedulesFlags
}

type schedulesShowCmd struct{ scheduleArg }

// Run shows a schedule.
func (c *schedulesShowCmd) Run(sh *shell) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error {
		s, err := to.Schedule(ctx, c.Name)
		return c.show(sh, s, err)
	})
}

type schedulesPutCmd struct {
	Name          string            `arg:"" help:"The schedule."`
	Orchestration string            `required:"" placeholder:"NAME" help:"The orchestration that it starts, which the server keeps."`
	At            time.Time         `placeholder:"TIME" xor:"when" required:"" help:"Once, at this time: 2026-12-01T02:30:00Z."`
	After         string            `placeholder:"DURATION" xor:"when" required:"" help:"Once, so long from now."`
	Every         string            `placeholder:"DURATION" xor:"when" required:"" help:"Every so often from now on."`
	Cron          string            `placeholder:"LINE" xor:"when" required:"" help:"Whenever a line of a crontab says: minute, hour, day of the month, month, day of the week."`
	TimeZone      string            `placeholder:"ZONE" help:"The time zone of --cron, such as Europe/Berlin. Without it UTC."`
	Until         time.Time         `placeholder:"TIME" help:"Not after this time."`
	MaxRuns       int               `placeholder:"N" help:"How many runs it starts at most; no limit without it."`
	Concurrency   string            `enum:"forbid,allow,replace" default:"forbid" placeholder:"HOW" help:"When it is due while a run of it goes on: forbid skips the new one, replace stops the old one first, allow runs both (${default})."`
	Missed        string            `enum:"skip,run_once" default:"skip" placeholder:"HOW" help:"What becomes of times that passed while no server was there: skip, or run_once, at once, for all of them (${default})."`
	Disabled      bool              `help:"It starts nothing by itself."`
	Param         []string          `sep:"none" placeholder:"NAME=VALUE" help:"Give the runs a parameter; may be repeated."`
	Label         map[string]string `placeholder:"NAME=VALUE" help:"A label of the runs; may be repeated."`
	schedulesFlags
}

// Run makes a schedule.
func (c *schedulesPutCmd) Run(sh *shell) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error {
		params, err := remoteParams(c.Param)
		if err != nil {
			return err
		}
		s, err := to.PutSchedule(ctx, c.Name, schedule.Definition{
			Orchestration: c.Orchestration, Params: params, Labels: c.Label,
			At: c.At, After: c.After, Every: c.Every, Cron: c.Cron, TimeZone: c.TimeZone,
			Until: c.Until, MaxRuns: c.MaxRuns, Disabled: c.Disabled, Concurrency: c.Concurrency, Missed: c.Missed,
		})
		return c.show(sh, s, err)
	})
}

type schedulesEnableCmd struct{ scheduleArg }

// Run enables a schedule.
func (c *schedulesEnableCmd) Run(sh *shell) error { return c.enable(sh, true) }

type schedulesDisableCmd struct{ scheduleArg }

// Run disables a schedule.
func (c *schedulesDisableCmd) Run(sh *shell) error { return c.enable(sh, false) }

func (c *scheduleArg) enable(sh *shell, on bool) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error {
		s, err := to.EnableSchedule(ctx, c.Name, on)
		return c.show(sh, s, err)
	})
}

type schedulesTriggerCmd struct{ scheduleArg }

// Run starts a run of a schedule.
func (c *schedulesTriggerCmd) Run(sh *shell) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error {
		started, err := to.TriggerSchedule(ctx, c.Name)
		switch {
		case err != nil:
			return err
		case c.Output == formatJSON:
			return sh.json(formatJSON, started)
		}
		_, err = fmt.Fprintf(sh.out, "run %s started\n", text.Clean(started.Run))
		return err
	})
}

type schedulesDeleteCmd struct{ scheduleArg }

// Run removes a schedule.
func (c *schedulesDeleteCmd) Run(sh *shell) error {
	return c.with(sh, func(ctx context.Context, to *client.Client) error { return to.DeleteSchedule(ctx, c.Name) })
}

// last says what became of the last time.
func last(o *schedule.Outcome) string {
	if o == nil {
		return "never due so far"
	}
	line := o.What + ", due " + o.Due.UTC().Format(time.RFC3339)
	if o.Run != "" {
		line += ", run " + o.Run
	}
	if o.Reason != "" {
		line += ": " + text.Clean(o.Reason)
	}
	return line
}
