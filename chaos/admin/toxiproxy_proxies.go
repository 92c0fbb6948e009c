package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"

	"starquake/chaos/proxy"
)

// proxyState is a proxy as Toxiproxy has it.
type proxyState struct {
	Name     string   `json:"name"`
	Listen   string   `json:"listen"`
	Upstream string   `json:"upstream"`
	Enabled  bool     `json:"enabled"`
	Toxics   []*toxic `json:"toxics"`
	// Protocol is ours: it is there unless the target is one of bare TCP, as those are
	// that this API makes.
	Protocol string `json:"protocol,omitempty"`
}

// state is a target as Toxiproxy has it.
func (t *target) state() (proxyState, error) {
	out := proxyState{Name: t.Name(), Listen: t.listen, Upstream: t.config.Upstream, Enabled: t.enabled}
	if t.Protocol() != "tcp" {
		out.Protocol = t.Protocol()
	}
	var err error
	out.Toxics, err = t.toxics()
	return out, err
}

// showState answers with a proxy.
func showState(w http.ResponseWriter, status int, t *target) error {
	state, err := t.state()
	if err != nil {
		return err
	}
	answer(w, status, state)
	return nil
}

func (s *server) proxies(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	all := map[string]proxyState{}
	for name, t := range s.plane.targets {
		state, err := t.state()
		if err != nil {
			return err
		}
		all[name] = state
	}
	answer(w, http.StatusOK, all)
	return nil
}

// proxyInput is a proxy as a request has it.
type proxyInput struct {
	Name     string       `json:"name"`
	Listen   string       `json:"listen"`
	Upstream string       `json:"upstream"`
	Enabled  bool         `json:"enabled"`
	Protocol string       `json:"protocol"`
	Toxics   []toxicInput `json:"toxics"`

	// at is Listen looked up, unless that is unknown; see lookUp.
	at      *net.TCPAddr
	unknown error
}

// lookUp looks up where it is to listen. The caller does not hold the plane's mu.
func (in *proxyInput) lookUp(ctx context.Context) { in.at, in.unknown = lookUp(ctx, in.Listen) }

// UnmarshalJSON fills in the default. The name of its type is in the messages of package
// json, as in those of Toxiproxy.
func (in *proxyInput) UnmarshalJSON(data []byte) error {
	type Proxy proxyInput
	p := Proxy(*in)
	p.Enabled = true
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*in = proxyInput(p)
	return nil
}

// config is what the proxy is opened with. Without a protocol it is not parsed, as
// Toxiproxy parses nothing.
func (in *proxyInput) config() proxy.Config {
	c := proxy.Config{Name: in.Name, Listen: in.Listen, Upstream: in.Upstream, Protocol: in.Protocol}
	if c.Protocol == "" {
		c.Protocol = "tcp"
	}
	c.Listen = cmp.Or(c.Listen, anyPort)
	return c
}

// prepareProxy makes a target with its toxics, which is not the plane's yet, and so nobody
// else's. It has been looked up where it is to listen.
func (s *server) prepareProxy(in *proxyInput) (*target, error) {
	if in.unknown != nil {
		return nil, listenError(in.unknown)
	}
	t, err := s.plane.prepare(in.config())
	if err != nil {
		return nil, badBody(err)
	}
	t.listen, t.at = in.Listen, in.at.String()
	if err := s.addToxics(t, in.Toxics); err != nil {
		t.closeNow()
		return nil, err
	}
	return t, nil
}

// hasRoomFor reports why there cannot be another target of this name.
func (p *Plane) hasRoomFor(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.targets[name] != nil {
		return errProxyExists
	}
	return p.hasRoom()
}

func (s *server) createProxy(w http.ResponseWriter, r *http.Request, body []byte) error {
	var in proxyInput
	if err := decodeFirst(body, &in); err != nil {
		return badBody(err)
	}
	switch {
	case in.Name == "":
		return missing("name")
	case in.Upstream == "":
		return missing("upstream")
	}
	if err := s.plane.hasRoomFor(in.Name); err != nil {
		return err
	}
	in.lookUp(r.Context())
	s.plane.doors.Lock()
	defer s.plane.doors.Unlock()
	if err := s.plane.hasRoomFor(in.Name); err != nil { // meanwhile
		return err
	}
	t, err := s.makeProxy(r.Context(), &in)
	if err != nil {
		return err
	}
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	return showState(w, http.StatusCreated, t)
}

