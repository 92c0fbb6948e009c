package builtins

import (
	"encoding/json"
	"time"

	"go.starlark.net/starlark"

	"starquake/runtime"
)

// KindApprove is the kind of effect that asks a person.
const KindApprove = "approve"

// ApproveArgs are the arguments of an approval.
type ApproveArgs struct {
	Message   string          `json:"message"`
	Timeout   time.Duration   `json:"timeout,omitempty"`
	OnTimeout string          `json:"on_timeout,omitempty"` // "" for "stop"
	Faults    string          `json:"faults,omitempty"`     // "" for "refuse"
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// ApproveAnswer is what the person said.
type ApproveAnswer struct {
	Approved bool      `json:"approved"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Comment  string    `json:"comment,omitempty"`
}

func approve(c *Call, t *task) (starlark.Value, error) {
	if c.String("faults") == "refuse" && t.branch.ChaosOn() > 0 {
		return nil, c.Errorf("faults", "a fault is on while a person would be waited for").
			WithHint(`take it off before, or say faults = "keep" or faults = "lift"`)
	}
	limit := c.Duration("timeout")
	args := ApproveArgs{Message: c.String("message"), Timeout: limit}
	if c.String("on_timeout") != "stop" {
		args.OnTimeout = c.String("on_timeout")
	}
	if c.String("faults") != "refuse" {
		args.Faults = c.String("faults")
	}
	ask, err := c.ask(KindApprove, &args, &args.Simulated)
	if err != nil {
		return nil, err
	}
	ask.Repeat = true // a person may be asked twice
	ask.Live = true   // and answers when they like
	if err := t.waitLong(limit); err != nil {
		return nil, err
	}
	var ans runtime.Answer
	var late bool
	perform := func() error {
		ans, late, err = t.branch.PerformWithin(ask, limit)
		return err
	}
	if c.String("faults") == "lift" {
		err = t.branch.Lift(perform)
	} else {
		err = perform()
	}
	if err != nil {
		return nil, err
	}
	if late {
		switch c.String("on_timeout") {
		case "fail":
			return nil, runtime.Failf(runtime.ClassFailed, "approval_timeout", "nobody answered %q within %s", args.Message, Duration(limit))
		case "stop":
			return nil, t.branch.StopRun("approve", "nobody answered \""+args.Message+"\" within "+Duration(limit).String())
		}
		return approvalObject(ApproveAnswer{}), nil
	}
	if ans.Err != nil {
		return nil, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "approve: %s", ans.Err.Message)
	}
	var a ApproveAnswer
	if err := json.Unmarshal(ans.Data, &a); err != nil {
		return nil, c.Errorf("", "the answer is unreadable: %v", err)
	}
	if a.At.IsZero() {
		a.At = t.branch.Now()
	}
	if !a.Approved {
		detail := "\"" + args.Message + "\" was rejected"
		if a.Comment != "" {
			detail += ": " + a.Comment
		}
		return nil, t.branch.StopRun(orElse(a.By, "reject"), detail)
	}
	return approvalObject(a), nil
}

func approvalObject(a ApproveAnswer) *Object {
	at := starlark.Value(starlark.None)
	if !a.At.IsZero() {
		at = Time(a.At.UTC())
	}
	return NewObject("approval",
		Field{Name: "ok", Value: starlark.Bool(a.Approved)},
		Field{Name: "by", Value: starlark.String(a.By)},
		Field{Name: "at", Value: at},
		Field{Name: "comment", Value: starlark.String(a.Comment)},
	)
}
