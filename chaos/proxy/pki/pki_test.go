package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// An authority is made once, also by several at a time, and its key is its owner's alone.
func TestEnsure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "ca")
	if _, err := Open(dir); !errors.Is(err, ErrNoAuthority) {
		t.Fatalf("where there is none: %v", err)
	}
	var wg sync.WaitGroup
	serials := make([]string, 4)
	for i := range serials {
		wg.Go(func() {
			a, _, err := Ensure(dir)
			if err != nil {
				t.Error(err)
				return
			}
			serials[i] = a.Certificate().SerialNumber.String()
		})
	}
	wg.Wait()
	for _, s := range serials {
		if s != serials[0] {
			t.Errorf("several authorities were made: %v", serials)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	key := filepath.Join(dir, KeyFile)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("a key that others can read: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Ensure(dir); err == nil || errors.Is(err, ErrNoAuthority) {
		t.Errorf("an authority without its key: %v", err)
	}
}

// What is minted is kept, up to a bound.
func TestMintIsBounded(t *testing.T) {
	a, err := New(pkix.Name{CommonName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(name string, flaw Flaw) *x509.Certificate {
		cert, err := a.Mint(Names{DNS: []string{name}}, flaw)
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf
	}
	if mint("a.test", Sound) != mint("A.test", Sound) || mint("a.test", Sound) == mint("a.test", Expired) || mint("a.test", Sound) == mint("b.test", Sound) {
		t.Error("a certificate is kept for a name and a flaw")
	}
	for i := range maxMinted + 10 {
		mint(fmt.Sprintf("%d.test", i), Sound)
	}
	if n := len(a.minted); n > maxMinted {
		t.Errorf("%d are kept", n)
	}
}

func TestIssue(t *testing.T) {
	a, err := New(pkix.Name{CommonName: "test"})
	if err != nil {
		t.Fatal(err)
	}
	names, err := NamesOf("shop.test", "*.shop.test", "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(t.TempDir(), "a.pem"), filepath.Join(t.TempDir(), "a.key")
	if err := a.Issue(names, time.Hour, cert, key); err != nil {
		t.Fatal(err)
	}
	pair, err := LoadPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate())
	for _, name := range []string{"shop.test", "api.shop.test", "127.0.0.1", "::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadPair(key, cert); err == nil || strings.Contains(err.Error(), "BEGIN") {
		t.Errorf("the wrong way round: %v", err)
	}
	if _, err := LoadRoots(key); err == nil {
		t.Error("a key was taken for an authority")
	}
}

func TestIsHost(t *testing.T) {
	for name, want := range map[string]bool{
		"shop": true, "shop.test": true, "a-b.c_d.test": true, "1.2": true, "": false, ".": false, "a..b": false, "a.": false, "-a": false, "a-": false, "a-.b": false,
		"a b": false, "a\x00": false, "ä": false, "*.a": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 127): false, strings.Repeat("a.", 126) + "a": true,
	} {
		if got := IsHost(name); got != want {
			t.Errorf("IsHost(%.40q) is %v", name, got)
		}
	}
	for _, bad := range []string{"", "*", "*.", "http://a"} {
		if _, err := NamesOf(bad); err == nil {
			t.Errorf("%q is taken for a name", bad)
		}
	}
}
