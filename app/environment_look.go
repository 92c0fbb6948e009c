package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"starquake/effects"
)

// envChannel is a channel of notify: exactly one of the three.
type envChannel struct {
	Slack   *envSecrets `yaml:"slack" json:"slack,omitempty"`
	Webhook *envSecrets `yaml:"webhook" json:"webhook,omitempty"`
	Log     bool        `yaml:"log" json:"log,omitempty"`
}

// The bounds of files that an environment's file names, in bytes.
const (
	maxDescriptors = 16 << 20
	maxCA          = 1 << 20
)

// looking takes what the file says of looking and telling.
func (e *Environment) looking(file *envFile) error {
	if file.Prometheus != "" {
		u, err := url.Parse(file.Prometheus)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("prometheus: expected an address such as http://127.0.0.1:9090")
		}
		e.Prometheus = file.Prometheus
	}
	for _, name := range sortedKeys(file.Notify) {
		if err := file.Notify[name].check(); err != nil {
			return fmt.Errorf("notify: %s: %w", name, err)
		}
	}
	e.notify = file.Notify
	for _, name := range file.Descriptors {
		text, err := e.beside(name, maxDescriptors)
		if err == nil {
			err = e.describe(text)
		}
		if err != nil {
			return fmt.Errorf("descriptors: %s: %w", name, err)
		}
	}
	if file.CA == "" {
		return nil
	}
	text, err := e.beside(file.CA, maxCA)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	if err := e.trust(text); err != nil {
		return fmt.Errorf("ca: %s: %w", file.CA, err)
	}
	return nil
}

// trust makes the certificates of a PEM file those of the authorities to trust.
func (e *Environment) trust(text []byte) error {
	e.looks.CA = text
	e.tls = &tls.Config{RootCAs: x509.NewCertPool()}
	if !e.tls.RootCAs.AppendCertsFromPEM(text) {
		return errors.New("it has no certificate in it; expected a PEM file, beginning with -----BEGIN CERTIFICATE-----")
	}
	return nil
}

// looks are what an environment says of looking and telling, as plain data: a run that is
// recovered does not depend on files that may have changed.
type looks struct {
	Notify      map[string]envChannel `json:"notify,omitempty"`
	Descriptors [][]byte              `json:"descriptors,omitempty"`
	CA          []byte                `json:"ca,omitempty"`
}

// plainLooks gives what e was told of looking and telling.
func (e *Environment) plainLooks() looks {
	l := e.looks
	l.Notify = e.notify
	return l
}

// restoreLooks is the inverse.
func (e *Environment) restoreLooks(l looks) error {
	e.notify = l.Notify
	for _, text := range l.Descriptors {
		if err := e.describe(text); err != nil {
			return fmt.Errorf("descriptors: %w", err)
		}
	}
	if l.CA == nil {
		return nil
	}
	return e.trust(l.CA)
}

// check wants exactly one kind, with one source of its address.
func (c envChannel) check() error {
	n := 0
	for _, from := range []*envSecrets{c.Slack, c.Webhook} {
		if from == nil {
			continue
		}
		if n++; (from.Env == "") == (from.File == "") {
			return errors.New("the address that is posted to is a secret: expected exactly one of env and file")
		}
	}
	if c.Log {
		n++
	}
	if n != 1 {
		return errors.New("expected exactly one of slack, webhook and log")
	}
	return nil
}

// describe adds a set of descriptors.
func (e *Environment) describe(text []byte) error {
	files, err := effects.ReadDescriptors(text)
	if err != nil {
		return err
	}
	e.looks.Descriptors = append(e.looks.Descriptors, text)
	if e.descriptors == nil {
		e.descriptors = new(protoregistry.Files)
	}
	return merge(e.descriptors, files)
}

// beside reads a file that the environment's file names, from its own folder.
func (e *Environment) beside(name string, most int64) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(e.path), name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	return text, err
}

// channels are the names of the channels, sorted.
func (e *Environment) channels() []string { return sortedKeys(e.notify) }

// notifiers are the channels as the effects take them.
func (e *Environment) notifiers() map[string]effects.Channel {
	out := make(map[string]effects.Channel, len(e.notify))
	for name, c := range e.notify {
		switch {
		case c.Slack != nil:
			out[name] = effects.Channel{Kind: effects.ChannelSlack, URL: c.Slack.read}
		case c.Webhook != nil:
			out[name] = effects.Channel{Kind: effects.ChannelWebhook, URL: c.Webhook.read}
		default:
			out[name] = effects.Channel{Kind: effects.ChannelLog}
		}
	}
	return out
}

// merge adds the files of one set to another. One that both have is one.
func merge(into, from *protoregistry.Files) (err error) {
	from.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if _, have := into.FindFileByPath(file.Path()); have == nil {
			return true
		}
		err = into.RegisterFile(file)
		return err == nil
	})
	return err
}
