package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestTraces: what runs do comes to a collector of OpenTelemetry: a trace for a run, a span for
// a step below it, with what happened to it. What goes on when the server ends is sent too.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	spans := map[string]*otlp.Span{}
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &got)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range got.ResourceSpans {
			service := ""
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			if service != "starquake" {
				t.Errorf("the service is %q", service)
			}
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					spans[span.Name] = span
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(there.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.URL)
	l := serve(t, "--proxy", upstream(t))
	id := l.begin(`
orchestration(name = "traced")
def inner():
    step("inner", duration = "1ms", chaos = fault.latency("1ms"), on = target("api"), min_hits = 0)
def main():
    step("outer", inner)
    step("bad", lambda: fail("no luck"))
`)
	if end := l.over(id); end.text("verdict") != "failed" && end.text("verdict") != "errored" {
		t.Fatalf("%s", end.body)
	}
	l.begin("orchestration(name = \"parked\")\ndef main():\n    step(\"long\", duration = \"1h\")\n")
	l.await("the step", func() bool { return l.do("GET", "/api/v1/runs?name=parked", nil).text("runs.0.current_step") == "1" })
	l.stop()
	mu.Lock()
	defer mu.Unlock()
	run, outer, inner, bad, parked, long := spans["run traced"], spans["outer"], spans["inner"], spans["bad"], spans["run parked"], spans["long"]
	if run == nil || outer == nil || inner == nil || bad == nil || parked == nil || long == nil {
		t.Fatalf("only these spans came: %v\n%s", spans, l.log)
	}
	attr := func(s *otlp.Span, key string) string {
		for _, a := range s.Attributes {
			if a.Key == key {
				return a.Value.GetStringValue()
			}
		}
		return ""
	}
	if attr(run, "starquake.run.id") != id || len(run.ParentSpanId) != 0 || attr(run, "starquake.run.verdict") == "" || run.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the run: %v", run)
	}
	if string(outer.ParentSpanId) != string(run.SpanId) || string(inner.ParentSpanId) != string(outer.SpanId) || string(inner.TraceId) != string(run.TraceId) {
		t.Errorf("the steps do not hang together: %v %v %v", run, outer, inner)
	}
	if inner.StartTimeUnixNano < outer.StartTimeUnixNano || inner.EndTimeUnixNano > outer.EndTimeUnixNano || inner.EndTimeUnixNano-inner.StartTimeUnixNano < 1e6 {
		t.Errorf("times: %v %v", outer, inner)
	}
	var events []string
	for _, e := range inner.Events {
		events = append(events, e.Name)
	}
	if len(events) != 3 || events[0] != "try" || events[1] != "fault on" || events[2] != "fault off" {
		t.Errorf("what happened to the inner step: %v", events)
	}
	if bad.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || attr(bad, "starquake.step.status") != "failed" || outer.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the step that failed: %v", bad)
	}
	if string(parked.TraceId) == string(run.TraceId) || string(long.TraceId) != string(parked.TraceId) {
		t.Errorf("two runs in one trace: %v %v", run, parked)
	}
}
