package auth

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what somebody may do. Each role may do what the one before it may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // look at everything that is no secret
	Operator Role = "operator" // start and control runs of what is there
	Admin    Role = "admin"    // change what the server permits, and who may use it
)

// Roles are the roles, the least first.
func Roles() []Role { return []Role{Viewer, Operator, Admin} }

// ParseRole reads a role's name.
func ParseRole(s string) (Role, error) {
	if r := Role(s); r.rank() > 0 {
		return r, nil
	}
	return "", fmt.Errorf("%q is no role; expected viewer, operator or admin", s)
}

// rank is 0 for what is no role, so that it may do nothing.
func (r Role) rank() int { return slices.Index(Roles(), r) + 1 }

// May reports whether a role may do what needs the other one. What is no role may
// nothing, and what needs none that there is nobody may.
func (r Role) May(need Role) bool { return r.rank() > 0 && need.rank() > 0 && r.rank() >= need.rank() }

// Identity is who a request comes from.
type Identity struct {
	// Name is a token's name, or a subject with its issuer's kind: "oidc:ann@example.com".
	Name string `json:"name"`
	// Kind is how it is known: "token", "oidc" or "local".
	Kind string `json:"kind"`
	Role Role   `json:"role"`
}

// The kinds of identity.
const (
	KindToken = "token"
	KindOIDC  = "oidc"
	KindLocal = "local"
)

// maxName bounds the name of a token and of a subject, in bytes.
const maxName = 100

// checkName refuses a name that would not stand safely in a log or a file's name.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("a name of 1 to %d characters is needed, for example \"ci\"", maxName)
	}
	for i := range len(name) {
		c := name[i]
		if c < '!' || c > '~' || strings.ContainsRune(`"\/:<>`, rune(c)) {
			return fmt.Errorf("the name %q may hold letters, digits and . - _ @ +", name)
		}
	}
	return nil
}
