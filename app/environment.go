package app

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoregistry"
	"gopkg.in/yaml.v3"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/effects"
	"starquake/internal/nearest"
)

// Environment is what a script finds where it runs, so that the same script goes
// everywhere: targets, addresses of services, secrets, permissions.
type Environment struct {
	Name string
	// Targets are proxies that the run opens, by --proxy or the environment's file.
	Targets []*builtins.Target
	// LeftOut are the names of targets that there are, and that the run is not given, since
	// who started it named others.
	LeftOut []string
	// Services are base addresses by name.
	Services map[string]string
	// AllowNet and AllowExec are permissions, as --allow-net and --allow-exec give them.
	AllowNet, AllowExec []string
	// AllowLoad is where load may go. Nil: to the hosts of targets and services, the
	// script's own included.
	AllowLoad []string
	// MaxLoadRate is the highest rate of load; 0 is effects.DefaultMaxLoadRate.
	MaxLoadRate float64
	// Prometheus is the address of the one that queries go to; "" for none.
	Prometheus string

	notify      map[string]envChannel // by name; where they are sent is read when one is
	descriptors *protoregistry.Files  // of gRPC; nil for none
	tls         *tls.Config           // with the environment's own authorities; nil for the system's
	looks       looks                 // what the two above were made of
	path        string                // its file, for messages
	secrets     map[string]envSecrets // by name; their texts are read when a run asks for them
	proxies     map[string]string     // the --proxy of each target that was given so
}

// envFile is the form of an environment's file:
//
//	name: staging
//	targets:
//	  payments: {listen: "127.0.0.1:18081", upstream: "127.0.0.1:8081", protocol: http, labels: {tier: backend}}
//	  shop: {listen: "127.0.0.1:18443", upstream: "10.0.3.7:443", tls: {ca: shop-ca.pem}}   # or terminate
//	  stock: {toxiproxy: "http://127.0.0.1:8474", proxy: stock-eu, token: tox}   # or mockforge:, starquake:
//	services:
//	  shop: http://127.0.0.1:8080
//	secrets:
//	  token: {env: SHOP_TOKEN}     # or {file: /run/secrets/token}
//	prometheus: http://127.0.0.1:9090
//	notify:
//	  team: {slack: {env: SLACK_URL}}      # or {webhook: {file: /run/secrets/hook}}, or {log: true}
//	descriptors: [shop.protoset]           # of gRPC services, beside this file
//	ca: ca.pem                             # authorities to trust in place of the system's
//	allow_net: ["127.0.0.1"]
//	allow_exec: [kubectl]
type envFile struct {
	Name        string                `yaml:"name"`
	Targets     map[string]envTarget  `yaml:"targets"`
	Services    map[string]string     `yaml:"services"`
	Secrets     map[string]envSecrets `yaml:"secrets"`
	AllowNet    []string              `yaml:"allow_net"`
	AllowExec   []string              `yaml:"allow_exec"`
	AllowLoad   []string              `yaml:"allow_load"`
	MaxLoadRate float64               `yaml:"max_load_rate"`
	Prometheus  string                `yaml:"prometheus"`
	Notify      map[string]envChannel `yaml:"notify"`
	Descriptors []string              `yaml:"descriptors"`
	CA          string                `yaml:"ca"`
}

type envTarget struct {
	Listen   string            `yaml:"listen"`
	Upstream string            `yaml:"upstream"`
	Protocol string            `yaml:"protocol"`
	Labels   map[string]string `yaml:"labels"`
	TLS      any               `yaml:"tls"` // as chaos.ParseTLS takes it
	// What follows is for a target of an engine: one of the addresses, its own name for the
	// target (without one it is the same), and the name of the secret that opens it.
	Toxiproxy string `yaml:"toxiproxy"`
	MockForge string `yaml:"mockforge"`
	Starquake string `yaml:"starquake"`
	Proxy     string `yaml:"proxy"`
	Token     string `yaml:"token"`
}

type envSecrets struct {
	Env  string `yaml:"env" json:"env,omitempty"`
	File string `yaml:"file" json:"file,omitempty"`
}

// maxEnvFile bounds an environment's file, in bytes.
const maxEnvFile = 1 << 20

