package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"go.opentelemetry.io/otel"

	"starquake/app"
	"starquake/effects"
	"starquake/internal/lines"
	"starquake/server"
	"starquake/server/audit"
	"starquake/server/auth"
	"starquake/server/traces"
	"starquake/units"
)

// serveCmd is `starquake serve`.
type serveCmd struct {
	Config string `type:"path" placeholder:"FILE" help:"A YAML file with settings: every flag is a key (max_runs: 10), and a variable (STARQUAKE_MAX_RUNS). Flags win over variables, variables over the file."`
	// Reference is for make docs.
	Reference bool `hidden:"" help:"Print the reference of all settings, and end."`
	Check     bool `help:"Say whether the settings are good, and end."`

	Listen string   `default:"127.0.0.1:3000" placeholder:"ADDR" help:"Where the API listens (${default}); port 0 takes a free one."`
	Env    string   `placeholder:"FILE|NAME" help:"The environment that every run gets: a file, or NAME for NAME.yaml in . or ./environments."`
	Proxy  []string `sep:"none" placeholder:"NAME=LISTEN,UPSTREAM[,PROTOCOL]" help:"Open a proxy as a target of all runs; may be repeated."`

	AllowExec    []string `placeholder:"COMMAND" help:"Commands that scripts may run; none without it."`
	AllowNet     []string `placeholder:"HOST|CIDR" help:"Hosts that scripts may reach; without it those that the environment and the proxies name."`
	AllowLoad    []string `placeholder:"HOST|CIDR" help:"Hosts that load may go to, besides those that the environment and the proxies name."`
	MaxLoadRate  float64  `placeholder:"RATE" help:"The highest rate of load of one run, in requests per second (50000)."`
	AllowProxies bool     `help:"Scripts and files may open proxies of their own on this machine."`
	MemoryLimit  string   `placeholder:"SIZE" help:"The most memory of a script of somebody who is no admin."`

	CPULimit time.Duration `name:"cpu-limit" default:"1h" placeholder:"DURATION" help:"The most processor time that the script of somebody who is no admin may use up (${default}), in all that it computes."`
	MaxBody  string        `default:"8MiB" placeholder:"SIZE" help:"The longest body of a request that the script of somebody who is no admin may send (${default}). Of answers it reads at most this, and never more than 1MiB. 0 is no limit."`

	MaxRunTime  time.Duration `default:"0" placeholder:"DURATION" help:"How long a run of somebody who is no admin may take, from its start; 0 is no limit. A run that exceeds this or one of the next two is aborted, with its faults off."`
	MaxEvents   int           `default:"1000000" placeholder:"N" help:"How many records the journal of a run of somebody who is no admin may have (${default}); 0 is no limit."`
	MaxBranches int           `default:"10000" placeholder:"N" help:"How many branches of a run of somebody who is no admin may go on at once (${default}); 0 is no limit."`

	TLSCert      string            `name:"tls-cert" type:"path" placeholder:"FILE" help:"The certificate, PEM with its chain. With --tls-key the API is https."`
	TLSKey       string            `name:"tls-key" type:"path" placeholder:"FILE" help:"The certificate's key, PEM."`
	Insecure     bool              `help:"Listen without TLS where other machines reach it: something in front of the server does TLS."`
	RequireToken bool              `help:"Nobody is admin for being on this machine: every request needs a token."`
	OIDCIssuer   string            `name:"oidc-issuer" placeholder:"URL" help:"Take tokens of this identity provider."`
	OIDCAudience string            `name:"oidc-audience" placeholder:"NAME" help:"What its tokens must be made for."`
	OIDCClaim    string            `name:"oidc-claim" default:"roles" placeholder:"CLAIM" help:"The claim that says the role (${default}); a dot goes into an object."`
	OIDCName     string            `name:"oidc-name" default:"sub" placeholder:"CLAIM" help:"The claim that people are called by (${default})."`
	OIDCRole     map[string]string `name:"oidc-role" mapsep:"," placeholder:"VALUE=ROLE,…" help:"Which role a value of the claim is: viewer, operator or admin. Without it the values are the roles' names."`
	RequestRate  float64           `default:"100" placeholder:"RATE" help:"How many requests per second somebody who brings a token may make (${default}), with bursts of twice as many; 0 is no limit."`
	AuditSize    string            `default:"64MiB" placeholder:"SIZE" help:"From what size on the audit log goes on in a new file (${default})."`

	MaxRuns   int      `placeholder:"N" help:"How many runs may go on at once; without it as many as are started."`
	Queue     int      `default:"100" placeholder:"N" help:"How many starts beyond --max-runs wait for their turn (${default}), in the order in which they came; further ones are refused. 0: none waits. What waits is on disk, and waits on in the next server."`
	Exclusive []string `placeholder:"TARGET" help:"Targets that one run at a time is given; * is every target."`

	InMemory bool   `help:"Keep runs in memory only: they end with the server."`
	Recover  string `enum:"resume,rollback" default:"resume" placeholder:"HOW" help:"What becomes of runs that were interrupted: resume goes on with them, rollback stops them, which runs their on_exit handlers."`
	LogLevel string `enum:"debug,info,warn,error" default:"info" help:"What is told: debug, info, warn or error."`
	dataFlag
}

