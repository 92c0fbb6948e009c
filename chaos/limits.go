package chaos

import "time"

func limitDataKind() Kind {
	return Kind{
		Name: "limit_data",
		Doc: "Closes a connection after so many bytes. The client sees a stream that is cut short; with direction request the server does. " +
			"On http every request and every answer is counted for itself, not what passes over a connection together: " +
			"over HTTP/1 with its head, over HTTP/2 the body alone, and there the stream is reset.",
		Protocols: append(streams(), "http"),
		Params: []ParamSpec{
			{Name: "bytes", Type: TypeSize, Max: 1 << 50, Ramp: true,
				Doc: "how many bytes pass before the connection is closed"},
			directionParam("response", "which way is counted; both counts each way for itself"),
		},
	}
}

func maxConnectionsKind() Kind {
	return Kind{
		Name: "max_connections",
		Doc: "Limits how many connections may be open at once. One above that is accepted and reset before a byte; " +
			"those that are open already stay. Of several such faults the lowest number holds.",
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "n", Type: TypeInt, Max: 1e6, Ramp: true,
				Doc: "how many connections may be open at once"},
		},
	}
}

// MaxConnections is a fault of kind max_connections made ready. It has no state.
type MaxConnections struct{ n Value }

// NewMaxConnections makes f, which is valid, ready.
func NewMaxConnections(f *Fault) MaxConnections { return MaxConnections{f.Number("n")} }

// Admits reports whether a connection may stay that makes the number of open ones open.
func (m *MaxConnections) Admits(open int, elapsed time.Duration) bool {
	return open <= m.n.Int(elapsed)
}
