package pki

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Flaw is what is wrong with a certificate.
type Flaw string

// The flaws.
const (
	Sound       Flaw = ""
	Expired     Flaw = "expired"
	NotYetValid Flaw = "not_yet_valid"
	WrongHost   Flaw = "wrong_host"
	SelfSigned  Flaw = "self_signed"
)

// WrongName is the only name in a certificate that is for another host. No host has it
// (RFC 6761, 6.4).
const WrongName = "wrong-host.invalid"

// mintKey is what makes one minted certificate differ from another.
type mintKey struct {
	names string
	flaw  Flaw
}

type minted struct {
	cert  *tls.Certificate
	until time.Time // when another is minted
}

// maxMinted bounds the certificates that are kept. Beyond it all are minted anew: a
// signature takes less than a handshake.
const maxMinted = 1000

// Mint gives a certificate for names, with a flaw, from memory or made now.
func (a *Authority) Mint(names Names, flaw Flaw) (*tls.Certificate, error) {
	text := strings.Join(names.DNS, " ")
	for _, ip := range names.IP {
		text += " " + ip.String()
	}
	key := mintKey{strings.ToLower(text), flaw}
	now := time.Now()
	a.mu.Lock()
	have := a.minted[key]
	a.mu.Unlock()
	if have != nil && now.Before(have.until) {
		return have.cert, nil
	}
	cert, err := a.make(names, flaw, now)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for %q: %w", text, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.minted) >= maxMinted {
		clear(a.minted)
	}
	a.minted[key] = &minted{cert, now.Add(leafLife / 2)}
	return cert, nil
}

func (a *Authority) make(names Names, flaw Flaw, now time.Time) (*tls.Certificate, error) {
	from, until := now.Add(-backdated), now.Add(leafLife)
	switch flaw {
	case Expired:
		from, until = now.Add(-2*leafLife), now.Add(-leafLife)
	case NotYetValid:
		from, until = now.Add(leafLife), now.Add(2*leafLife)
	case WrongHost:
		names = Names{DNS: []string{WrongName}}
	}
	t := template(names, from, until)
	issuer, key := a.cert, a.key
	if flaw == SelfSigned {
		issuer, key = t, a.leaf
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, a.leaf.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leaf, Leaf: leaf}, nil
}
