package server

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"starquake/dsl/files"
	"starquake/store"
)

// definition is an orchestration that is kept by name: the body of its document.
type definition struct {
	Format  string `json:"format"`
	Content string `json:"content"`
	Lenient bool   `json:"lenient,omitempty"`
}

// maxName bounds the name of an orchestration, in bytes.
const maxName = 200

// importing is an orchestration that is to be kept.
type importing struct {
	definition
	name string // "" for its own
	etag string // as store.Shelf.Put takes it
	by   Who
}

// imported is one that is kept.
type imported struct {
	name   string
	doc    store.Document
	loaded *loaded
	fresh  bool // it was not there before
}

// keep checks an orchestration and keeps it by its name.
func (s *Server) keep(asked *importing) (*imported, error) {
	l, err := s.scripts.load(asked.Format, asked.Content, asked.Lenient)
	if err != nil {
		return nil, err
	}
	name := asked.name
	if name == "" {
		if name, err = s.nameOf(l, asked.by); err != nil {
			return nil, err
		}
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	body, err := json.Marshal(asked.definition)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	doc, err := s.shelf.Put(name, asked.by.Name, body, asked.etag, now)
	if err != nil {
		if errors.Is(err, store.ErrNoDocument) { // it was to be changed, and is not there
			err = problemf(412, "changed", "there is no orchestration %q any more", name)
		}
		if asked.etag == "none" { // that it is there says enough
			return nil, err
		}
		return nil, orchestrationDamaged(name, err)
	}
	return &imported{name: name, doc: doc, loaded: l, fresh: doc.Version == 1 && doc.Time.Equal(now)}, nil
}

func checkName(name string) error {
	if strings.TrimSpace(name) == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return problemf(400, "invalid_name", "the name %.50q: expected 1 to %d bytes without control characters", name, maxName)
	}
	return nil
}

// nameOf is the name that an orchestration gives itself. That of a script is found by
// planning it, since only executing it tells.
func (s *Server) nameOf(l *loaded, who Who) (string, error) {
	res, err := s.planned(l, who, false, nil, nil)
	if err != nil {
		return "", err
	}
	if name := res.View.Name; name != "" && name != "orchestration" {
		return name, nil
	}
	return "", problemf(400, "no_name", "the orchestration has no name; write orchestration(name = \"…\"), or give a name")
}

// definition gives an orchestration that is kept; version 0 is the latest.
func (s *Server) definition(name string, version int) (*definition, *store.Document, error) {
	var doc store.Document
	var err error
	if version == 0 {
		doc, err = s.shelf.Get(name)
	} else {
		doc, err = s.shelf.GetVersion(name, version)
	}
	if errors.Is(err, store.ErrNoDocument) {
		if version != 0 {
			return nil, nil, problemf(404, "version_not_found", "there is no version %d of an orchestration %q", version, name)
		}
		return nil, nil, s.noOrchestration(name)
	}
	if err != nil {
		return nil, nil, orchestrationDamaged(name, err)
	}
	d, err := s.parse(&doc)
	return d, &doc, orchestrationDamaged(name, err)
}

// in gives the orchestration's text in a format. What no file can say is a *Problem.
func (s *Server) in(d *definition, format string, who Who) (string, error) {
	if format == "" || format == d.Format {
		return d.Content, nil
	}
	l, err := s.scripts.load(d.Format, d.Content, d.Lenient)
	if err != nil {
		return "", err
	}
	source := l.source(d.Content)
	switch {
	case format == formatStarlark:
		return string(l.script.Unit.Main.Text), nil
	case d.Format == formatStarlark:
		text, diags, err := l.script.Export(format, s.permitted(who))
		if diags.HasErrors() {
			return "", diagnosed(422, diags, source)
		}
		if err != nil {
			return "", problemf(422, "not_exportable", "%v", err)
		}
		return string(text), nil
	}
	doc, diags := files.Read(fileName(d.Format), []byte(d.Content), files.ReadOptions{Lenient: d.Lenient})
	if doc == nil {
		return "", diagnosed(422, diags, source)
	}
	text, err := files.Write(doc, format)
	return string(text), err
}
