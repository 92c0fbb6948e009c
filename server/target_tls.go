package server

import (
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"

	"starquake/chaos"
)

// TargetTLS is what a client says of a target's TLS, and is told of it: "pass", "terminate",
// or the keys that proxy() and the targets of an environment take. The zero value passes.
type TargetTLS struct{ spec *chaos.TLS }

// Schema implements huma.SchemaProvider, from the table of keys. It has no type, so that
// UnmarshalJSON says what is wrong, in the words that scripts and files get.
func (TargetTLS) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Description: `What becomes of TLS: "pass", "terminate", or an object with the keys that proxy(tls=) takes. Files are the server's, named from the folder in which it was started.`,
		Properties:  map[string]*huma.Schema{},
	}
	for _, k := range chaos.TLSKeys() {
		p := &huma.Schema{Type: huma.TypeString, Description: k.Doc}
		if k.IsBool() {
			p.Type = huma.TypeBoolean
		}
		for _, choice := range k.Choices {
			p.Enum = append(p.Enum, choice)
		}
		s.Properties[k.Name] = p
	}
	return s
}

// UnmarshalJSON reads what a client says.
func (t *TargetTLS) UnmarshalJSON(text []byte) error {
	var given any
	err := json.Unmarshal(text, &given)
	if err == nil {
		t.spec, err = chaos.ParseTLS(given, chaos.BesideCommand)
	}
	return err
}

// MarshalJSON writes the keys that were given, and "pass" for none.
func (t TargetTLS) MarshalJSON() ([]byte, error) {
	if t.spec == nil {
		return json.Marshal(chaos.TLSPass)
	}
	keys := *t.spec
	keys.Beside = ""
	return json.Marshal(keys)
}

// settled is the TLS with each file's whole name: the server may be started elsewhere next
// time.
func (t *TargetTLS) settled() (*chaos.TLS, error) {
	if t == nil || t.spec == nil {
		return nil, nil
	}
	s := *t.spec
	var errs []error
	for _, name := range []*string{&s.Cert, &s.Key, &s.CA, &s.ClientCert, &s.ClientKey} {
		if *name != "" {
			var err error
			*name, err = filepath.Abs(*name)
			errs = append(errs, err)
		}
	}
	return &s, errors.Join(errs...)
}
