package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy"
	"starquake/units"
)

// apiVersion is that of /v1.
const apiVersion = "1"

func (s *server) routes(mux *http.ServeMux) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error, queries ...string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := known(r, queries)
			if err == nil {
				err = h(w, r)
			}
			if err != nil {
				s.fail(w, err)
			}
		})
	}
	handle("GET /v1/version", s.version)
	handle("GET /v1/targets", s.targets)
	handle("PUT /v1/targets/{t}", s.open)
	handle("DELETE /v1/targets/{t}", s.remove)
	handle("GET /v1/targets/{t}/window", s.window, "last", "since")
	handle("POST /v1/targets/{t}/disconnect", s.disconnect)
	handle("GET /v1/targets/{t}/faults", s.faults)
	handle("PUT /v1/targets/{t}/faults/{id}", s.put)
	handle("POST /v1/targets/{t}/faults/{id}/renew", s.renew)
	handle("GET /v1/targets/{t}/faults/{id}", s.fault)
	handle("DELETE /v1/targets/{t}/faults/{id}", s.takeOff)
	handle("POST /v1/pause", s.hold(true))
	handle("POST /v1/resume", s.hold(false))
	handle("GET /v1/hits", s.hits, "target", "since")
	handle("GET /metrics", s.metrics)
	s.toxiproxy(mux)
	handle("/", func(w http.ResponseWriter, r *http.Request) error {
		if allow := allowed(mux, r); len(allow) > 0 {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			return failf(http.StatusMethodNotAllowed, "method_not_allowed", "%s takes %s, not %s; what is made is named by who makes it: PUT /v1/targets/TARGET, PUT /v1/targets/TARGET/faults/ID", r.URL.Path, strings.Join(allow, " and "), r.Method)
		}
		return failf(http.StatusNotFound, "not_found", "there is nothing here; the API begins at /v1/version, and that of Toxiproxy at /proxies")
	})
}

// known refuses a query that a call of /v1 does not have: with a slip in its name it would
// be answered as if nothing had been asked for.
func known(r *http.Request, queries []string) error {
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return nil
	}
	for name := range r.URL.Query() {
		switch {
		case slices.Contains(queries, name):
		case len(queries) == 0:
			return failf(http.StatusBadRequest, "query", "%s takes no query, found %q", r.URL.Path, name)
		default:
			return failf(http.StatusBadRequest, "query", "there is no query %q here; there are: %s", name, listed(queries))
		}
	}
	return nil
}

// allowed are the methods that there are for the path of a request that none was found for.
func allowed(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if _, pattern := mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); pattern != "/" {
			methods = append(methods, method)
		}
	}
	return methods
}

// version tells what the plane can do, by protocol.
func (s *server) version(w http.ResponseWriter, _ *http.Request) error {
	supports := map[string][]string{}
	for _, protocol := range proxy.Protocols() {
		kinds := []string{}
		for _, k := range chaos.Kinds() {
			if proxy.Can(k.Name, protocol) == nil {
				kinds = append(kinds, k.Name)
			}
		}
		supports[protocol] = kinds
	}
	answer(w, http.StatusOK, map[string]any{"version": s.options.Version, "api": apiVersion, "supports": supports})
	return nil
}

func (s *server) targets(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, map[string]any{"targets": s.plane.Targets()})
	return nil
}

