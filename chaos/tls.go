package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// TLS says how a target terminates TLS: its clients are answered with a certificate of
// its own, and what they say is passed on over TLS again. A target without one passes
// TLS through as it is. It holds names of files, never what is in them.
type TLS struct {
	Cert       string `json:"cert,omitempty"`
	Key        string `json:"key,omitempty"`
	Upstream   string `json:"upstream,omitempty"`
	CA         string `json:"ca,omitempty"`
	Insecure   bool   `json:"insecure,omitempty"`
	ServerName string `json:"server_name,omitempty"`
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
	// Beside says whose folder the names of files begin at. It is not a key.
	Beside Beside `json:"beside,omitempty"`
}

// Beside is who has named a file.
type Beside string

// The folders that names of files begin at.
const (
	BesideScript      Beside = ""            // the script's, or the orchestration file's
	BesideEnvironment Beside = "environment" // that of the environment's file
	BesideCommand     Beside = "command"     // where the program was started
)

// What Upstream may be.
const (
	UpstreamTLS   = "tls"
	UpstreamPlain = "plain"
)

// The words for a whole TLS: "pass" is none, "terminate" one with nothing said.
const (
	TLSPass      = "pass"
	TLSTerminate = "terminate"
)

// TLSKey is one key of a TLS: a row of the table that scripts, files, --proxy, the API
// and the reference go by.
type TLSKey struct {
	Name, Doc string
	// Default is what stands for a key that is not given, for the reference.
	Default string
	// Choices are what its text may be; empty is anything but nothing.
	Choices []string

	text func(*TLS) *string // nil: it is a bool
	flag func(*TLS) *bool
}

// IsBool reports whether the key takes true and false; the others take texts.
func (k *TLSKey) IsBool() bool { return k.flag != nil }

// TLSKeys returns the table, in the order of the reference.
func TLSKeys() []TLSKey {
	return []TLSKey{
		{Name: "cert", Doc: "the certificate that clients are shown, with those between it and its authority behind it: a file in PEM", Default: "one that the local authority of `starquake ca` makes for the name that each client asks for",
			text: func(t *TLS) *string { return &t.Cert }},
		{Name: "key", Doc: "its key: a file in PEM", text: func(t *TLS) *string { return &t.Key }},
		{Name: "upstream", Doc: "what the upstream is spoken to in", Default: `"tls"`, Choices: []string{UpstreamTLS, UpstreamPlain},
			text: func(t *TLS) *string { return &t.Upstream }},
		{Name: "ca", Doc: "the authorities whose certificates the upstream may show: a file in PEM", Default: "those that the system trusts",
			text: func(t *TLS) *string { return &t.CA }},
		{Name: "insecure", Doc: "trust whatever certificate the upstream shows", Default: "false", flag: func(t *TLS) *bool { return &t.Insecure }},
		{Name: "server_name", Doc: "the name that the upstream is asked for, and that has to be in its certificate", Default: "the name that the client asks for, or the host of upstream",
			text: func(t *TLS) *string { return &t.ServerName }},
		{Name: "client_cert", Doc: "the certificate that the upstream is shown if it asks for one: a file in PEM", text: func(t *TLS) *string { return &t.ClientCert }},
		{Name: "client_key", Doc: "its key: a file in PEM", text: func(t *TLS) *string { return &t.ClientKey }},
	}
}

// ParseTLS reads what a script, a file or a request says of TLS: nil or "pass",
// "terminate", or a mapping of keys to texts and bools. It returns nil for a target that
// passes TLS through.
func ParseTLS(v any, beside Beside) (*TLS, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		switch v {
		case TLSPass:
			return nil, nil
		case TLSTerminate:
			return &TLS{Beside: beside}, nil
		}
		return nil, fmt.Errorf("tls is %s: expected \"pass\", \"terminate\", or a mapping such as {\"cert\": \"shop.pem\", \"key\": \"shop.key\"}", describe(v))
	case map[string]any:
		return parseTLSKeys(v, beside)
	}
	return nil, fmt.Errorf("tls: expected \"pass\", \"terminate\", or a mapping such as {\"cert\": \"shop.pem\", \"key\": \"shop.key\"}")
}

func parseTLSKeys(given map[string]any, beside Beside) (*TLS, error) {
	t := &TLS{Beside: beside}
	table := TLSKeys()
	for _, name := range sortedKeys(given) {
		i := slices.IndexFunc(table, func(k TLSKey) bool { return k.Name == name })
		if i < 0 {
			names := make([]string, len(table))
			for i := range table {
				names[i] = table[i].Name
			}
			return nil, fmt.Errorf("tls: %s is unknown; there are %s", describe(name), strings.Join(names, ", "))
		}
		if err := table[i].set(t, given[name]); err != nil {
			return nil, err
		}
	}
	return t, t.Validate()
}

func (k *TLSKey) set(t *TLS, v any) error {
	if k.IsBool() {
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("tls: %s: expected true or false", k.Name)
		}
		*k.flag(t) = b
		return nil
	}
	text, ok := v.(string)
	if !ok || text == "" {
		return fmt.Errorf("tls: %s: expected a text, %s", k.Name, k.Doc)
	}
	*k.text(t) = text
	return nil
}

// maxTLSText bounds each text, in bytes.
const maxTLSText = 4 << 10

// Validate returns what does not go together. It looks at no file. t may be nil.
func (t *TLS) Validate() error {
	if t == nil {
		return nil
	}
	for _, k := range TLSKeys() {
		if k.IsBool() {
			continue
		}
		text := *k.text(t)
		switch {
		case len(text) > maxTLSText || strings.ContainsRune(text, 0):
			return fmt.Errorf("tls: %s is no name of a file or host", k.Name)
		case text != "" && len(k.Choices) > 0 && !slices.Contains(k.Choices, text):
			return fmt.Errorf("tls: %s is %s: expected one of %s", k.Name, describe(text), strings.Join(k.Choices, ", "))
		}
	}
	for _, pair := range [][4]string{{"cert", t.Cert, "key", t.Key}, {"client_cert", t.ClientCert, "client_key", t.ClientKey}} {
		if (pair[1] == "") != (pair[3] == "") {
			return fmt.Errorf("tls: %s and %s go together, and one of them is missing", pair[0], pair[2])
		}
	}
	if t.Insecure && t.CA != "" {
		return fmt.Errorf("tls: insecure trusts whatever certificate comes, so ca has no effect; leave one of them out")
	}
	if t.Upstream == UpstreamPlain {
		for _, k := range []struct{ name, text string }{{"ca", t.CA}, {"server_name", t.ServerName}, {"client_cert", t.ClientCert}} {
			if k.text != "" {
				return fmt.Errorf("tls: %s has no effect, since the upstream is spoken to without TLS; leave it or upstream out", k.name)
			}
		}
		if t.Insecure {
			return fmt.Errorf("tls: insecure has no effect, since the upstream is spoken to without TLS; leave it or upstream out")
		}
	}
	return nil
}

// UnmarshalJSON reads what MarshalJSON of the fields has written, and nothing else.
func (t *TLS) UnmarshalJSON(text []byte) error {
	type plain TLS // without this method
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	*t = TLS(p)
	return t.Validate()
}
