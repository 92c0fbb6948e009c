package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// environment writes an environment's file and reads it.
func environment(t *testing.T, text string) (*app.Environment, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "env.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return app.LoadEnvironment(path)
}

// TestLooksForReal asks a Prometheus that the environment names and tells its channels:
// what comes is what the script sees, what is posted has the message and no more, and
// a channel's address is nowhere in the journal.
func TestLooksForReal(t *testing.T) {
	var samples atomic.Value
	samples.Store(`{"metric":{"job":"a"},"value":[1,"0.25"]}`)
	prom := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[`+samples.Load().(string)+`]}}`)
	}))
	defer prom.Close()
	posted := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		posted <- r.URL.Path + " " + string(body)
		if r.URL.Path == "/sick/KEY" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer hook.Close()
	t.Setenv("HOOK", hook.URL+"/ok/KEY")
	t.Setenv("SICK_HOOK", hook.URL+"/sick/KEY")
	env, err := environment(t, "prometheus: "+prom.URL+"\nallow_net: [127.0.0.1]\nnotify:\n  team: {slack: {env: HOOK}}\n  other: {webhook: {env: SICK_HOOK}}\n  quiet: {log: true}\n")
	if err != nil {
		t.Fatal(err)
	}
	run := begin(t, `
def main():
    q = prometheus.query("errors")
    check("value", q.value, equals = 0.25)
    check("labels", q.samples[0].labels, equals = {"job": "a"})
    check("holds", observe(probe.prometheus("errors", below = 0.3)).ok)
    check("too much", observe(probe.prometheus("errors", below = 0.2)).error, equals = "0.25, expected below 0.2")
    check("told", notify("team", "half <way>").ok)
    check("not told", notify("other", "again").error, matches = "status 500")
    check("logged", notify("quiet", "psst").ok)
    check("closed", tcp.connect("127.0.0.1:1", expect = "closed").code, equals = "refused")
`, app.RunOptions{Options: app.Options{Env: env}})
	res := run.Wait()
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("%s: %s", res.Outcome.Verdict, res.Outcome.Message)
	}
	for _, want := range []string{`/ok/KEY {"text":"half <way>"}`, `/sick/KEY {"channel":"other","message":"again"}`} {
		if got := <-posted; got != want {
			t.Errorf("posted %s, want %s", got, want)
		}
	}
	text, err := json.Marshal(res.Records)
	if err != nil || strings.Contains(string(text), "KEY") {
		t.Errorf("the journal has the address of a channel (%v)", err)
	}
}

// TestClosed: a port is closed where the connection was refused. That it could not be tried, or
// that nothing came, says nothing of the port.
func TestClosed(t *testing.T) {
	for answer, want := range map[string]journal.Verdict{
		`{"error": "refused"}`: journal.VerdictPassed, `{"error": None}`: journal.VerdictFailed, `{"error": "dns"}`: journal.VerdictFailed,
		`{"error": "timeout"}`: journal.VerdictFailed, `{"error": "failed"}`: journal.VerdictFailed,
	} {
		s, diags := app.LoadText("t.star", []byte("def main():\n    tcp.connect(\"shop.test:80\", expect = \"closed\", simulated = "+answer+")\n"))
		if diags.HasErrors() {
			t.Fatal(rendered(diags, s))
		}
		res, err := s.Plan(app.PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Outcome.Verdict; got != want {
			t.Errorf("%s is closed: %s (%s), want %s", answer, got, res.Outcome.Message, want)
		}
	}
}

// TestNoData has guards of a figure that does not exist: whether that is a breach is
// what on_no_data says.
func TestNoData(t *testing.T) {
	prom := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	}))
	defer prom.Close()
	for option, want := range map[string]journal.Verdict{
		``: journal.VerdictAborted, `, on_no_data = "ignore"`: journal.VerdictPassed, `, on_error = "ignore"`: journal.VerdictAborted,
	} {
		rest := "50ms"
		if want == journal.VerdictAborted {
			rest = "1h" // which is cut short: a busy machine may need long for the first reading
		}
		res := begin(t, `
def main():
    guard("errors", probe.prometheus("errors", below = 0.5, url = "`+prom.URL+`"), every = "10ms"`+option+`)
    sleep("`+rest+`")
`, app.RunOptions{}).Wait()
		if res.Outcome.Verdict != want {
			t.Errorf("guard(…%s): %s: %s, want %s", option, res.Outcome.Verdict, res.Outcome.Message, want)
		}
	}
}

// TestNotGiven refuses before the start what the environment lacks.
func TestNotGiven(t *testing.T) {
	env, err := environment(t, "notify: {team: {log: true}}\n")
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]string{
		`prometheus.query("up")`:                           "no Prometheus is given",
		`observe(probe.prometheus("up"))`:                  "no Prometheus is given",
		`notify("teem", "x")`:                              `defines no channel "teem"`,
		`tcp.connect("169.254.169.254:80")`:                "never permitted",
		`grpc.health("169.254.169.254:80")`:                "never permitted",
		`dns.lookup("a.test", server = "169.254.169.254")`: "never permitted",
	} {
		s, diags := app.LoadText("t.star", []byte("def main():\n    "+call+"\n"))
		if diags.HasErrors() {
			t.Fatal(rendered(diags, s))
		}
		if _, err := s.Start(app.RunOptions{Options: app.Options{Env: env}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", call, err, want)
		}
	}
}

// TestBadEnvironments are files whose part on looking and telling is wrong.
func TestBadEnvironments(t *testing.T) {
	for text, want := range map[string]string{
		"prometheus: 127.0.0.1:9090":                        "expected an address such as",
		"notify: {a: {}}":                                   "notify: a: expected exactly one of slack, webhook and log",
		"notify: {a: {log: true, slack: {env: A}}}":         "expected exactly one of slack",
		"notify: {a: {slack: {}}}":                          "exactly one of env and file",
		"notify: {a: {slack: 'https://hooks.test/SECRET'}}": "cannot unmarshal",
		"descriptors: [none.protoset]":                      "no such file",
		"descriptors: [env.yaml]":                           "no set of file descriptors",
		"ca: env.yaml":                                      "has no certificate in it",
	} {
		if _, err := environment(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), "SECRET/") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestChannelsNeverReachMetadata: a channel is the operator's, and yet never goes there.
func TestChannelsNeverReachMetadata(t *testing.T) {
	t.Setenv("HOOK", "http://169.254.169.254/latest")
	env, err := environment(t, "notify: {team: {webhook: {env: HOOK}}}\n")
	if err != nil {
		t.Fatal(err)
	}
	res := begin(t, "def main():\n    check(\"denied\", notify(\"team\", \"x\").error, matches = \"never permitted\")\n",
		app.RunOptions{Options: app.Options{Env: env}}).Wait()
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("%s: %s", res.Outcome.Verdict, res.Outcome.Message)
	}
}
