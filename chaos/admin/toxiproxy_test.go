package admin_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos/admin"
	"starquake/chaos/toxiproxy/toxiproxytest"
)

// twins are a real Toxiproxy server and ours, which are asked the same.
type twins struct{ real, ours string }

func startTwins(t *testing.T) twins {
	t.Helper()
	return twins{toxiproxytest.Start(t).URL, start(t, admin.Options{}).URL}
}

// call asks one of them.
func call(base, method, path, body string) (status int, text string, err error) {
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all), err
}

var (
	anyPort   = regexp.MustCompile(`(127\.0\.0\.1|0\.0\.0\.0|\[::\]):[1-9]\d*`)
	goType    = regexp.MustCompile(`(cannot unmarshal \w+) into Go .*`)
	ownListen = regexp.MustCompile(`\{listen of (\w+)\}`)
)

// comparable is an answer without what cannot be the same: ports that were free, names of
// types in Go, and a field that Toxiproxy lets slip.
func comparable(text string) any {
	var v any
	if json.Unmarshal([]byte(anyPort.ReplaceAllString(text, "$1:PORT")), &v) != nil {
		return text
	}
	var clean func(v any) any
	clean = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "Logger")
			for k := range v {
				v[k] = clean(v[k])
			}
		case string:
			return goType.ReplaceAllString(v, "$1")
		case []any:
			for i := range v {
				v[i] = clean(v[i])
			}
		}
		return v
	}
	return clean(v)
}

// same asks both, and returns in what they differ, "" for nothing. In a body
// {listen of NAME} is where each has that proxy listen.
func (tw twins) same(method, path, body string) string {
	var status [2]int
	var text [2]string
	for i, base := range []string{tw.real, tw.ours} {
		own := ownListen.ReplaceAllStringFunc(body, func(s string) string {
			_, state, _ := call(base, "GET", "/proxies/"+ownListen.FindStringSubmatch(s)[1], "")
			var p struct{ Listen string }
			_ = json.Unmarshal([]byte(state), &p) // of one that is not there it is empty
			return cmp.Or(p.Listen, "127.0.0.1:0")
		})
		var err error
		if status[i], text[i], err = call(base, method, path, own); err != nil {
			return err.Error()
		}
	}
	a, b := comparable(text[0]), comparable(text[1])
	if status[0] != status[1] || !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%s %s %s\n Toxiproxy: %d %s\n starquake: %d %s", method, path, body, status[0], text[0], status[1], text[1])
	}
	return ""
}

