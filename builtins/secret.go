package builtins

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Secret is a secret as a script holds it: its name. The text never enters the
// interpreter. What a script makes of a secret ("Bearer " + token, "%s" % token) is
// an ordinary string that holds the placeholder ⟦secret:NAME⟧, and so are the
// journal's records. Reveal puts the text in at the last moment, in the effect;
// Redact takes it out of the answer.
//
// A placeholder that arrives from outside would be revealed if the script sent it on:
// Redact therefore breaks up every one it finds. What a script itself writes between
// those brackets gives it nothing that secret(name) does not.
type Secret struct{ name string }

const (
	placeholderOpen  = "⟦secret:"
	placeholderClose = "⟧"
)

// NewSecret makes the value for a secret's name: letters, digits, "_", "-", "." and
// "/", at most 128 of them.
func NewSecret(name string) (Secret, error) {
	if !isSecretName(name) {
		return Secret{}, fmt.Errorf(`%s is no name of a secret; expected 1 to 128 of letters, digits, "_", "-", "." and "/"`, quote(name))
	}
	return Secret{name}, nil
}

func isSecretName(name string) bool {
	if name == "" || len(name) > 128 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_-./", c) >= 0) {
			return false
		}
	}
	return true
}

var (
	_ starlark.HasBinary  = Secret{}
	_ starlark.Comparable = Secret{}
)

// SecretName is the secret's name, which is no secret.
func (s Secret) SecretName() string { return s.name }

// String gives the placeholder.
func (s Secret) String() string { return placeholderOpen + s.name + placeholderClose }
func (s Secret) Type() string   { return "secret" }
func (s Secret) Freeze()        {}

// Truth is always true. The interpreter lets no value refuse; whether a secret is
// empty is the environment's business, checked before the start.
func (s Secret) Truth() starlark.Bool { return true }

// MarshalJSON writes the placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Hash refuses, as everything does that would compare the secret.
func (s Secret) Hash() (uint32, error) { return 0, s.refuse("be a key of a dict") }

// CompareSameType refuses.
func (s Secret) CompareSameType(syntax.Token, starlark.Value, int) (bool, error) {
	return false, s.refuse("be compared")
}

func (s Secret) refuse(what string) error {
	return fmt.Errorf("secret %s cannot %s: a secret can be joined to text, formatted and passed on, but not read or compared", s.name, what)
}

// Binary joins the secret to text.
func (s Secret) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	other, ok := text(y)
	if op == syntax.PLUS && ok {
		if side == starlark.Left {
			return starlark.String(s.String() + other), nil
		}
		return starlark.String(other + s.String()), nil
	}
	if op == syntax.IN || op == syntax.NOT_IN {
		return nil, s.refuse("be looked for or looked into")
	}
	return nil, s.refuse(fmt.Sprintf("be an operand of %s with %s", op, withArticle(y.Type())))
}

// Reveal replaces every placeholder whose name lookup knows by the secret's text. It
// is for strings on their way out, in an effect.
func Reveal(s string, lookup func(name string) (string, bool)) string {
	return reveal(s, lookup, func(text string) string { return text })
}

// RevealJSON is Reveal for JSON text, in which placeholders stand inside strings: the
// secrets' text is escaped.
func RevealJSON(raw json.RawMessage, lookup func(name string) (string, bool)) json.RawMessage {
	return json.RawMessage(reveal(string(raw), lookup, jsonText))
}

func reveal(s string, lookup func(string) (string, bool), escape func(string) string) string {
	if !strings.Contains(s, placeholderOpen) {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, placeholderOpen)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, closed := strings.Cut(rest, placeholderClose)
		secret, known := "", false
		if closed && isSecretName(name) {
			secret, known = lookup(name)
		}
		if known {
			b.WriteString(escape(secret))
			s = after
		} else {
			b.WriteString(placeholderOpen)
			s = rest
		}
	}
}

// jsonText is s as it stands between the quotes of a JSON string.
func jsonText(s string) string {
	quoted, _ := json.Marshal(s) // cannot fail on a string
	return string(quoted[1 : len(quoted)-1])
}

// A Redactor takes secrets out of answers. It is safe for use by several goroutines.
type Redactor struct {
	masks    []*mask // by name
	starts   [256]bool
	brackets *strings.Replacer
}

// NewRedactor makes a Redactor for secrets, the text of each by its name, in whatever form a
// mask finds it. An empty text hides nothing.
func NewRedactor(secrets map[string]string) *Redactor {
	// Placeholders from outside, plain or as a JSON escape that a later decoding
	// would turn into one. Without the first bracket it is none; both, so that they match.
	r := &Redactor{brackets: strings.NewReplacer("⟦", "[", `\u27e6`, `\u005b`, `\u27E6`, `\u005b`, "⟧", "]", `\u27e7`, `\u005d`, `\u27E7`, `\u005d`)}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if text := secrets[name]; text != "" {
			m := newMask(text, Secret{name}.String())
			m.starts(&r.starts)
			r.masks = append(r.masks, m)
		}
	}
	return r
}

// Redact puts placeholders in place of secrets and breaks up placeholders that s
// brought with it.
func (r *Redactor) Redact(s string) string {
	var b strings.Builder
	done := 0
	for i := 0; i < len(s); {
		if !r.starts[s[i]] {
			i++
			continue
		}
		// The longest wins, and of equal ones the least name.
		n, placeholder := 0, ""
		for _, m := range r.masks {
			if k := m.match(s[i:]); k > n {
				n, placeholder = k, m.placeholder
			}
		}
		if n == 0 {
			i++
			continue
		}
		b.WriteString(r.brackets.Replace(s[done:i]))
		b.WriteString(placeholder)
		i += n
		done = i
	}
	if done == 0 {
		return r.brackets.Replace(s)
	}
	b.WriteString(r.brackets.Replace(s[done:]))
	return b.String()
}