// LoadEnvironment reads an environment's file. An unknown key, a target without an
// address and a secret from nowhere are errors. The secrets themselves are not read: a
// plan does without them.
func LoadEnvironment(path string) (*Environment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEnvFile+1))
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", path, err)
	}
	if len(text) > maxEnvFile {
		return nil, fmt.Errorf("environment %s: longer than %d bytes", path, maxEnvFile)
	}
	var file envFile
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("environment %s: %w", path, unknownKeys(err))
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("environment %s: expected one YAML document, and there is something behind it", path)
	}
	if file.MaxLoadRate < 0 {
		return nil, fmt.Errorf("environment %s: max_load_rate is %v; expected more than 0 requests per second", path, file.MaxLoadRate)
	}
	if key, err := WrongPermission(file.AllowNet, file.AllowLoad, file.AllowExec); err != nil {
		return nil, fmt.Errorf("environment %s: %s: %w", path, key, err)
	}
	env := &Environment{Name: file.Name, Services: file.Services, AllowNet: file.AllowNet, AllowExec: file.AllowExec, AllowLoad: file.AllowLoad, MaxLoadRate: file.MaxLoadRate, path: path, secrets: file.Secrets}
	for _, name := range sortedKeys(file.Targets) {
		t := file.Targets[name]
		target, err := t.target(name)
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", path, err)
		}
		target.Labels = t.Labels
		env.Targets = append(env.Targets, target)
	}
	for _, name := range sortedKeys(file.Secrets) {
		if _, err := builtins.NewSecret(name); err != nil {
			return nil, fmt.Errorf("environment %s: %w", path, err)
		}
		if s := file.Secrets[name]; (s.Env == "") == (s.File == "") {
			return nil, fmt.Errorf("environment %s: secret %s: expected exactly one of env and file", path, name)
		}
	}
	if err := env.looking(&file); err != nil {
		return nil, fmt.Errorf("environment %s: %w", path, err)
	}
	return env, nil
}

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

// read gets a secret's text. A trailing line break, which editors add, is no part of
// it. An empty one is none: what it should open would be tried without it.
func (s envSecrets) read() (string, error) {
	text, err := s.text()
	if err == nil && text == "" {
		err = errors.New("it is empty")
	}
	return text, err
}

func (s envSecrets) text() (string, error) {
	if s.Env != "" {
		text, ok := os.LookupEnv(s.Env)
		if !ok {
			return "", fmt.Errorf("the variable %s is not set", s.Env)
		}
		return text, nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if len(text) > maxSecret {
		err = fmt.Errorf("%s is longer than %d bytes", s.File, maxSecret)
	}
	return strings.TrimRight(string(text), "\r\n"), err
}

// Secret reads a secret's text: from where the environment's file says, else from the
// variable STARQUAKE_SECRET_NAME. The error says what to do.
func (e *Environment) Secret(name string) (string, error) {
	if from, ok := e.secrets[name]; ok {
		text, err := from.read()
		if err != nil {
			return "", fmt.Errorf("secret %q, as environment %s has it, cannot be read: %w", name, e.path, err)
		}
		return text, nil
	}
	variable := builtins.SecretVariable(name)
	text := os.Getenv(variable)
	if text == "" { // an empty one opens nothing, and could not be hidden
		return "", fmt.Errorf("no secret %q was given to this run; set the variable %s to its text, or name it under secrets in the environment's file", name, variable)
	}
	return text, nil
}

// AddProxy adds a target in the form of --proxy: NAME=LISTEN,UPSTREAM[,PROTOCOL],
// and behind that tls=terminate or keys of TLS with their values. It takes the place of one of
// that name in the environment's file.
func (e *Environment) AddProxy(flag string) error {
	name, rest, ok := strings.Cut(flag, "=")
	parts := strings.Split(rest, ",")
	given := len(parts)
	tls, parts, err := proxyTLS(parts)
	saysTLS := len(parts) < given
	if err != nil {
		return fmt.Errorf("--proxy %q: %w", flag, err)
	}
	if !ok || name == "" || len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("--proxy %q: expected NAME=LISTEN,UPSTREAM[,PROTOCOL], for example payments=127.0.0.1:18081,127.0.0.1:8081,http", flag)
	}
	protocol := ""
	if len(parts) == 3 {
		protocol = parts[2]
	}
	t, err := newTarget(name, parts[0], parts[1], protocol)
	if err != nil {
		return fmt.Errorf("--proxy: %w", err)
	}
	if before, twice := e.proxies[name]; twice {
		return fmt.Errorf("--proxy %q: target %q was given by --proxy %q already; leave one of them out, or give it another name", flag, name, before)
	}
	if e.proxies == nil {
		e.proxies = map[string]string{}
	}
	e.proxies[name] = flag
	t.TLS = tls
	for i, have := range e.Targets {
		if have.Name == name {
			if t.Labels = have.Labels; !saysTLS {
				t.TLS = have.TLS
			}
			e.Targets[i] = t
			return nil
		}
	}
	e.Targets = append(e.Targets, t)
	return nil
}