// reset takes all proxies away.
func (tw twins) reset(t rapid.TB, names ...string) {
	for _, base := range []string{tw.real, tw.ours} {
		for _, name := range names {
			if _, _, err := call(base, "DELETE", "/proxies/"+name, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSameAnswers asks a real Toxiproxy and ours the same, one after the other.
func TestSameAnswers(t *testing.T) {
	tw := startTwins(t)
	tw.reset(t, "orders") // ours has one
	const create = `{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}`
	asks := [][3]string{
		{"GET", "/proxies", ""},
		{"POST", "/proxies", ""},
		{"POST", "/proxies", "{"},
		{"POST", "/proxies", "[]"},
		{"POST", "/proxies", `{"name": 5}`},
		{"POST", "/proxies", `{}`},
		{"POST", "/proxies", `{"name":"a"}`},
		{"POST", "/proxies", `{"name":"a","upstream":"127.0.0.1:1","listen":"nonsense"}`},
		{"POST", "/proxies", `{"name":"a","upstream":"127.0.0.1:1","listen":"127.0.0.1:0","enabled":"yes"}`},
		{"POST", "/proxies", create},
		{"POST", "/proxies", create},
		{"POST", "/proxies", `{"name":"taken","upstream":"127.0.0.1:1","listen":"{listen of a}"}`},
		{"GET", "/proxies/taken", ""},
		{"GET", "/proxies", ""},
		{"GET", "/proxies/a", ""},
		{"GET", "/proxies/none", ""},
		{"PUT", "/proxies/a", ""},
		{"DELETE", "/proxies", ""},
		{"GET", "/reset", ""},
		{"POST", "/version", ""},
		{"POST", "/proxies/none", "{}"},
		{"POST", "/proxies/a", "nonsense"},
		{"POST", "/proxies/a", "{}"},
		{"PATCH", "/proxies/a", `{"upstream":"127.0.0.1:2"}`},
		{"PATCH", "/proxies/a", `{"listen":"127.0.0.1:0"}`},
		{"PATCH", "/proxies/a", `{"listen":"nonsense"}`},
		{"POST", "/proxies/a", `{"enabled":false}`},
		{"POST", "/proxies/a", `{"enabled":false,"upstream":"127.0.0.1:3","name":"other"}`},
		{"POST", "/proxies/a", `{"enabled":true}`},
		{"GET", "/proxies/a/toxics", ""},
		{"GET", "/proxies/none/toxics", ""},
		{"POST", "/proxies/none/toxics", "{}"},
		{"POST", "/proxies/a/toxics", ""},
		{"POST", "/proxies/a/toxics", "{}"},
		{"POST", "/proxies/a/toxics", `{"type":"earthquake"}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","stream":"sideways"}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency"}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","attributes":"x"}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","attributes":{"latency":100,"jitter":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","stream":"upstream","attributes":{"latency":100}}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","stream":"Upstream","toxicity":0.3,"name":"x","attributes":{"Latency":7}}`},
		{"POST", "/proxies/a/toxics", `{"type":"bandwidth","attributes":{"rate":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"slow_close","attributes":{"delay":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"timeout","attributes":{"timeout":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"timeout","stream":"upstream"}`},
		{"POST", "/proxies/a/toxics", `{"type":"reset_peer","attributes":{"timeout":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"slicer","attributes":{"average_size":64,"size_variation":32,"delay":10}}`},
		{"POST", "/proxies/a/toxics", `{"type":"slicer","stream":"upstream"}`},
		{"POST", "/proxies/a/toxics", `{"type":"limit_data","attributes":{"bytes":100},"toxicity":0}`},
		{"POST", "/proxies/a/toxics", `{"type":"noop","attributes":null}`},
		{"GET", "/proxies/a/toxics", ""},
		{"GET", "/proxies/a", ""},
		{"GET", "/proxies/a/toxics/none", ""},
		{"GET", "/proxies/a/toxics/x", ""},
		{"PUT", "/proxies/a/toxics/x", ""},
		{"PATCH", "/proxies/a/toxics/none", "{}"},
		{"PATCH", "/proxies/a/toxics/x", ""},
		{"PATCH", "/proxies/a/toxics/x", `{"attributes":{"jitter":3}}`},
		{"POST", "/proxies/a/toxics/x", `{"toxicity":0.25,"stream":"downstream","name":"y","type":"noop"}`},
		{"POST", "/proxies/a", `{"enabled":false}`},
		{"POST", "/proxies/a/toxics", `{"type":"noop","name":"while disabled"}`},
		{"DELETE", "/proxies/a/toxics/none", ""},
		{"DELETE", "/proxies/a/toxics/x", ""},
		{"POST", "/reset", ""},
		{"GET", "/proxies/a", ""},
		{"POST", "/populate", ""},
		{"POST", "/populate", "{}"},
		{"POST", "/populate", "[]"},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},{"upstream":"127.0.0.1:1"}]`},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},{"name":"c"}]`},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},{"name":"a","upstream":"127.0.0.1:3","listen":"{listen of a}"}]`},
		{"POST", "/proxies/a/toxics", `{"type":"noop"}`},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:9","listen":"{listen of b}","enabled":false},{"name":"a","upstream":"127.0.0.1:3","listen":"{listen of a}","enabled":false}]`},
		{"POST", "/populate", `[{"name":"c","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"},{"name":"d","upstream":"127.0.0.1:1","listen":"{listen of a}"},{"name":"e","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}]`},
		{"GET", "/proxies", ""},
		{"POST", "/proxies/b/toxics", `{"type":"noop"}`},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:2","listen":"localhost:0"},{"name":"b","upstream":"127.0.0.1:1","listen":"127.0.0.1:0"}]`},
		{"POST", "/proxies/b/toxics", `{"type":"noop"}`},
		{"POST", "/populate", `[{"name":"b","upstream":"127.0.0.1:1","listen":"{listen of b}"},{"name":"b","upstream":"127.0.0.1:2","listen":"127.0.0.1:0"}]`},
		{"DELETE", "/proxies/a", ""},
		{"DELETE", "/proxies/a", ""},
		{"GET", "/proxies", ""},
	}
	differ := func() (all []string) {
		for _, ask := range asks {
			if d := tw.same(ask[0], ask[1], ask[2]); d != "" {
				all = append(all, d)
			}
		}
		return all
	}
	all := differ()
	if len(all) > 0 { // as at random: a port that was given up for a moment was another's by then
		tw.reset(t, "a", "b", "c", "d", "e", "taken")
		all = differ()
	}
	for _, d := range all {
		t.Error(d)
	}
}

