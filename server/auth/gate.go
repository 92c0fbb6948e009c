package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The ways in which a request is not let in.
var (
	// ErrAnonymous says that the request brings no token, and needs one.
	ErrAnonymous = errors.New("a token is needed")
	// ErrDenied says that the token that it brings is not taken.
	ErrDenied = errors.New("the token is not accepted")
)

// Throttled says that somebody must wait.
type Throttled struct {
	// After is how long.
	After time.Duration
	// Why is for people.
	Why string
}

func (t *Throttled) Error() string {
	return fmt.Sprintf("%s; try again in %d s", t.Why, RetryAfter(t.After))
}

// RetryAfter is a time to wait in the whole seconds of the header of that name, at least 1.
func RetryAfter(d time.Duration) int { return max(int((d+time.Second-1)/time.Second), 1) }

// Gate finds out who a request comes from.
type Gate struct {
	// Tokens are the server's own; OIDC takes those of an identity provider, nil: none.
	Tokens *Tokens
	OIDC   *OIDC
	// Open says that requests without a token are an admin's; see Exposure.Open.
	Open bool
	// Failures limits for each address how often it may bring a token that is not taken.
	Failures *Limiter
}

// The default limit of failed sign-ins for an address.
const (
	DefaultFailures          = 10
	DefaultFailuresPerSecond = 1.0 / 6
)

// NewGate makes a gate with the default limit of failures.
func NewGate(tokens *Tokens, oidc *OIDC, open bool) *Gate {
	return &Gate{Tokens: tokens, OIDC: oidc, Open: open, Failures: NewLimiter(DefaultFailuresPerSecond, DefaultFailures)}
}

// Identify gives who a request comes from, by its Authorization header and the address
// it comes from. The error is ErrAnonymous, ErrDenied, ErrUnavailable or a *Throttled;
// any other means that the tokens cannot be read.
//
// A token that is brought is checked wherever the server listens: who means to be
// somebody is not made somebody else. One that is accepted always passes, whatever others
// bring from the same address: behind one address are many.
func (g *Gate) Identify(ctx context.Context, authorization, address string, now time.Time) (Identity, error) {
	if authorization == "" {
		if g.Open {
			return Identity{Name: KindLocal, Kind: KindLocal, Role: Admin}, nil
		}
		return Identity{}, fmt.Errorf("%w: Authorization: Bearer TOKEN", ErrAnonymous)
	}
	id, err := g.bearer(ctx, authorization, now)
	if errors.Is(err, ErrDenied) {
		if wait, ok := g.Failures.Take(AddressKey(address), now); !ok {
			return Identity{}, &Throttled{wait, "the token is not accepted, and too many that are not came from this address"}
		}
	}
	return id, err
}

// Known reports whether Identify would let a request in. It counts no failures: it may be
// asked besides.
func (g *Gate) Known(ctx context.Context, authorization string, now time.Time) bool {
	if authorization == "" {
		return g.Open
	}
	_, err := g.bearer(ctx, authorization, now)
	return err == nil
}

func (g *Gate) bearer(ctx context.Context, authorization string, now time.Time) (Identity, error) {
	scheme, bearer, _ := strings.Cut(authorization, " ")
	bearer = strings.TrimSpace(bearer)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || bearer == "":
		return Identity{}, fmt.Errorf("%w: expected Authorization: Bearer TOKEN", ErrDenied)
	case isToken(bearer):
		tok, err := g.Tokens.Check(bearer, now)
		if err != nil {
			return Identity{}, err
		}
		return Identity{Name: tok.Name, Kind: KindToken, Role: tok.Role}, nil
	case g.OIDC != nil:
		return g.OIDC.Check(ctx, bearer, now)
	}
	return Identity{}, fmt.Errorf("%w: it is none that this server made", ErrDenied)
}
