package chaos

import "fmt"

func tlsFaultKind() Kind {
	return Kind{
		Name:      "tls_fault",
		Doc:       "Fails TLS handshakes. It acts on new connections of targets that terminate TLS. Of match it takes source, host (the name that the client asks for), every, first and after.",
		Protocols: Protocols(),
		// Whatever is spoken inside, it is the handshake that meets it.
		Terminates: true,
		Params: []ParamSpec{
			{Name: "kind", Type: TypeString, Choices: []string{"expired", "not_yet_valid", "wrong_host", "self_signed", "stall", "alert", "old_version"},
				Doc: "what is wrong: with the certificate (the first four); the handshake stalls, ends in an alert, or offers only TLS 1.0"},
		},
		check: func(f *Fault) error {
			if f.Match == nil {
				return nil
			}
			m := *f.Match
			m.Source, m.Host, m.Every, m.First, m.After = nil, "", 0, 0, 0
			if !m.isZero() {
				return fmt.Errorf("match: a handshake has no request yet; expected source, host, every, first or after alone")
			}
			return nil
		},
	}
}

// OnTLS returns nil if the kind can be done on a target that terminates TLS or does not,
// else an error that says how one does.
func (k *Kind) OnTLS(terminates bool) error {
	if k.Terminates && !terminates {
		return fmt.Errorf("a fault of kind %s acts on targets that terminate TLS, and this one does not; give it tls = \"terminate\" or a certificate", k.Name)
	}
	return nil
}