// proxyTLS takes what --proxy says of TLS from the end of its parts.
func proxyTLS(parts []string) (*chaos.TLS, []string, error) {
	at := slices.IndexFunc(parts, func(part string) bool { return strings.Contains(part, "=") })
	if at < 0 {
		return nil, parts, nil
	}
	keys := map[string]any{}
	for _, part := range parts[at:] {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case keys[key] != nil:
			return nil, nil, fmt.Errorf("%s is given twice", key)
		case value == "true", value == "false":
			keys[key] = value == "true"
		default:
			keys[key] = value
		}
	}
	var given any = keys
	if word, ok := keys["tls"]; ok {
		if len(keys) > 1 && word != chaos.TLSTerminate {
			return nil, nil, fmt.Errorf("tls=%v, and then keys of it; leave one of them out", word)
		}
		if delete(keys, "tls"); len(keys) == 0 {
			given = word
		}
	}
	tls, err := chaos.ParseTLS(given, chaos.BesideCommand)
	return tls, parts[:at], err
}

func newTarget(name, listen, upstream, protocol string) (*builtins.Target, error) {
	if protocol == "" {
		protocol = "auto"
	}
	if all := append([]string{"auto"}, chaos.Protocols()...); !slices.Contains(all, protocol) {
		return nil, fmt.Errorf("target %s: protocol: expected one of %s, got %q", name, strings.Join(all, ", "), protocol)
	}
	if err := chaos.CheckAddress(listen); err != nil {
		return nil, fmt.Errorf("target %s: listen: %w", name, err)
	}
	if err := chaos.CheckUpstream(upstream); err != nil {
		return nil, fmt.Errorf("target %s: upstream: %w", name, err)
	}
	if err := chaos.CheckLoop(listen, upstream); err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	return &builtins.Target{Name: name, Listen: listen, Upstream: upstream, Protocol: protocol, Open: true}, nil
}

// hosts are those that a confined run may reach: what the environment names.
func (e *Environment) hosts() []string {
	var out []string
	for _, t := range e.Targets {
		if t.Engine != nil {
			out = append(out, hostPorts(t.Engine.URL)...)
			continue
		}
		out = append(out, hostPorts(t.Listen)...)
		out = append(out, hostPorts(t.Upstream)...)
	}
	for _, name := range sortedKeys(e.Services) {
		out = append(out, hostPorts(e.Services[name])...)
	}
	if e.Prometheus != "" {
		out = append(out, hostPorts(e.Prometheus)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hostPorts are the entries for a policy's network that an address or a URL stands for:
// that port alone. All names of this machine go together, and with them the one of
// 127.0.0.0/8 that was meant.
func hostPorts(addr string) []string {
	if u, err := url.Parse(addr); err == nil && u.Host != "" {
		port := u.Port()
		if port == "" {
			port = map[string]string{"https": "443", "grpcs": "443"}[u.Scheme]
		}
		if port == "" {
			port = "80"
		}
		addr = net.JoinHostPort(u.Hostname(), port)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return nil // nobody listens there
	}
	ip := net.ParseIP(host)
	if host == "" || strings.EqualFold(host, "localhost") || ip.IsLoopback() || ip.IsUnspecified() {
		names := []string{"localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port}
		if own := net.JoinHostPort(host, port); ip.IsLoopback() && !slices.Contains(names, own) {
			names = append(names, own)
		}
		return names
	}
	return []string{net.JoinHostPort(host, port)}
}

// loadHosts are the hosts that load may go to where nobody has said.
func (e *Environment) loadHosts() []string {
	var out []string
	for _, t := range e.Targets {
		out = append(out, effects.LoadHosts(t.Listen, t.Upstream)...)
	}
	for _, name := range sortedKeys(e.Services) {
		out = append(out, effects.LoadHosts(e.Services[name])...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unknownKey is how the YAML package tells of a key that a type does not have.
var unknownKey = regexp.MustCompile(`^line (\d+): field (.+) not found in type app\.(\w+)$`)

// unknownKeys says of each unknown key which ones there are, in place of the name of a type.
func unknownKeys(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return err
	}
	kinds := map[string]reflect.Type{}
	for _, v := range []any{envFile{}, envTarget{}, envSecrets{}, envChannel{}} {
		kinds[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	out := make([]string, len(wrong.Errors))
	for i, text := range wrong.Errors {
		out[i] = text
		found := unknownKey.FindStringSubmatch(text)
		if found == nil || kinds[found[3]] == nil {
			continue
		}
		var keys []string
		for _, field := range reflect.VisibleFields(kinds[found[3]]) {
			keys = append(keys, field.Tag.Get("yaml"))
		}
		out[i] = fmt.Sprintf("line %s: unknown key %q; there are %s", found[1], found[2], strings.Join(keys, ", "))
		if near := nearest.Of(found[2], keys); near != "" {
			out[i] += fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return errors.New(strings.Join(out, "; "))
}
