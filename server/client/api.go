package client

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"

	"starquake/server"
)

const (
	runsPath           = "/api/v1/runs"
	orchestrationsPath = "/api/v1/orchestrations"
)

// Import keeps an orchestration by the name that it gives itself.
func (c *Client) Import(ctx context.Context, src server.Source) (out server.Imported, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: orchestrationsPath + "/import", body: src}, &out)
	return out, err
}

// Start begins a run.
func (c *Client) Start(ctx context.Context, body server.StartBody) (out server.Run, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: runsPath, body: body, again: true, key: rand.Text()}, &out)
	return out, err
}

// Runs lists runs, the newest first, a page of them.
func (c *Client) Runs(ctx context.Context, filter url.Values) (out server.Listing, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: runsPath, query: filter, again: true}, &out)
	return out, err
}

// Status is a run as it stands.
func (c *Client) Status(ctx context.Context, id string) (out server.Run, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: runPath(id, "status"), again: true}, &out)
	return out, err
}

// Steering is what is asked of a run that goes on. Each field is for those calls that know
// it.
type Steering struct {
	Comment  string `json:"comment,omitempty"`
	Lift     bool   `json:"lift_faults,omitempty"` // pause
	Path     string `json:"path,omitempty"`        // skip
	Question string `json:"question,omitempty"`    // approve, reject
}

// Steer asks something of a run: pause, resume, skip, stop, approve, reject. It returns
// when it is a fact; for a stop, when the run has ended and every fault is off.
func (c *Client) Steer(ctx context.Context, id, op string, body Steering) (out server.Steered, err error) {
	err = c.do(ctx, call{method: http.MethodPost, path: runPath(id, op), body: body, unbounded: op == "stop"}, &out)
	return out, err
}

// Journal writes a run as JSON lines: what was asked, then its journal.
func (c *Client) Journal(ctx context.Context, id string, w io.Writer) error {
	ask := call{method: http.MethodGet, path: runPath(id, "journal")}
	resp, err := c.send(ctx, &ask, "application/x-ndjson")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, answer{resp.Body, c.base})
	return err
}

// answer is the body of an answer. That it cannot be read is said of the server, unlike what
// becomes of it here.
type answer struct {
	io.Reader
	base string
}

func (a answer) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = &Unreachable{a.base, err}
	}
	return n, err
}

// runPath is the path of a run, or of something of it.
func runPath(id, part string) string {
	path := runsPath + "/" + url.PathEscape(id)
	if part != "" {
		path += "/" + part
	}
	return path
}
