package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"starquake/internal/nearest"
	"starquake/server/audit"
	"starquake/server/auth"
)

// Role is what somebody may do. Each may do what those before it may.
type Role = auth.Role

// The roles.
const (
	Viewer   = auth.Viewer   // sees all
	Operator = auth.Operator // starts and steers runs, imports orchestrations
	Admin    = auth.Admin    // changes targets; scripts run in the server's own process
)

// Who is who asks.
type Who struct {
	// Name is what runs and definitions are signed with.
	Name string `json:"name" doc:"What your runs and orchestrations are signed with."`
	Role Role   `json:"role" enum:"viewer,operator,admin" doc:"What you may do."`
	// Kind is how it is known who it is.
	Kind string `json:"kind" enum:"token,oidc,local" doc:"How it is known who you are: by a token of the server's, by one of an identity provider, or as somebody on the server's own machine."`
}

type whoKey struct{}

// whoOf is who asks.
func whoOf(ctx context.Context) Who {
	who, _ := ctx.Value(whoKey{}).(Who)
	return who
}

// everybody is the role that an operation needs which asks nobody who they are.
const everybody Role = "everybody"

// needs is the key of an operation's metadata that says which role it needs.
const needs = "role"

// calming are the operations that only take chaos off. They go on even where nothing else
// may: when somebody asks too often, or the audit log cannot be written.
func calming(operation string) bool {
	return operation == "stop-run" || operation == "chaos-stop"
}

// admit lets a request pass to its operation if who asks may, and notes what came of it.
func (s *Server) admit(ctx huma.Context, next func(huma.Context)) {
	o := ctx.Operation()
	role, _ := o.Metadata[needs].(Role)
	if role == everybody {
		next(ctx)
		return
	}
	if role == "" {
		role = Admin // an operation that says nothing is not open by that
	}
	changes := o.Method != http.MethodGet && role != Viewer
	who, err := s.identify(ctx)
	if err == nil {
		err = s.permit(who, role, o.OperationID, changes)
	}
	if err == nil && !calming(o.OperationID) {
		err = knownQuery(ctx)
	}
	if err != nil {
		s.write(ctx, asProblem(err))
	} else {
		next(huma.WithValue(ctx, whoKey{}, who))
	}
	if changes || err != nil {
		s.account(ctx, who, changes)
	}
}

// knownQuery refuses a query parameter that the operation does not have: a filter that is
// misspelled would otherwise be none.
func knownQuery(ctx huma.Context) error {
	var known []string
	for _, p := range ctx.Operation().Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	asked := ctx.URL()
	for _, name := range slices.Sorted(maps.Keys(asked.Query())) {
		if slices.Contains(known, name) {
			continue
		}
		p := problemf(400, "unknown_parameter", "there is no query parameter %.60q", name)
		switch meant := nearest.Of(name, known); {
		case meant != "":
			p.Help = "did you mean " + meant + "?"
		case len(known) > 0:
			p.Help = "there are " + strings.Join(known, ", ")
		default:
			p.Help = "this call has none"
		}
		return p
	}
	return nil
}

// identify finds out who asks.
func (s *Server) identify(ctx huma.Context) (Who, error) {
	id, err := s.gate.Identify(ctx.Context(), ctx.Header("Authorization"), hostOf(ctx.RemoteAddr()), time.Now())
	return Who{Name: id.Name, Role: id.Role, Kind: id.Kind}, err
}

// permit says why somebody may not have an operation now.
func (s *Server) permit(who Who, role Role, operation string, changes bool) error {
	if !who.Role.May(role) {
		return problemf(403, "forbidden", "this needs the role %s; %s has the role %s", role, who.Name, who.Role)
	}
	if calming(operation) {
		return nil
	}
	if who.Kind != auth.KindLocal {
		if wait, ok := s.limiter.Take(who.Kind+" "+who.Name, time.Now()); !ok {
			return &auth.Throttled{After: wait, Why: "too many requests"}
		}
	}
	if changes && s.config.Audit != nil {
		if err := s.config.Audit.Failing(); err != nil {
			// One that can be noted again is let through to find that out.
			if err := s.config.Audit.Append(audit.Entry{What: "audit", Status: 503}, true); err != nil {
				return problemf(503, "no_audit", "nothing is changed that cannot be noted: %v", err)
			}
		}
	}
	return nil
}

// account notes what came of a request. One that changes something is answered when that
// is durable.
func (s *Server) account(ctx huma.Context, who Who, changes bool) {
	c := fiberOf(ctx)
	u := ctx.URL()
	s.note(&audit.Entry{
		Who: who.Name, Role: string(who.Role), Kind: who.Kind, From: hostOf(ctx.RemoteAddr()),
		What: ctx.Operation().OperationID, On: u.Path, Status: statusOf(c), Code: codeIn(c), Request: requestID(c),
	}, changes)
}

// note notes a request in the audit log, if there is one.
func (s *Server) note(e *audit.Entry, durable bool) {
	if s.config.Audit == nil {
		return
	}
	if err := s.config.Audit.Append(*e, durable); err != nil {
		s.logger.Error("a request cannot be noted", "error", err, "request", e.Request)
	}
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// The keys of what is known of a request.
const (
	requestKey = "request id"
	codeKey    = "problem code"
)

// numbered gives each request an id, under which the logs have it.
func (s *Server) numbered(c *fiber.Ctx) error {
	id := rand.Text()[:16]
	c.Locals(requestKey, id)
	c.Set("X-Request-Id", id)
	begun := time.Now()
	err := c.Next()
	if err != nil {
		// As fiber does behind all handlers: so the log has the status that is answered.
		if err := s.failed(c, err); err != nil {
			return err
		}
	}
	took := time.Since(begun)
	s.metrics.request(c, took)
	level := slog.LevelDebug
	if c.Method() != fiber.MethodGet {
		level = slog.LevelInfo
	}
	s.logger.Log(s.ctx, level, "request", "request", id, "method", c.Method(), "path", c.Path(),
		"status", c.Response().StatusCode(), "code", codeIn(c), "took", took.String(), "from", hostOf(c.Context().RemoteAddr().String()))
	return nil
}

func requestID(c *fiber.Ctx) string {
	id, _ := c.Locals(requestKey).(string)
	return id
}

func codeIn(c *fiber.Ctx) string {
	code, _ := c.Locals(codeKey).(string)
	return code
}

// refusal is the problem of a request whose sender is not let in, nil if err is none.
func refusal(err error) *Problem {
	var wait *auth.Throttled
	switch {
	case errors.As(err, &wait):
		p := problemf(429, "too_many_requests", "%v", wait)
		p.retry = wait.After
		return p
	case errors.Is(err, auth.ErrAnonymous), errors.Is(err, auth.ErrDenied):
		return problemf(401, "unauthorized", "%v", err)
	case errors.Is(err, auth.ErrUnavailable):
		return problemf(503, "no_identity_provider", "%v", err)
	}
	return nil
}
