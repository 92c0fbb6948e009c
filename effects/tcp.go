package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// KindTCP makes a connection and closes it. Its answer is a TCPAnswer.
const KindTCP = "tcp"

// DefaultTimeout is what a call of kind "tcp", "dns", "grpc" or "prometheus" gets
// where its arguments say nothing.
const DefaultTimeout = 10 * time.Second

// TCPArgs are the arguments of kind "tcp".
type TCPArgs struct {
	Addr    string        `json:"addr"` // "host:port"
	Timeout time.Duration `json:"timeout,omitempty"`
	// PlannedError is the code of the error in the planned answer; "" for none.
	PlannedError string          `json:"planned_error,omitempty"`
	Simulated    json.RawMessage `json:"simulated,omitempty"`
}

// TCPAnswer is the answer of kind "tcp".
type TCPAnswer struct {
	// Address is what was connected to; "" if nothing was.
	Address string               `json:"address,omitempty"`
	Elapsed time.Duration        `json:"elapsed"`
	Error   *journal.EffectError `json:"error,omitempty"`
}

// performTCP is the performer of KindTCP.
func (e *Effects) performTCP(ctx context.Context, call *runtime.Call) (any, error) {
	var args TCPArgs
	if err := decodeArgs(KindTCP, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.connect(ctx, &args)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindTCP)
	}
	return answer, nil
}

// connect connects once.
func (e *Effects) connect(ctx context.Context, args *TCPArgs) *TCPAnswer {
	start := time.Now()
	answer := new(TCPAnswer)
	timeout := cmp.Or(args.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "no connection within %s", units.FormatDuration(timeout)))
	defer cancel()
	err := e.client.network.checkAddress(args.Addr)
	if err == nil {
		conn, dialed := e.client.dial(ctx, "tcp", args.Addr)
		answer.Elapsed = time.Since(start)
		if err = overdue(ctx, dialed); err == nil {
			answer.Address = conn.RemoteAddr().String()
			err = conn.Close()
		}
	}
	if err != nil {
		answer.Error = classify(err)
	}
	return answer
}

// Form says what is wrong with the address, whatever is permitted.
func (args *TCPArgs) Form() error { return FormAddress(args.Addr) }

// checkTCP is the Check of KindTCP.
func (e *Effects) checkTCP(raw json.RawMessage) error {
	var args TCPArgs
	if err := decodeArgs(KindTCP, raw, &args); err != nil {
		return err
	}
	return e.client.network.checkAddress(args.Addr)
}

// planTCP is the planner of KindTCP: the connection is made, or fails as expected.
func planTCP(req *runtime.Request) (runtime.Planned, error) {
	var args TCPArgs
	if err := decodeArgs(KindTCP, req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	answer := TCPAnswer{Address: args.Addr, Elapsed: plannedElapsed}
	if args.PlannedError != "" {
		answer = TCPAnswer{Elapsed: plannedElapsed, Error: problem(args.PlannedError, "planned: %s", args.PlannedError)}
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedTCP is what a simulated TCPAnswer may contain. An error has no address.
func simulatedTCP() *simulation {
	return &simulation{
		answer: func() any { return new(TCPAnswer) },
		adapt: func(fields map[string]json.RawMessage) error {
			if _, failed := fields["error"]; failed && fields["address"] == nil {
				fields["address"] = json.RawMessage(`""`)
			}
			return nil
		},
	}
}
