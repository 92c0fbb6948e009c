// Package linktest is what the tests of engines have in common: ways in which a connection to
// one can be bad. Only tests import it.
package linktest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
)

// Late gives up a request, and has it arrive later: as at a server that was stopped for a
// while, and goes on with all at once.
type Late struct {
	http.RoundTripper

	mu     sync.Mutex
	method string // of the next that it gives up, "" for none
	looks  int    // how many answers to those that look it waits for
	arrive func() // nil before it has given one up
}

// Next has it give up the next request of a method, and have that arrive when so many that
// look have been answered since.
func (l *Late) Next(method string, looks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.method, l.looks, l.arrive = method, looks, nil
}

// GaveUp reports whether it has given up a request since Next.
func (l *Late) GaveUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrive != nil
}

// Arrived reports whether that has arrived.
func (l *Late) Arrived() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.arrive != nil && l.looks <= 0
}

// RoundTrip implements http.RoundTripper.
func (l *Late) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if req.Method == l.method {
		l.method = ""
		body, err := io.ReadAll(req.Body)
		again := req.Clone(context.Background())
		again.Body = io.NopCloser(strings.NewReader(string(body)))
		l.arrive = func() {
			if resp, err := l.RoundTripper.RoundTrip(again); err == nil {
				resp.Body.Close()
			}
		}
		httptrace.ContextClientTrace(req.Context()).WroteHeaders()
		return nil, errors.Join(context.DeadlineExceeded, err)
	}
	resp, err := l.RoundTripper.RoundTrip(req)
	if l.arrive != nil && req.Method == http.MethodGet {
		if l.looks--; l.looks == 0 {
			l.arrive()
		}
	}
	return resp, err
}