func (s *server) open(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Listen, Upstream, Protocol string
		Labels                     map[string]string
		TLS                        any
	}
	if err := read(r, &in); err != nil {
		return err
	}
	spec, err := chaos.ParseTLS(in.TLS, chaos.BesideCommand)
	if err != nil {
		return failf(http.StatusBadRequest, "tls", "%v", err)
	}
	tls, err := s.loadTLS(spec)
	if err != nil {
		return failf(http.StatusBadRequest, "tls", "%v", err)
	}
	addr, created, err := s.plane.Open(r.Context(), proxy.Config{
		Name: r.PathValue("t"), Listen: in.Listen, Upstream: in.Upstream, Protocol: in.Protocol, Labels: in.Labels, TLS: tls,
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answer(w, status, map[string]any{"name": r.PathValue("t"), "listen": addr})
	return nil
}

// loadTLS reads what a target says of TLS.
func (s *server) loadTLS(spec *chaos.TLS) (*proxy.TLS, error) {
	switch {
	case spec == nil:
		return nil, nil
	case s.options.LoadTLS == nil:
		return nil, errors.New("targets of this data plane do not terminate TLS")
	}
	return s.options.LoadTLS(spec)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request) error {
	if err := s.plane.Remove(r.PathValue("t")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// window gives a target's traffic of the last time, or since a moment.
func (s *server) window(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plane.Proxy(r.PathValue("t"))
	if err != nil {
		return err
	}
	last := time.Minute
	query := r.URL.Query()
	switch {
	case query.Has("last") && query.Has("since"):
		return failf(http.StatusBadRequest, "window", "expected either last= or since=, found both")
	case query.Has("last"):
		last, err = units.ParseDuration(query.Get("last"))
	case query.Has("since"):
		var since time.Time
		since, err = time.Parse(time.RFC3339, query.Get("since"))
		last = time.Since(since)
	}
	if err != nil || last <= 0 {
		return failf(http.StatusBadRequest, "window", "expected last= as a duration such as 10s, or since= as a moment of the past such as 2026-01-31T12:00:00Z")
	}
	answer(w, http.StatusOK, p.Window(last))
	return nil
}

// disconnect ends the connections of a target that are open.
func (s *server) disconnect(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		How   string
		Match map[string]any
	}
	if err := read(r, &in); err != nil {
		return err
	}
	p, err := s.plane.Proxy(r.PathValue("t"))
	if err != nil {
		return err
	}
	match, err := chaos.NewMatch(in.Match)
	n := 0
	if err == nil {
		n, err = p.Disconnect(cmp.Or(in.How, "rst"), match)
	}
	if err != nil {
		return failf(http.StatusBadRequest, "disconnect", "%v", err)
	}
	answer(w, http.StatusOK, map[string]int{"connections": n})
	return nil
}

func (s *server) faults(w http.ResponseWriter, r *http.Request) error {
	list, err := s.plane.Faults(r.PathValue("t"), "")
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"faults": list})
	return nil
}

func (s *server) fault(w http.ResponseWriter, r *http.Request) error {
	list, err := s.plane.Faults(r.PathValue("t"), r.PathValue("id"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, list[0])
	return nil
}

// put puts a fault on, or renews its lease.
func (s *server) put(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Fault   json.RawMessage
		Key     string
		Seed    json.RawMessage
		TTL     json.RawMessage
		Elapsed json.RawMessage
		Before  chaos.Stats
		Paused  bool
		Lifted  bool
	}
	if err := read(r, &in); err != nil {
		return err
	}
	put := Put{Key: in.Key, Before: in.Before, Paused: in.Paused, Lifted: in.Lifted}
	if given(in.Fault) == "" {
		return failf(http.StatusBadRequest, "fault", "fault is missing; expected for example {\"kind\": \"latency\", \"params\": {\"delay\": \"100ms\"}}")
	}
	err := json.Unmarshal(in.Fault, &put.Fault)
	if err == nil {
		err = put.Fault.Validate()
	}
	if err != nil {
		if unknown := unknownKind(in.Fault); unknown != nil && faultCode(err) == unknown.Code {
			return unknown
		}
		return failf(http.StatusBadRequest, faultCode(err), "fault: %s", strings.TrimPrefix(err.Error(), "fault: "))
	}
	if seed := given(in.Seed); seed != "" {
		// Best as a string, since many programs cannot write numbers above 53 bits.
		if put.Seed, err = strconv.ParseUint(strings.Trim(seed, `"`), 10, 64); err != nil {
			return failf(http.StatusBadRequest, "seed", "seed: expected a whole number of 64 bits, best as a string such as \"7\", got %s", excerpt(seed))
		}
	}
	if put.TTL, err = parseTTL(in.TTL); err != nil {
		return err
	}
	if given(in.Elapsed) != "" {
		if put.Elapsed, err = parseSpan("elapsed", in.Elapsed); err != nil {
			return err
		}
	}
	name, id := r.PathValue("t"), r.PathValue("id")
	expires, created, err := s.plane.Apply(name, id, put)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	answer(w, status, map[string]any{"id": id, "target": name, "expires_at": expires})
	return nil
}

// unknownKind is the error of a fault whose kind is a name that there is not, else nil. It lists
// the kinds that are put on targets: the others are no data plane's.
func unknownKind(fault json.RawMessage) *Failure {
	var named struct{ Kind string }
	if json.Unmarshal(fault, &named) != nil {
		return nil
	}
	var names []string
	for _, k := range chaos.Kinds() {
		if k.Name == named.Kind {
			return nil
		}
		if k.Targeted() {
			names = append(names, k.Name)
		}
	}
	return failf(http.StatusBadRequest, "fault_kind", "fault: there is no kind %q; there are %s", excerpt(named.Kind), strings.Join(names, ", "))
}

