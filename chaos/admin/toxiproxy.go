package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"starquake/chaos/proxy"
)

// toxiproxyVersion is the release whose API this is.
const toxiproxyVersion = "2.12.0"

// apiError is an error as Toxiproxy has it.
type apiError struct {
	Message string `json:"error"`
	Status  int    `json:"status"`
}

func (e *apiError) Error() string { return e.Message }

var (
	errNoProxy     = &apiError{"proxy not found", http.StatusNotFound}
	errProxyExists = &apiError{"proxy already exists", http.StatusConflict}
)

func missing(what string) error {
	return &apiError{"missing required field: " + what, http.StatusBadRequest}
}

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

// toxiproxy adds the API of Toxiproxy.
func (s *server) toxiproxy(mux *http.ServeMux) {
	type methods map[string]func(w http.ResponseWriter, r *http.Request, body []byte) error
	handle := func(path string, by methods) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			do := by[r.Method]
			if do == nil {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				err = badBody(err)
			} else {
				s.plane.mu.Lock()
				defer s.plane.mu.Unlock()
				err = do(w, r, body)
			}
			if err != nil {
				failToxiproxy(w, err)
			}
		})
	}
	handle("/version", methods{"GET": s.toxiproxyVersion})
	handle("/reset", methods{"POST": s.resetAll})
	handle("/proxies", methods{"GET": s.proxies, "POST": s.createProxy})
	handle("/populate", methods{"POST": s.populate})
	handle("/proxies/{proxy}", methods{"GET": s.showProxy, "POST": s.updateProxy, "PATCH": s.updateProxy, "DELETE": s.deleteProxy})
	handle("/proxies/{proxy}/toxics", methods{"GET": s.toxics, "POST": s.addToxic})
	handle("/proxies/{proxy}/toxics/{toxic}", methods{"GET": s.showToxic, "POST": s.updateToxic, "PATCH": s.updateToxic, "DELETE": s.deleteToxic})
}

// failToxiproxy answers with an error in the form of Toxiproxy.
func failToxiproxy(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	answer(w, e.Status, e)
}

func asAPIError(err error) *apiError {
	var e *apiError
	var f *Failure
	var op *net.OpError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &f):
		return &apiError{f.Message, f.Status}
	case errors.As(err, &op): // as Toxiproxy says it
		err = op
	}
	return &apiError{err.Error(), http.StatusInternalServerError}
}

func (s *server) toxiproxyVersion(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	own := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.':
			return r
		}
		return '-'
	}, s.options.Version)
	answer(w, http.StatusOK, map[string]string{"version": toxiproxyVersion + "+starquake." + own})
	return nil
}