// makeProxy makes a target and installs it. The caller holds doors.
func (s *server) makeProxy(ctx context.Context, in *proxyInput) (*target, error) {
	t, err := s.prepareProxy(in)
	if err != nil {
		return nil, err
	}
	if in.Enabled {
		if err := t.up(ctx, t.Proxy); err != nil {
			t.closeNow()
			return nil, err
		}
	}
	if err := s.plane.install(t); err != nil {
		return nil, err
	}
	return t, nil
}

// differs reports whether a target is to listen or relay elsewhere.
func (d *door) differs(at *net.TCPAddr, upstream string) bool {
	return d.listen != at.String() || d.config.Upstream != upstream
}

func (s *server) showProxy(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, err := s.of(r)
	if err != nil {
		return err
	}
	return showState(w, http.StatusOK, t)
}

func (s *server) updateProxy(w http.ResponseWriter, r *http.Request, body []byte) error {
	if _, err := s.find(r); err != nil {
		return err
	}
	type Proxy proxyInput // without the default
	var given proxyInput
	if err := decodeFirst(body, (*Proxy)(&given)); err != nil {
		return badBody(err)
	}
	given.lookUp(r.Context())
	s.plane.doors.Lock()
	defer s.plane.doors.Unlock()
	t, err := s.find(r) // as it is by now
	if err != nil {
		return err
	}
	d := t.door
	in := proxyInput{Listen: d.listen, Upstream: d.config.Upstream, Enabled: d.enabled}
	if err := decodeFirst(body, (*Proxy)(&in)); err != nil {
		return badBody(err)
	}
	at, differs := d.at, d.config.Upstream != in.Upstream
	if in.Listen == given.Listen { // else none is given
		if given.unknown != nil {
			return given.unknown
		}
		at, differs = given.at.String(), d.differs(given.at, in.Upstream)
	}
	if differs {
		config := d.config
		config.Listen, config.Upstream = cmp.Or(in.Listen, anyPort), in.Upstream
		if err := config.Check(); err != nil {
			return badBody(err)
		}
		d.down(t.Proxy)
		d.config, d.listen, d.at = config, in.Listen, at
	}
	switch {
	case in.Enabled && !d.enabled:
		err = d.up(r.Context(), t.Proxy)
	case !in.Enabled && d.enabled:
		d.down(t.Proxy)
	}
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	moved := t.config.Upstream != d.config.Upstream
	t.door = d
	if now, _ := s.of(r); now != t { // it has been removed
		return errNoProxy
	}
	if moved {
		s.plane.warnOf(t)
	}
	if err != nil {
		return err
	}
	return showState(w, http.StatusOK, t)
}

func (s *server) deleteProxy(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, err := s.forget(r)
	if err != nil {
		return err
	}
	t.cut()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forget takes a target from the plane, and everything off it.
func (s *server) forget(r *http.Request) (*target, error) {
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	t, err := s.of(r)
	if err == nil {
		delete(s.plane.targets, r.PathValue("proxy"))
		t.endAll()
	}
	return t, err
}

// takeAllOff takes everything off that is on a target. The caller holds the plane's mu.
func (t *target) takeAllOff() {
	t.endAll()
	clear(t.leases)
}

// resetAll enables all proxies and takes everything off. One that cannot be enabled keeps it
// from nothing else; an error is that of the first.
func (s *server) resetAll(w http.ResponseWriter, r *http.Request, _ []byte) error {
	s.plane.doors.Lock()
	defer s.plane.doors.Unlock()
	var failed error
	for _, t := range s.plane.all() {
		d := t.door
		if !d.enabled {
			if err := d.up(r.Context(), t.Proxy); err != nil && !errors.Is(err, proxy.ErrClosed) { // it has been removed
				failed = cmp.Or(failed, err)
			}
		}
		s.plane.mu.Lock()
		t.door = d
		t.takeAllOff()
		s.plane.mu.Unlock()
	}
	if failed != nil {
		return failed
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// all are the targets by name.
func (p *Plane) all() (list []*target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(p.targets)) {
		list = append(list, p.targets[name])
	}
	return list
}
