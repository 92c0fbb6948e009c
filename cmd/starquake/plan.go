package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"

	"starquake/app"
	"starquake/dsl"
	"starquake/effects"
	"starquake/report/text"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/units"
)

// planCmd is `starquake plan`.
type planCmd struct {
	givenFlags
	Horizon     string   `default:"48h" placeholder:"DURATION" help:"Where the plan of an endless run is cut (${default})."`
	Answers     string   `placeholder:"FILE" help:"Answers of effects that take the place of the planned ones, YAML or JSON."`
	AnswersFrom string   `placeholder:"RUN" help:"Answer effects as they were answered in this run: its id, the beginning of it, or last."`
	Fail        []string `sep:"none" placeholder:"STEP" help:"Let a step fail; may be repeated."`
	Breach      []string `sep:"none" placeholder:"GUARD" help:"Let a guard be breached; may be repeated."`
	Output      string   `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json (the plan) or ndjson (its records)."`
	dataFlag
}

// Run shows the plan. The exit code is that which run would end with.
func (c *planCmd) Run(sh *shell) error {
	endsSoon(c.File)
	return sh.failedIn(c.Output, c.run(sh))
}

func (c *planCmd) run(sh *shell) error {
	opt, err := c.planOptions()
	if err != nil {
		return err
	}
	recorded, err := c.answersFrom(&opt)
	if err != nil {
		return err
	}
	s, err := c.load(sh)
	if err != nil {
		return err
	}
	res, err := s.Plan(opt)
	var refusals app.Refusals
	if errors.As(err, &refusals) {
		return wrong(c.File, s, dsl.Diagnostics(refusals))
	}
	if err != nil {
		return err
	}
	if res.Outcome.Verdict == journal.VerdictInvalid || c.asPlanned() { // with other answers run begins, and comes to it
		if refused := s.NoRun(res); len(refused) > 0 { // nothing of it would be done, so there is no plan
			return wrong(c.File, s, refused)
		}
	}
	if recorded != nil && recorded.Missing > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("--answers-from %s: %d effects have no answer there, and are answered as planned", c.AnswersFrom, recorded.Missing))
	}
	for _, unused := range res.Unused {
		res.Warnings = append(res.Warnings, "--answers "+unused)
	}
	switch c.Output {
	case formatJSON:
		plan := view.PlanJSON(res.View)
		plan.NotTaken = append(plan.NotTaken, res.NotTakenText()...)
		plan.Warnings = append(plan.Warnings, res.Warnings...)
		if res.Longest > 0 {
			longest := res.Longest.Seconds()
			plan.LongestSeconds = &longest
		}
		err = sh.json(formatJSON, plan)
	case formatNDJSON:
		w := bufio.NewWriter(sh.out)
		if err = journal.Write(w, res.Records); err == nil {
			err = w.Flush()
		}
	default:
		draw := sh.text()
		draw.NotTaken, draw.Longest, draw.Warnings = res.NotTakenText(), res.Longest, res.Warnings
		err = text.Timeline(sh.out, res.View, draw)
	}
	if err != nil {
		return errored("writing the plan: %w", err)
	}
	sh.backtraces(c.File, s, res)
	return ended(res.Outcome.Verdict.ExitCode())
}

// asPlanned reports whether the plan is that which is made before a run, too.
func (c *planCmd) asPlanned() bool {
	return len(c.Fail)+len(c.Breach) == 0 && c.Answers == "" && c.AnswersFrom == ""
}

func (c *planCmd) planOptions() (opt app.PlanOptions, err error) {
	if opt.Options, err = c.options(); err != nil {
		return opt, err
	}
	opt.Details = true
	if opt.Horizon, err = units.ParseDuration(c.Horizon); err != nil {
		return opt, invalid("--horizon: %w", err)
	}
	if opt.Horizon < time.Second {
		return opt, invalid("--horizon %s: expected at least 1s", c.Horizon)
	}
	opt.FailSteps, opt.BreachGuards = c.Fail, c.Breach
	if c.Answers != "" {
		content, err := os.ReadFile(c.Answers)
		if err != nil {
			return opt, invalid("--answers: %w", err)
		}
		answers, err := effects.ReadAnswers(c.Answers, content)
		if err != nil {
			return opt, invalid("--answers: %w", err)
		}
		opt.Answers = answers.Over
	}
	return opt, nil
}

// answersFrom makes the plan answer as a run was answered; nil without --answers-from.
// What --answers says goes before it.
func (c *planCmd) answersFrom(opt *app.PlanOptions) (*effects.Recorded, error) {
	if c.AnswersFrom == "" {
		return nil, nil
	}
	st, id, err := c.find(c.AnswersFrom)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	_, recs, err := st.Read(id)
	if err != nil {
		return nil, errored("%w", err)
	}
	recorded := new(effects.Recorded)
	written := opt.Answers
	opt.Answers = func(next runtime.Planner, now func() time.Duration) runtime.Planner {
		*recorded = *effects.ReadRecorded(recs) // a plan may be made more than once
		next = recorded.Over(next, now)
		if written != nil {
			next = written(next, now)
		}
		return next
	}
	return recorded, nil
}

// backtraces shows the errors of the script itself where they stand in its text.
func (sh *shell) backtraces(path string, s *app.Script, res *app.Result) {
	if diags := s.Errors(res); len(diags) > 0 {
		located, sources := locate(path, s, diags)
		sh.render(located, sources)
	}
}
