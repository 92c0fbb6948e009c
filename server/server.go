package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"starquake/app"
	"starquake/chaos/admin"
	"starquake/server/audit"
	"starquake/server/auth"
	"starquake/server/schedule"
	"starquake/server/traces"
	"starquake/store"
)

// Config is what a server is given. Store and Version must be set.
type Config struct {
	// Store keeps definitions, and runs unless InMemory.
	Store *store.Store
	// InMemory keeps runs in memory only: they end with the server.
	InMemory bool
	// Env is what every run is given; its targets are opened once, for all of them. Nil is
	// an empty one.
	Env *app.Environment
	// Policy is what scripts may do.
	Policy Policy
	// Admission is which runs go on side by side.
	Admission Admission
	// Rollback stops runs that were interrupted, at the start, instead of going on with them.
	Rollback bool
	// Gate finds out who asks; nil: everybody is admin, which is for loopback only.
	Gate *auth.Gate
	// Requests is how many requests per second somebody who brings a token may make, with
	// bursts of twice as many; 0 is no limit.
	Requests float64
	// Audit notes who changed what, and who was refused; nil: nobody does.
	Audit *audit.Log
	// Authority is the folder of the local certificate authority; see app.RunOptions.
	Authority string
	// BodyLimit bounds a request's body, in bytes; 0 is DefaultBodyLimit.
	BodyLimit int
	// URL is where clients on this machine reach the server, for who looks for one of its runs
	// in the data folder; empty where nobody knows.
	URL string
	// Version is that of the program.
	Version string
	// Logger gets what is no fact of a run; nil: nothing.
	Logger *slog.Logger
	// Traces sends traces of the runs; nil: none are made. The caller closes it.
	Traces *traces.Traces
}

// Policy is what the operator permits scripts, beyond the targets that they are given. The
// zero value permits nothing more.
type Policy struct {
	// AllowNet, AllowExec, AllowLoad and MaxLoadRate are as in app.Options.
	AllowNet, AllowExec, AllowLoad []string
	MaxLoadRate                    float64
	// AllowProxies lets scripts and files open proxies of their own on this machine.
	AllowProxies bool
	// MemoryLimit bounds the script of a run in a process of its own, in bytes; 0 is
	// app.DefaultIsolatedMemory.
	MemoryLimit int64
	// CPULimit bounds its processor time; 0 is app.DefaultIsolatedCPU.
	CPULimit time.Duration
	// Limits bound what a run of somebody below admin may take.
	Limits Limits
}

// The bounds of a request, and of what a client may take for an answer.
const (
	DefaultBodyLimit = 8 << 20
	readTimeout      = 15 * time.Second // head and body of a request
	idleTimeout      = 2 * time.Minute  // between requests
	writeTimeout     = time.Minute      // an answer, or one piece of a stream
	headLimit        = 16 << 10         // of the head of a request, in bytes
)

// Server answers requests. Make it with New, and end it with Shutdown.
type Server struct {
	config  Config
	logger  *slog.Logger
	runs    *manager
	plane   *admin.Plane
	targets *targets
	scripts scripts
	plans   plans
	shelf   *store.Shelf
	gate    *auth.Gate
	// broken are the orchestrations that cannot be read, deaf the tokens.
	broken, deaf known
	// schedules is nil where another process has them.
	schedules *schedule.Scheduler
	limiter   *auth.Limiter
	metrics   *metrics
	app       *fiber.App
	api       huma.API
	// watchedRuns are the runs of which streams are read, guarded by watchedMu.
	watchedMu   sync.Mutex
	watchedRuns map[string]*eventTexts
	// ctx ends when the server does: streams end with it.
	ctx  context.Context
	stop context.CancelFunc
}

// New makes a server: its targets are open, and runs that were interrupted go on. The
// error says why not; then nothing is left open.
func New(ctx context.Context, config Config) (*Server, error) {
	s := &Server{config: config, logger: config.Logger, shelf: config.Store.Shelf(store.Orchestrations), watchedRuns: map[string]*eventTexts{}}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.gate = config.Gate; s.gate == nil {
		s.gate = auth.NewGate(auth.NewTokens(config.Store), nil, true)
	}
	s.limiter = auth.NewLimiter(config.Requests, int(2*config.Requests))
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.plane = admin.NewPlane(s.logger)
	var err error
	if s.targets, err = openTargets(ctx, s.plane, config.Env, config.Store.Shelf(store.Targets), config.Authority); err == nil {
		s.runs, err = newManager(&s.config, s.plane, s.logger)
	}
	if err != nil {
		s.stop()
		return nil, errors.Join(err, s.plane.Close())
	}
	for name, why := range s.targets.unreadable() {
		s.logger.Error("a target that was added cannot be read, or opened; it is left out, and what was given it waits until it is added anew or removed, or can be opened", "target", name, "error", why)
	}
	s.broken.read = func() (map[string]error, error) {
		_, damaged, err := s.readLibrary()
		return damaged, err
	}
	s.deaf.read = s.gate.Tokens.Damaged
	s.tell("orchestration", "an orchestration cannot be read; no run of it begins until it is written anew", &s.broken)
	s.tell("token", "a token cannot be read; it opens nothing, and can be revoked", &s.deaf)
	s.runs.readable = s.targets.readable
	s.metrics = newMetrics(s.runs, s.plane, s.damaged)
	s.runs.metrics = s.metrics
	s.routes()
	s.runs.recover(func() app.Options {
		permits := s.permitted(Who{})
		permits.Env, _, _ = s.targets.environment(nil) // of all there are, which never fails
		return permits
	})
	if len(s.targets.unopened) > 0 { // nobody else knows of them yet
		s.runs.starting.Add(1)
		go s.openLate()
	}
	if err := s.openQueue(); err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	// Behind the recovery, as what goes on decides what schedules may start.
	s.schedules, err = schedule.New(config.Store, scheduled{s}, s.logger)
	if errors.Is(err, store.ErrOwned) {
		s.logger.Warn("another process serves the schedules of this data folder", "help", s.besideHelp())
		err = nil
	}
	if err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	return s, nil
}

