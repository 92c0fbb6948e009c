package chaos

func tlsFaultKind() Kind {
	return Kind{
		Name:      "tls_fault",
		Doc:       "Fails TLS handshakes. It acts on new connections of targets that terminate TLS.",
		Protocols: []string{"tls"},
		Params: []ParamSpec{
			{Name: "kind", Type: TypeString, Choices: []string{"expired", "not_yet_valid", "wrong_host", "self_signed", "stall", "alert", "old_version"},
				Doc: "what is wrong: with the certificate (the first four); the handshake stalls, ends in an alert, or offers only TLS 1.0"},
		},
	}
}
