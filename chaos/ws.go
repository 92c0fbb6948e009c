package chaos

import "time"

// eachWay is the parameter direction of the kinds that act on messages.
func eachWay(doc string) ParamSpec {
	return ParamSpec{Name: "direction", Type: TypeString, Default: `"both"`, KeywordOnly: true,
		Choices: []string{"request", "response", "both"}, Doc: doc}
}

func wsCloseKind() Kind {
	return Kind{
		Name:      "ws_close",
		Doc:       "Closes a WebSocket with a code. Both sides see the close frame.",
		Protocols: []string{"ws"},
		Params: []ParamSpec{
			{Name: "codes", Type: TypeCodes, Min: 1000, Max: 4999, fromHTTP: WSCode,
				Doc: "a close code or a list of which one is picked; an HTTP status stands for the code it maps to"},
			{Name: "reason", Type: TypeString, Max: 123, Default: `""`,
				Doc: "the reason in the close frame, at most 123 bytes"},
			{Name: "after_messages", Type: TypeInt, Max: 1e9, Ramp: true, Default: "None",
				Doc: "how many messages pass before; None closes at the next one"},
		},
	}
}

func wsDropKind() Kind {
	return Kind{
		Name:      "ws_drop",
		Doc:       "Loses messages of a WebSocket. The connection goes on.",
		Protocols: []string{"ws"},
		Params:    []ParamSpec{eachWay("whose messages are lost")},
	}
}

func wsCorruptKind() Kind {
	return Kind{
		Name:      "ws_corrupt",
		Doc:       "Changes messages of a WebSocket. Their frames stay well formed. One of more than 1 MiB that is compressed passes as it is, and is counted inapplicable.",
		Protocols: []string{"ws"},
		Params: []ParamSpec{
			{Name: "kind", Type: TypeString, Choices: corruptions(),
				Doc: "random_bytes: some bytes are others; truncate: the second half is missing; bit_flip: single bits are turned"},
			eachWay("whose messages are changed"),
		},
	}
}

func wsDelayKind() Kind {
	limit := float64(maxDelay)
	return Kind{
		Name:      "ws_delay",
		Doc:       "Delays messages of a WebSocket. Their order stays.",
		Protocols: []string{"ws"},
		Params: []ParamSpec{
			{Name: "delay", Type: TypeDuration, Max: limit, Ramp: true,
				Doc: "the delay of each message"},
			{Name: "jitter", Type: TypeDuration, Max: limit, Ramp: true, Default: "0",
				Doc: "how far a delay is off, at most"},
			eachWay("whose messages are delayed"),
		},
		does: []string{"delay", "jitter"},
	}
}

func wsDuplicateKind() Kind {
	return Kind{
		Name:      "ws_duplicate",
		Doc:       "Sends messages of a WebSocket twice. One of more than 1 MiB passes once, and is counted inapplicable.",
		Protocols: []string{"ws"},
		Params:    []ParamSpec{eachWay("whose messages are sent twice")},
	}
}

// WSClose is a fault of kind ws_close made ready. It has no state.
type WSClose struct {
	codes []int
	after Value
	// Reason stands in the close frame.
	Reason string
}

// NewWSClose makes f, which is valid, ready.
func NewWSClose(f *Fault) WSClose {
	return WSClose{codes: f.Codes("codes"), after: f.Number("after_messages"), Reason: f.Text("reason")}
}

// After returns how many messages pass before the close.
func (w *WSClose) After(elapsed time.Duration) int { return w.after.Int(elapsed) }

// Code returns the close code of the n-th close.
func (w *WSClose) Code(d Draws, n uint64) int { return w.codes[d.Pick(n, len(w.codes))] }

// WSEach is a fault of kind ws_drop or ws_duplicate made ready.
type WSEach struct {
	// Request and Response say whose messages it acts on.
	Request, Response bool
}

// NewWSEach makes f, which is valid, ready.
func NewWSEach(f *Fault) (w WSEach) {
	w.Request, w.Response = Ways(f)
	return w
}

// NewWSDelay makes a fault of kind ws_delay, which is valid, ready.
func NewWSDelay(f *Fault) Latency {
	l := Latency{delay: f.Number("delay"), jitter: f.Number("jitter"), distribution: "uniform"}
	l.Request, l.Response = Ways(f)
	return l
}
