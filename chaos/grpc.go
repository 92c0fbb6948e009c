package chaos

import "time"

func grpcErrorKind() Kind {
	return Kind{
		Name:      "grpc_error",
		Doc:       "Answers a call with a gRPC status instead of the upstream, which is not called. One of the codes is picked for each call, each as likely as the others.",
		Protocols: []string{"grpc"},
		Params: []ParamSpec{
			{Name: "codes", Type: TypeGRPCCodes, Max: 16,
				Doc: `a code or a list of them: names such as "UNAVAILABLE", numbers, or HTTP statuses that stand for them`},
			{Name: "message", Type: TypeString, Default: `""`,
				Doc: "grpc-message; empty for a line that says what it is"},
		},
	}
}

func grpcAbortKind() Kind {
	return Kind{
		Name:      "grpc_abort",
		Doc:       "Ends a stream after some of its messages. The client sees them, and then the status, or a stream that is reset.",
		Protocols: []string{"grpc"},
		Params: []ParamSpec{
			{Name: "after_messages", Type: TypeInt, Max: 1e9, Ramp: true,
				Doc: "how many messages pass before the end"},
			{Name: "direction", Type: TypeString, Default: `"response"`, Choices: []string{"request", "response"},
				Doc: "whose messages count"},
			{Name: "code", Type: TypeGRPCCodes, Max: 16, Default: `"UNAVAILABLE"`,
				Doc: "the status, or a list of which one is picked"},
			{Name: "how", Type: TypeString, Default: `"trailers"`, Choices: []string{"trailers", "reset"},
				Doc: "how the stream ends: with the status in its trailers, or with RST_STREAM"},
		},
		text: grpcAbortText,
	}
}

func grpcAbortText(f *Fault) string {
	s := valueText(TypeGRPCCodes, f.Codes("code")) + " after " + TypeInt.show(f.Number("after_messages")) + " messages"
	if f.Text("direction") == "request" {
		s += " of the client"
	}
	if f.Text("how") == "reset" {
		s += " reset"
	}
	return s
}

// GRPCError is a fault of kind grpc_error made ready. It has no state.
type GRPCError struct {
	codes []int
	// Message is grpc-message, not yet percent-encoded; empty leaves it to the engine.
	Message string
}

// NewGRPCError makes f, which is valid, ready.
func NewGRPCError(f *Fault) GRPCError { return GRPCError{f.Codes("codes"), f.Text("message")} }

// Code returns the status of the n-th call.
func (g *GRPCError) Code(d Draws, n uint64) int { return g.codes[d.Pick(n, len(g.codes))] }

// GRPCAbort is a fault of kind grpc_abort made ready. It has no state.
type GRPCAbort struct {
	after Value
	codes []int
	// Request says that the client's messages count, else the server's do.
	Request bool
	// Reset says that the stream is reset, else it ends with trailers.
	Reset bool
}

// NewGRPCAbort makes f, which is valid, ready.
func NewGRPCAbort(f *Fault) GRPCAbort {
	return GRPCAbort{after: f.Number("after_messages"), codes: f.Codes("code"),
		Request: f.Text("direction") == "request", Reset: f.Text("how") == "reset"}
}

// After returns how many messages pass before the end.
func (g *GRPCAbort) After(elapsed time.Duration) int { return g.after.Int(elapsed) }

// Code returns the status of the n-th call.
func (g *GRPCAbort) Code(d Draws, n uint64) int { return g.codes[d.Pick(n, len(g.codes))] }
