package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"starquake/internal/loopback"
)

// OIDCConfig says which tokens of which identity provider are taken.
type OIDCConfig struct {
	// Issuer is the provider's address, as its tokens have it.
	Issuer string
	// Audience is what the tokens must be made for.
	Audience string
	// RoleClaim names the claim that says the role: a string or a list of strings; a dot
	// goes into an object ("realm_access.roles"). "" is "roles".
	RoleClaim string
	// Roles says which role a value of that claim is. Nil: the roles' own names.
	Roles map[string]Role
	// NameClaim names the claim that a person is called by. "" is "sub".
	NameClaim string
	// Client asks the provider; nil is one with bounds of its own.
	Client *http.Client
}

// Check says what is wrong with the configuration.
func (c *OIDCConfig) Check() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("the OIDC issuer %q is no address; expected for example https://login.example.com", c.Issuer)
	case u.Scheme == "http" && !loopback.Is(u.Hostname()):
		return fmt.Errorf("the OIDC issuer %q must be https: who changes what it answers can sign tokens", c.Issuer)
	case c.Audience == "":
		return errors.New("OIDC needs an audience: without it every token of the issuer would be taken, whoever it was made for")
	}
	for value, role := range c.Roles {
		if _, err := ParseRole(string(role)); err != nil {
			return fmt.Errorf("OIDC role of %q: %w", value, err)
		}
	}
	return nil
}

// The algorithms that a provider may sign with: no secret that both sides know.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
}

const (
	// oidcTimeout bounds a question to the provider.
	oidcTimeout = 5 * time.Second
	// oidcAgain is how long a provider that could not be asked is left in peace.
	oidcAgain = 5 * time.Second
	// maxJWT bounds a token, in bytes.
	maxJWT = 16 << 10
)

// OIDC takes bearer tokens of an identity provider. It asks the provider for its keys
// when the first token comes, so the server starts without it.
type OIDC struct {
	config OIDCConfig

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier // nil until the provider answered
	failed   error                 // why it did not
	asked    time.Time             // when that was
}

// NewOIDC makes one for a configuration that was checked.
func NewOIDC(config OIDCConfig) *OIDC {
	if config.RoleClaim == "" {
		config.RoleClaim = "roles"
	}
	if config.NameClaim == "" {
		config.NameClaim = "sub"
	}
	if config.Client == nil {
		config.Client = &http.Client{Timeout: oidcTimeout}
	}
	return &OIDC{config: config}
}

// ErrUnavailable says that who it is cannot be found out now.
var ErrUnavailable = errors.New("the identity provider cannot be asked")

// Check gives who a token is of. ErrDenied says that it is not taken, ErrUnavailable
// that nobody can tell.
func (o *OIDC) Check(ctx context.Context, token string, now time.Time) (Identity, error) {
	if len(token) > maxJWT {
		return Identity{}, fmt.Errorf("%w: the token is longer than %d bytes", ErrDenied, maxJWT)
	}
	v, err := o.ask(now)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, o.config.Client), oidcTimeout)
	defer cancel()
	got, err := v.Verify(ctx, token)
	if err != nil {
		if ctx.Err() != nil {
			return Identity{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return Identity{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	var claims map[string]any
	if err := got.Claims(&claims); err != nil {
		return Identity{}, fmt.Errorf("%w: its claims: %w", ErrDenied, err)
	}
	role := o.role(claims)
	if role == "" {
		return Identity{}, fmt.Errorf("%w: its claim %s names no role of this server", ErrDenied, o.config.RoleClaim)
	}
	return Identity{Name: "oidc:" + o.name(claims, got.Subject), Kind: KindOIDC, Role: role}, nil
}

// ask asks the provider for what verifies its tokens, unless it has answered before.
func (o *OIDC) ask(now time.Time) (*oidc.IDTokenVerifier, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.verifier != nil {
		return o.verifier, nil
	}
	if since := now.Sub(o.asked); o.failed != nil && since >= 0 && since < oidcAgain {
		return nil, o.failed
	}
	// The provider keeps this context for its keys: it must outlive the request.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), o.config.Client), o.config.Issuer)
	if err != nil {
		o.failed, o.asked = err, now
		return nil, err
	}
	o.verifier = provider.Verifier(&oidc.Config{ClientID: o.config.Audience, SupportedSigningAlgs: algorithms()})
	return o.verifier, nil
}

// role is the highest that the claims give, "" for none.
func (o *OIDC) role(claims map[string]any) (best Role) {
	for _, value := range texts(dig(claims, o.config.RoleClaim)) {
		role := o.config.Roles[value]
		if o.config.Roles == nil {
			role = Role(value)
		}
		if role.rank() > best.rank() {
			best = role
		}
	}
	return best
}

// name is what the claims call the person, made fit for logs; who has no such claim is
// called by the subject, which every token has.
func (o *OIDC) name(claims map[string]any, subject string) string {
	name := subject
	if v := texts(dig(claims, o.config.NameClaim)); len(v) == 1 && v[0] != "" {
		name = v[0]
	}
	name = strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return '_'
		}
		return r
	}, name)
	return name[:min(len(name), maxName)]
}

// dig finds a claim by its own name, else along the dots.
func dig(claims map[string]any, path string) any {
	if v, ok := claims[path]; ok {
		return v
	}
	first, rest, dotted := strings.Cut(path, ".")
	inner, ok := claims[first].(map[string]any)
	if !dotted || !ok {
		return nil
	}
	return dig(inner, rest)
}

// texts are the strings of a claim that is one or a list of them.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v {
			if s, ok := one.(string); ok {
				out = append(out, s)
			}
		}
		return slices.Clip(out)
	}
	return nil
}
