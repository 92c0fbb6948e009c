package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"starquake/app"
	"starquake/chaos"
	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/internal/lines"
)

// proxyCmd is `starquake proxy`.
type proxyCmd struct {
	Admin     string   `default:"127.0.0.1:8474" placeholder:"ADDR" help:"Where the API listens (${default}). One that other machines reach needs a token."`
	Proxy     []string `sep:"none" placeholder:"NAME=LISTEN,UPSTREAM[,PROTOCOL]" help:"Open a proxy at the start; may be repeated. Others are opened by the API. With tls=terminate or KEY=VALUE of tls behind it TLS is terminated."`
	TokenFile string   `type:"path" placeholder:"FILE" help:"The file with the token that every request must bring. Without it the variable STARQUAKE_TOKEN."`
	Seed      uint64   `placeholder:"N" help:"The seed for the random decisions of toxics that bring none (${default})." default:"0"`
	LogLevel  string   `enum:"debug,info,warn,error" default:"info" help:"What is told: debug, info, warn or error."`
	dataFlag
}

// closeWithin is how long requests under way may take when the program ends.
const closeWithin = 2 * time.Second

// Run serves until it is told to end; then every fault goes off.
func (c *proxyCmd) Run(sh *shell) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return asInvalid(err)
	}
	logger, log := lines.Logger(sh.err, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}) })
	defer log.Flush()
	token, err := c.token()
	if err != nil {
		return err
	}
	if err := admin.CheckAddress(c.Admin, token != ""); err != nil {
		return asInvalid(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	plane := admin.NewPlane(logger)
	plane.Seed = c.Seed
	defer plane.Close()
	authority, err := app.AuthorityDir(c.Data)
	if err != nil {
		return asInvalid(err)
	}
	loadTLS := func(t *chaos.TLS) (*proxy.TLS, error) { return app.LoadTLS(t, authority) }
	env := &app.Environment{}
	for _, flag := range c.Proxy {
		if err := env.AddProxy(flag); err != nil {
			return asInvalid(err)
		}
	}
	for _, t := range env.Targets {
		tls, err := loadTLS(t.TLS)
		if err != nil {
			return invalid("proxy %s: %w", t.Name, err)
		}
		addr, _, err := plane.Open(ctx, proxy.Config{Name: t.Name, Listen: t.Listen, Upstream: t.Upstream, Protocol: t.Protocol, TLS: tls})
		if err != nil {
			return errored("%w", err)
		}
		fmt.Fprintf(sh.out, "proxy %s listens on %s, to %s\n", t.Name, shown(t.Listen, addr), t.Upstream)
	}
	listener, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return errored("the API: %w; free the address, or take another with --admin", err)
	}
	server := admin.NewServer(plane, admin.Options{Token: token, LoadTLS: loadTLS, Version: programVersion()})
	fmt.Fprintf(sh.out, "API on http://%s\n", shown(c.Admin, listener.Addr().String()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return errored("the API: %w", err)
	case <-ctx.Done():
	}
	logger.Info("ending; every fault goes off")
	late, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err = plane.Close() // first: nothing waits for a client of the API
	if serr := server.Shutdown(late); serr != nil {
		err = errors.Join(err, server.Close()) // streams do not end by themselves
	}
	if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	if err != nil {
		return errored("ending: %w", err)
	}
	return nil
}

// token reads the token of the API, "" if there is none.
func (c *proxyCmd) token() (string, error) {
	if c.TokenFile == "" {
		return os.Getenv("STARQUAKE_TOKEN"), nil
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", asInvalid(fmt.Errorf("the token: %w", err))
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", invalid("the token file %s is empty", c.TokenFile)
	}
	return token, nil
}