// TestSameAnswersAtRandom asks both random sequences. A port that is asked for twice is left to
// TestSameAnswers: Toxiproxy gives one up some time after it says so.
func TestSameAnswersAtRandom(t *testing.T) {
	tw := startTwins(t)
	tw.reset(t, "orders")
	rapid.Check(t, func(t *rapid.T) {
		tw.reset(t, "a", "b")
		name := rapid.SampledFrom([]string{"a", "b"})
		toxic := rapid.SampledFrom([]string{"x", "y", "latency_upstream", "noop_downstream"})
		of := func(label string, choices ...string) string { return rapid.SampledFrom(choices).Draw(t, label) }
		proxy := func() string {
			return fmt.Sprintf(`{"name":%q,"upstream":%q,"listen":%q%s}`, name.Draw(t, "name"), of("upstream", "127.0.0.1:1", "127.0.0.1:2"),
				of("listen", "127.0.0.1:0", "localhost:0"), of("enabled", "", "", `,"enabled":false`, `,"enabled":true`))
		}
		attributes := func() string {
			return of("attributes", "", `,"attributes":{}`, `,"attributes":{"latency":5}`, `,"attributes":{"jitter":2}`, `,"attributes":{"rate":100}`,
				`,"attributes":{"bytes":100}`, `,"attributes":{"timeout":9}`, `,"attributes":{"delay":9}`) + of("toxicity", "", `,"toxicity":0.5`, `,"toxicity":0`, `,"toxicity":1`)
		}
		fits := map[string]string{"latency": "latency jitter", "bandwidth": "rate", "slow_close": "delay", "timeout": "timeout", "reset_peer": "timeout", "limit_data": "bytes", "slicer": "delay", "noop": ""}
		types := map[string]string{} // of the toxics, by path
		var asked [][3]string
		for range rapid.IntRange(1, 25).Draw(t, "length") {
			path := "/proxies/" + name.Draw(t, "proxy")
			var method, body string
			switch of("what", "create", "update", "delete", "show", "add", "add", "add", "change", "take", "list", "reset", "populate") {
			case "create":
				method, path, body = "POST", "/proxies", proxy()
			case "update":
				method, body = of("method", "POST", "PATCH"), of("change", "{}", `{"enabled":false}`, `{"enabled":true}`, `{"upstream":"127.0.0.1:2"}`, `{"listen":"127.0.0.1:0"}`)
			case "delete":
				method = "DELETE"
			case "show":
				method = "GET"
			case "add":
				kind := of("type", "latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop", "none")
				given := attributes()
				if !attributesFit(given, fits[kind]) {
					given = "" // Toxiproxy takes no notice of what it does not know
				}
				x := toxic.Draw(t, "toxic")
				if status, _, _ := call(tw.real, "GET", path+"/toxics/"+x, ""); status == 404 {
					types[path+x] = kind
				}
				method, body = "POST", fmt.Sprintf(`{"name":%q,"type":%q%s%s}`, x, kind, of("stream", "", `,"stream":"upstream"`, `,"stream":"downstream"`, `,"stream":"up"`), given)
				path += "/toxics"
			case "change":
				x := toxic.Draw(t, "toxic")
				given := attributes()
				if !attributesFit(given, fits[types[path+x]]) {
					given = ""
				}
				method, path, body = of("method", "POST", "PATCH"), path+"/toxics/"+x, "{"+strings.TrimPrefix(given, ",")+"}"
			case "take":
				method, path = "DELETE", path+"/toxics/"+toxic.Draw(t, "toxic")
			case "list":
				method, path = "GET", "/proxies"
			case "reset":
				method, path = "POST", "/reset"
			case "populate":
				method, path, body = "POST", "/populate", "["+proxy()+","+proxy()+"]"
			}
			asked = append(asked, [3]string{method, path, body})
			if differ := tw.same(method, path, body); differ != "" {
				tw.reset(t, "a", "b")
				for _, ask := range asked {
					if differ := tw.same(ask[0], ask[1], ask[2]); differ != "" {
						t.Fatal(differ)
					}
				}
				return // a port that Toxiproxy gave up for a moment was another's by then: not our difference
			}
		}
	})
}