// endWithin is how long a server that is told to end waits for what is under way.
const endWithin = 30 * time.Second

// Run serves until it is told to end; then every run is parked and every fault is off.
func (c *serveCmd) Run(sh *shell, ctx *kong.Context) error {
	if c.Reference {
		_, err := fmt.Fprint(sh.out, settingsReference(ctx.Selected().Flags))
		return err
	}
	return c.serve(sh)
}

// serve serves until it is told to end.
func (c *serveCmd) serve(sh *shell) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return asInvalid(err)
	}
	logger, log := lines.Logger(sh.err, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}) })
	defer log.Flush()
	config, err := c.config(logger)
	if err != nil {
		return err
	}
	auditSize, err := units.ParseSize(c.AuditSize)
	if err != nil {
		return invalid("--audit-size: %w", err)
	}
	tlsConfig, err := c.tls()
	if err != nil {
		return err
	}
	if config.Authority, err = app.AuthorityDir(c.Data); err != nil {
		return asInvalid(err)
	}
	if config.Store, err = c.openStoreTo(logger); err != nil {
		return err
	}
	// Not before: a signal ends the process while the folder is opened, which may have to wait for another.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process, whatever it is at
	if unmatched, err := config.Unmatched(); err != nil {
		return errors.Join(errored("%w", err), config.Store.Close())
	} else if unmatched != "" {
		logger.Warn(unmatched)
	}
	if err := c.guard(&config); err != nil || c.Check {
		if err == nil {
			fmt.Fprintln(sh.out, "the settings are good")
		}
		return errors.Join(err, config.Store.Close())
	}
	// The address is ours before anything is touched: a second server on it changes nothing.
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return errors.Join(errored("the API: %w; free the address, or take another with --listen", err), config.Store.Close())
	}
	scheme := "http"
	if tlsConfig != nil {
		scheme, listener = "https", tls.NewListener(listener, tlsConfig)
	}
	config.URL = scheme + "://" + fromHere(listener.Addr())
	some, err := config.Gate.Tokens.Any(time.Now())
	if err != nil {
		return errors.Join(errored("%w", err), listener.Close(), config.Store.Close())
	}
	if warning := reachesItself(&config, some || c.OIDCIssuer != ""); warning != "" {
		logger.Warn(warning)
	}
	if config.Audit, err = audit.Open(filepath.Join(config.Store.Dir(), "audit"), auditSize, time.Now); err != nil {
		return errors.Join(errored("%w", err), listener.Close(), config.Store.Close())
	}
	defer config.Audit.Close()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces are not sent", "error", err) }))
	if config.Traces, err = traces.New(ctx, config.Version); err != nil {
		return errors.Join(errored("%w", err), listener.Close(), config.Store.Close())
	}
	srv, err := server.New(ctx, config)
	if err != nil {
		return errors.Join(errored("%w", err), listener.Close(), config.Store.Close())
	}
	fmt.Fprintf(sh.out, "API on %s://%s\n", scheme, shown(c.Listen, listener.Addr().String()))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(listener) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		logger.Info("ending: runs are parked, and every fault goes off")
	}
	late, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	err = errors.Join(err, srv.Shutdown(late))
	if config.Traces != nil {
		if lost := config.Traces.Close(late); lost != nil {
			logger.Warn("the last traces are not sent", "error", lost)
		}
	}
	if late.Err() != nil {
		// A run that does not let go holds the store too; what it has is kept all the same.
		return errored("ending: %w", err)
	}
	if err = errors.Join(err, config.Store.Close()); err != nil {
		return errored("ending: %w", err)
	}
	return nil
}

// fromHere is an address that is listened at as one that this machine can call.
func fromHere(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err == nil && net.ParseIP(host).IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}

// shown is where somebody listens who was asked to at asked. 0.0.0.0 is told as it was asked
// for: the system has it as [::], which takes both kinds of addresses.
func shown(asked, addr string) string {
	host, _, err := net.SplitHostPort(asked)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() || ip.To4() == nil {
		return addr
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, port)
}

