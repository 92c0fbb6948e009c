package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"starquake/app"
	"starquake/dsl"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/server"
	"starquake/server/client"
)

// defaultServer is where a server listens unless it is told otherwise.
const defaultServer = "http://localhost:3000"

// serverFlags name a server.
type serverFlags struct {
	BaseURL string `placeholder:"URL" env:"STARQUAKE_URL" help:"The server. Without it http://localhost:3000; a run that goes on is first looked for on this machine and with the server that has its data folder. A --data that is given by hand wins over the variable."`
	Token   string `placeholder:"TOKEN" env:"STARQUAKE_TOKEN" help:"What the server knows you by."`
}

// client speaks to the server.
func (f *serverFlags) client() (*client.Client, error) {
	c, err := client.New(cmp.Or(f.BaseURL, defaultServer), f.Token)
	if err != nil {
		return nil, invalid("--base-url: %w", err)
	}
	return c, nil
}

// interruptible is a context that ends with Ctrl-C.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// distant is a run that goes on in a process of this machine, or on a server.
type distant interface {
	Do(context.Context, app.ControlRequest) (app.ControlAnswer, error)
	Watch(ctx context.Context, follow bool, fn func([]journal.Record) error) error
	Close() error
}

// reached is one with its id, and with the way to it.
type reached struct {
	distant
	id   string
	dial func(context.Context) (distant, error)
}

func reach(ctx context.Context, id string, dial func(context.Context) (distant, error)) (*reached, error) {
	run, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return &reached{run, id, dial}, nil
}

// served is a run on a server.
type served struct {
	client *client.Client
	id     string
}

// Do asks something of the run.
func (s served) Do(ctx context.Context, req app.ControlRequest) (app.ControlAnswer, error) {
	var done server.Steered
	var err error
	if req.Op == "info" {
		done.Run, err = s.client.Status(ctx, s.id)
		done.Message = done.Run.Message
	} else {
		done, err = s.client.Steer(ctx, s.id, req.Op, client.Steering{
			Comment: req.Comment, Lift: req.Lift, Path: req.Path, Question: req.Question,
		})
	}
	if err != nil && req.Op == "stop" && ctx.Err() == nil { // it may be over, and not well
		if now, lookErr := s.client.Status(ctx, s.id); lookErr == nil {
			done.Run = now
		}
	}
	r := &done.Run
	return app.ControlAnswer{
		OK: err == nil, Message: done.Message, ID: s.id, Name: r.Name, State: view.State(r.Status), Verdict: r.Verdict, Reason: r.Reason,
		Elapsed: seconds(r.ElapsedSeconds), Records: r.Events, Loads: r.LoadsNow,
	}, err
}

// Watch gives the run's records.
func (s served) Watch(ctx context.Context, follow bool, fn func([]journal.Record) error) error {
	if follow {
		if err := s.begun(ctx); err != nil {
			return err
		}
		return s.client.Follow(ctx, s.id, fn)
	}
	return s.client.Records(ctx, s.id, fn)
}

// askEvery is how often a run that waits for its turn is looked at; the server may be away
// for awayFor of these: it is restarted, and the run waits on in the next one.
const (
	askEvery = 500 * time.Millisecond
	awayFor  = 30
)

// begun waits until a run that waits for its turn has begun. Of one that never does the
// error ends the command as the run ended.
func (s served) begun(ctx context.Context) error {
	for away := 0; ; {
		now, err := s.client.Status(ctx, s.id)
		var lost *client.Unreachable
		if away++; !errors.As(err, &lost) {
			away = 0
		}
		switch {
		case away > 0 && away < awayFor && ctx.Err() == nil:
		case err != nil:
			return err
		case now.Status == "ended" && now.Events == 0 && now.Verdict != "":
			return &exitError{code: now.Verdict.ExitCode(), reason: now.Reason, err: fmt.Errorf("run %s never began: %s", s.id, now.Message)}
		case now.Status != "queued":
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askEvery):
		}
	}
}

// Close has nothing to hang up.
func (s served) Close() error { return nil }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// onServer finds a run on a server: by its id, by the beginning of the id of one that goes on,
// or as last; without a name the one that goes on.
func onServer(ctx context.Context, c *client.Client, name string) (string, error) {
	filter := url.Values{"status": {"running"}, "limit": {"500"}}
	if name == "last" {
		filter = url.Values{"limit": {"1"}}
	}
	list, err := c.Runs(ctx, filter)
	if err != nil {
		return "", err
	}
	var found []server.Run
	for _, r := range list.Runs {
		if r.ID == name {
			return name, nil
		}
		if name == "last" || strings.HasPrefix(r.ID, name) {
			found = append(found, r.Run)
		}
	}
	switch {
	case len(found) == 1:
		return found[0].ID, nil
	case len(found) > 1:
		var lines strings.Builder
		for _, r := range found {
			fmt.Fprintf(&lines, "\n  %s  %s, %s for %s", text.Clean(r.ID), text.Clean(r.Name), r.Status, seconds(r.ElapsedSeconds).Round(time.Second))
		}
		return "", invalid("%d runs are going on at %s; name one by its id, or the beginning of it:%s", len(found), c.URL(), lines.String())
	case name == "":
		return "", invalid("no run is going on at %s", c.URL())
	case name == "last":
		return "", invalid("there are no runs at %s", c.URL())
	}
	if _, err := c.Status(ctx, name); err != nil { // one that has ended, by its whole id
		return "", err
	}
	return name, nil
}

// refusedBy is an error of a server as the command line reports it. text is what was sent,
// where a place in it may be wrong; file is what it is called here.
func refusedBy(err error, file string, sent []byte) error {
	var p *server.Problem
	if !errors.As(err, &p) {
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = fmt.Errorf("%w; `starquake serve` starts one, --base-url names another, and `starquake run FILE` needs none", err)
		}
		return err // it could not be reached: errored
	}
	if p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests {
		return &exitError{code: codeErrored, reason: p.Code, err: err}
	}
	diags := found(p.Errors, file)
	if file == "" || len(diags) == 0 {
		return &exitError{code: codeInvalid, reason: p.Code, err: err}
	}
	return &exitError{code: codeInvalid, reason: p.Code, diags: diags, sources: func(string) []byte { return sent }}
}

// found are what a server found in a text that is called file here, as the command line
// says it.
func found(findings []server.Finding, file string) dsl.Diagnostics {
	var diags dsl.Diagnostics
	for _, f := range findings {
		d := dsl.Diagnostic{Severity: dsl.Error, Code: f.Code, Message: f.Message, File: file, Line: f.Line, Col: f.Column, Help: f.Help}
		if f.Location != "" { // something in the request, not in the text
			d.File, d.Message = "", f.Location+": "+f.Message
		}
		switch f.Severity {
		case "warning":
			d.Severity = dsl.Warning
		case "hint":
			d.Severity = dsl.Hint
		}
		diags = append(diags, d)
	}
	return diags
}