// routes makes the application with all that it answers.
func (s *Server) routes() {
	limit := s.config.BodyLimit
	if limit == 0 {
		limit = DefaultBodyLimit
	}
	s.app = fiber.New(fiber.Config{
		AppName: "starquake", DisableStartupMessage: true, Immutable: true, StrictRouting: true, CaseSensitive: true,
		ReadTimeout: readTimeout, IdleTimeout: idleTimeout, // and no WriteTimeout: see bounded
		BodyLimit: limit, ReadBufferSize: headLimit, ErrorHandler: s.failed,
	})
	s.app.Server().HeaderReceived = s.received
	s.app.Use(headed, s.numbered, s.guarded, s.bounded, s.safe)
	s.api = s.newAPI()
	s.system()
	s.orchestrations()
	s.runRoutes()
	s.targetRoutes()
	s.scheduleRoutes()
	s.metricsRoute()
	s.presets()
	s.legacy()
	s.finish()
}

// headed makes a GET of a HEAD: the answer is the same, and the server leaves its body out.
func headed(c *fiber.Ctx) error {
	if c.Method() == fiber.MethodHead {
		c.Method(fiber.MethodGet)
		return c.RestartRouting()
	}
	return c.Next()
}

// guarded survives a handler that panics: it is a defect, and one request's alone.
func (s *Server) guarded(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("a request failed: internal error", "method", c.Method(), "path", c.Path(), "panic", p, "stack", string(debug.Stack()))
			c.Response().Reset()
			err = problemf(500, codeInternal, "internal error; the server's log has more")
		}
	}()
	return c.Next()
}

// bounded gives the client a time to take the answer. A run may be waited for before, so
// that it is not counted from the beginning.
func (s *Server) bounded(c *fiber.Ctx) error {
	err := c.Next()
	c.Status(statusOf(c))
	if dead := c.Context().Conn().SetWriteDeadline(time.Now().Add(writeTimeout)); dead != nil {
		s.logger.Debug("a client is gone", "error", dead)
	}
	return err
}

// safe refuses requests that no client of ours makes: of pages of other sites in a
// browser, to another host's name, with an address that cannot be read.
func (s *Server) safe(c *fiber.Ctx) error {
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("X-Frame-Options", "DENY")
	c.Set("Referrer-Policy", "no-referrer")
	c.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	c.Set("Cache-Control", "no-store")
	if _, err := url.ParseRequestURI(string(c.Request().RequestURI())); err != nil {
		return problemf(400, "bad_request", "the address of the request cannot be read")
	}
	err := auth.CheckPage(auth.Page{
		Host: string(c.Request().Header.Host()), Origin: c.Get("Origin"), Site: c.Get("Sec-Fetch-Site"),
		Forwarded: c.Get("Forwarded")+c.Get("Via")+c.Get("X-Forwarded-For")+c.Get("X-Forwarded-Host")+c.Get("X-Real-Ip") != "",
	}, s.gate.Open && c.Get("Authorization") == "")
	if err != nil {
		code := "foreign_host"
		if errors.Is(err, auth.ErrForeignOrigin) {
			code = "foreign_origin"
		}
		return problemf(403, code, "%v", err)
	}
	return c.Next()
}

// Serve answers requests on a listener until Shutdown.
func (s *Server) Serve(l net.Listener) error { return s.app.Listener(lingering{l, s.logger}) }

// Shutdown ends the server: nothing is started any more, every run is parked and its
// faults are off, streams end, requests under way are answered, and the data plane is
// closed. The error says what is not as it should be.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.schedules != nil {
		s.schedules.Stop()
	}
	s.runs.end() // what a schedule waits for may wait for that
	if s.schedules != nil {
		s.schedules.Close()
	}
	errs := []error{s.runs.park(ctx)}
	s.stop()
	if err := s.app.ShutdownWithContext(ctx); err != nil {
		errs = append(errs, fmt.Errorf("requests under way: %w", err))
	}
	return errors.Join(append(errs, s.plane.Close())...)
}
