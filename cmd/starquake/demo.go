package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"starquake/app"
	"starquake/examples"
	"starquake/internal/demo"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// demoCmd is `starquake demo`.
type demoCmd struct {
	Args []string `arg:"" optional:"" passthrough:"" name:"args" help:"Behind --: arguments for the quickstart, such as -- --param worst=1s --seed 7."`
}

// Run starts the demo service and runs the quickstart against it, through the embedded
// proxy and over real sockets. The exit code is that of its verdict.
func (c *demoCmd) Run(sh *shell) error {
	given := demoFlags{}
	if err := parseInto(&given, c.Args); err != nil {
		return asInvalid(fmt.Errorf("demo: %w", err))
	}
	service, err := demo.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer service.Close()
	opt := app.Options{Seed: given.Seed, Env: &app.Environment{Name: "demo"}}
	if opt.Params, err = app.ParseParams(given.Param); err != nil {
		return asInvalid(err)
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	if err := opt.Env.AddProxy("shop=" + listen + "," + service.Addr() + ",http"); err != nil {
		return err
	}
	const name = "quickstart.star"
	s, diags := app.LoadText(name, examples.Quickstart)
	if diags.HasErrors() {
		return wrong(name, s, diags)
	}
	fmt.Fprintf(sh.out, "A small shop runs at %s, with an embedded proxy before it.\n"+
		"The quickstart asks for its catalog while the proxy gets slower; each bar is one answer.\n\n", service.URL())
	logs := newAside(sh.err)
	return sh.conduct(name, s, conducting{opt: app.RunOptions{Options: opt}, kept: keptFlags{dataFlag: given.dataFlag, InMemory: given.Data == ""}, format: formatText, logs: logs, show: showBars})
}

// freeAddress is an address that nobody listens at. The proxy is not given port 0,
// since the plan that is made before the run would show it.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// demoFlags are what can be given behind "--".
type demoFlags struct {
	Param    []string `sep:"none" placeholder:"NAME=VALUE" help:"Give a parameter; may be repeated."`
	Seed     *uint64  `placeholder:"N" help:"The seed of all randomness."`
	dataFlag          // without it the run is in memory only
}

// showBars shows each latency that the quickstart logs as a bar, and what happens
// between them as a line.
func showBars(sh *shell, src records) (*view.Run, error) {
	fold := view.New()
	draw := bars{sh: sh}
	err := src(context.Background(), func(recs []journal.Record) error {
		for _, rec := range recs {
			fold.Add(rec)
			if line := draw.line(rec, fold); line != "" {
				if _, err := fmt.Fprintln(sh.out, line); err != nil {
					return err
				}
			}
		}
		return nil
	})
	fmt.Fprintln(sh.out)
	return fold.Run(), err
}

// bars draws the lines of the demo.
type bars struct {
	sh *shell
	on int // faults
}

// perCell is how many milliseconds a cell of a bar stands for, and maxBar its longest.
const (
	perCell = 8.0
	maxBar  = 60
)

// line gives the line for a record, "" for none.
func (b *bars) line(rec journal.Record, fold *view.Fold) string {
	switch body := rec.Body.(type) {
	case *journal.LogBody:
		var fields struct{ MS *float64 }
		if body.Message == "latency" && json.Unmarshal(body.Fields, &fields) == nil && fields.MS != nil {
			return b.bar(rec.At, *fields.MS)
		}
	case *journal.StepBeginBody:
		return fmt.Sprintf("%6.1fs  %s", rec.At.Seconds(), b.paint("1", safe(body.Name)))
	case *journal.EffectNoteBody, *journal.EffectEndBody:
		run := fold.Run()
		was := b.on
		b.on = run.FaultsOn
		if len(run.Faults) > 0 && was != b.on {
			f := run.Faults[len(run.Faults)-1]
			word := "on"
			if b.on < was {
				word = "off"
			}
			return fmt.Sprintf("%6.1fs  %s", rec.At.Seconds(), b.paint("35", safe(f.Target+": "+f.Text+" "+word)))
		}
	}
	return ""
}

func (b *bars) bar(at time.Duration, ms float64) string {
	cell, color := "█", "32"
	if b.sh.ascii {
		cell = "#"
	}
	if b.on > 0 {
		color = "35"
	}
	n := min(max(int(ms/perCell+0.5), 1), maxBar)
	return fmt.Sprintf("%6.1fs  %7.1f ms  %s", at.Seconds(), ms, b.paint(color, strings.Repeat(cell, n)))
}

func (b *bars) paint(color, s string) string {
	if !b.sh.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}
