package effects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime"
)

const (
	placeholder = "⟦secret:TOKEN⟧"
	secretText  = `pa"ss<w>ord`
)

// secretive are options with one secret.
func secretive() Options {
	return Options{
		Reveal: func(s string) string { return strings.ReplaceAll(s, placeholder, secretText) },
		Redact: func(s string) string { return strings.ReplaceAll(s, secretText, placeholder) },
	}
}

func TestSecretsInRequests(t *testing.T) {
	var token, body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("Authorization")
		buf := new(strings.Builder)
		if _, err := fmt.Fprint(buf, r.FormValue("q")); err != nil {
			t.Error(err)
		}
		body = buf.String()
		w.Header().Set("X-Token", token)
		fmt.Fprint(w, "\xffyour token is "+token)
	})
	e := newEffects(t, open(), secretive())
	got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{
		URL: url, Method: "POST", Body: "q=" + placeholder,
		Headers: map[string]string{"Authorization": "Bearer " + placeholder, "Content-Type": "application/x-www-form-urlencoded"},
	})
	if token != "Bearer "+secretText || body != secretText {
		t.Errorf("the server was given the header %q and the body %q", token, body)
	}
	want := HTTPAnswer{Status: 200, BodyBase64: []byte("\xffyour token is Bearer " + placeholder)}
	if got.Headers["x-token"] != "Bearer "+placeholder || !cmp.Equal(got.BodyBase64, want.BodyBase64) || got.Status != 200 {
		t.Errorf("header %q, body %q; want the placeholder in both", got.Headers["x-token"], got.BodyBase64)
	}
}

func TestSecretsAcrossTheLimit(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "12345"+secretText+"rest") })
	e := newEffects(t, open(), secretive())
	for limit := int64(1); limit < 40; limit++ {
		got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url, MaxBody: limit})
		whole := "12345" + placeholder + "rest"
		if !strings.HasPrefix(whole, got.Body) || int64(len(got.Body)) > limit || got.Truncated != (int64(len(whole)) > limit) {
			t.Errorf("limit %d: body %q, truncated %v; want a beginning of %q", limit, got.Body, got.Truncated, whole)
		}
	}
}

func TestSecretsInProgramsAndReports(t *testing.T) {
	e := newEffects(t, open(), secretive())
	got := mustPerform[ExecAnswer](t, e, KindExec, ExecArgs{Argv: []string{"printf", "%s", placeholder}})
	if got.Stdout != placeholder {
		t.Errorf("output %q, want %q", got.Stdout, placeholder)
	}

	telling := e.With("tell", performFunc(func(_ context.Context, call *runtime.Call) (any, error) {
		var args struct{ Text string }
		if err := call.Decode(&args); err != nil {
			return nil, err
		}
		if args.Text != secretText {
			t.Errorf("the performer was given %q", args.Text)
		}
		call.Report(map[string]any{"list": []string{args.Text}, "n": 12345678901234567})
		return nil, errors.New("no such user " + args.Text)
	}), nil)
	var report any
	call := &runtime.Call{Request: request(t, "tell", map[string]string{"text": placeholder}), Report: func(data any) { report = data }}
	_, err := telling.Perform(t.Context(), call)
	if code(err) != CodeFailed || err.Error() != "no such user "+placeholder {
		t.Errorf("error %v", err)
	}
	if got := canonical(t, report); got != `{"list":["`+placeholder+`"],"n":12345678901234567}` {
		t.Errorf("report %s", got)
	}
}

func TestAnswerThatCannotBeSearchedIsWithheld(t *testing.T) {
	e := newEffects(t, open(), secretive()).With("odd", performFunc(func(context.Context, *runtime.Call) (any, error) {
		return func() {}, nil
	}), nil)
	got, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, "odd", struct{}{})})
	if err != nil || !strings.Contains(canonical(t, got), "answer withheld") {
		t.Errorf("answer %v, error %v; want it withheld", got, err)
	}
}
