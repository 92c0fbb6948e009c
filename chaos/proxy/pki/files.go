package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// The files of an authority in its folder.
const (
	CertFile = "ca.pem"
	KeyFile  = "ca-key.pem"
)

// ErrNoAuthority says that there is no authority in a folder.
var ErrNoAuthority = errors.New("there is no local certificate authority yet; make one with `starquake ca`")

// Ensure opens the authority in dir, and makes it if there is none. What is there is
// never changed. The folder comes to be with both files in it, or not at all.
func Ensure(dir string) (a *Authority, made bool, err error) {
	if a, err = Open(dir); !errors.Is(err, ErrNoAuthority) {
		return a, false, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	a, err = New(pkix.Name{CommonName: "Starquake local CA of " + host, Organization: []string{"Starquake"}})
	if err != nil {
		return nil, false, err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, false, err
	}
	fresh, err := os.MkdirTemp(parent, ".new-ca-")
	if err != nil {
		return nil, false, err
	}
	defer os.RemoveAll(fresh) // if it is still there
	if err := writePair(filepath.Join(fresh, CertFile), filepath.Join(fresh, KeyFile), a.cert, a.key); err != nil {
		return nil, false, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if other, oerr := Open(dir); oerr == nil {
			return other, false, nil // somebody was quicker
		}
		return nil, false, err
	}
	return a, true, nil
}

// Open opens the authority in dir. If there is none the error is ErrNoAuthority.
func Open(dir string) (*Authority, error) {
	certFile, keyFile := filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile)
	info, err := os.Stat(keyFile)
	if _, cerr := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) && errors.Is(cerr, fs.ErrNotExist) {
		return nil, ErrNoAuthority
	}
	if err != nil {
		return nil, fmt.Errorf("the local certificate authority: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("the key of the local certificate authority, %s, can be read by others: whoever has it can pose as any server to those who trust it; make another authority, or set its mode to 0600 if nobody has read it", keyFile)
	}
	pair, err := LoadPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("the local certificate authority: %w", err)
	}
	if !pair.Leaf.IsCA {
		return nil, fmt.Errorf("the local certificate authority: %s is no certificate of an authority", certFile)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("the local certificate authority: %s has expired on %s; remove its folder, and make another with `starquake ca`", certFile, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	return newAuthority(pair.Leaf, pair.PrivateKey.(crypto.Signer)) // as all keys of crypto/tls are
}

// Issue writes a certificate for names and its key, which is as new, for servers of
// others. Files that are there are not overwritten.
func (a *Authority) Issue(names Names, life time.Duration, certFile, keyFile string) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	now := time.Now()
	der, err := x509.CreateCertificate(rand.Reader, template(names, now.Add(-backdated), now.Add(life)), a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	return writePair(certFile, keyFile, cert, key)
}

func writePair(certFile, keyFile string, cert *x509.Certificate, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	if err := writeNew(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err != nil {
		return err
	}
	err = writeNew(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if err != nil {
		err = errors.Join(err, os.Remove(keyFile)) // a key without its certificate opens nothing
	}
	return err
}

func writeNew(path string, mode fs.FileMode, block *pem.Block) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(path)) // half of it would be in the way of the next try
		}
	}()
	if err := pem.Encode(f, block); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Sync()
}

// maxPEM bounds a file that users bring, in bytes.
const maxPEM = 1 << 20

// readPEM reads a file. What is wrong is said without its content.
func readPEM(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open a pipe is to wait for its writer
		return nil, fmt.Errorf("%s is no file; expected one in PEM", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(text) > maxPEM {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxPEM)
	}
	return text, err
}

// LoadPair reads a certificate, with those between it and its authority behind it, and
// its key.
func LoadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := readPEM(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", certFile, err)
		}
	}
	return &pair, nil
}

// LoadRoots reads the certificates of authorities.
func LoadRoots(path string) (*x509.CertPool, error) {
	text, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in it; expected a PEM file, beginning with -----BEGIN CERTIFICATE-----", path)
	}
	return pool, nil
}
