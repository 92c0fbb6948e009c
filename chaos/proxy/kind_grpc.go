package proxy

import (
	"net/http"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/h2"
)

// The kinds that act on gRPC calls.

func prepareGRPCError(f *chaos.Fault) acts {
	g := chaos.NewGRPCError(f)
	return acts{grpc: true, request: func(v *verdict, h *hit) bool {
		return v.give(h, answer{status: http.StatusOK, grpc: g.Code(h.by.draws, h.n), body: g.Message})
	}}
}

func prepareGRPCAbort(f *chaos.Fault) acts {
	g := chaos.NewGRPCAbort(f)
	return acts{grpc: true, request: func(v *verdict, h *hit) bool {
		v.aborts = append(v.aborts, abort{by: h.by, request: g.Request, reset: g.Reset,
			after: g.After(h.elapsed), code: g.Code(h.by.draws, h.n)})
		return true
	}}
}

// abort ends a gRPC call after some of its messages.
type abort struct {
	by             *active
	request, reset bool
	after, code    int
}

// cut is the abort as the relay does it.
func (a *abort) cut() *h2.Cut {
	by := a.by
	c := &h2.Cut{Messages: &a.after, On: func() bool { _, on := by.state(time.Now()); return on }}
	if a.reset {
		c.How, c.Code = h2.EndReset, resetCode(a.code)
		return c
	}
	c.How = h2.EndStatus
	c.Status = h2.Status{Code: a.code, Message: injected(a.code, by.fault.Kind)}
	return c
}

// injected is the message of a status when the fault has none.
func injected(code int, kind string) string {
	return chaos.GRPCName(code) + ": " + injectedBy(kind)
}

// resetCode is the code of RST_STREAM from which a client makes a gRPC status, where
// there is one.
func resetCode(code int) h2.Code {
	switch code {
	case 1: // CANCELLED
		return h2.Cancel
	case 7: // PERMISSION_DENIED
		return h2.InadequateSecurity
	case 8: // RESOURCE_EXHAUSTED
		return h2.EnhanceYourCalm
	case 14: // UNAVAILABLE
		return h2.RefusedStream
	}
	return h2.InternalError
}
