package admin

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
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

// call answers a request whose body has been read.
type call func(w http.ResponseWriter, r *http.Request, body []byte) error

// toxiproxy adds the API of Toxiproxy.
func (s *server) toxiproxy(mux *http.ServeMux) {
	type methods map[string]call
	handle := func(path string, by methods) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			do := by[r.Method]
			if do == nil {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			reply := &reply{ResponseWriter: w, status: http.StatusOK}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				err = badBody(err)
			} else {
				err = do(reply, r, body)
			}
			if err != nil {
				failToxiproxy(reply, err)
			}
			reply.send()
		})
	}
	handle("/version", methods{"GET": s.toxiproxyVersion})
	handle("/reset", methods{"POST": s.resetAll})
	handle("/proxies", methods{"GET": s.locked(s.proxies), "POST": s.createProxy})
	handle("/populate", methods{"POST": s.populate})
	handle("/proxies/{proxy}", methods{"GET": s.locked(s.showProxy), "POST": s.updateProxy, "PATCH": s.updateProxy, "DELETE": s.deleteProxy})
	handle("/proxies/{proxy}/toxics", methods{"GET": s.locked(s.toxics), "POST": s.locked(s.addToxic)})
	handle("/proxies/{proxy}/toxics/{toxic}", methods{"GET": s.locked(s.showToxic), "POST": s.locked(s.updateToxic), "PATCH": s.locked(s.updateToxic), "DELETE": s.locked(s.deleteToxic)})
}

// locked does a call with the plane's mu held.
func (s *server) locked(do call) call {
	return func(w http.ResponseWriter, r *http.Request, body []byte) error {
		s.plane.mu.Lock()
		defer s.plane.mu.Unlock()
		return do(w, r, body)
	}
}

// reply keeps an answer until the plane's mu is free: a client may take its time to read,
// and meanwhile leases run out and faults are taken off.
type reply struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *reply) WriteHeader(status int)      { r.status = status }
func (r *reply) Write(b []byte) (int, error) { return r.body.Write(b) }

// send sends what was kept.
func (r *reply) send() {
	r.ResponseWriter.WriteHeader(r.status)
	_, _ = r.ResponseWriter.Write(r.body.Bytes()) // a client that is gone needs no answer
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

// of gives the target that a request is about. The caller holds the plane's mu.
func (s *server) of(r *http.Request) (*target, error) {
	if t := s.plane.targets[r.PathValue("proxy")]; t != nil {
		return t, nil
	}
	return nil, errNoProxy
}

// find is of for those who do not hold it.
func (s *server) find(r *http.Request) (*target, error) {
	s.plane.mu.Lock()
	defer s.plane.mu.Unlock()
	return s.of(r)
}
