package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/store"
)

// Tokens are the server's own tokens, in its data folder. Any number of processes share
// them: one that `starquake token revoke` removes opens nothing from then on.
//
// A token is 256 random bits, so a plain SHA-256 keeps it: there is nothing to guess.
type Tokens struct {
	shelf *store.Shelf

	mu sync.Mutex
	// names are the tokens' names by hash, as they were when last looked at. It only finds;
	// what a token is worth says its document.
	names map[[sha256.Size]byte]string
	// looks counts how often the shelf has begun to be read for names, and namesOf is which
	// time names are of; looking is held while it is read. Tokens that are known do not wait
	// for that.
	looks, namesOf int
	looking        sync.Mutex
}

// shelfTokens is the tokens' shelf in a data folder.
const shelfTokens = "tokens"

// maxTokens bounds how many there are.
const maxTokens = 1000

// tokenPrefix begins every token, so that scanners of repositories find leaked ones.
const tokenPrefix = "sqt_"

// ErrNoToken says that there is no token of that name.
var ErrNoToken = errors.New("there is no such token")

// Token is what is known of a token. Its text is not.
type Token struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role,omitempty"`
	Created time.Time `json:"created,omitzero"`
	By      string    `json:"by,omitempty"`
	// Expires is when it ends; zero is never.
	Expires time.Time `json:"expires,omitzero"`
	// Damaged is why it cannot be read: it opens nothing, and but for its name nothing is known.
	Damaged string `json:"damaged,omitempty"`
}

