package chaos

import "time"

func partialResponseKind() Kind {
	return Kind{
		Name:      "partial_response",
		Doc:       "Cuts the body of a response short and closes the connection. Content-Length stays as it was, so the client sees an unexpected end.",
		Protocols: []string{"http", "graphql"},
		Params: []ParamSpec{
			{Name: "fraction", Type: TypeShare, Max: 1, Ramp: true, Default: "0.5",
				Doc: "how much of the body is sent"},
		},
	}
}

// PartialResponse is a fault of kind partial_response made ready. It has no state.
type PartialResponse struct{ fraction Value }

// NewPartialResponse makes f, which is valid, ready.
func NewPartialResponse(f *Fault) PartialResponse { return PartialResponse{f.Number("fraction")} }

// Keep returns how many of a body's total bytes are sent before the connection is
// closed. Of a body of unknown length total is what there is of it so far.
func (p *PartialResponse) Keep(total int64, elapsed time.Duration) int64 {
	return min(total, int64(float64(total)*p.fraction.At(elapsed)))
}
