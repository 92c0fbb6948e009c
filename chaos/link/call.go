package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// The bounds of one call.
const (
	callWithin = 5 * time.Second
	maxAnswer  = 4 << 20
)

// Caller calls the JSON API of one engine.
type Caller struct {
	// HTTP makes the requests; it says where they may go.
	HTTP *http.Client
	// Base is the URL that the paths are below.
	Base string
	// Token, unless empty, is sent as a bearer token.
	Token string
}

// StatusError is an answer that is none of success.
type StatusError struct {
	Method, URL string
	Status      int
	// Code is the engine's own word for it, "" if it gave none.
	Code string
	// Message is what the engine said, cut short.
	Message string
}

// Error says what was asked and what came.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s answered %d", e.Method, e.URL, e.Status)
	if e.Message != "" {
		text += ": " + e.Message
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += `; give the engine its token with token = secret("NAME")`
	}
	return text
}

// IsStatus reports whether err is an answer with that status.
func IsStatus(err error, status int) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == status
}

// IsRefusal reports whether err is one that another try will not change: an answer, or
// that asking is not permitted.
func IsRefusal(err error) bool {
	var denied *DeniedError
	if errors.As(err, &denied) {
		return true
	}
	var e *StatusError
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// Path joins the elements of a path, each escaped.
func Path(elements ...string) string {
	var b strings.Builder
	for _, e := range elements {
		b.WriteString("/" + url.PathEscape(e))
	}
	return b.String()
}

// Call sends in as JSON, unless it is nil, and reads the answer into out, unless that is
// nil. An answer outside 200 to 299 is a *StatusError.
func (c *Caller) Call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	target := strings.TrimRight(c.Base, "/") + path
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, target, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "starquake") // Toxiproxy turns browsers away
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	resp, err := c.HTTP.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		var plain *url.Error
		if errors.As(err, &plain) { // it repeats method and URL
			err = plain.Err
		}
		return fmt.Errorf("%s %s: %w", method, target, &NoAnswerError{sent.Load(), err})
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: reading the answer: %w", method, target, err)
	case len(text) > maxAnswer:
		return fmt.Errorf("%s %s: the answer is longer than %d bytes", method, target, maxAnswer)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return failure(method, target, resp.StatusCode, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what this engine answers: %w; is it the right address?", method, target, err)
	}
	return nil
}

// maxSaid bounds what is repeated of an engine's own words, in bytes.
const maxSaid = 300

// failure reads an answer that is none of success: a problem document, Toxiproxy's
// {"error": …}, MockForge's {"error": …} or plain text.
func failure(method, target string, status int, text []byte) *StatusError {
	e := &StatusError{Method: method, URL: target, Status: status}
	var said struct{ Code, Detail, Title, Error, Message string }
	if json.Unmarshal(text, &said) == nil {
		e.Code = said.Code
		for _, m := range []string{said.Detail, said.Error, said.Message, said.Title} {
			if e.Message == "" {
				e.Message = m
			}
		}
	} else {
		e.Message = string(text)
	}
	e.Message = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(e.Message[:min(len(e.Message), maxSaid)], "?"))
	e.Message = strings.TrimSpace(e.Message)
	return e
}

// Retry tries until it succeeds, ctx is done, or the engine's answer is a refusal. The
// error is that of the last try.
func Retry(ctx context.Context, try func(context.Context) error) error {
	pause := 50 * time.Millisecond
	var last error
	for {
		err := try(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() == nil || last == nil:
			last = err // what comes after the end says only that it is over
		}
		if IsRefusal(err) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return last
		case <-timer.C:
		}
		pause = min(2*pause, time.Second)
	}
}

// late is for how long what nobody answered may still be on its way at an engine that answers:
// one that was stopped goes on with all at once, in any order.
const late = time.Second

// The same where the process that asked has died: Late is since it had asked, AfterLast since it
// had done so last, of a fault that was on.
const (
	Late      = callWithin + late
	AfterLast = late
)

// AwaitLate is for who could not put a fault on because of err, if it is not nil, and is about
// to take off what there may be of it. If that was sent and nobody answered it may still arrive after it was
// looked for: take looks for it once, and then there is time for it to come.
func AwaitLate(err error, take func(context.Context) error) {
	if !IsUnanswered(err) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	if take(ctx) == nil {
		time.Sleep(late)
	}
}

// CheckURL says what is wrong with the address of an engine. Whatever opens it is no
// part of it: addresses stand in journals and reports.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q is no address of an engine; expected one such as \"http://127.0.0.1:8474\"", text)
	case u.User != nil:
		return fmt.Errorf(`the address of an engine at %s has a user or password in it; give it as token = secret("NAME")`, u.Host)
	}
	return nil
}
