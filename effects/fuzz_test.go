package effects

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"starquake/runtime"
)

// What a probe's parser accepts can be planned, checked and parsed again.
func FuzzProbe(f *testing.F) {
	for _, spec := range []string{
		`{"kind":"http","url":"http://a.test/","status":"2xx,404","json":{"a[0].b":1,"/x~1y":null},"below":5}`,
		`{"kind":"tcp","addr":"[::1]:80"}`,
		`{"kind":"exec","argv":["a","b"],"code":3,"env":{"A":"b"}}`,
		`{"kind":"all","of":[{"kind":"any","of":[{"kind":"http","url":"http://x","simulated":{"elapsed":"1s","ok":false}}]}]}`,
		`{"kind":"http","url":"http://x","simulated":{"elapsed":9223372036854775807}}`,
		`{"kind":"all","of":null}`, `null`, `{"kind":null}`, `{"kind":"http","url":"http://x","status":null}`,
	} {
		f.Add([]byte(spec))
	}
	e := newEffects(f, Policy{Network: []string{"a.test", "::1"}, AllowExec: []string{"/bin/none"}}, Options{})
	f.Fuzz(func(t *testing.T, spec []byte) {
		p, err := parseProbe(spec)
		if err != nil {
			if code(err) != CodeInvalid || strings.TrimSpace(err.Error()) == "" {
				t.Errorf("error %q with the code %q", err, code(err))
			}
			return
		}
		if reading := p.planned(); reading.Elapsed < 0 || reading.OK && reading.Error != "" && !strings.Contains(string(spec), "simulated") {
			t.Errorf("planned reading %+v", reading)
		}
		if err := p.check(e); err != nil && code(err) == "no EffectError" {
			t.Errorf("check: %v", err)
		}
		for _, kind := range []string{KindProbe, KindWatch} {
			args := json.RawMessage(spec)
			if kind == KindWatch {
				args, err = marshal(WatchArgs{Every: 1, Probe: spec})
				if err != nil {
					t.Fatalf("an accepted probe is no JSON: %v", err)
				}
			}
			if _, err := e.Plan(&runtime.Request{Kind: kind, Args: args}); err != nil {
				t.Errorf("planning %s: %v", kind, err)
			}
		}
	})
}

// No file of answers makes the reader panic or hang, and what it accepts is JSON.
func FuzzAnswers(f *testing.F) {
	files, err := filepath.Glob("testdata/answers/*.[yj]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 4096 && !strings.HasSuffix(file, ".golden") {
			f.Add(text)
		}
	}
	e := New(Policy{}, Options{})
	f.Fuzz(func(t *testing.T, text []byte) {
		answers, err := ReadAnswers("answers", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "answers:") {
				t.Errorf("error %q does not say where", err)
			}
			return
		}
		for _, rule := range answers.rules {
			for _, answer := range rule.answers {
				if !json.Valid(answer.data) || answer.line < 1 {
					t.Errorf("answer %q at line %d", answer.data, answer.line)
				}
			}
		}
		planner := answers.Over(e, atZero)
		for _, req := range []runtime.Request{
			{Kind: KindHTTP, Args: json.RawMessage(`{"url":"http://shop.test/catalog"}`)},
			{Kind: KindExec, Path: "soak/x", Args: json.RawMessage(`{"argv":["kubectl"]}`)},
			{Kind: KindWatch, Args: json.RawMessage(`{"every":1,"probe":{"kind":"http","url":"http://shop.test/health"}}`)},
		} {
			planned, err := planner.Plan(&req)
			if err != nil {
				continue // of another kind than the rule has members for
			}
			if planned.Done != nil && planned.Done.After < 0 {
				t.Errorf("%s takes %s", req.Kind, planned.Done.After)
			}
			if planned.End != nil {
				if _, problem := planned.End(sec); problem != nil {
					t.Errorf("%s ends with %v", req.Kind, problem)
				}
			}
		}
	})
}

