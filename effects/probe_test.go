package effects

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/internal/porttest"
)

func TestProbe(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/json":
			fmt.Fprint(w, `{"status":"ok","n":1.0,"big":12345678901234567890,"items":[{"name":"a"},{"name":"b"}],"a.b":{"c/d":null}}`)
		case "/long":
			io.WriteString(w, `"`+strings.Repeat("x", DefaultMaxBody)+`"`)
		case "/echo":
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X"), body)
		}
	})
	silent := serveRaw(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	tests := []struct {
		spec  string // URL, REFUSED and SILENT are put in
		ok    bool
		value any
		error string // a part of it
	}{
		{`{"kind":"http","url":"URL/"}`, true, 200., ""},
		{`{"kind":"http","url":"URL/down"}`, false, 503., "status 503, expected 2xx"},
		{`{"kind":"http","url":"URL/down","status":"5xx"}`, true, 503., ""},
		{`{"kind":"http","url":"URL/down","status":503}`, true, 503., ""},
		{`{"kind":"http","url":"URL/down","status":"any"}`, true, 503., ""},
		{`{"kind":"http","url":"URL/down","status":"200, 204"}`, false, 503., "status 503, expected 200, 204"},
		{`{"kind":"http","url":"URL/","status":"2xx","below":30000000000,"timeout":30000000000}`, true, 200., ""},
		{`{"kind":"http","url":"URL/","below":1}`, false, 200., "expected below 1ns"},
		{`{"kind":"http","url":"URL/json","contains":"\"ok\""}`, true, 200., ""},
		{`{"kind":"http","url":"URL/json","contains":"nope"}`, false, 200., "does not contain \"nope\""},
		{`{"kind":"http","url":"URL/json","json":{"status":"ok","n":1,"big":12345678901234567890,"items[1].name":"b","/a.b/c~1d":null}}`, true, 200., ""},
		{`{"kind":"http","url":"URL/json","json":{"$.items":[{"name":"a"},{"name":"b"}],"items.0":{"name":"a"}}}`, true, 200., ""},
		{`{"kind":"http","url":"URL/json","json":{"status":"bad"}}`, false, 200., `status is "ok", expected "bad"`},
		{`{"kind":"http","url":"URL/json","json":{"big":12345678901234567891}}`, false, 200., "big is 12345678901234567890"},
		{`{"kind":"http","url":"URL/json","json":{"items[2]":1}}`, false, 200., `"2" is no index of a list of 2`},
		{`{"kind":"http","url":"URL/json","json":{"none":1}}`, false, 200., `there is no key "none"`},
		{`{"kind":"http","url":"URL/json","json":{"n.x":1}}`, false, 200., "plain value"},
		{`{"kind":"http","url":"URL/","json":{"a":1}}`, false, 200., "is no JSON"},
		{`{"kind":"http","url":"URL/long","json":{"":1}}`, false, 200., "is longer than"},
		{`{"kind":"http","url":"URL/echo","method":"POST","headers":{"X":"y"},"body":"z","contains":"POST y z"}`, true, 200., ""},
		{`{"kind":"http","url":"http://REFUSED/"}`, false, nil, "refused: "},
		{`{"kind":"http","url":"SILENT","timeout":50000000}`, false, nil, "timeout: no complete answer within 50ms"},
		{`{"kind":"http","url":"http://169.254.169.254/"}`, false, nil, "denied: "},
		{`{"kind":"tcp","addr":"HOST"}`, true, nil, ""},
		{`{"kind":"tcp","addr":"HOST","below":1}`, false, nil, "expected below 1ns"},
		{`{"kind":"tcp","addr":"REFUSED"}`, false, nil, "refused: "},
		{`{"kind":"tcp","addr":"169.254.169.254:80"}`, false, nil, "denied: "},
		{`{"kind":"exec","argv":["sh","-c","echo ready; exit 4"],"code":4,"stdout":"ready","timeout":30000000000}`, true, 4., ""},
		{`{"kind":"exec","argv":["sh","-c","echo why >&2; exit 4"],"timeout":30000000000}`, false, 4., "exit code 4, expected 0: why"},
		{`{"kind":"exec","argv":["echo","no"],"stdout":"yes","timeout":30000000000}`, false, 0., `does not contain "yes"`},
		{`{"kind":"exec","argv":["sleep","600"],"timeout":20000000}`, false, nil, "timeout: "},
		{`{"kind":"exec","argv":["no-such-program"]}`, false, nil, "not_found: "},
		{`{"kind":"all","of":[{"kind":"http","url":"URL/"},{"kind":"tcp","addr":"HOST"}]}`, true, []any{200., nil}, ""},
		{`{"kind":"all","of":[{"kind":"http","url":"URL/down"},{"kind":"http","url":"URL/"}]}`, false, []any{503.}, "probe 1 of 2: status 503"},
		{`{"kind":"any","of":[{"kind":"http","url":"URL/down"},{"kind":"http","url":"URL/"}]}`, true, 200., ""},
		{`{"kind":"any","of":[{"kind":"http","url":"URL/down"},{"kind":"http","url":"http://REFUSED/"}]}`, false, nil, "none of 2 probes holds, the last: refused"},
	}
	fill := strings.NewReplacer("URL", url, "HOST", strings.TrimPrefix(url, "http://"), "REFUSED", porttest.Refused, "SILENT", silent)
	patient := strings.NewReplacer(`"kind":"http",`, `"kind":"http","timeout":30000000000,`,
		`"kind":"tcp",`, `"kind":"tcp","timeout":30000000000,`, `"kind":"exec",`, `"kind":"exec","timeout":30000000000,`)
	e := newEffects(t, open(), Options{})
	for _, test := range tests {
		t.Run(test.spec, func(t *testing.T) {
			spec := fill.Replace(test.spec)
			if !strings.Contains(spec, "timeout") { // the default is for systems, not for a busy test machine
				spec = patient.Replace(spec)
			}
			got := mustPerform[Reading](t, e, KindProbe, json.RawMessage(spec))
			if got.OK != test.ok || !cmp.Equal(got.Value, test.value) || !strings.Contains(got.Error, test.error) || got.OK != (got.Error == "") {
				t.Errorf("got %+v; want ok %v, value %v, error with %q", got, test.ok, test.value, test.error)
			}
		})
	}
}

