package proxy

import (
	"errors"
	"fmt"

	"starquake/chaos"
	"starquake/chaos/proxy/pki"
)

// LoadTLS reads the files that spec names. At says where a file is, of which spec has the
// name; authority is the folder of the local certificate authority, which is needed only
// for a spec without a certificate. spec may be nil, and so is then what is returned.
func LoadTLS(spec *chaos.TLS, at func(name string) (path string, err error), authority string) (*TLS, error) {
	if spec == nil {
		return nil, nil
	}
	t := &TLS{Spec: *spec, Plain: spec.Upstream == chaos.UpstreamPlain, Insecure: spec.Insecure, ServerName: spec.ServerName}
	l := loader{at: at}
	var err error
	if spec.Cert != "" {
		t.Certificate, err = pki.LoadPair(l.path(spec.Cert), l.path(spec.Key))
	} else if t.Authority, err = pki.Open(authority); errors.Is(err, pki.ErrNoAuthority) {
		err = fmt.Errorf("%w, or give cert and key", err)
	}
	if l.err == nil && err == nil && spec.CA != "" {
		t.Roots, err = pki.LoadRoots(l.path(spec.CA))
	}
	if l.err == nil && err == nil && spec.ClientCert != "" {
		t.ClientCertificate, err = pki.LoadPair(l.path(spec.ClientCert), l.path(spec.ClientKey))
	}
	if l.err != nil {
		err = l.err
	}
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return t, nil
}

// loader keeps the first error of finding files.
type loader struct {
	at  func(name string) (string, error)
	err error
}

// path gives where a file is; without one nothing is read.
func (l *loader) path(name string) string {
	path, err := l.at(name)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("%s: %w", name, err)
	}
	return path
}

// SameTLS reports whether two proxies terminate TLS in the same way, as far as what they
// were given says. Both may be nil.
func SameTLS(a, b *TLS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Spec == b.Spec
}
