package admin

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

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
	l = &lease{seq: l.seq, past: l.end()} // another: the old one may be running out
	delete(t.leases, x.Name)
	if err := l.apply(t, x.Name, put); err != nil {
		return err
	}
	t.leases[x.Name] = l
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