// of gives the target that a request is about.
func (s *server) of(r *http.Request) (*target, error) {
	if t := s.plane.targets[r.PathValue("proxy")]; t != nil {
		return t, nil
	}
	return nil, errNoProxy
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

// toxics are what is on a target: upstream first, and the oldest of each first.
func (t *target) toxics() ([]*toxic, error) {
	ids := slices.SortedFunc(maps.Keys(t.leases), func(a, b string) int { return cmp.Compare(t.leases[a].seq, t.leases[b].seq) })
	up, down := []*toxic{}, []*toxic{}
	for _, id := range ids {
		x, err := t.leases[id].asToxic(id)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(x.Stream, "upstream") {
			up = append(up, x)
		} else {
			down = append(down, x)
		}
	}
	return append(up, down...), nil
}

func (l *lease) asToxic(id string) (*toxic, error) {
	if l.put.toxic != nil {
		return l.put.toxic, nil
	}
	return asToxic(id, &l.put.Fault)
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
}

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

// prepareProxy makes a target with its toxics, which is not the plane's yet.
func (s *server) prepareProxy(in *proxyInput) (*target, error) {
	if _, err := net.ResolveTCPAddr("tcp", in.Listen); err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	t, err := s.plane.prepare(in.config())
	if err != nil {
		return nil, badBody(err)
	}
	t.listen = in.Listen
	if err := s.addToxics(t, in.Toxics); err != nil {
		t.closeNow()
		return nil, err
	}
	return t, nil
}

// addToxics puts toxics on a target.
func (s *server) addToxics(t *target, list []toxicInput) error {
	for _, in := range list {
		if _, err := s.newToxicOn(t, in); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) newToxicOn(t *target, in toxicInput) (*toxic, error) {
	x, put, err := s.plane.newToxic(in, func(name string) bool { return t.leases[name] != nil })
	if err == nil {
		err = fitsProtocol(t, put)
	}
	if err == nil {
		_, err = s.plane.put(t, x.Name, put)
	}
	return x, err
}

// fitsProtocol refuses a toxic that nothing on the target could ever meet.
func fitsProtocol(t *target, put Put) error {
	if put.Fault.Kind == "" {
		return nil
	}
	err := t.Supports(put.Fault.Kind)
	if err == nil && t.Protocol() == "tcp" {
		matcher, merr := put.Fault.Match.Compile()
		if err = merr; err == nil && matcher.Parsed() {
			err = errors.New("only parsed requests have what this match asks for; of bare TCP it knows the source")
		}
	}
	if err != nil {
		return badBody(fmt.Errorf(`%w; give the proxy a "protocol", such as "auto" or "http", when it is created`, err))
	}
	return nil
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
	case s.plane.targets[in.Name] != nil:
		return errProxyExists
	}
	if err := s.plane.hasRoom(); err != nil {
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
func (t *target) differs(listen, upstream string) (bool, error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return false, err
	}
	return t.listen != addr.String() || t.config.Upstream != upstream, nil
}

// populated is the answer to populate.
type populated struct {
	*apiError
	Proxies []proxyState `json:"proxies"`
}

func (s *server) populate(w http.ResponseWriter, r *http.Request, body []byte) error {
	list, err := s.populateAll(r.Context(), body)
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

// populateAll makes the targets that there are not yet, and replaces those that listen or
// relay elsewhere. An error is that of the first one that cannot be made.
func (s *server) populateAll(ctx context.Context, body []byte) (done []*target, err error) {
	var list []proxyInput
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
		differs, err := old.differs(in.Listen, in.Upstream)
		if err != nil {
			return nil, err
		}
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
	t, err := s.of(r)
	if err != nil {
		return err
	}
	type Proxy proxyInput // without the default
	in := proxyInput{Listen: t.listen, Upstream: t.config.Upstream, Enabled: t.enabled}
	if err := decodeFirst(body, (*Proxy)(&in)); err != nil {
		return badBody(err)
	}
	differs, err := t.differs(in.Listen, in.Upstream)
	if err != nil {
		return err
	}
	if differs {
		config := t.config
		config.Listen, config.Upstream = cmp.Or(in.Listen, anyPort), in.Upstream
		if err := config.Check(); err != nil {
			return badBody(err)
		}
		t.down()
		t.config, t.listen = config, in.Listen
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

func (s *server) toxics(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, err := s.of(r)
	if err != nil {
		return err
	}
	list, err := t.toxics()
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, list)
	return nil
}

func (s *server) addToxic(w http.ResponseWriter, r *http.Request, body []byte) error {
	t, err := s.of(r)
	if err != nil {
		return err
	}
	var in toxicInput
	if err := decodeFirst(body, &in); err != nil {
		return badBody(err)
	}
	x, err := s.newToxicOn(t, in)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, x)
	return nil
}

// toxicOf gives what is on a target by the name that a request has.
func (s *server) toxicOf(r *http.Request) (*target, *lease, error) {
	t, err := s.of(r)
	if err != nil {
		return nil, nil, err
	}
	l := t.leases[r.PathValue("toxic")]
	if l == nil {
		return nil, nil, errNoToxic
	}
	return t, l, nil
}

func (s *server) showToxic(w http.ResponseWriter, r *http.Request, _ []byte) error {
	_, l, err := s.toxicOf(r)
	if err != nil {
		return err
	}
	x, err := l.asToxic(r.PathValue("toxic"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, x)
	return nil
}

func (s *server) updateToxic(w http.ResponseWriter, r *http.Request, body []byte) error {
	t, l, err := s.toxicOf(r)
	if err != nil {
		return err
	}
	if l.put.toxic == nil {
		return &apiError{"this fault was not added as a toxic, and is changed where it was put on", http.StatusConflict}
	}
	x, put, err := s.plane.updated(l.put.toxic, body)
	if err == nil {
		err = fitsProtocol(t, put)
	}
	if err != nil {
		return err
	}
	l.past = l.end()
	if err := l.apply(t, x.Name, put); err != nil {
		delete(t.leases, x.Name) // it is off
		return err
	}
	if put.TTL > 0 {
		s.plane.renew(t, x.Name, l, put.TTL)
	}
	answer(w, http.StatusOK, x)
	return nil
}

func (s *server) deleteToxic(w http.ResponseWriter, r *http.Request, _ []byte) error {
	t, l, err := s.toxicOf(r)
	if err != nil {
		return err
	}
	delete(t.leases, r.PathValue("toxic"))
	l.end()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
