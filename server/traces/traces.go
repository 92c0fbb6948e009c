// Package traces tells OpenTelemetry what runs do: a run is a trace, a step a span in it; tries,
// faults and failures are events of the step that they belong to.
//
// It is a fold over the records of a run's journal as they are written: nothing in a run knows
// of it, and a collector that is slow or gone costs spans, never a run's time.
//
// What may not live here: what is no record, and how spans are sent, which is the SDK's and
// its OTEL_* variables'.
package traces

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"starquake/runtime/journal"
)

// Traces sends the traces of runs.
type Traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// New gives what sends traces by OTLP over HTTP as the OTEL_* variables say; nil where they name
// no endpoint, or turn it off.
func New(ctx context.Context, version string) (*Traces, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "starquake"), attribute.String("service.version", version)),
		resource.WithFromEnv()) // last, so that it wins
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	t := &Traces{provider: sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))}
	t.tracer = t.provider.Tracer("starquake")
	return t, nil
}

// Close sends what is not sent yet.
func (t *Traces) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Run is one run's trace.
type Run struct {
	traces *Traces
	id     string

	mu sync.Mutex
	// ctx holds the span of the run, root; both are nil before the first record.
	ctx  context.Context
	root trace.Span
	// origin is the wall time of At = 0; zero for a run that was taken up, whose begin came
	// to another process.
	origin   time.Time
	compress time.Duration
	steps    map[journal.Place]*step // those that are open
	faults   map[journal.Place]*fault
}

// step is a step that is open.
type step struct {
	path string
	ctx  context.Context
	span trace.Span
}

// fault is one that was asked for.
type fault struct {
	path string
	on   bool
}

// Run is given the records of a run in their order, and End when it goes on here no more.
func (t *Traces) Run(id string) *Run {
	return &Run{traces: t, id: id, steps: map[journal.Place]*step{}, faults: map[journal.Place]*fault{}}
}

// Record takes up a record.
func (r *Run) Record(rec journal.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := rec.Body.(*journal.RunBeginBody); ok {
		r.origin, r.compress = b.Origin, time.Duration(max(1, b.Compress))
		r.open(b.Name, r.at(rec))
		return
	}
	at := r.at(rec)
	if r.root == nil {
		r.open("", at)
	}
	switch b := rec.Body.(type) {
	case *journal.StepBeginBody:
		ctx, span := r.traces.tracer.Start(r.within(b.Path), b.Name, trace.WithTimestamp(at),
			trace.WithAttributes(attribute.String("starquake.step.path", b.Path)))
		r.steps[rec.Place] = &step{b.Path, ctx, span}
	case *journal.StepTryBody:
		r.note(b.Path, "try", at, attribute.Int("starquake.try", b.Try))
	case *journal.StepEndBody:
		s := r.steps[rec.Place]
		if s == nil {
			return // it began in another process
		}
		delete(r.steps, rec.Place)
		s.span.SetAttributes(attribute.String("starquake.step.status", string(b.Status)), attribute.Int("starquake.step.tries", b.Tries))
		if b.Error != nil {
			s.span.SetAttributes(attribute.String("error.type", b.Error.Code))
		}
		if b.Status == journal.Failed && !b.Tolerate {
			s.span.SetStatus(codes.Error, message(b.Error))
		}
		s.span.End(trace.WithTimestamp(at))
	case *journal.EffectStartBody:
		if b.Held && b.Chaos {
			r.faults[rec.Place] = &fault{path: b.Path}
		}
	case *journal.EffectNoteBody:
		if f := r.faults[rec.Place]; f != nil && !f.on {
			f.on = true
			r.note(f.path, "fault on", at, attribute.String("starquake.fault.id", rec.Place.String()))
		}
	case *journal.EffectEndBody:
		if f := r.faults[rec.Place]; f != nil {
			delete(r.faults, rec.Place)
			attrs := []attribute.KeyValue{attribute.String("starquake.fault.id", rec.Place.String())}
			if b.Error != nil {
				attrs = append(attrs, attribute.String("error.type", b.Error.Code))
			}
			r.note(f.path, "fault off", at, attrs...)
		}
	case *journal.FailureBody:
		r.note(b.Path, "failure", at, attribute.String("error.type", b.Code), attribute.String("starquake.message", b.Message))
	case *journal.RunEndBody:
		r.root.SetAttributes(attribute.String("starquake.run.verdict", string(b.Verdict)), attribute.String("starquake.run.reason", b.Reason))
		if b.Verdict != journal.VerdictPassed {
			r.root.SetStatus(codes.Error, b.Message)
		}
		r.close(at)
	}
}

// End closes what is open of a run that was parked.
func (r *Run) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.root == nil || !r.root.IsRecording() {
		return
	}
	r.root.SetAttributes(attribute.Bool("starquake.run.parked", true))
	r.close(time.Now())
}

// close ends all spans, the innermost first. The caller holds mu.
func (r *Run) close(at time.Time) {
	for place, s := range r.steps {
		s.span.End(trace.WithTimestamp(at))
		delete(r.steps, place)
	}
	r.root.End(trace.WithTimestamp(at))
}

// open begins the trace. The caller holds mu.
func (r *Run) open(name string, at time.Time) {
	title := "run " + name
	if name == "" {
		title = "run taken up"
	}
	r.ctx, r.root = r.traces.tracer.Start(context.Background(), title, trace.WithNewRoot(), trace.WithTimestamp(at), trace.WithAttributes(
		attribute.String("starquake.run.id", r.id), attribute.String("starquake.run.name", name)))
}

// at is when a record was written, on the clock on the wall.
func (r *Run) at(rec journal.Record) time.Time {
	if r.origin.IsZero() {
		return time.Now()
	}
	return r.origin.Add(rec.At / r.compress)
}

// inner is the open step that a path is in, or is, nil for none. The caller holds mu.
func (r *Run) inner(path string) (found *step) {
	for _, s := range r.steps {
		if (path == s.path || strings.HasPrefix(path, s.path+"/")) && (found == nil || len(s.path) > len(found.path)) {
			found = s
		}
	}
	return found
}

// within is the context of what is at a path. The caller holds mu.
func (r *Run) within(path string) context.Context {
	if s := r.inner(path); s != nil {
		return s.ctx
	}
	return r.ctx
}

// note adds an event to the step at a path, or to the run. The caller holds mu.
func (r *Run) note(path, name string, at time.Time, attrs ...attribute.KeyValue) {
	trace.SpanFromContext(r.within(path)).AddEvent(name, trace.WithTimestamp(at), trace.WithAttributes(attrs...))
}

func message(p *journal.Problem) string {
	if p == nil {
		return ""
	}
	return p.Message
}
