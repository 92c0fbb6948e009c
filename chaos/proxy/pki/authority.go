package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// The lives of certificates. Clocks differ: each begins a while before it is made.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 24 * time.Hour
	backdated     = time.Hour
)

// Authority signs certificates. Its methods may be called from any goroutine.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	leaf *ecdsa.PrivateKey // of all that is minted

	mu     sync.Mutex
	minted map[mintKey]*minted
}

// New makes an authority in memory, known by subject.
func New(subject pkix.Name) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: subject,
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	return newAuthority(cert, key)
}

func newAuthority(cert *x509.Certificate, key crypto.Signer) (*Authority, error) {
	leaf, err := newKey()
	if err != nil {
		return nil, err
	}
	return &Authority{cert: cert, key: key, leaf: leaf, minted: map[mintKey]*minted{}}, nil
}

// Certificate is the authority's own, for those who are to trust it.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Names are whom a certificate is for.
type Names struct {
	DNS []string
	IP  []net.IP
}

// NamesOf sorts names into addresses and others, which have to be names of hosts.
func NamesOf(names ...string) (Names, error) {
	var n Names
	for _, name := range names {
		switch ip := net.ParseIP(name); {
		case ip != nil:
			n.IP = append(n.IP, ip)
		case IsHost(name) || len(name) > 2 && name[:2] == "*." && IsHost(name[2:]):
			n.DNS = append(n.DNS, name)
		default:
			return n, fmt.Errorf("%q: expected the name of a host, such as shop.internal or *.shop.internal, or an address", name)
		}
	}
	return n, nil
}

// IsHost reports whether name is one that a host can have (RFC 1123), or has all the
// same: with underscores.
func IsHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	label := 0
	for i := range len(name) {
		switch b := name[i]; {
		case b == '.':
			if label == 0 || name[i-1] == '-' {
				return false
			}
			label = 0
			continue
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_':
		case b == '-' && label > 0:
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0 && name[len(name)-1] != '-'
}

// template is a certificate for names that begins and ends at these times.
func template(names Names, from, until time.Time) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber: serial(), NotBefore: from, NotAfter: until,
		DNSNames: names.DNS, IPAddresses: names.IP, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	const longest = 64 // of a common name (RFC 5280, appendix A.1)
	switch {
	case len(names.DNS) > 0 && len(names.DNS[0]) <= longest:
		t.Subject.CommonName = names.DNS[0]
	case len(names.IP) > 0:
		t.Subject.CommonName = names.IP[0].String()
	default:
		t.Subject.CommonName = "starquake"
	}
	return t
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// serial gives a serial number that nobody guesses (RFC 5280, 4.1.2.2).
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand does not fail
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b)
}
