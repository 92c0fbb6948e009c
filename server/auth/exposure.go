package auth

import (
	"errors"
	"fmt"
	"net"

	"starquake/internal/loopback"
)

// Exposure is where a server is to listen and what protects it there.
type Exposure struct {
	// Listen is HOST:PORT.
	Listen string
	// TLS says that there is a certificate, Insecure that none is wanted.
	TLS, Insecure bool
	// Tokens says that there is a token, OIDC that there is an identity provider.
	Tokens, OIDC bool
	// RequireToken says that nobody is admin for coming from this machine.
	RequireToken bool
}

// Open reports whether requests without a token are an admin's.
func (e *Exposure) Open() bool {
	host, _, err := net.SplitHostPort(e.Listen)
	return err == nil && loopback.Is(host) && !e.RequireToken
}

// Check refuses to let everybody in, and to let tokens be read on the way. The error
// says what to give.
func (e *Exposure) Check() error {
	host, port, err := net.SplitHostPort(e.Listen)
	if err != nil || port == "" {
		return fmt.Errorf("--listen %q: expected HOST:PORT, for example 127.0.0.1:3000", e.Listen)
	}
	if e.TLS && e.Insecure {
		return errors.New("--insecure and --tls-cert are given: expected one of them")
	}
	known := e.Tokens || e.OIDC
	if loopback.Is(host) {
		if e.RequireToken && !known {
			return errors.New("--require-token, but there is no token: make one with `starquake token new --role admin --name NAME` and the same --data, or give --oidc-issuer and --oidc-audience")
		}
		return nil
	}
	if !known {
		return fmt.Errorf("--listen %s can be reached from other machines, and whoever reaches it could break what the targets carry: make a token with `starquake token new --role admin --name NAME` and the same --data, or give --oidc-issuer and --oidc-audience, or listen on 127.0.0.1", e.Listen)
	}
	if !e.TLS && !e.Insecure {
		return fmt.Errorf("--listen %s can be reached from other machines, and tokens could be read on the way: give --tls-cert and --tls-key, or --insecure where something in front of the server does TLS, or listen on 127.0.0.1", e.Listen)
	}
	return nil
}
