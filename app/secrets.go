package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"

	"starquake/builtins"
)

// shortSecret is the length from which on a secret's text is unlikely to be part of other
// words.
const shortSecret = 4

// redactor knows the secrets that a run has asked for: it puts their text into what
// goes out, and takes it out of what comes back.
type redactor struct {
	env    *Environment
	logger *slog.Logger // nil: nobody is to be told anything

	mu    sync.Mutex
	known map[string]string
	redo  *builtins.Redactor
}

// check says why a secret is not there; one that is there is remembered.
func (r *redactor) check(name string) error {
	_, err := r.find(name)
	return err
}

func (r *redactor) lookup(name string) (string, bool) {
	text, err := r.find(name)
	return text, err == nil
}

// find gives a secret's text, which is read once a run. From then on it is taken out of
// every answer.
func (r *redactor) find(name string) (string, error) {
	r.mu.Lock()
	text, ok := r.known[name]
	r.mu.Unlock()
	if ok {
		return text, nil
	}
	text, err := r.env.Secret(name) // may take its time: a file
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.known[name]; ok { // somebody else was quicker
		return first, nil
	}
	if len(text) < shortSecret && r.logger != nil {
		r.logger.Warn(fmt.Sprintf("a secret of fewer than %d bytes is taken out of messages and answers wherever its letters stand, which may make them hard to read", shortSecret), "secret", name)
	}
	if r.known == nil {
		r.known = map[string]string{}
	}
	r.known[name] = text
	r.redo = builtins.NewRedactor(r.known)
	return text, nil
}

// texts are the secrets that were asked for so far.
func (r *redactor) texts() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.known)
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

// redacting is a log handler that takes secrets out of what others log: an address of a
// proxy may have one in it.
type redacting struct {
	slog.Handler
	redact func(string) string
}

// Handle implements slog.Handler.
func (h redacting) Handle(ctx context.Context, rec slog.Record) error {
	clean := slog.NewRecord(rec.Time, rec.Level, h.redact(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return redacting{h.Handler.WithAttrs(clean), h.redact}
}

// WithGroup implements slog.Handler.
func (h redacting) WithGroup(name string) slog.Handler {
	return redacting{h.Handler.WithGroup(name), h.redact}
}

// attr is an attribute with its text redacted, whatever it is: numbers keep their kind.
func (h redacting) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, inner := range v.Group() {
			group[i] = h.attr(inner)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(group...)}
	case slog.KindString, slog.KindAny:
		return slog.String(a.Key, h.redact(v.String()))
	}
	return a
}
