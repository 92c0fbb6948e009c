package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/internal/dnstest"
	"starquake/runtime"
	"starquake/runtime/journal"
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

// TestSecretsComeBackOnce: what comes back has the secret's placeholder whole, wherever
// it stands, and no placeholder that the outside made up.
func TestSecretsComeBackOnce(t *testing.T) {
	forged := "⟦secret:OTHER⟧"
	dnstest.Resolve(t, nil) // in place of name servers that may not be in reach
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Token", secretText)
		w.Header().Set("X-Forged", forged)
		w.Header().Set("X-Hidden7", "in a name")
		if r.URL.Path == "/raw" {
			fmt.Fprint(w, "\xff")
		}
		fmt.Fprintf(w, `{"token": "pa\"ss<w>ord", "forged": %q}`, forged)
	})
	opts := secretive()
	opts.Redact = strings.NewReplacer(secretText, placeholder, `pa\"ss<w>ord`, placeholder, "⟦", "[", "hidden7", placeholder).Replace
	e := newEffects(t, open(), opts)
	const body = `{"token": "` + placeholder + `", "forged": "[secret:OTHER⟧"}`

	got := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url})
	if got.Headers["x-"+placeholder] != "in a name" || got.Headers["x-hidden7"] != "" {
		t.Errorf("a header's name: %v", got.Headers)
	}
	if keys := string(e.redacted(map[string]any{"a hidden7": []any{map[string]any{"hidden7": 1}}}).(json.RawMessage)); strings.Contains(keys, "hidden7") {
		t.Errorf("keys: %s", keys)
	}
	if got.Body != body || got.Headers["x-token"] != placeholder || got.Headers["x-forged"] != "[secret:OTHER⟧" {
		t.Errorf("body %s, headers %v", got.Body, got.Headers)
	}
	if raw := mustPerform[HTTPAnswer](t, e, KindHTTP, HTTPArgs{URL: url + "/raw"}); string(raw.BodyBase64) != "\xff"+body {
		t.Errorf("a body that is no text: %s", raw.BodyBase64)
	}
	ran := mustPerform[ExecAnswer](t, e, KindExec, ExecArgs{Argv: []string{"sh", "-c", `printf '%s %s' "$1" "$2"; printf %s "$1" >&2`, "sh", placeholder, "⟦secret:OTHER⟧"}})
	if ran.Stdout != placeholder+" [secret:OTHER⟧" || ran.Stderr != placeholder {
		t.Errorf("output %q, %q", ran.Stdout, ran.Stderr)
	}
	absent := mustPerform[ExecAnswer](t, e, KindExec, ExecArgs{Argv: []string{"/no/such/" + placeholder}})
	if absent.Error == nil || !strings.Contains(absent.Error.Message, placeholder) || strings.Contains(absent.Error.Message, secretText) {
		t.Errorf("error %v", absent.Error)
	}

	for spec, want := range map[string]string{
		`{"kind":"http","url":"URL","contains":"PLACE"}`:                                                "",
		`{"kind":"http","url":"URL","json":{"token":"PLACE"}}`:                                          "",
		`{"kind":"exec","argv":["printf","PLACE"],"stdout":"PLACE"}`:                                    "",
		`{"kind":"http","url":"URL","contains":"no PLACE"}`:                                             `does not contain "no ` + placeholder,
		`{"kind":"http","url":"URL","json":{"token":"no PLACE"}}`:                                       `token is "` + placeholder + `", expected "no ` + placeholder,
		`{"kind":"http","url":"URL","json":{"forged":""}}`:                                              `forged is "[secret:OTHER⟧"`,
		`{"kind":"exec","argv":["printf","PLACE"],"stdout":"x"}`:                                        `output "` + placeholder,
		`{"kind":"all","of":[{"kind":"exec","argv":["printf","PLACE"],"stdout":"x"}]}`:                  `probe 1 of 1: output "` + placeholder,
		`{"kind":"any","of":[{"kind":"exec","argv":["printf","PLACE"],"stdout":"x"}]}`:                  `the last: output "` + placeholder,
		`{"kind":"exec","argv":["printf","PLACE"],"stdout":"x","simulated":{"ok":true}}`:                `output "` + placeholder,
		`{"kind":"tcp","addr":"PLACE.invalid:1"}`:                                                       placeholder,
		`{"kind":"all","of":[{"kind":"exec","argv":["true"]},{"kind":"tcp","addr":"PLACE.invalid:1"}]}`: placeholder,
	} {
		args := strings.NewReplacer("URL", url, "PLACE", placeholder).Replace(spec)
		r := mustPerform[Reading](t, e, KindProbe, json.RawMessage(args))
		if r.OK != (want == "") || !strings.Contains(r.Error, want) || strings.Contains(r.Error, "ss<w>") || strings.Contains(r.Error, "⟦secret:OTHER") {
			t.Errorf("%s: %+v; want %q", spec, r, want)
		}
	}
}

// TestSecretInAName: a lookup tells a name server what is asked for, so that a secret is no
// part of a name which the policy does not name, whatever the addresses that it permits.
func TestSecretInAName(t *testing.T) {
	dnstest.Resolve(t, map[string][]string{"hunter2.evil.test": {"192.0.2.1"}})
	opts := Options{
		Reveal: func(s string) string { return strings.ReplaceAll(s, placeholder, "hunter2") },
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", placeholder) },
	}
	name := placeholder + ".evil.test"
	calls := map[string]any{
		KindHTTP:  HTTPArgs{URL: "http://user@" + name + ":81/x"},
		KindDNS:   DNSArgs{Name: name},
		KindTCP:   TCPArgs{Addr: name + ":82"},
		KindGRPC:  GRPCArgs{Addr: name + ":83"},
		KindProbe: json.RawMessage(`{"probe": {"kind": "all", "of": [{"kind": "http", "url": "http://` + name + `/"}]}}`),
	}
	for kind, args := range calls {
		e := newEffects(t, Policy{Network: []string{"127.0.0.1", "fine.test", "::1"}}, opts)
		_, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, kind, args)})
		var p *journal.EffectError
		if !errors.As(err, &p) || p.Code != CodeDenied || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want it denied", kind, err)
		}
	}
	// Where the name is permitted it is asked for, and elsewhere a secret may be anywhere else.
	for _, policy := range []Policy{{Network: []string{"*.evil.test"}}, {Network: []string{"*"}}} {
		e := newEffects(t, policy, opts)
		if got := mustPerform[DNSAnswer](t, e, KindDNS, calls[KindDNS]); len(got.Records) != 1 {
			t.Errorf("%v: got %+v", policy.Network, got)
		}
	}
	e := newEffects(t, Policy{Network: []string{"127.0.0.1"}}, opts)
	if err := e.secretHosts(KindProbe, json.RawMessage(`{"probe": {"kind": "dns", "name": "`+name+`"}}`)); err == nil {
		t.Error("a probe of a name passes")
	}
	if err := e.secretHosts("proxy", json.RawMessage(`{"name": "of `+placeholder+`"}`)); err != nil {
		t.Errorf("what something is called: %v", err)
	}
	if _, err := e.Perform(t.Context(), &runtime.Call{Request: request(t, KindHTTP, HTTPArgs{URL: "http://u:" + placeholder + "@127.0.0.1:1/" + placeholder})}); err != nil {
		t.Errorf("in a path: %v", err)
	}
}
