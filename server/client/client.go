package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"starquake/internal/loopback"
	"starquake/server"
)

// Client speaks to one server.
type Client struct {
	base  string // without a slash at its end
	token string
	http  *http.Client
}

// New makes a client of the server at base, such as "http://localhost:3000". The token may
// be empty. It fails for an address that is none, and for a token that would go over a
// network in clear text.
func New(base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address of a server; expected for example http://localhost:3000", base)
	}
	if token != "" && u.Scheme == "http" && !loopback.Is(u.Hostname()) {
		return nil, fmt.Errorf("%s: the token would be sent in clear text; use https", base)
	}
	return &Client{base: strings.TrimRight(u.String(), "/"), token: token, http: &http.Client{
		// A token is for the server that was named, and a body for it too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// URL is where the server is.
func (c *Client) URL() string { return c.base }

// The bounds of a call.
const (
	// patience is how long the server may take to answer what is no stop and no stream.
	patience = 60 * time.Second
	// maxAnswer is as much as is read of an answer that is kept whole.
	maxAnswer = 256 << 20
	// tries is how often a call is tried that can be.
	tries = 3
	// between is how long after a try the next one begins; twice as long each time.
	between = 200 * time.Millisecond
)

// Unreachable is the error of a server that does not answer as one.
type Unreachable struct {
	URL string
	Err error
}

func (e *Unreachable) Error() string { return fmt.Sprintf("the server at %s: %v", e.URL, e.Err) }

// Unwrap gives the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

// call is one request.
type call struct {
	method, path string
	query        url.Values
	body         any // nil: none
	// again says that asking twice is asking once.
	again bool
	key   string // the Idempotency-Key
	// unbounded is set for a call that ends when a run does.
	unbounded bool
}

// do makes a call and reads its answer into out, which may be nil.
func (c *Client) do(ctx context.Context, ask call, out any) error {
	if !ask.unbounded {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	wait := between
	for try := 1; ; try++ {
		err := c.once(ctx, &ask, out)
		var lost *Unreachable
		if err == nil || !errors.As(err, &lost) || !ask.again || try == tries || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func (c *Client) once(ctx context.Context, ask *call, out any) error {
	resp, err := c.send(ctx, ask, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &Unreachable{c.base, err}
	case len(raw) > maxAnswer:
		return &Unreachable{c.base, fmt.Errorf("its answer to %s %s has more than %d MiB", ask.method, ask.path, maxAnswer>>20)}
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &Unreachable{c.base, fmt.Errorf("its answer to %s %s is not that of a Starquake server: %w", ask.method, ask.path, err)}
	}
	return nil
}

// send sends the request and gives an answer that says that it went well.
func (c *Client) send(ctx context.Context, ask *call, accept string) (*http.Response, error) {
	var body io.Reader
	if ask.body != nil {
		raw, err := json.Marshal(ask.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	target := c.base + ask.path
	if len(ask.query) > 0 {
		target += "?" + ask.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, ask.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if ask.key != "" {
		req.Header.Set("Idempotency-Key", ask.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Unreachable{c.base, errors.Unwrap(err)} // a *url.Error, which says the address again
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.problem(ask, resp)
}

// maxProblem is as much as is read of what went wrong.
const maxProblem = 1 << 20

// problem is the error of an answer that says that it did not go well.
func (c *Client) problem(ask *call, resp *http.Response) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return &Unreachable{c.base, err}
	}
	var p server.Problem
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(raw, &p) != nil || p.Code == "" {
		return &Unreachable{c.base, fmt.Errorf("it answered %s %s with %s, which is no answer of a Starquake server", ask.method, ask.path, resp.Status)}
	}
	p.Status = resp.StatusCode
	return &p
}
