package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestOIDC(t *testing.T) {
	is := newIssuer(t)
	now := time.Now()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	with := func(changes map[string]any) map[string]any {
		claims := map[string]any{
			"iss": is.URL, "aud": []string{"starquake", "other"}, "sub": "u-17", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			"email": "ann@example.com", "realm": map[string]any{"groups": []string{"everybody", "sre", "readers"}},
		}
		maps.Copy(claims, changes)
		return claims
	}
	good := func(changes map[string]any) string { return sign(t, jose.RS256, is.key, with(changes)) }
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good(nil), ".")[1] + "."
	o := NewOIDC(OIDCConfig{
		Issuer: is.URL, Audience: "starquake", RoleClaim: "realm.groups", NameClaim: "email",
		Roles: map[string]Role{"readers": Viewer, "sre": Operator, "platform": Admin},
	})
	public := x509.MarshalPKCS1PublicKey(&is.key.PublicKey)
	tests := []struct {
		name, token string
		want        Identity
	}{
		{"the highest of its roles", good(nil), Identity{"oidc:ann@example.com", KindOIDC, Operator}},
		{"one role as a string", good(map[string]any{"realm": map[string]any{"groups": "platform"}}), Identity{"oidc:ann@example.com", KindOIDC, Admin}},
		{"no name claim", good(map[string]any{"email": nil}), Identity{"oidc:u-17", KindOIDC, Operator}},
		{"a name with a line break", good(map[string]any{"email": "a\nb\"c"}), Identity{`oidc:a_b"c`, KindOIDC, Operator}},
		{"no role", good(map[string]any{"realm": map[string]any{"groups": []string{"everybody"}}}), Identity{}},
		{"a role's own name where names are mapped", good(map[string]any{"realm": map[string]any{"groups": "admin"}}), Identity{}},
		{"a claim of another type", good(map[string]any{"realm": 17}), Identity{}},
		{"expired", good(map[string]any{"exp": now.Add(-time.Second).Unix()}), Identity{}},
		{"not yet", good(map[string]any{"nbf": now.Add(time.Hour).Unix()}), Identity{}},
		{"for somebody else", good(map[string]any{"aud": "other"}), Identity{}},
		{"for nobody", good(map[string]any{"aud": nil}), Identity{}},
		{"of another issuer", good(map[string]any{"iss": "https://login.example.com"}), Identity{}},
		{"another key", sign(t, jose.RS256, other, with(nil)), Identity{}},
		{"the public key as a secret", sign(t, jose.HS256, public, with(nil)), Identity{}},
		{"not signed", unsigned, Identity{}},
		{"no token", "x.y.z", Identity{}},
		{"too long", good(map[string]any{"pad": strings.Repeat("x", maxJWT)}), Identity{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := o.Check(t.Context(), test.token, now)
			if got != test.want {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
			if denied := errors.Is(err, ErrDenied); denied != (test.want == Identity{}) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestOIDCProviderDown: the server starts without its provider, lets nobody in who could
// not be checked, and lets them in once it is there.
func TestOIDCProviderDown(t *testing.T) {
	is := newIssuer(t)
	is.down.Store(true)
	now := time.Now()
	o := NewOIDC(OIDCConfig{Issuer: is.URL, Audience: "starquake"})
	token := sign(t, jose.RS256, is.key, map[string]any{"iss": is.URL, "aud": "starquake", "sub": "u", "roles": "admin", "exp": now.Add(time.Hour).Unix()})
	if id, err := o.Check(t.Context(), token, now); !errors.Is(err, ErrUnavailable) || id != (Identity{}) {
		t.Fatalf("got %+v, %v", id, err)
	}
	is.down.Store(false)
	if _, err := o.Check(t.Context(), token, now.Add(oidcAgain-1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a provider that was down is asked again at once: %v", err)
	}
	if id, err := o.Check(t.Context(), token, now.Add(oidcAgain)); err != nil || id.Role != Admin {
		t.Errorf("got %+v, %v", id, err)
	}
}

func TestOIDCConfig(t *testing.T) {
	for _, test := range []struct {
		config OIDCConfig
		want   string
	}{
		{OIDCConfig{Issuer: "https://login.example.com", Audience: "a"}, ""},
		{OIDCConfig{Issuer: "http://127.0.0.1:8080", Audience: "a"}, ""},
		{OIDCConfig{Issuer: "http://login.example.com", Audience: "a"}, "must be https"},
		{OIDCConfig{Issuer: "login.example.com", Audience: "a"}, "is no address"},
		{OIDCConfig{Issuer: "https://login.example.com"}, "needs an audience"},
		{OIDCConfig{Issuer: "https://login.example.com", Audience: "a", Roles: map[string]Role{"x": "root"}}, `"root" is no role`},
	} {
		err := test.config.Check()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.config, err, test.want)
		}
	}
}
