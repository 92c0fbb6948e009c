package chaos

func connectionErrorKind() Kind {
	return Kind{
		Name: "connection_error",
		Doc: "Fails a request as a broken connection does. " +
			"http_503 answers 503 (gRPC UNAVAILABLE, WebSocket 1001, GraphQL SERVICE_UNAVAILABLE), tcp_reset resets the connection, tcp_close ends it without an answer.",
		Protocols: []string{"http", "grpc", "ws", "graphql"},
		Params: []ParamSpec{
			{Name: "kind", Type: TypeString, Choices: []string{"http_503", "tcp_reset", "tcp_close"},
				Doc: "how the request fails"},
		},
	}
}