// Expired reports whether it is over.
func (t *Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// tokenDocument is the form of a token on its shelf.
type tokenDocument struct {
	Hash string `json:"sha256"`
	Token
}

// NewTokens gives the tokens of a data folder.
func NewTokens(st *store.Store) *Tokens { return &Tokens{shelf: st.Shelf(shelfTokens)} }

// New makes a token and gives its text, which nobody can give again.
func (t *Tokens) New(name string, role Role, expires time.Time, by string, now time.Time) (text string, tok Token, err error) {
	if err := checkName(name); err != nil {
		return "", tok, err
	}
	if _, err := ParseRole(string(role)); err != nil {
		return "", tok, err
	}
	if !expires.IsZero() && !expires.After(now) {
		return "", tok, fmt.Errorf("the token would have expired already, on %s", expires.Format(time.RFC3339))
	}
	have, err := t.List()
	if err != nil {
		return "", tok, err
	}
	if len(have) >= maxTokens {
		return "", tok, fmt.Errorf("there are %d tokens, more are not kept; revoke some", len(have))
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	text = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	tok = Token{Name: name, Role: role, Created: now.UTC().Truncate(time.Second), By: by, Expires: expires.UTC()}
	body, err := json.Marshal(tokenDocument{hex.EncodeToString(sum[:]), tok})
	if err != nil {
		return "", tok, err
	}
	if _, err := t.shelf.Put(name, by, body, "none", now); err != nil {
		if errors.Is(err, store.ErrThere) {
			err = fmt.Errorf("there is a token %q already; revoke it first or take another name", name)
		}
		return "", tok, err
	}
	return text, tok, nil
}

// read gives the tokens by name, and why others cannot be read.
func (t *Tokens) read() (all []tokenDocument, damaged map[string]error, err error) {
	docs, unread, err := t.shelf.Readable()
	if err != nil {
		return nil, nil, fmt.Errorf("the tokens: %w", err)
	}
	damaged = map[string]error{}
	for i := range unread {
		damaged[unread[i].Name] = &unread[i]
	}
	for _, doc := range docs {
		if d, err := t.readToken(doc); err == nil {
			all = append(all, d)
		} else {
			damaged[doc.Name] = err
		}
	}
	return all, damaged, nil
}

// Damaged are the tokens that cannot be read, by name, with why.
func (t *Tokens) Damaged() (map[string]error, error) {
	_, damaged, err := t.read()
	return damaged, err
}

// List gives what is known of every token, by name.
func (t *Tokens) List() ([]Token, error) {
	all, damaged, err := t.read()
	if err != nil {
		return nil, err
	}
	out := make([]Token, 0, len(all)+len(damaged))
	for _, d := range all {
		out = append(out, d.Token)
	}
	for name, why := range damaged {
		out = append(out, Token{Name: name, Damaged: why.Error()})
	}
	slices.SortFunc(out, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Revoke removes a token.
func (t *Tokens) Revoke(name string) error {
	err := t.shelf.Delete(name, "")
	if errors.Is(err, store.ErrNoDocument) {
		return fmt.Errorf("token %q: %w", name, ErrNoToken)
	}
	return err
}

// Any reports whether there is a token that has not expired. One that cannot be read is one:
// somebody meant the server to ask for it.
func (t *Tokens) Any(now time.Time) (bool, error) {
	list, err := t.List()
	for _, tok := range list {
		if !tok.Expired(now) {
			return true, err
		}
	}
	return false, err
}

// Check gives the token that a text is. ErrDenied says that it is none, no more, or none
// any more.
func (t *Tokens) Check(text string, now time.Time) (Token, error) {
	sum := sha256.Sum256([]byte(text))
	name, known := t.name(sum)
	if !known {
		if err := t.look(); err != nil {
			return Token{}, err
		}
		if name, known = t.name(sum); !known {
			return Token{}, fmt.Errorf("%w: the token is unknown", ErrDenied)
		}
	}
	doc, err := t.shelf.Get(name)
	if errors.Is(err, store.ErrNoDocument) {
		return Token{}, fmt.Errorf("%w: the token was revoked", ErrDenied)
	}
	var d tokenDocument
	if err == nil {
		d, err = t.readToken(doc)
	}
	if damaged := (*store.Damaged)(nil); errors.As(err, &damaged) {
		return Token{}, fmt.Errorf("%w: the token cannot be read any more", ErrDenied) // of its file the log tells
	}
	if err != nil {
		return Token{}, err
	}
	want, err := hex.DecodeString(d.Hash)
	if err != nil || subtle.ConstantTimeCompare(want, sum[:]) != 1 { // another one of that name was made meanwhile
		return Token{}, fmt.Errorf("%w: the token was revoked", ErrDenied)
	}
	if d.Expired(now) {
		return Token{}, fmt.Errorf("%w: the token expired on %s", ErrDenied, d.Expires.Format(time.RFC3339))
	}
	return d.Token, nil
}

func (t *Tokens) name(sum [sha256.Size]byte) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.names[sum]
	return name, ok
}

// look reads which tokens there are, after it is called. Many that look at once share one
// reading: who brings tokens that are none costs others no more than that.
func (t *Tokens) look() error {
	t.mu.Lock()
	seen := t.looks
	t.mu.Unlock()
	t.looking.Lock()
	defer t.looking.Unlock()
	t.mu.Lock()
	fresh := t.namesOf > seen
	if !fresh {
		t.looks++
	}
	this := t.looks
	t.mu.Unlock()
	if fresh {
		return nil
	}
	all, _, err := t.read()
	if err != nil {
		return err
	}
	names := make(map[[sha256.Size]byte]string, len(all))
	for _, d := range all {
		sum, _ := hex.DecodeString(d.Hash) // readToken has checked it
		names[[sha256.Size]byte(sum)] = d.Name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names, t.namesOf = names, this
	return nil
}

// readToken reads the document of a token. The error is a *store.Damaged.
func (t *Tokens) readToken(doc store.Document) (d tokenDocument, err error) {
	err = json.Unmarshal(doc.Body, &d)
	if err == nil && (d.Name != doc.Name || d.Role.rank() == 0) {
		err = errors.New("its document is another's")
	}
	if sum, wrong := hex.DecodeString(d.Hash); err == nil && (wrong != nil || len(sum) != sha256.Size) {
		err = errors.New("its hash is none")
	}
	if err != nil {
		damaged := t.shelf.Damaged(doc.Name, doc.Version, nil)
		damaged.Err = fmt.Errorf("%s: token %q: %w", damaged.Path, doc.Name, err)
		return tokenDocument{}, damaged
	}
	return d, nil
}

// isToken reports whether a bearer token is to be one of the server's own.
func isToken(bearer string) bool { return strings.HasPrefix(bearer, tokenPrefix) }