// config is what the flags say.
func (c *serveCmd) config(logger *slog.Logger) (server.Config, error) {
	config := server.Config{
		InMemory: c.InMemory, Rollback: c.Recover == "rollback", Version: programVersion(), Logger: logger, Env: &app.Environment{},
		Policy: server.Policy{AllowNet: c.AllowNet, AllowExec: c.AllowExec, AllowLoad: c.AllowLoad, MaxLoadRate: c.MaxLoadRate, AllowProxies: c.AllowProxies},
	}
	if config.Admission = (server.Admission{MaxRuns: c.MaxRuns, Queue: c.Queue, Exclusive: c.Exclusive}); c.MaxRuns < 0 {
		return config, invalid("--max-runs %d: expected 0 (no limit) or more", c.MaxRuns)
	}
	config.Policy.Limits = server.Limits{RunTime: c.MaxRunTime, Events: c.MaxEvents, Branches: c.MaxBranches}
	switch {
	case c.MaxRunTime < 0:
		return config, invalid("--max-run-time %s: expected 0 (no limit) or more", units.FormatDuration(c.MaxRunTime))
	case c.MaxEvents < 0:
		return config, invalid("--max-events %d: expected 0 (no limit) or more", c.MaxEvents)
	case c.MaxBranches < 0:
		return config, invalid("--max-branches %d: expected 0 (no limit) or more", c.MaxBranches)
	}
	var err error
	if config.Policy.Limits.Body, err = units.ParseSize(c.MaxBody); err != nil {
		return config, invalid("--max-body: %w", err)
	}
	if c.MaxLoadRate < 0 {
		return config, invalid("--max-load-rate %v: expected 0 (%d) or more requests per second", c.MaxLoadRate, effects.DefaultMaxLoadRate)
	}
	if key, err := app.WrongPermission(c.AllowNet, c.AllowLoad, c.AllowExec); err != nil { // every run would be refused
		return config, invalid("--%s: %w", strings.ReplaceAll(key, "_", "-"), err)
	}
	if config.Policy.CPULimit = c.CPULimit; c.CPULimit < time.Second {
		return config, invalid("--cpu-limit %s: expected at least 1s", units.FormatDuration(c.CPULimit))
	}
	if c.Queue < 0 {
		return config, invalid("--queue %d: expected 0 (none waits) or more", c.Queue)
	}
	if config.Requests = c.RequestRate; config.Requests < 0 {
		return config, invalid("--request-rate %v: expected 0 (no limit) or more", c.RequestRate)
	}
	if c.MemoryLimit != "" {
		var err error
		if config.Policy.MemoryLimit, err = units.ParseSize(c.MemoryLimit); err != nil {
			return config, invalid("--memory-limit: %w", err)
		}
		if config.Policy.MemoryLimit < minMemory {
			return config, invalid("--memory-limit %s: expected at least %s", c.MemoryLimit, units.FormatSize(minMemory))
		}
	}
	if c.Env != "" {
		path, err := environmentFile(c.Env)
		if err == nil {
			config.Env, err = app.LoadEnvironment(path)
		}
		if err != nil {
			return config, asInvalid(err)
		}
		if config.Env.Name == "" {
			config.Env.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		}
	}
	for _, flag := range c.Proxy {
		if err := config.Env.AddProxy(flag); err != nil {
			return config, asInvalid(err)
		}
	}
	return config, nil
}

// guard says who may use the server, and refuses one that is open to everybody.
func (c *serveCmd) guard(config *server.Config) error {
	tokens := auth.NewTokens(config.Store)
	some, err := tokens.Any(time.Now())
	if err != nil {
		return errored("%w", err)
	}
	exposure := auth.Exposure{
		Listen: c.Listen, TLS: c.TLSCert != "", Insecure: c.Insecure, Tokens: some, OIDC: c.OIDCIssuer != "", RequireToken: c.RequireToken,
	}
	if err := exposure.Check(); err != nil {
		return asInvalid(err)
	}
	var provider *auth.OIDC
	if c.OIDCIssuer != "" || c.OIDCAudience != "" {
		given := auth.OIDCConfig{Issuer: c.OIDCIssuer, Audience: c.OIDCAudience, RoleClaim: c.OIDCClaim, NameClaim: c.OIDCName}
		for value, role := range c.OIDCRole {
			if given.Roles == nil {
				given.Roles = map[string]auth.Role{}
			}
			given.Roles[value] = auth.Role(role)
		}
		if err := given.Check(); err != nil {
			return asInvalid(err)
		}
		provider = auth.NewOIDC(given)
	}
	config.Gate = auth.NewGate(tokens, provider, exposure.Open())
	return nil
}

// tls is what the listener needs for https, nil if it is to be http.
func (c *serveCmd) tls() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return nil, invalid("--tls-cert and --tls-key belong together; one of them is missing")
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, invalid("the certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}
