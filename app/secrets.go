package app

import (
	"sync"

	"starquake/builtins"
)

// redactor knows the secrets that a run has asked for: it puts their text into what
// goes out, and takes it out of what comes back.
type redactor struct {
	env *Environment

	mu    sync.Mutex
	known map[string]string
	redo  *builtins.Redactor
}

// has reports whether there is such a secret, and remembers it.
func (r *redactor) has(name string) bool {
	_, ok := r.lookup(name)
	return ok
}

// lookup gives a secret's text. From then on it is taken out of every answer.
func (r *redactor) lookup(name string) (string, bool) {
	text, ok := r.env.Secret(name)
	if !ok {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]string{}
	}
	if have, ok := r.known[name]; !ok || have != text {
		r.known[name] = text
		r.redo = builtins.NewRedactor(r.known)
	}
	return text, true
}

func (r *redactor) reveal(s string) string { return builtins.Reveal(s, r.lookup) }

func (r *redactor) redact(s string) string {
	r.mu.Lock()
	redo := r.redo
	r.mu.Unlock()
	if redo == nil {
		redo = builtins.NewRedactor(nil)
	}
	return redo.Redact(s)
}
