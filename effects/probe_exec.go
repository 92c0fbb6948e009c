package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ExecProbe is the probe {"kind": "exec", "argv": […], …}: a program, and what must
// hold of how it ends. Its value is the exit code, or null where there was none.
type ExecProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	Argv []string          `json:"argv"`
	Env  map[string]string `json:"env,omitempty"`
	// Code is the exit code that holds.
	Code int `json:"code,omitempty"`
	// Stdout is a text that its standard output must contain.
	Stdout string `json:"stdout,omitempty"`
	// Below bounds the time that it takes. 0 is no bound.
	Below   time.Duration `json:"below,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parseExecProbe reads an ExecProbe.
func parseExecProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p ExecProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	if len(p.Argv) == 0 {
		return nil, errors.New("argv is empty")
	}
	return &p, nil
}

// read implements probe.
func (p *ExecProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.exec.run(ctx, &ExecArgs{Argv: p.Argv, Env: p.Env, Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout)})
	reading := Reading{OK: true, Elapsed: answer.Elapsed}
	if answer.Code >= 0 {
		reading.Value = answer.Code
	}
	if err := p.judge(answer, e.opts.hide(p.Stdout)); err != nil {
		reading.OK, reading.Error = false, err.Error()
	}
	return reading
}

// judge says what does not hold of an answer, in whose output stdout is looked for.
func (p *ExecProbe) judge(answer *ExecAnswer, stdout string) error {
	switch {
	case answer.Error != nil:
		return fmt.Errorf("%s: %s", answer.Error.Code, answer.Error.Message)
	case answer.Signal != "":
		return fmt.Errorf("ended by %s, expected exit code %d", answer.Signal, p.Code)
	case answer.Code != p.Code:
		return fmt.Errorf("exit code %d, expected %d: %s", answer.Code, p.Code, excerpt([]byte(strings.TrimSpace(answer.Stderr))))
	case !strings.Contains(answer.Stdout, stdout):
		return fmt.Errorf("output %q does not contain %q", excerpt([]byte(answer.Stdout)), stdout)
	case p.Below > 0 && answer.Elapsed >= p.Below:
		return errors.New(tookTooLong(answer.Elapsed, p.Below))
	}
	return nil
}

// planned implements probe.
func (p *ExecProbe) planned() Reading { return Reading{OK: true, Value: p.Code} }

// check implements probe.
func (p *ExecProbe) check(e *Effects) error {
	if _, err := e.exec.find(p.Argv); err != nil {
		return err
	}
	_, err := e.exec.environment(p.Env)
	return err
}
