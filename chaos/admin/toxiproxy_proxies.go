package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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

// prepareProxy makes a target with its toxics, which is not the plane's yet. It has been
// looked up where it is to listen.
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

// hasRoomFor reports why there cannot be another target of this name. The caller holds mu.
func (p *Plane) hasRoomFor(name string) error {
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
	s.plane.mu.Lock()
	err := s.plane.hasRoomFor(in.Name)
	s.plane.mu.Unlock()
	if err != nil {
		return err
	}
	in.lookUp(r.Context())
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	if err := s.plane.hasRoomFor(in.Name); err != nil { // meanwhile
		return err
	}
	t, err := s.prepareProxy(&in)
	if err != nil {
		return err
	}
	if in.Enabled {
		if err := t.up(r.Context()); err != nil {
			t.closeNow()
			return err
		}
	}
	s.plane.targets[in.Name] = t
	return showState(w, http.StatusCreated, t)
}

// differs reports whether a target is to listen or relay elsewhere.
func (t *target) differs(at *net.TCPAddr, upstream string) bool {
	return t.listen != at.String() || t.config.Upstream != upstream
}

// populated is the answer to populate.
type populated struct {
	*apiError
	Proxies []proxyState `json:"proxies"`
}

func (s *server) populate(w http.ResponseWriter, r *http.Request, body []byte) error {
	wanted, err := readProxies(body)
	for i := range wanted {
		if wanted[i].lookUp(r.Context()); wanted[i].unknown != nil {
			break // it comes no further than to this one
		}
	}
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	var list []*target
	if err == nil {
		list, err = s.populateAll(r.Context(), wanted)
	}
	out := populated{}
	status := http.StatusCreated
	if err != nil {
		out.apiError = asAPIError(err)
		status = out.Status
	}
	for _, t := range list {
		state, err := t.state()
		if err != nil {
			return err
		}
		out.Proxies = append(out.Proxies, state)
	}
	answer(w, status, out)
	return nil
}

// readProxies reads the body of populate.
func readProxies(body []byte) (list []proxyInput, err error) {
	if err := decodeFirst(body, &list); err != nil {
		return nil, badBody(err)
	}
	for i := range list {
		switch {
		case list[i].Name == "":
			return nil, missing(fmt.Sprintf("name at proxy %d", i+1))
		case list[i].Upstream == "":
			return nil, missing(fmt.Sprintf("upstream at proxy %d", i+1))
		}
	}
	return list, nil
}

// populateAll makes the targets that there are not yet, and replaces those that listen or
// relay elsewhere. An error is that of the first one that cannot be made.
func (s *server) populateAll(ctx context.Context, list []proxyInput) (done []*target, err error) {
	for i := range list { // what is wrong with any is said before the first
		t, err := s.prepareProxy(&list[i])
		if err != nil {
			return nil, err
		}
		t.closeNow()
	}
	for i := range list {
		t, err := s.addOrReplace(ctx, &list[i])
		if err != nil {
			return done, err
		}
		done = append(done, t)
	}
	return done, nil
}

// addOrReplace makes one target of populate. One that is there and equal is left alone,
// but for its toxics where they are given.
func (s *server) addOrReplace(ctx context.Context, in *proxyInput) (*target, error) {
	old := s.plane.targets[in.Name]
	if old != nil {
		differs := old.differs(in.at, in.Upstream)
		if !differs && len(in.Toxics) == 0 {
			return old, nil
		}
		if !differs {
			old.takeAllOff()
			return old, s.addToxics(old, in.Toxics)
		}
		old.down()
	} else if err := s.plane.hasRoom(); err != nil {
		return nil, err
	}
	t, err := s.prepareProxy(in)
	if err != nil {
		return nil, err
	}
	if in.Enabled {
		if err := t.up(ctx); err != nil {
			t.closeNow()
			return nil, err
		}
	}
	if old != nil {
		old.closeNow()
	}
	s.plane.targets[in.Name] = t
	return t, nil
}

// takeAllOff takes everything off that is on a target.
func (t *target) takeAllOff() {
	for id, l := range t.leases {
		l.end()
		delete(t.leases, id)
	}
}

func (s *server) showProxy(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, err := s.of(r)
	if err != nil {
		return err
	}
	return showState(w, http.StatusOK, t)
}

func (s *server) updateProxy(w http.ResponseWriter, r *http.Request, body []byte) error {
	s.plane.mu.Lock()
	_, err := s.of(r)
	s.plane.mu.Unlock()
	if err != nil {
		return err
	}
	type Proxy proxyInput // without the default
	var given proxyInput
	if err := decodeFirst(body, (*Proxy)(&given)); err != nil {
		return badBody(err)
	}
	given.lookUp(r.Context())
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	t, err := s.of(r) // as it is by now
	if err != nil {
		return err
	}
	in := proxyInput{Listen: t.listen, Upstream: t.config.Upstream, Enabled: t.enabled}
	if err := decodeFirst(body, (*Proxy)(&in)); err != nil {
		return badBody(err)
	}
	at, differs := t.at, t.config.Upstream != in.Upstream
	if in.Listen == given.Listen { // else none is given
		if given.unknown != nil {
			return given.unknown
		}
		at, differs = given.at.String(), t.differs(given.at, in.Upstream)
	}
	if differs {
		config := t.config
		config.Listen, config.Upstream = cmp.Or(in.Listen, anyPort), in.Upstream
		if err := config.Check(); err != nil {
			return badBody(err)
		}
		t.down()
		t.config, t.listen, t.at = config, in.Listen, at
	}
	switch {
	case in.Enabled && !t.enabled:
		if err := t.up(r.Context()); err != nil {
			return err
		}
	case !in.Enabled && t.enabled:
		t.down()
	}
	return showState(w, http.StatusOK, t)
}

func (s *server) deleteProxy(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, err := s.of(r)
	if err != nil {
		return err
	}
	delete(s.plane.targets, t.Name())
	t.closeNow()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// resetAll enables all proxies and takes everything off.
func (s *server) resetAll(w http.ResponseWriter, r *http.Request, _ []byte) error {
	for _, name := range slices.Sorted(maps.Keys(s.plane.targets)) {
		t := s.plane.targets[name]
		if !t.enabled {
			if err := t.up(r.Context()); err != nil {
				return err
			}
		}
		t.takeAllOff()
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