// No arguments make a planner panic.
func FuzzPlan(f *testing.F) {
	f.Add(uint8(0), []byte(`{"url":"http://x","planned_status":201,"simulated":{"status":3,"json":{},"error":"x"}}`))
	f.Add(uint8(1), []byte(`{"argv":[],"planned_code":-1,"simulated":{"elapsed":"1d","error":null}}`))
	f.Add(uint8(2), []byte(`{"kind":"tcp","addr":"a:1","simulated":{"ok":false}}`))
	f.Add(uint8(3), []byte(`{"every":1,"breaches":9223372036854775807,"probe":{"kind":"tcp","addr":"a:1"},"simulated":{"bad_after":9,"bad_for":9}}`))
	for kind, args := range []string{ // in the order of the kinds, sorted
		`{"name":"x","planned_code":"NXDOMAIN","simulated":{"code":"SERVFAIL"}}`, `{"argv":["x"],"simulated":{"error":"x"}}`,
		`{"addr":"a:1","method":"a.B/C","planned_code":"OK","simulated":{"status":"x","json":{}}}`, `{"url":"http://x","simulated":{}}`,
		`{"channel":"a","message":"b","simulated":{"error":"timeout"}}`, `{"kind":"prometheus","url":"http://x","query":"up","simulated":{"no_data":true}}`,
		`{"url":"http://x","query":"up","simulated":{"value":"NaN"}}`, `{"addr":"a:1","planned_error":"refused","simulated":{"error":"x"}}`,
		`{"every":1,"ignore_no_data":true,"probe":{"kind":"dns","name":"a","simulated":{"ok":false,"no_data":true}},"simulated":{"bad_after":1}}`,
	} {
		f.Add(uint8(kind), []byte(args))
	}
	e := New(Policy{}, Options{})
	f.Fuzz(func(t *testing.T, kind uint8, args []byte) {
		planned, err := e.Plan(&runtime.Request{Kind: e.Kinds()[int(kind)%len(e.Kinds())], Args: args})
		if err != nil {
			return
		}
		for _, r := range planned.Reports {
			if r.After < 0 {
				t.Errorf("a report after %s", r.After)
			}
		}
		if planned.Done != nil {
			if _, err := marshal(planned.Done.Data); err != nil || planned.Done.After < 0 {
				t.Errorf("done after %s with %v: %v", planned.Done.After, planned.Done.Data, err)
			}
			return
		}
		if _, problem := planned.End(soon); problem != nil {
			t.Error(problem)
		}
	})
}

// The policy's parsers take any text, and no text opens a metadata address.
func FuzzPolicy(f *testing.F) {
	f.Add("*", "http://169.254.169.254/")
	f.Add("[::1]:80", "http://[::ffff:a9fe:a9fe]:80/")
	f.Add("*.test:443", "https://a.test")
	f.Add("10.0.0.0/8", "http://10.0.0.1:70000")
	f.Fuzz(func(t *testing.T, entry, url string) {
		policy := Policy{Network: []string{entry}}
		if err := policy.CheckURL(url); err == nil && policy.Validate() != nil {
			t.Errorf("the malformed policy %q permits %q", entry, url)
		}
		if err := policy.CheckURL("http://169.254.169.254/"); err == nil {
			t.Errorf("the policy %q permits a metadata address", entry)
		}
	})
}

// Text is cut to its limit, stays text, and loses no more than it must.
func FuzzCutText(f *testing.F) {
	f.Add([]byte("aü€😀"), int64(4))
	f.Add([]byte{0xff, 0xfe, 0x80}, int64(2))
	f.Fuzz(func(t *testing.T, data []byte, limit int64) {
		if limit < 1 {
			return
		}
		text, raw, cut := cutText(data, limit)
		got := append([]byte(text), raw...)
		if int64(len(got)) > limit || cut != (int64(len(data)) > limit) || !strings.HasPrefix(string(data), string(got)) {
			t.Errorf("%q cut to %d is %q, %q, %v", data, limit, text, raw, cut)
		}
		if utf8.Valid(data) && (raw != nil || int64(len(text)) <= limit-utf8.UTFMax && cut) {
			t.Errorf("the text %q cut to %d is %q, %q", data, limit, text, raw)
		}
	})
}

// Paths and JSON texts from outside make the matcher neither panic nor hang.
func FuzzMatchJSON(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":1e400}]}`), "a[0].b", []byte(`1`))
	f.Add([]byte(`[1e999999999]`), "/0", []byte(`2e999999999`))
	f.Fuzz(func(t *testing.T, body []byte, path string, want []byte) {
		if err := matchJSON(body, map[string]json.RawMessage{path: want}); err == nil {
			if _, err := parsePath(path); err != nil {
				t.Errorf("something is found at the bad path %q: %v", path, err)
			}
		}
		if _, err := decodeNumbers(body); err == nil {
			if err := matchJSON(body, map[string]json.RawMessage{"": body}); err != nil {
				t.Errorf("%q is not itself: %v", body, err)
			}
		}
	})
}

// Whatever a server says, its answer is read to numbers or to an error.
func FuzzPrometheusAnswer(f *testing.F) {
	f.Add([]byte(promVector(`{"metric":{"a":"b"},"value":[1,"NaN"]}`)))
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}`))
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a PrometheusAnswer
		if a.read(&HTTPAnswer{Status: 200, Body: string(body)}) != nil {
			return
		}
		for _, s := range a.Samples {
			if _, err := s.Number(); err != nil {
				t.Errorf("a sample is %q", s.Value)
			}
		}
		p := PrometheusProbe{}
		var r Reading
		p.judge(a.Samples, &r)
		if _, err := marshal(r); err != nil || r.OK == (r.Error != "") {
			t.Errorf("the reading is %+v: %v", r, err)
		}
	})
}
