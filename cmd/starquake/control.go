package main

import (
	"starquake/app"
)

// pauseCmd is `starquake pause`.
type pauseCmd struct {
	remoteFlags
	byFlag
	LiftFaults bool `help:"Take the faults off for as long as the pause lasts."`
}

// Run pauses the run.
func (c *pauseCmd) Run(sh *shell) error {
	return c.request(sh, app.ControlRequest{Op: "pause", By: c.by(), Comment: c.Comment, Lift: c.LiftFaults})
}

// resumeCmd is `starquake resume`.
type resumeCmd struct {
	remoteFlags
	byFlag
}

// Run ends a pause.
func (c *resumeCmd) Run(sh *shell) error {
	return c.request(sh, app.ControlRequest{Op: "resume", By: c.by(), Comment: c.Comment})
}

// skipCmd is `starquake skip`: its first argument is the step.
type skipCmd struct {
	Step string `arg:"" optional:"" help:"The path of the step. Without it exactly one must be running."`
	remoteFlags
	byFlag
}

// Run skips a step.
func (c *skipCmd) Run(sh *shell) error {
	return c.request(sh, app.ControlRequest{Op: "skip", Path: c.Step, By: c.by(), Comment: c.Comment})
}

// stopCmd is `starquake stop`.
type stopCmd struct {
	remoteFlags
	byFlag
}

// Run stops the run and waits for its end, when every fault is gone.
func (c *stopCmd) Run(sh *shell) error {
	return c.request(sh, app.ControlRequest{Op: "stop", By: c.by(), Comment: c.Comment})
}

// approveCmd is `starquake approve`.
type approveCmd struct{ answerFlags }

// Run lets the run go on.
func (c *approveCmd) Run(sh *shell) error { return c.answer(sh, "approve") }

// rejectCmd is `starquake reject`.
type rejectCmd struct{ answerFlags }

// Run stops the run that waits.
func (c *rejectCmd) Run(sh *shell) error { return c.answer(sh, "reject") }

// answerFlags are those of both answers.
type answerFlags struct {
	remoteFlags
	byFlag
	Question string `placeholder:"PLACE" help:"The question to answer, where several wait: status --output json lists them."`
}

func (c *answerFlags) answer(sh *shell, op string) error {
	return c.request(sh, app.ControlRequest{Op: op, Question: c.Question, By: c.by(), Comment: c.Comment})
}