func TestProbeStopped(t *testing.T) {
	asked := make(chan struct{}, 1)
	url := serveRaw(t, func(c *net.TCPConn) { asked <- struct{}{}; io.Copy(io.Discard, c) })
	e := newEffects(t, open(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := perform[Reading](t, ctx, e, KindProbe, HTTPProbe{Kind: "http", URL: url, Timeout: soon})
	if code(err) != CodeStopped {
		t.Errorf("error %v, want the code %q", err, CodeStopped)
	}
}

func TestBadProbes(t *testing.T) {
	tests := []struct{ spec, error string }{
		{``, "is no probe"},
		{`[]`, "is no probe"},
		{`{}`, `unknown kind ""; known are http, tcp, exec, dns, grpc, prometheus, traffic, all, any`},
		{`{"kind":"ftp"}`, `unknown kind "ftp"`},
		{`{"kind":"http"}`, "it has no url"},
		{`{"kind":"http","url":"http://x","bellow":1}`, `unknown field "bellow"`},
		{`{"kind":"http","url":"http://x","status":"2x"}`, `"2x" is no status`},
		{`{"kind":"http","url":"http://x","status":"9999"}`, "is no status"},
		{`{"kind":"http","url":"http://x","status":[200]}`, "is no status"},
		{`{"kind":"http","url":"http://x","json":{"a..b":1}}`, "is no path"},
		{`{"kind":"http","url":"http://x","simulated":{"stauts":1}}`, `unknown member "stauts"; known are elapsed, error, no_data, ok, value`},
		{`{"kind":"http","url":"http://x","simulated":3}`, "is no object"},
		{`{"kind":"tcp","addr":"host"}`, "is no address"},
		{`{"kind":"tcp","addr":":80"}`, "is no address"},
		{`{"kind":"tcp","addr":"host:http"}`, "the port"},
		{`{"kind":"exec"}`, "argv is empty"},
		{`{"kind":"all"}`, "expected at least one probe"},
		{`{"kind":"any","of":[{"kind":"http","url":"http://x"},{"kind":"tcp"}]}`, "any: of[1]: tcp:"},
		{strings.Repeat(`{"kind":"all","of":[`, 70) + strings.Repeat(`]}`, 70), "more than 64 probes"},
	}
	for _, test := range tests {
		if err := CheckProbe(json.RawMessage(test.spec)); code(err) != CodeInvalid || !strings.Contains(err.Error(), test.error) {
			t.Errorf("%.80s: %v; want the code %q and %q", test.spec, err, CodeInvalid, test.error)
		}
	}
}

func TestPlannedProbes(t *testing.T) {
	tests := []struct {
		spec string
		want Reading
	}{
		{`{"kind":"http","url":"http://x"}`, Reading{OK: true, Value: 200.}},
		{`{"kind":"http","url":"http://x","status":"404,2xx"}`, Reading{OK: true, Value: 404.}},
		{`{"kind":"http","url":"http://x","status":"4xx"}`, Reading{OK: true, Value: 400.}},
		{`{"kind":"http","url":"http://x","status":"any"}`, Reading{OK: true, Value: 200.}},
		{`{"kind":"tcp","addr":"a:1"}`, Reading{OK: true}},
		{`{"kind":"exec","argv":["x"],"code":3}`, Reading{OK: true, Value: 3.}},
		{`{"kind":"http","url":"http://x","simulated":{"ok":false,"value":500,"elapsed":"2s"}}`, Reading{Value: 500., Elapsed: 2 * time.Second, Error: "simulated"}},
		{`{"kind":"http","url":"http://x","simulated":{"error":"down"}}`, Reading{Value: 200., Error: "down"}},
		{`{"kind":"all","of":[{"kind":"http","url":"http://x","simulated":{"elapsed":5}},{"kind":"tcp","addr":"a:1"}]}`, Reading{OK: true, Value: []any{200., nil}, Elapsed: 5}},
		{`{"kind":"any","of":[{"kind":"http","url":"http://x","simulated":{"error":"down"}},{"kind":"exec","argv":["x"]}]}`, Reading{OK: true, Value: 0.}},
	}
	e := newEffects(t, Policy{}, Options{})
	for _, test := range tests {
		req := request(t, KindProbe, json.RawMessage(test.spec))
		planned, err := e.Plan(&req)
		if err != nil {
			t.Errorf("%s: %v", test.spec, err)
			continue
		}
		var got Reading
		into(t, planned.Done.Data, &got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.spec, diff)
		}
		if planned.Done.After != test.want.Elapsed {
			t.Errorf("%s: done after %s, want %s", test.spec, planned.Done.After, test.want.Elapsed)
		}
	}
}

func TestSameNumber(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"1e2", "100", true}, {"9007199254740993", "9007199254740992", false},
		{"-0", "0", true}, {"1", "2", false}, {"0.1", "0.10", true}, {"1e999999999", "2e999999999", false},
	} {
		if got := sameNumber(json.Number(test.a), json.Number(test.b)); got != test.want {
			t.Errorf("%s and %s: %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
