package effects

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

func TestPlans(t *testing.T) {
	tests := []struct {
		kind, args string
		data       string // the answer, canonical
		after      time.Duration
		error      string // instead
	}{
		{kind: "http", args: `{"url":"http://a.test/"}`, data: `{"elapsed":10000000,"status":200}`},
		{kind: "http", args: `{"url":"http://a.test/","planned_status":201}`, data: `{"elapsed":10000000,"status":201}`},
		{kind: "http", args: `{"url":"http://x","body":"planned_status"}`, data: `{"elapsed":10000000,"status":200}`},
		{kind: "http", args: `{"url":"http://x","body":"simulated"}`, data: `{"elapsed":10000000,"status":200}`},
		{kind: "http", args: `{"url":"http://x","simulated":null}`, data: `{"elapsed":10000000,"status":200}`},
		{kind: "http", args: `{"url":"http://x","simulated":{"status":503,"body":"no","elapsed":"1m30s"}}`,
			data: `{"body":"no","elapsed":90000000000,"status":503}`, after: 90 * time.Second},
		{kind: "http", args: `{"url":"http://x","simulated":{"elapsed":1500}}`, data: `{"elapsed":1500,"status":200}`, after: 1500},
		{kind: "http", args: `{"url":"http://x","simulated":{"json":{"a": [1, "<"]}}}`, data: `{"body":"{\"a\": [1, \"<\"]}","elapsed":10000000,"status":200}`},
		{kind: "http", args: `{"url":"http://x","simulated":{"error":"refused"}}`,
			data: `{"elapsed":10000000,"error":{"code":"refused","message":"simulated: refused"},"status":0}`},
		{kind: "http", args: `{"url":"http://x","simulated":{"error":{"code":"eof","message":"cut"},"status":200}}`,
			data: `{"elapsed":10000000,"error":{"code":"eof","message":"cut"},"status":200}`},
		{kind: "http", args: `{"url":"http://x","simulated":{"stauts":503}}`, error: `unknown member "stauts"; known are body, body_base64, elapsed, error, headers, json, status, truncated`},
		{kind: "http", args: `{"url":"http://x","simulated":{"status":"503"}}`, error: "status is a string; expected an integer"},
		{kind: "http", args: `{"url":"http://x","simulated":{"elapsed":"soon"}}`, error: `elapsed: "soon" is no duration`},
		{kind: "http", args: `{"url":"http://x","simulated":{"elapsed":-1}}`, error: "is no duration"},
		{kind: "http", args: `{"url":"http://x","simulated":{"elapsed":1.5}}`, error: "is no duration"},
		{kind: "http", args: `{"url":"http://x","simulated":[1]}`, error: "[1] is no object"},
		{kind: "http", args: `{"url":"http://x","planned_status":"200"}`, error: "cannot unmarshal"},
		{kind: "exec", args: `{"argv":["x"]}`, data: `{"code":0,"elapsed":10000000}`},
		{kind: "exec", args: `{"argv":["x"],"planned_code":3}`, data: `{"code":3,"elapsed":10000000}`},
		{kind: "exec", args: `{"argv":["x"],"simulated":{"stdout":"hi","elapsed":"2s"}}`, data: `{"code":0,"elapsed":2000000000,"stdout":"hi"}`, after: 2 * time.Second},
		{kind: "exec", args: `{"argv":["x"],"simulated":{"error":"timeout"}}`,
			data: `{"code":-1,"elapsed":10000000,"error":{"code":"timeout","message":"simulated: timeout"}}`},
		{kind: "probe", args: `{"kind":"http","url":"http://x","status":"404"}`, data: `{"elapsed":0,"ok":true,"value":404}`},
		{kind: "probe", args: `{"kind":"http","url":"http://x","simulated":{"ok":false,"elapsed":"3s"}}`,
			data: `{"elapsed":3000000000,"error":"simulated","ok":false,"value":200}`, after: 3 * time.Second},
		{kind: "dance", args: `{}`, error: `unknown kind of effect "dance"; known are dns, exec, grpc, http, load, load.describe, load.window, notify, other, probe, prometheus, tcp, watch`},
		{kind: "other", args: `{"simulated":{"what":"ever","elapsed":7}}`, data: `{"elapsed":7,"planned":true,"what":"ever"}`, after: 7},
	}
	e := newEffects(t, Policy{}, Options{}).With("other", nil, planFunc(func(*runtime.Request) (runtime.Planned, error) {
		return runtime.Planned{Done: &runtime.PlannedEvent{Data: map[string]bool{"planned": true}}}, nil
	}))
	for _, test := range tests {
		t.Run(test.kind+test.args, func(t *testing.T) {
			req := request(t, test.kind, json.RawMessage(test.args))
			planned, err := e.Plan(&req)
			if test.error != "" {
				if err == nil || !strings.Contains(err.Error(), test.error) {
					t.Errorf("error %v, want one with %q", err, test.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := canonical(t, planned.Done.Data); got != test.data {
				t.Errorf("answer %s, want %s", got, test.data)
			}
			if planned.Done.After != test.after {
				t.Errorf("after %s, want %s", planned.Done.After, test.after)
			}
		})
	}
}

// canonical is data as JSON with sorted keys.
func canonical(t *testing.T, data any) string {
	t.Helper()
	text, err := marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	v, err := decodeNumbers(text)
	if err != nil {
		t.Fatal(err)
	}
	if text, err = marshal(v); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPlannedWatch(t *testing.T) {
	const http = `"probe":{"kind":"http","url":"http://x"}`
	const down = `"probe":{"kind":"http","url":"http://x","simulated":{"ok":false,"value":500}}`
	tests := []struct {
		args    string
		ran     time.Duration
		reports []string // "after state value"
		end     string
		error   string
	}{
		{args: `{"every":1000000000,` + http + `}`, ran: 10 * sec, reports: []string{"0s holds 200"},
			end: `{"bad":0,"last":{"elapsed":0,"ok":true,"value":200},"longest_bad":0,"missed":0,"seen":11}`},
		{args: `{"every":1000000000,` + down + `}`, ran: sec, reports: []string{"0s bad 500"},
			end: `{"bad":2,"first_bad_after":0,"last":{"elapsed":0,"error":"simulated","ok":false,"value":500},"longest_bad":1000000000,"missed":0,"seen":2}`},
		{args: `{"every":1000000000,"breaches":3,` + down + `}`, ran: sec, reports: []string{"0s pending 500", "2s bad 500"},
			end: `{"bad":2,"first_bad_after":0,"last":{"elapsed":0,"error":"simulated","ok":false,"value":500},"longest_bad":1000000000,"missed":0,"seen":2}`},
		{args: `{"every":1000000000,` + http + `,"simulated":{"bad_after":"30s","bad_for":"5s"}}`, ran: time.Minute,
			reports: []string{"0s holds 200", "30s bad <nil>", "35s holds 200"},
			end:     `{"bad":5,"first_bad_after":30000000000,"last":{"elapsed":0,"ok":true,"value":200},"longest_bad":5000000000,"missed":0,"seen":61}`},
		{args: `{"every":1000000000,"breaches":9223372036854775807,` + http + `,"simulated":{"bad_after":1}}`, ran: sec, reports: []string{"0s holds 200"},
			end: `{"bad":1,"first_bad_after":1000000000,"last":{"elapsed":0,"error":"simulated","ok":false,"value":null},"longest_bad":0,"missed":0,"seen":2}`},
		{args: `{"every":1000000000,"breaches":1000000000000,` + down + `}`, ran: 0, reports: []string{"0s pending 500"},
			end: `{"bad":1,"first_bad_after":0,"last":{"elapsed":0,"error":"simulated","ok":false,"value":500},"longest_bad":0,"missed":0,"seen":1}`},
		{args: `{"every":1000000000,` + http + `,"simulated":{"missed":4}}`, ran: 0, reports: []string{"0s holds 200"},
			end: `{"bad":0,"last":{"elapsed":0,"ok":true,"value":200},"longest_bad":0,"missed":4,"seen":1}`},
		{args: `{"every":1000000000,` + http + `,"simulated":{"bad_for":"5s"}}`, error: "it needs bad_after"},
		{args: `{"every":1000000000,` + http + `,"simulated":{"bad_after":"x"}}`, error: "bad_after: "},
		{args: `{"every":1000000000,` + http + `,"simulated":{"state":"bad"}}`, error: `unknown member "state"`},
	}
	e := newEffects(t, Policy{}, Options{})
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			req := request(t, KindWatch, json.RawMessage(test.args))
			planned, err := e.Plan(&req)
			if test.error != "" {
				if err == nil || !strings.Contains(err.Error(), test.error) {
					t.Errorf("error %v, want one with %q", err, test.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var reports []string
			for _, r := range planned.Reports {
				var report WatchReport
				into(t, r.Data, &report)
				reports = append(reports, r.After.String()+" "+string(report.State)+" "+text(report.Reading.Value))
			}
			if !slices.Equal(reports, test.reports) {
				t.Errorf("reports %q, want %q", reports, test.reports)
			}
			if planned.Done != nil {
				t.Errorf("it ends by itself: %+v", planned.Done)
			}
			end, problem := planned.End(test.ran)
			if problem != nil {
				t.Fatal(problem)
			}
			if got := canonical(t, end); got != test.end {
				t.Errorf("end %s\nwant %s", got, test.end)
			}
		})
	}
}

// text is a reading's value for comparison.
func text(v any) string {
	if v == nil {
		return "<nil>"
	}
	raw, err := marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// A plan is not changed by what the simulation of another one did.
func TestPlansShareNothing(t *testing.T) {
	e := newEffects(t, Policy{}, Options{})
	simulated := request(t, KindHTTP, HTTPArgs{URL: "x", Simulated: json.RawMessage(`{"status":500,"elapsed":9}`)})
	plain := request(t, KindHTTP, HTTPArgs{URL: "x"})
	for range 2 {
		if _, err := e.Plan(&simulated); err != nil {
			t.Fatal(err)
		}
		planned, err := e.Plan(&plain)
		if err != nil {
			t.Fatal(err)
		}
		if got := canonical(t, planned.Done.Data); got != `{"elapsed":10000000,"status":200}` || planned.Done.After != 0 {
			t.Errorf("answer %s after %s", got, planned.Done.After)
		}
	}
}

func TestSimulatedEndKeepsItsError(t *testing.T) {
	held := planFunc(func(*runtime.Request) (runtime.Planned, error) {
		return runtime.Planned{End: func(time.Duration) (any, *journal.EffectError) {
			return nil, &journal.EffectError{Code: "unclean", Message: "still on"}
		}}, nil
	})
	e := newEffects(t, Policy{}, Options{}).With("fault", nil, held)
	req := request(t, "fault", json.RawMessage(`{"simulated":{"seen":3}}`))
	planned, err := e.Plan(&req)
	if err != nil {
		t.Fatal(err)
	}
	if _, problem := planned.End(0); codeIn(problem) != "unclean" {
		t.Errorf("ends with %v, want the code unclean", problem)
	}
}

func TestWith(t *testing.T) {
	e := newEffects(t, Policy{}, Options{})
	failing := performFunc(nil)
	more := e.With("fault", failing, nil)
	if table := more.Table(); len(table) != len(e.Table())+1 || table["fault"].Kind != "fault" || table["fault"].Performer == nil {
		t.Errorf("table %v", table)
	}
	if got := strings.Join(more.Kinds(), " "); got != "dns exec fault grpc http load load.describe load.window notify probe prometheus tcp watch" {
		t.Errorf("kinds %q", got)
	}
	if got := strings.Join(e.Kinds(), " "); got != "dns exec grpc http load load.describe load.window notify probe prometheus tcp watch" {
		t.Errorf("the effects it was made from have the kinds %q", got)
	}
	req := request(t, "fault", json.RawMessage(`{}`))
	if _, err := more.Plan(&req); code(err) != CodeInvalid {
		t.Errorf("planning without a planner: %v", err)
	}
	if _, err := e.With("fault", nil, nil).Perform(t.Context(), &runtime.Call{Request: req}); code(err) != CodeInvalid {
		t.Errorf("performing without a performer: %v", err)
	}
	if _, err := e.Perform(t.Context(), &runtime.Call{Request: req}); code(err) != CodeInvalid || !errors.As(err, new(*journal.EffectError)) {
		t.Errorf("performing an unknown kind: %v", err)
	}
}

func BenchmarkPlan(b *testing.B) {
	e := newEffects(b, Policy{}, Options{})
	for _, bench := range []struct {
		name string
		kind string
		args any
	}{
		{"http", KindHTTP, HTTPArgs{URL: "http://127.0.0.1:8080/checkout", Method: "POST", Headers: map[string]string{"Content-Type": "application/json"}, Body: `{"item":"p-100"}`, Timeout: sec}},
		{"http with its status", KindHTTP, HTTPArgs{URL: "http://127.0.0.1:8080/checkout", Method: "POST", Headers: map[string]string{"Content-Type": "application/json"}, Body: `{"item":"p-100"}`, PlannedStatus: 201}},
		{"http simulated", KindHTTP, HTTPArgs{URL: "http://127.0.0.1:8080/checkout", Simulated: json.RawMessage(`{"status":503,"elapsed":1000}`)}},
		{"exec", KindExec, ExecArgs{Argv: []string{"kubectl", "get", "pods"}}},
		{"probe", KindProbe, HTTPProbe{Kind: "http", URL: "http://127.0.0.1:8080/health"}},
		{"watch", KindWatch, WatchArgs{Every: sec, Probe: json.RawMessage(`{"kind":"http","url":"http://127.0.0.1:8080/health"}`)}},
	} {
		req := request(b, bench.kind, bench.args)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Plan(&req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