// attributesFit reports whether a toxic has the attributes that a body gives.
func attributesFit(given, known string) bool {
	for _, name := range []string{"latency", "jitter", "rate", "bytes", "timeout", "delay"} {
		if strings.Contains(given, `"`+name+`"`) && !strings.Contains(known, name) {
			return false
		}
	}
	return true
}

// TestBetter: what Toxiproxy gets wrong is refused, or done.
func TestBetter(t *testing.T) {
	s := start(t, admin.Options{})
	for _, ask := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/proxies", `{"name":"a","listen":"127.0.0.1:0","upstream":"nonsense"}`, 400, "expected host:port"},
		{"POST", "/proxies", `{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","toxics":[{"type":"latency","attributes":{"latency":-5}}]}`, 400, "-5: expected 0 or more"},
		{"GET", "/proxies/a", "", 404, "proxy not found"},
		{"POST", "/proxies", `{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","toxics":[{"type":"latency","attributes":{"latency":5}}]}`, 201, `"name":"latency_downstream"`},
		{"GET", "/v1/targets/a/faults/latency_downstream", "", 200, `"kind":"latency","params":{"delay":"5ms"}`},
		{"POST", "/populate", `[{"name":"a","listen":"127.0.0.1:0","upstream":"127.0.0.1:2","toxics":[{"type":"noop","name":"n"}]}]`, 201, `"name":"n"`},
		{"POST", "/populate", `[{"name":"b","listen":"127.0.0.1:0","upstream":"127.0.0.1:2"},{"name":"c","listen":"127.0.0.1:0","upstream":"127.0.0.1:2","toxics":[{"type":"none"}]}]`, 400, "invalid toxic type"},
		{"GET", "/proxies/b", "", 404, "proxy not found"},
		{"POST", "/proxies/a/toxics", `{"type":"latency","attributes":{"latency":5},"toxicity":7.5}`, 400, "toxicity is 7.5: expected 0 to 1"},
		{"POST", "/proxies/a/toxics", `{"type":"latency","attributes":{"latenzy":5}}`, 400, `no attribute \"latenzy\"`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","attributes":{"latency":99999999999}}`, 400, "bad request body: fault latency"},
		{"POST", "/proxies/a/toxics", `{"type":"http_error","attributes":{"codes":[503]}}`, 400, `give the proxy a \"protocol\"`},
		{"POST", "/proxies/a/toxics", `{"type":"exec","attributes":{}}`, 400, "invalid toxic type"},
		{"POST", "/proxies/a/toxics", `{"type":"latency","match":{"path":"/x"},"attributes":{"latency":5}}`, 400, "only parsed requests"},
		{"POST", "/proxies/a/toxics", `{"type":"latency","match":{"source":["10.0.0.0/8"]},"ttl":"1m","seed":7,"attributes":{"latency":5}}`, 200, `"ttl":"1m","seed":7,"match":{"source":["10.0.0.0/8"]}`},
		{"GET", "/v1/targets/a/faults", "", 200, `"source":["10.0.0.0/8"]}},"expires_at":`},
		{"POST", "/proxies", `{"name":"h","listen":"127.0.0.1:0","upstream":"127.0.0.1:1","protocol":"http"}`, 201, `"protocol":"http"`},
		{"POST", "/proxies/h/toxics", `{"type":"http_error","toxicity":0.5,"match":{"path":"/x"},"attributes":{"codes":[503]}}`, 200, `"name":"http_error_downstream"`},
		{"GET", "/v1/targets/h/faults", "", 200, `{"kind":"http_error","params":{"codes":[503]},"probability":0.5,"match":{"path":"/x"}}`},
		{"PATCH", "/proxies/h/toxics/http_error_downstream", `{"attributes":{"codes":[500]}}`, 200, `"codes":[500]`},
		{"PUT", "/v1/targets/h/faults/run-0-1", failing, 201, ""},
		{"GET", "/proxies/h/toxics", "", 200, `"attributes":{"codes":[503]},"name":"run-0-1","type":"http_error","stream":"downstream","toxicity":1`},
		{"PATCH", "/proxies/h/toxics/run-0-1", "{}", 409, "not added as a toxic"},
		{"PUT", "/v1/targets/h/faults/http_error_downstream", failing, 409, "fault_differs"},
		{"POST", "/proxies/h", `{"enabled":false}`, 200, `"enabled":false`},
		{"GET", "/v1/targets", "", 200, `"enabled":false`},
		{"DELETE", "/proxies/h/toxics/run-0-1", "", 204, ""},
		{"GET", "/v1/targets/h/faults/run-0-1", "", 404, "no_such_fault"},
		{"GET", "/version", "", 200, `{"version":"2.12.0+starquake.`},
	} {
		status, text := s.do(t, ask.method, ask.path, ask.body)
		if status != ask.status || !strings.Contains(text, ask.says) {
			t.Errorf("%s %s %s: %d %s; want %d with %s", ask.method, ask.path, ask.body, status, text, ask.status, ask.says)
		}
	}
	closed := start(t, admin.Options{Token: "s3cret"})
	withToken := strings.Replace(closed.URL, "http://", "http://any:s3cret@", 1)
	if status, text, err := call(withToken, "GET", "/proxies", ""); status != 200 || err != nil {
		t.Errorf("with the token as a password: %d %s %v", status, text, err)
	}
	if status, _, err := call(strings.Replace(withToken, "s3cret", "other", 1), "GET", "/proxies", ""); status != 401 || err != nil {
		t.Errorf("with another password: %d %v", status, err)
	}
	if status, text := s.do(t, "GET", "/proxies", "", "User-Agent", "Mozilla/5.0"); status != 403 || text != "User agent not allowed\n" {
		t.Errorf("a browser: %d %q", status, text)
	}
}

