package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy"
	"starquake/internal/badjson"
	"starquake/internal/loopback"
)

// The bounds of a request.
const (
	maxBody     = 1 << 20
	headTimeout = 10 * time.Second
	bodyTimeout = 30 * time.Second
	// answerTimeout is how long a client may take to send a request and read the answer, but
	// for streams, which set their own: one that never reads would stay for ever.
	answerTimeout = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
)

// Options say who may use the API.
type Options struct {
	// Token, unless empty, is what every request must bring: Authorization: Bearer TOKEN,
	// or for clients that know no tokens as the password of the address, http://x:TOKEN@HOST.
	Token string
	// LoadTLS reads the files of a target that is to terminate TLS; nil: no target can.
	LoadTLS func(*chaos.TLS) (*proxy.TLS, error)
	// Version is that of the program, for /v1/version.
	Version string
}

// CheckAddress refuses an address for the API that is reachable from outside without a
// token.
func CheckAddress(addr string, token bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("admin address %q: %w; expected HOST:PORT, for example 127.0.0.1:8474", addr, err)
	}
	if !token && !loopback.Is(host) {
		return fmt.Errorf("admin address %q can be reached from other machines: whoever reaches it can break what the proxies carry; give a token (--token-file, or STARQUAKE_TOKEN), or listen on 127.0.0.1", addr)
	}
	return nil
}

// NewServer makes a server of the API of a plane. Its requests are bounded in size and
// time, but for streams.
func NewServer(p *Plane, opt Options) *http.Server {
	mux := http.NewServeMux()
	s := &server{plane: p, options: opt}
	s.routes(mux)
	return &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: headTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(p.logger.Handler(), slog.LevelDebug),
	}
}

// server answers requests.
type server struct {
	plane   *Plane
	options Options
}

// guard lets only those in who may.
func (s *server) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(s.options.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.options.Token != "":
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok {
				_, token, ok = r.BasicAuth()
			}
			got := sha256.Sum256([]byte(token)) // so that the comparison tells nothing of the length
			if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				s.fail(w, failf(http.StatusUnauthorized, "unauthorized", "this data plane wants a token: Authorization: Bearer TOKEN"))
				return
			}
		case !hostIsLocal(r.Host):
			// A page in a browser could reach us by a name that it makes resolve to 127.0.0.1.
			s.fail(w, failf(http.StatusForbidden, "host", "requests without a token must name this machine by its loopback address, not %q", r.Host))
			return
		}
		if strings.HasPrefix(r.UserAgent(), "Mozilla/") && !strings.HasPrefix(r.URL.Path, "/v1/") {
			http.Error(w, "User agent not allowed", http.StatusForbidden) // as Toxiproxy says it
			return
		}
		if strings.HasPrefix(r.UserAgent(), "Mozilla/") || r.Header.Get("Origin") != "" {
			s.fail(w, failf(http.StatusForbidden, "browser", "this is no API for browsers"))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func hostIsLocal(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return loopback.Is(name)
}

// problem is an error as RFC 9457 has it.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// fail answers with an error.
func (s *server) fail(w http.ResponseWriter, err error) {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{http.StatusInternalServerError, "internal", err.Error()}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(f.Status)
	write(w, problem{"about:blank", http.StatusText(f.Status), f.Status, f.Code, f.Message})
}

// answer answers with JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	write(w, v)
}

func write(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that is gone needs no answer
}

// read reads the body of a request, strictly.
func read(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = errors.New("there is something behind the JSON value")
	}
	var tooLong *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLong):
		return failf(http.StatusRequestEntityTooLarge, "too_large", "the body is longer than %d bytes", tooLong.Limit)
	}
	// The structs that bodies are read into have the keys for names, but for the case.
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		wrong.Field = strings.ToLower(wrong.Field)
	}
	return failf(http.StatusBadRequest, "bad_body", "the body: %v", badjson.Plain(err))
}