// faultCode is the code of what is wrong with a fault: fault, or of its part, such as
// fault_params.
func faultCode(err error) string {
	var wrong *chaos.PartError
	if errors.As(err, &wrong) {
		return "fault_" + wrong.Part
	}
	return "fault"
}

func parseTTL(value json.RawMessage) (time.Duration, error) {
	if given(value) == "" {
		return 0, failf(http.StatusBadRequest, "ttl", "ttl is missing: a fault is a lease, which its owner renews; for example \"15s\"")
	}
	return parseSpan("ttl", value)
}

// parseSpan reads a duration of a body.
func parseSpan(name string, value json.RawMessage) (time.Duration, error) {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return 0, failf(http.StatusBadRequest, name, "%s: expected a duration as a string such as \"15s\", got %s", name, excerpt(given(value)))
	}
	span, err := units.ParseDuration(text)
	if err != nil {
		return 0, failf(http.StatusBadRequest, name, "%s: %v", name, err)
	}
	return span, nil
}

// given is what a body has for a field, "" for nothing or an empty text.
func given(value json.RawMessage) string {
	if text := string(value); text != "null" && text != `""` {
		return text
	}
	return ""
}

// excerpt cuts what an error shows of a body.
func excerpt(text string) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (s *server) renew(w http.ResponseWriter, r *http.Request) error {
	var in struct{ TTL json.RawMessage }
	if err := read(r, &in); err != nil {
		return err
	}
	ttl, err := parseTTL(in.TTL)
	if err != nil {
		return err
	}
	expires, err := s.plane.Renew(r.PathValue("t"), r.PathValue("id"), ttl)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"expires_at": expires})
	return nil
}

func (s *server) takeOff(w http.ResponseWriter, r *http.Request) error {
	counts, err := s.plane.TakeOff(r.PathValue("t"), r.PathValue("id"))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, counts)
	return nil
}

func (s *server) hold(on bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var in struct {
			Faults []string
			Lift   bool
		}
		if err := read(r, &in); err != nil {
			return err
		}
		if in.Faults == nil {
			return failf(http.StatusBadRequest, "faults", "faults is missing; expected a list of the ids of those that are meant, such as {\"faults\": [\"slow\"]}")
		}
		if in.Lift && !on {
			return failf(http.StatusBadRequest, "lift", "lift belongs to a pause: resume puts on what is lifted")
		}
		if err := s.plane.Hold(in.Faults, on, in.Lift); err != nil {
			return err
		}
		answer(w, http.StatusOK, struct{}{})
		return nil
	}
}

// The stream of hits says something at least so often, so that one who is gone is
// noticed, and gives each write its time.
const (
	heartbeat   = 15 * time.Second
	streamWrite = 10 * time.Second
)

// hits streams what the faults of a target do, as server-sent events whose ids are the
// numbers to go on from.
func (s *server) hits(w http.ResponseWriter, r *http.Request) error {
	p, err := s.plane.Proxy(r.URL.Query().Get("target"))
	if err != nil {
		return err
	}
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("since")
	}
	var since uint64
	if from != "" {
		if since, err = strconv.ParseUint(from, 10, 64); err != nil {
			return failf(http.StatusBadRequest, "since", "since: expected the number of a hit, got %q", from)
		}
	}
	out := http.NewResponseController(w)
	send := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	_ = out.SetReadDeadline(time.Time{}) // the request is read; the stream goes on
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if err := send(": hits of " + strconv.Quote(p.Name()) + "\n\n"); err != nil {
		return nil // the client is gone
	}
	for r.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(r.Context(), heartbeat)
		hits, err := p.Hits(ctx, since)
		cancel()
		var text strings.Builder
		if err != nil {
			text.WriteString(": still here\n\n")
		} else {
			for _, hit := range hits {
				line, err := json.Marshal(hit)
				if err != nil {
					return nil // plain data
				}
				fmt.Fprintf(&text, "id: %d\nevent: hit\ndata: %s\n\n", hit.Seq, line)
				since = hit.Seq
			}
		}
		if send(text.String()) != nil {
			return nil
		}
		if current, err := s.plane.Proxy(p.Name()); err != nil || current != p {
			return nil // the target is gone
		}
	}
	return nil
}
