package admin

import (
	"context"
	"fmt"
	"net/http"
)

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
	var list []*target
	if err == nil {
		list, err = s.populateAll(r.Context(), wanted)
	}
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
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
	s.plane.doors.Lock()
	defer s.plane.doors.Unlock()
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

// addOrReplace makes one target of populate, unless one is there and equal. The caller holds
// doors.
func (s *server) addOrReplace(ctx context.Context, in *proxyInput) (*target, error) {
	old, equal, err := s.leaveEqual(in)
	if equal || err != nil {
		return old, err
	}
	if old != nil {
		d := old.door
		d.down(old.Proxy)
		s.plane.setDoor(old, d)
	}
	t, err := s.makeProxy(ctx, in)
	if err == nil && old != nil {
		old.cut()
	}
	return t, err
}

// leaveEqual gives the target of the name that populate asks for. One that is equal is left
// alone, but for its toxics where they are given. If there is none there has to be room.
func (s *server) leaveEqual(in *proxyInput) (old *target, equal bool, err error) {
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	old = s.plane.targets[in.Name]
	switch {
	case old == nil:
		return nil, false, s.plane.hasRoom()
	case old.differs(in.at, in.Upstream):
		return old, false, nil
	case len(in.Toxics) > 0:
		old.takeAllOff()
		return old, true, s.addToxics(old, in.Toxics)
	}
	return old, true, nil
}
