package builtins

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
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

// hasDisguise decodes an answer as somebody would who looks for the secret in it.
func hasDisguise(answer, secret string) bool {
	bare := strings.NewReplacer(`\`, "", "+", " ").Replace
	escape := regexp.MustCompile(`\\+(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[abfnrtv0])|%[0-9a-fA-F]{2}`)
	plain := func(s string) string {
		s = escape.ReplaceAllStringFunc(s, func(e string) string {
			e = strings.TrimLeft(e, `\%`)
			if i := strings.Index("abfnrtv0", e); len(e) == 1 && i >= 0 {
				return "\a\b\f\n\r\t\v\x00"[i : i+1]
			}
			v, _ := strconv.ParseUint(strings.TrimLeft(e, "uxU"), 16, 32)
			if e[0] == 'u' || e[0] == 'U' {
				return string(utf16.Decode([]uint16{uint16(v)}))
			}
			return string([]byte{byte(v)})
		})
		return bare(html.UnescapeString(s))
	}
	forms := append(wholeForms(secret), secret)
	return slices.ContainsFunc(forms, func(form string) bool {
		return strings.Contains(answer, form) || strings.Contains(bare(answer), bare(form))
	}) || strings.Contains(plain(answer), bare(secret)) || escape.MatchString(answer) || strings.Contains(answer, "&")
}

// TestRedactDisguised: everybody escapes other characters, and tells a secret in an error, or
// in an answer that repeats what was asked.
func TestRedactDisguised(t *testing.T) {
	const secret = `p@ss"w/o\+rd<é>& 'X\\9😀z`
	plainJSON := func() string {
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(secret)
		return strings.TrimSpace(b.String())
	}()
	goJSON, _ := json.Marshal(secret)
	twice, _ := json.Marshal(plainJSON)
	lower := func(s string) string { // of %2F
		return regexp.MustCompile("%..").ReplaceAllStringFunc(s, strings.ToLower)
	}
	all := ""
	for _, c := range []byte(secret) {
		all += fmt.Sprintf("%%%02x", c)
	}
	r := NewRedactor(map[string]string{"k": secret})
	for name, in := range map[string]string{
		"plain": secret, "JSON": string(goJSON), "JSON without HTML": plainJSON, "JSON in JSON": string(twice),
		"JSON of PHP": strings.ReplaceAll(strconv.QuoteToASCII(secret), "/", `\/`), "JSON of Python": strings.ReplaceAll(strconv.QuoteToASCII(secret), `\U0001f600`, `\ud83d\ude00`),
		"Go": strconv.Quote(secret), "Go, ASCII": strconv.QuoteToASCII(secret), "an error of JSON": strconv.Quote(string(goJSON)),
		"HTML": html.EscapeString(secret), "HTML of Python": strings.ReplaceAll(html.EscapeString(secret), "&#39;", "&#x27;"),
		"query": url.QueryEscape(secret), "path": url.PathEscape(secret), "lower case": lower(url.QueryEscape(secret)), "user": url.UserPassword("", secret).String(),
		"all escaped": all, "form": strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"),
		"base64":     base64.StdEncoding.EncodeToString([]byte(secret)),
		"Basic":      base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"Basic, 2":   base64.StdEncoding.EncodeToString([]byte("ab:" + secret + "\n")),
		"Basic, URL": base64.RawURLEncoding.EncodeToString([]byte("x" + secret + "...")),
		"hex":        fmt.Sprintf("%x", secret), "HEX": fmt.Sprintf("%X", secret),
	} {
		got := r.Redact("before " + in + " after")
		rest := strings.ReplaceAll(got, "⟦secret:k⟧", "")
		if rest == got || len(rest) > len("before  after")+16 || strings.Contains(rest, "ss") || strings.Contains(rest, "9") && !strings.Contains(name, "Basic") {
			t.Errorf("%s: %q became %q", name, in, got)
		}
	}
	for _, secret := range []string{"%25", "&amp;", `\`, `\\`, `a\`, "&&amp;&", `"%2522`, " ", "+"} { // what looks escaped
		r := NewRedactor(map[string]string{"k": secret})
		for _, in := range []string{secret, url.QueryEscape(secret), html.EscapeString(secret), strconv.Quote(secret)} {
			if got := r.Redact(in); strings.Trim(got, `"`) != "⟦secret:k⟧" {
				t.Errorf("secret %q: %q became %q", secret, in, got)
			}
		}
	}
	for _, piece := range []string{`\`, "%5c", "%", "&", `\u`, "&#92;", "p@ss"} { // nothing is quadratic in what a stranger sends
		begin := time.Now()
		if r.Redact(strings.Repeat(piece, 1<<20/len(piece))); time.Since(begin) > 20*time.Second {
			t.Errorf("a megabyte of %q took %v", piece, time.Since(begin))
		}
	}
	for _, in := range []string{`p@ss"w/o`, "p%40ss", `\\\\`, "&&&;", "%", "%4", "%zz", `\u`, `\ud83d`, "&#", "cEBzcw=="} { // parts are none
		if got := r.Redact(in); got != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}
