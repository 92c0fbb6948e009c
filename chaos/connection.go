package chaos

// The kinds that act on whole connections.

// openConnections is the parameter open_connections of the kinds that have a choice.
func openConnections(def string) ParamSpec {
	return ParamSpec{Name: "open_connections", Type: TypeString, Default: `"` + def + `"`,
		Choices: []string{"keep", "reset", "close", "freeze"},
		Doc:     "what happens to connections that are open when the fault goes on: they stay as they are, are reset, closed, or frozen until it goes off"}
}

// hungWays is the parameter direction of the kinds that let nothing pass.
func hungWays() ParamSpec {
	return directionParam("both", "which way nothing passes: with request the server hears nothing, with response it does and its answers do not come")
}

// directionParam is the parameter direction of a kind that acts on what passes.
func directionParam(def, doc string) ParamSpec {
	return ParamSpec{Name: "direction", Type: TypeString, Default: `"` + def + `"`, Choices: []string{"request", "response", "both"}, Doc: doc}
}

func blackholeKind() Kind {
	return Kind{
		Name:      "blackhole",
		Doc:       "Accepts connections and never answers nor closes them. Clients hang until they give up.",
		Protocols: Protocols(),
		Params:    []ParamSpec{openConnections("freeze"), hungWays()},
	}
}

// openToo says when a fault that ends connections acts on those that are open.
const openToo = "at once, or on HTTP with the request that is under way or the next one; an idle one stays until then."

func timeoutKind() Kind {
	return Kind{
		Name:      "timeout",
		Doc:       "Lets nothing pass, and closes the connection after a time. It acts on open connections too: " + openToo,
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "after", Type: TypeDuration, Max: float64(maxDelay), Ramp: true,
				Doc: "how long a client hangs before its connection is closed"},
			hungWays(),
		},
	}
}

func resetKind() Kind {
	return Kind{
		Name:      "reset",
		Doc:       "Resets connections (RST). It acts on open connections too: " + openToo + " Of HTTP/2 it resets the stream.",
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "after", Type: TypeDuration, Max: float64(maxDelay), Ramp: true, Default: "0",
				Doc: "how long a connection goes well before it is reset"},
		},
	}
}

func refuseKind() Kind {
	return Kind{
		Name:      "refuse",
		Doc:       "Refuses connections (ECONNREFUSED), as if nothing listened. The address stays the target's own, and listens again when the fault is gone. Nobody counts the connections that the system refuses, so min_hits does not judge them; with a probability or a match they are accepted and reset, and counted.",
		Protocols: Protocols(),
		Params:    []ParamSpec{openConnections("keep")},
	}
}

func slowCloseKind() Kind {
	return Kind{
		Name:      "slow_close",
		Doc:       "Delays the end of a connection (FIN).",
		Protocols: append(streams(), "http"),
		Params: []ParamSpec{
			{Name: "delay", Type: TypeDuration, Max: float64(maxDelay), Ramp: true,
				Doc: "how much later the end comes"},
			directionParam("both", "whose end is delayed: with request the client's, with response the server's"),
		},
		does: []string{"delay"},
	}
}

func partitionKind() Kind {
	return Kind{
		Name:      "partition",
		Doc:       "Lets no byte pass either way. Clients hang, as if the network were cut.",
		Protocols: Protocols(),
		Params:    []ParamSpec{openConnections("freeze")},
	}
}
