package effects

import (
	"crypto/tls"
	"crypto/x509"
)

// TLSArgs are what a request says of its TLS. The zero value trusts whom the system,
// or the environment, trusts.
type TLSArgs struct {
	// CA is a text of certificates in PEM, which alone are trusted.
	CA string `json:"ca,omitempty"`
	// Insecure trusts whatever certificate comes.
	Insecure bool `json:"insecure,omitempty"`
	// ServerName is the name that is asked for and must be in the certificate, where it
	// is not that of the address.
	ServerName string `json:"server_name,omitempty"`
}

// config is the configuration with these arguments over base, which may be nil and
// is not changed.
func (a *TLSArgs) config(base *tls.Config) (*tls.Config, error) {
	conf := base.Clone()
	if conf == nil {
		conf = new(tls.Config)
	}
	if a == nil {
		return conf, nil
	}
	if a.CA != "" {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM([]byte(a.CA)) {
			return nil, problem(CodeInvalid, "ca has no certificate in it; expected the text of a PEM file, beginning with -----BEGIN CERTIFICATE-----")
		}
	}
	if a.ServerName != "" {
		conf.ServerName = a.ServerName
	}
	conf.InsecureSkipVerify = conf.InsecureSkipVerify || a.Insecure
	return conf, nil
}