// TestResetTakesAllOff: a reset that cannot enable one proxy, as its port is taken, says so, and
// has taken everything off that one and all others.
func TestResetTakesAllOff(t *testing.T) {
	s := start(t, admin.Options{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	toxics := `,"upstream":"127.0.0.1:1","enabled":false,"toxics":[{"type":"latency","attributes":{"latency":5}}]}`
	for _, body := range []string{
		`{"name":"a","listen":"` + taken.Addr().String() + `"` + toxics,
		`{"name":"b","listen":"127.0.0.1:0"` + toxics,
	} {
		if status, text := s.do(t, "POST", "/proxies", body); status != 201 {
			t.Fatal(status, text)
		}
	}
	if status, text := s.do(t, "POST", "/reset", ""); status != 500 || !strings.Contains(text, "address already in use") {
		t.Errorf("%d %s, want what cannot be enabled", status, text)
	}
	for name, enabled := range map[string]string{"a": "false", "b": "true"} {
		if _, text := s.do(t, "GET", "/proxies/"+name, ""); !strings.Contains(text, `"enabled":`+enabled+`,"toxics":[]`) {
			t.Errorf("after the reset: %s", text)
		}
	}
}

// TestToxicExpires: a toxic with a time to live goes by itself, unless it is updated.
func TestToxicExpires(t *testing.T) {
	s := start(t, admin.Options{})
	began := time.Now() // not after it: a busy machine may come on later
	s.do(t, "POST", "/proxies/orders/toxics", `{"type":"latency","ttl":"1s"}`)
	for {
		status, _ := s.do(t, "GET", "/proxies/orders/toxics/latency_downstream", "")
		if status == 404 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("it does not go")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("gone after %s", took)
	}
}

// TestSameBehaviour looks at each toxic through both servers: what the upstream hears and
// what the client sees, and whether it had to wait: not for longer than a toxic says, since
// a busy machine may take any time, so that what a toxic must leave alone would hang for a
// minute.
func TestSameBehaviour(t *testing.T) {
	tw := startTwins(t)
	for i, tt := range []struct{ toxic, says, want string }{
		{`{"type":"noop"}`, "hello", "heard hello, got hello"},
		{`{"type":"latency","attributes":{"latency":120}}`, "hello", "heard hello, got hello, slow"},
		{`{"type":"latency","stream":"upstream","attributes":{"latency":120}}`, "hello", "heard hello, got hello, slow"},
		{`{"type":"latency","attributes":{"latency":60000},"toxicity":0}`, "hello", "heard hello, got hello"},
		{`{"type":"bandwidth","attributes":{"rate":0}}`, "hello", "heard hello, got , hangs"},
		{`{"type":"bandwidth","attributes":{"rate":1000}}`, "hello", "heard hello, got hello"},
		{`{"type":"slow_close","attributes":{"delay":120}}`, "close", "heard close, got close, EOF, slow"},
		{`{"type":"slow_close","stream":"upstream","attributes":{"delay":60000}}`, "close", "heard close, got close, EOF"},
		{`{"type":"timeout","attributes":{"timeout":0}}`, "hello", "heard hello, got , hangs"},
		{`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, "hello", "heard , got , hangs"},
		{`{"type":"timeout","attributes":{"timeout":120}}`, "hello", "heard hello, got , EOF, slow"},
		{`{"type":"timeout","stream":"upstream","attributes":{"timeout":120}}`, "hello", "heard , got , EOF, slow"},
		{`{"type":"timeout","attributes":{"timeout":120},"toxicity":0}`, "hello", "heard hello, got hello"},
		{`{"type":"reset_peer","stream":"upstream"}`, "hello", "heard , got , reset"},
		{`{"type":"slicer","attributes":{"average_size":1,"delay":30000}}`, "hello", "heard hello, got hello, slow"},
		{`{"type":"limit_data","attributes":{"bytes":3}}`, "hello", "heard hello, got hel, EOF"},
		{`{"type":"limit_data","stream":"upstream","attributes":{"bytes":3}}`, "hello", "heard hel, got , EOF"},
	} {
		for who, base := range map[string]string{"Toxiproxy": tw.real, "starquake": tw.ours} {
			got, took, ok := behaviour(t, base, i, tt.toxic, tt.says, tt.want, 1)
			// Toxiproxy loses what limit_data lets pass now and then: it is asked again. Ours is not,
			// but with more time where that ends before a busy machine has said anything.
			timed := strings.Contains(tt.toxic, `"timeout":120`) || strings.HasSuffix(tt.want, ", hangs")
			for try, times := 1, 1; !ok && (who == "Toxiproxy" && try < 10 || timed && try < 4); try++ {
				times *= 4
				got, took, ok = behaviour(t, base, i, tt.toxic, tt.says, tt.want, min(times, 64))
			}
			if !ok {
				t.Errorf("%s, %s:\n %s after %s, want\n %s", who, tt.toxic, got, took, tt.want)
			}
		}
	}
}

// behaviour is what a client and an upstream see of a toxic, and whether it is as wanted. What
// ends by itself has so many times the time.
func behaviour(t *testing.T, base string, i int, toxic, says, want string, times int) (got string, took time.Duration, ok bool) {
	t.Helper()
	toxic = strings.Replace(toxic, `"timeout":120`, fmt.Sprintf(`"timeout":%d`, 120*times), 1)
	upstream, ended := startUpstream(t)
	path := fmt.Sprintf("/proxies/p%d", i)
	var p struct{ Listen string }
	_, text, err := call(base, "POST", "/proxies", fmt.Sprintf(`{"name":"p%d","listen":"127.0.0.1:0","upstream":%q}`, i, upstream))
	if err := errors.Join(err, json.Unmarshal([]byte(text), &p)); err != nil {
		t.Fatal(err, text)
	}
	if status, text, err := call(base, "POST", path+"/toxics", toxic); status != 200 || err != nil {
		t.Fatal(status, text, err)
	}
	want, slow := strings.CutSuffix(want, ", slow")
	patience := 30 * time.Second
	if strings.HasSuffix(want, ", hangs") {
		patience = time.Duration(times) * 400 * time.Millisecond
	}
	got, took = observe(t, p.Listen, says, patience)
	if _, _, err := call(base, "DELETE", path, ""); err != nil {
		t.Fatal(err)
	}
	got = "heard " + ended() + ", " + got
	return got, took, got == want && (!slow || took >= 100*time.Millisecond)
}

// startUpstream answers what it hears. It waits for the client to end, unless that says
// "close". The function ends it and returns all that it heard.
func startUpstream(t *testing.T) (addr string, end func() string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var heard strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			b := make([]byte, len("hello"))
			n, _ := io.ReadFull(c, b)
			heard.Write(b[:n])
			_, _ = c.Write(b[:n])
			if string(b) != "close" {
				_, _ = io.Copy(io.Discard, c)
			}
			c.Close()
		}
	}()
	return l.Addr().String(), func() string { l.Close(); <-done; return heard.String() }
}

// observe says something and tells what comes back, and after what time.
func observe(t *testing.T, addr, says string, patience time.Duration) (got string, took time.Duration) {
	t.Helper()
	began := time.Now()
	c, err := net.Dial("tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) { // before the client came to know that it is connected
		return "got , reset", 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(began.Add(patience))
	_, err = io.WriteString(c, says)
	b := make([]byte, len(says))
	n := 0
	if err == nil {
		if n, err = io.ReadFull(c, b); err == nil && says == "close" {
			_, err = c.Read(make([]byte, 1))
		}
	}
	got, took = "got "+string(b[:n]), time.Since(began)
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		got += ", reset"
	case errors.As(err, &timeout) && timeout.Timeout():
		got += ", hangs"
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		got += ", EOF"
	case err != nil:
		got += ", " + err.Error()
	}
	return got, took
}

// slowReader is a client that takes no byte of its answer until it is let.
type slowReader struct {
	*httptest.ResponseRecorder
	asked, let chan struct{}
}

func (w slowReader) Write(b []byte) (int, error) {
	close(w.asked)
	<-w.let
	return w.ResponseRecorder.Write(b)
}

// A client that does not read its answer holds nobody up: else no lease would run out, and
// no fault could be taken off, for as long as it likes.
func TestSlowReader(t *testing.T) {
	s := start(t, admin.Options{})
	w := slowReader{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequest("GET", s.URL+"/proxies", nil)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.Config.Handler.ServeHTTP(w, r)
	}()
	<-w.asked
	free := make(chan struct{})
	go func() {
		defer close(free)
		s.plane.Targets()
	}()
	select {
	case <-free:
	case <-time.After(time.Minute):
		t.Error("the plane waits for a client")
	}
	close(w.let)
	<-free
	<-answered
	if !strings.Contains(w.Body.String(), `"orders"`) || w.Code != http.StatusOK {
		t.Errorf("answer %d: %s", w.Code, w.Body)
	}
}
