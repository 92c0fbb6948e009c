package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"starquake/app"
	"starquake/chaos/proxy/pki"
	"starquake/units"
)

// caCmd is `starquake ca`.
type caCmd struct {
	Make  caMakeCmd  `cmd:"" default:"withargs" help:"Make the authority, if there is none yet, and say where it is."`
	Show  caShowCmd  `cmd:"" help:"Write the authority's certificate in PEM, for those who are to trust it."`
	Issue caIssueCmd `cmd:"" help:"Write a certificate for the names given, and its key, for a server of your own."`
}

// caMakeCmd is `starquake ca make`, or without a word behind it.
type caMakeCmd struct{ dataFlag }

// Run makes the authority.
func (c *caMakeCmd) Run(sh *shell) error {
	dir, err := app.AuthorityDir(c.Data)
	if err != nil {
		return asInvalid(err)
	}
	a, made, err := pki.Ensure(dir)
	if err != nil {
		return errored("%w", err)
	}
	word := "is there already"
	if made {
		word = "is made"
	}
	cert := a.Certificate()
	fmt.Fprintf(sh.out, "the local certificate authority %s: %s\ncertificate  %s\nkey          %s\nvalid until  %s\n\n"+
		"Have clients under test trust the certificate; `starquake ca show` writes it. Whoever has the key can pose as any\nserver to them: it stays on this machine.\n",
		word, cert.Subject.CommonName, filepath.Join(dir, pki.CertFile), filepath.Join(dir, pki.KeyFile), cert.NotAfter.Format(time.DateOnly))
	return nil
}

// caShowCmd is `starquake ca show`.
type caShowCmd struct{ dataFlag }

// Run writes the certificate.
func (c *caShowCmd) Run(sh *shell) error {
	a, err := c.authority()
	if err != nil {
		return err
	}
	return pem.Encode(sh.out, &pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
}

// authority opens the authority.
func (c *dataFlag) authority() (*pki.Authority, error) {
	dir, err := app.AuthorityDir(c.Data)
	if err != nil {
		return nil, asInvalid(err)
	}
	a, err := pki.Open(dir)
	switch {
	case errors.Is(err, pki.ErrNoAuthority):
		return nil, asInvalid(err)
	case err != nil:
		return nil, errored("%w", err)
	}
	return a, nil
}

// caIssueCmd is `starquake ca issue`.
type caIssueCmd struct {
	Name []string `arg:"" help:"Names of hosts, and addresses."`
	Out  string   `placeholder:"PATH" help:"Where to, without an ending: PATH.pem and PATH.key. Without it the first name."`
	For  string   `default:"30d" placeholder:"TIME" help:"For how long it is valid (${default})."`
	dataFlag
}

// maxIssued bounds for how long a certificate is valid: clients refuse longer ones.
const maxIssued = 397 * 24 * time.Hour

// Run writes certificate and key.
func (c *caIssueCmd) Run(sh *shell) error {
	names, err := pki.NamesOf(c.Name...)
	if err != nil {
		return asInvalid(err)
	}
	life, err := units.ParseDuration(c.For)
	if err == nil && (life <= 0 || life > maxIssued) {
		err = fmt.Errorf("expected more than 0 and at most %s", units.FormatDuration(maxIssued))
	}
	if err != nil {
		return invalid("--for %s: %w", c.For, err)
	}
	a, err := c.authority()
	if err != nil {
		return err
	}
	out := c.Out
	if out == "" {
		out = strings.NewReplacer("*", "_", ":", "-").Replace(c.Name[0])
	}
	if err := a.Issue(names, life, out+".pem", out+".key"); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return invalid("%w; nothing is overwritten, so remove it or give another --out", err)
		}
		return errored("%w", err)
	}
	fmt.Fprintf(sh.out, "%s.pem\n%s.key\n", out, out)
	return nil
}
