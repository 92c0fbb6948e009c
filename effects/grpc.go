package effects

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"starquake/effects/load"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// KindGRPC is one unary gRPC call. Its answer is a GRPCAnswer, whatever happened.
const KindGRPC = "grpc"

// GRPCHealth is the method of the standard health check.
const GRPCHealth = "grpc.health.v1.Health/Check"

// GRPCServing is what a healthy service answers.
const GRPCServing = "SERVING"

// maxGRPC bounds the bytes that a call reads from its connection: the answer, and
// the descriptors where they come by reflection.
const maxGRPC = 16 << 20

// GRPCArgs are the arguments of kind "grpc".
type GRPCArgs struct {
	Addr string `json:"addr"` // "host:port"
	// Method is "package.Service/Method". What its messages are is found in the
	// environment's descriptors, else by the server's reflection.
	Method string `json:"method"`
	// Message is the request in protobuf's JSON form; empty is a message without fields.
	Message  json.RawMessage   `json:"message,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// TLS, if set, makes the connection one of TLS.
	TLS *TLSArgs `json:"tls,omitempty"`
	// Timeout is the call's deadline, which the server is told. 0 is DefaultTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// PlannedCode is the status of the planned answer; "" is "OK".
	PlannedCode string          `json:"planned_code,omitempty"`
	Simulated   json.RawMessage `json:"simulated,omitempty"`
}

// GRPCAnswer is the answer of kind "grpc".
type GRPCAnswer struct {
	// Code is the status, "OK" or "UNAVAILABLE" for example; also where it was not the
	// server that gave it: Error then says what was met.
	Code string `json:"code"`
	// Message is the answer in protobuf's JSON form, if Code is "OK".
	Message json.RawMessage `json:"message,omitempty"`
	// Detail is the status's message.
	Detail string `json:"detail,omitempty"`
	// Metadata are the answer's headers and trailers; those that came several times are
	// joined by ", ". Binary ones are left out.
	Metadata map[string]string    `json:"metadata,omitempty"`
	Elapsed  time.Duration        `json:"elapsed"`
	Error    *journal.EffectError `json:"error,omitempty"`
}

// ParseGRPCCode reads the name of a status and gives it as it is spelt.
func ParseGRPCCode(name string) (string, error) {
	upper := strings.ToUpper(name)
	var known []string
	for c := range codes.Code(17) {
		if load.CodeName(c) == upper {
			return upper, nil
		}
		known = append(known, load.CodeName(c))
	}
	return "", problem(CodeInvalid, "%q is no gRPC status; known are %s", name, strings.Join(known, ", "))
}

// validate refuses what no call can be made of.
func (args *GRPCArgs) validate() error {
	if err := args.Form(); err != nil {
		return err
	}
	for name, value := range args.Metadata {
		if !isToken(name) || strings.HasPrefix(strings.ToLower(name), "grpc-") || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return problem(CodeInvalid, "metadata %q with the value %q: a name is letters, digits and -, and does not begin with grpc-; a value is printable ASCII", name, value)
		}
	}
	_, err := args.TLS.config(nil)
	return err
}

// Form says what is wrong with where the call goes and what it calls, whatever is permitted.
func (args *GRPCArgs) Form() error {
	if err := FormAddress(args.Addr); err != nil {
		return err
	}
	service, method, ok := strings.Cut(strings.TrimPrefix(args.Method, "/"), "/")
	if !ok || service == "" || method == "" || strings.ContainsAny(args.Method, " \t\r\n") || strings.Contains(method, "/") {
		return problem(CodeInvalid, "%q is no method; write \"package.Service/Method\"", args.Method)
	}
	return nil
}

// performGRPC is the performer of KindGRPC.
func (e *Effects) performGRPC(ctx context.Context, call *runtime.Call) (any, error) {
	var args GRPCArgs
	if err := decodeArgs(KindGRPC, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.callGRPC(ctx, &args)
	if answer.Code != "OK" && ctx.Err() != nil {
		return nil, stopped(KindGRPC)
	}
	return answer, nil
}

// callGRPC calls once.
func (e *Effects) callGRPC(ctx context.Context, args *GRPCArgs) *GRPCAnswer {
	start := time.Now()
	answer := new(GRPCAnswer)
	if err := e.invoke(ctx, args, answer); err != nil {
		answer.Error = classify(err)
		answer.Code = cmp.Or(answer.Code, load.CodeName(codes.Unavailable))
	}
	answer.Elapsed = time.Since(start)
	return answer
}

// checkGRPC is the Check of KindGRPC.
func (e *Effects) checkGRPC(raw json.RawMessage) error {
	var args GRPCArgs
	if err := decodeArgs(KindGRPC, raw, &args); err != nil {
		return err
	}
	if err := args.validate(); err != nil {
		return err
	}
	if err := e.client.network.checkAddress(args.Addr); err != nil {
		return err
	}
	return e.client.fits(len(args.Message))
}

// planGRPC is the planner of KindGRPC: the status that is expected, and a message
// without fields; of the health check that it serves.
func planGRPC(req *runtime.Request) (runtime.Planned, error) {
	var args GRPCArgs
	if err := decodeArgs(KindGRPC, req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	answer := GRPCAnswer{Code: cmp.Or(args.PlannedCode, "OK"), Elapsed: plannedElapsed}
	switch {
	case answer.Code != "OK":
		answer.Detail = "planned"
	case strings.TrimPrefix(args.Method, "/") == GRPCHealth:
		answer.Message = json.RawMessage(`{"status":"` + GRPCServing + `"}`)
	default:
		answer.Message = json.RawMessage("{}")
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedGRPC is what a simulated GRPCAnswer may contain. "json" is the message, and
// "status" that of a health check; a code other than OK has no message beside it.
func simulatedGRPC() *simulation {
	return &simulation{
		answer: func() any { return new(GRPCAnswer) },
		extra:  []string{"json", "status"},
		adapt: func(fields map[string]json.RawMessage) error {
			if value, ok := fields["json"]; ok {
				fields["message"] = value
			}
			if value, ok := fields["status"]; ok {
				fields["message"] = slices.Concat(json.RawMessage(`{"status":`), value, json.RawMessage("}"))
			}
			delete(fields, "json")
			delete(fields, "status")
			if _, failed := fields["error"]; failed && fields["code"] == nil {
				fields["code"] = json.RawMessage(`"UNAVAILABLE"`)
			}
			if code := fields["code"]; code != nil && string(code) != `"OK"` && fields["message"] == nil {
				fields["message"] = json.RawMessage("null")
			}
			return nil
		},
	}
}

// compact is a JSON text without blanks: protobuf's own writer puts some in at random.
func compact(text []byte) (json.RawMessage, error) {
	var buf bytes.Buffer
	err := json.Compact(&buf, text)
	return buf.Bytes(), err
}
