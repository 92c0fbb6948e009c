package builtins

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func lookupForTest(name string) (string, bool) {
	text, ok := map[string]string{"a": `p"w\1`, "b/c": "two words", "nested": "⟦secret:a⟧"}[name]
	return text, ok
}

func TestReveal(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"plain", "plain"},
		{"Bearer ⟦secret:a⟧!", `Bearer p"w\1!`},
		{"⟦secret:a⟧⟦secret:b/c⟧", `p"w\1two words`},
		{"⟦secret:unknown⟧ ⟦secret:a⟧", `⟦secret:unknown⟧ p"w\1`},
		{"⟦secret:⟦secret:a⟧", `⟦secret:p"w\1`},
		{"⟦secret:a", "⟦secret:a"},
		{"⟦secret:⟧", "⟦secret:⟧"},
		{"⟦secret:nested⟧", "⟦secret:a⟧"}, // once: a secret's text is no template
	} {
		if got := Reveal(test.in, lookupForTest); got != test.want {
			t.Errorf("Reveal(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestRevealJSON(t *testing.T) {
	raw := RevealJSON(json.RawMessage(`{"k":"<⟦secret:a⟧>"}`), lookupForTest)
	var v map[string]string
	if err := json.Unmarshal(raw, &v); err != nil || v["k"] != `<p"w\1>` {
		t.Errorf("got %s, %v", raw, err)
	}
}

func TestRedact(t *testing.T) {
	secrets := map[string]string{"a": `p"w\1`, "b": "two words", "long": "two words and more", "none": ""}
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"nothing here", "nothing here"},
		{`your key: p"w\1.`, "your key: ⟦secret:a⟧."},
		{`{"key":"p\"w\\1"}`, `{"key":"⟦secret:a⟧"}`},
		{"two words", "⟦secret:b⟧"},
		{"two words and more", "⟦secret:long⟧"},
		{"?q=" + url.QueryEscape("two words"), "?q=⟦secret:b⟧"},
		{"/p/" + url.PathEscape("two words"), "/p/⟦secret:b⟧"},
		{base64.StdEncoding.EncodeToString([]byte("two words and more")), "⟦secret:long⟧"},
		// Placeholders from outside do not survive, in whatever spelling a decoder would undo.
		{"⟦secret:a⟧", "[secret:a]"},
		{`"\u27e6secret:a\u27E7"`, `"\u005bsecret:a\u005d"`},
		{`"\u27E6secret:a"`, `"\u005bsecret:a"`},
		{`"\\u27e6secret:a"`, `"\\u005bsecret:a"`},
	} {
		if got := NewRedactor(secrets).Redact(test.in); got != test.want {
			t.Errorf("Redact(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzRedact: no answer, whatever it holds, brings in a placeholder that would be
// revealed, or lets a secret's text through.
func FuzzRedact(f *testing.F) {
	f.Add("⟦secret:k⟧", "hunter2")
	f.Add(`\u27e6secret:k⟧ and hunter2`, "hunter2")
	f.Fuzz(func(t *testing.T, answer, secret string) {
		if secret == "" || strings.Contains(Secret{"k"}.String(), secret) || strings.ContainsAny(secret, "[⟦") {
			return // its text is part of what replaces it
		}
		got := NewRedactor(map[string]string{"k": secret}).Redact(answer)
		rest := strings.ReplaceAll(got, Secret{"k"}.String(), "\x00")
		if strings.Contains(rest, "⟦") {
			t.Errorf("Redact(%q) = %q still has an opening bracket", answer, got)
		}
		if !strings.Contains(answer, secret) && strings.Contains(got, Secret{"k"}.String()) && !hasDisguise(answer, secret) {
			t.Errorf("Redact(%q) = %q has a placeholder for nothing", answer, got)
		}
	})
}

func hasDisguise(answer, secret string) bool {
	for _, form := range disguises(secret) {
		if strings.Contains(answer, form) {
			return true
		}
	}
	return false
}
