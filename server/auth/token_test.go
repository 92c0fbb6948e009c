package auth

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starquake/store"
)

func newTokens(t *testing.T) (*Tokens, string) {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return NewTokens(st), dir
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestTokens(t *testing.T) {
	tokens, dir := newTokens(t)
	text, tok, err := tokens.New("ci", Operator, noon.Add(time.Hour), "ann", noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != len(tokenPrefix)+43 || tok.Name != "ci" || tok.By != "ann" {
		t.Errorf("made %q, %+v", text, tok)
	}
	if got, err := tokens.Check(text, noon); err != nil || got.Role != Operator || got.Name != "ci" {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, wrong := range []string{"", tokenPrefix, text[:len(text)-1], text + "x", strings.ToLower(text)} {
		if got, err := tokens.Check(wrong, noon); !errors.Is(err, ErrDenied) || got != (Token{}) {
			t.Errorf("%q: %+v, %v", wrong, got, err)
		}
	}
	if _, err := tokens.Check(text, noon.Add(time.Hour)); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("at its end: %v", err)
	}
	// The text is nowhere in the data folder.
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if bytes.Contains(body, []byte(text)) || bytes.Contains(body, []byte(text[len(tokenPrefix):])) {
			t.Errorf("%s holds the token", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTokensOfAnotherProcess: a token that another process makes opens, one that it
// revokes does not, and one that it makes anew under the name is another one.
func TestTokensOfAnotherProcess(t *testing.T) {
	server, dir := newTokens(t)
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	shell := NewTokens(st)
	first, _, err := shell.New("ci", Viewer, time.Time{}, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Check(first, noon.AddDate(50, 0, 0)); err != nil {
		t.Errorf("a new token: %v", err)
	}
	if _, _, err := shell.New("ci", Admin, time.Time{}, "", noon); err == nil {
		t.Error("a second token of the name is made")
	}
	if err := shell.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Check(first, noon); !errors.Is(err, ErrDenied) {
		t.Errorf("a revoked token: %v", err)
	}
	if err := shell.Revoke("ci"); !errors.Is(err, ErrNoToken) {
		t.Errorf("revoked again: %v", err)
	}
	second, _, err := shell.New("ci", Admin, time.Time{}, "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Check(first, noon); !errors.Is(err, ErrDenied) {
		t.Errorf("a revoked token whose name is taken again: %v", err)
	}
	if got, err := server.Check(second, noon); err != nil || got.Role != Admin {
		t.Errorf("the second token: %+v, %v", got, err)
	}
}

func TestTokenRefusals(t *testing.T) {
	tokens, _ := newTokens(t)
	for _, test := range []struct {
		name    string
		role    Role
		expires time.Time
	}{
		{"", Viewer, time.Time{}},
		{"a b", Viewer, time.Time{}},
		{"a\nb", Viewer, time.Time{}},
		{"../a", Viewer, time.Time{}},
		{strings.Repeat("a", maxName+1), Viewer, time.Time{}},
		{"a", "root", time.Time{}},
		{"a", "", time.Time{}},
		{"a", Viewer, noon},
	} {
		if text, _, err := tokens.New(test.name, test.role, test.expires, "", noon); err == nil || text != "" {
			t.Errorf("%+v: a token is made", test)
		}
	}
	if any, err := tokens.Any(noon); any || err != nil {
		t.Errorf("there is a token: %v", err)
	}
	if _, _, err := tokens.New("a", Viewer, noon.Add(1), "", noon); err != nil {
		t.Fatal(err)
	}
	if any, _ := tokens.Any(noon); !any {
		t.Error("there is no token")
	}
	if any, _ := tokens.Any(noon.Add(1)); any {
		t.Error("an expired token is one")
	}
}

// TestDamagedToken: a token that cannot be read opens nothing, and keeps no other from opening. It
// counts as one, or a server could be open for want of any, and is listed until it is revoked.
func TestDamagedToken(t *testing.T) {
	for _, broken := range []string{"", `{"name": "broken", "version": 1, "body": {"sha`, `{"name": "broken", "version": 1, "body": {"sha256": "7"}}`, `{"name": "broken", "version": 1, "body": {"sha256": "7", "name": "broken", "role": "admin"}}`} {
		tokens, dir := newTokens(t)
		text, _, err := tokens.New("broken", Admin, time.Time{}, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokens.Check(text, noon); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, shelfTokens, "broken", "00000001.json")
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if any, err := tokens.Any(noon); !any || err != nil {
			t.Errorf("%q: there is none: %v", broken, err)
		}
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		for _, tokens := range []*Tokens{tokens, NewTokens(st)} { // who knew it, and who does not
			if got, err := tokens.Check(text, noon); !errors.Is(err, ErrDenied) || got != (Token{}) {
				t.Errorf("%q: it opens for %+v, %v", broken, got, err)
			}
		}
		if damaged, err := tokens.Damaged(); err != nil || len(damaged) != 1 || !strings.Contains(damaged["broken"].Error(), path) {
			t.Errorf("%q: damaged is %v, %v", broken, damaged, err)
		}
		ci, _, err := tokens.New("ci", Viewer, time.Time{}, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tokens.Check(ci, noon); err != nil || got.Name != "ci" {
			t.Errorf("%q: another: %+v, %v", broken, got, err)
		}
		if all, err := tokens.List(); err != nil || len(all) != 2 || all[0].Name != "broken" || all[0].Damaged == "" || all[1].Damaged != "" {
			t.Errorf("%q: the list is %+v, %v", broken, all, err)
		}
		if _, _, err := tokens.New("broken", Viewer, time.Time{}, "", noon); err == nil || !strings.Contains(err.Error(), "revoke") {
			t.Errorf("%q: made anew: %v", broken, err)
		}
		if err := tokens.Revoke("broken"); err != nil {
			t.Error(err)
		}
		if all, err := tokens.List(); err != nil || len(all) != 1 {
			t.Errorf("%q: then the list is %+v, %v", broken, all, err)
		}
	}
}
