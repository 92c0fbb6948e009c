package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"starquake/chaos/admin"
	"starquake/runtime/journal"
)

// metrics are what /metrics tells. What runs do is counted from their records as they are
// written, so it is what their journals have.
type metrics struct {
	registry *prometheus.Registry
	started  prometheus.Counter
	ended    *prometheus.CounterVec
	steps    *prometheus.CounterVec
	faults   prometheus.Gauge
	effects  *prometheus.HistogramVec
	records  prometheus.Counter
	requests *prometheus.HistogramVec
}

// buckets go from what an answer from memory takes to a minute.
func buckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// newMetrics makes the metrics of a server whose runs and data plane these are.
func newMetrics(runs *manager, plane *admin.Plane) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		started:  prometheus.NewCounter(prometheus.CounterOpts{Name: "starquake_runs_started_total", Help: "Runs that began in this process."}),
		ended:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starquake_runs_ended_total", Help: "Runs that ended in this process, by verdict."}, []string{"verdict"}),
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starquake_steps_ended_total", Help: "Steps that ended, by how."}, []string{"status"}),
		faults:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "starquake_faults_on", Help: "Faults of runs of this process that are on."}),
		effects: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "starquake_effect_seconds", Help: "How long effects took that are not held, by kind and whether they were done as asked.", Buckets: buckets(),
		}, []string{"kind", "ok"}),
		records: prometheus.NewCounter(prometheus.CounterOpts{Name: "starquake_journal_records_total", Help: "Records written to journals."}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "starquake_http_request_seconds", Help: "How long requests of the API took, by method and status.", Buckets: buckets(),
		}, []string{"method", "status"}),
	}
	live := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "starquake_runs_live", Help: "Runs that go on in this process, paused ones included."}, func() float64 {
		runs.mu.Lock()
		defer runs.mu.Unlock()
		return float64(len(runs.live))
	})
	queued := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "starquake_runs_queued", Help: "Starts that wait for their turn."}, func() float64 {
		runs.mu.Lock()
		defer runs.mu.Unlock()
		return float64(len(runs.queue))
	})
	m.registry.MustRegister(queued, m.started, m.ended, m.steps, m.faults, m.effects, m.records, m.requests, live,
		admin.NewCollector(plane), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, v := range []journal.Verdict{journal.VerdictPassed, journal.VerdictFailed, journal.VerdictAborted, journal.VerdictErrored, journal.VerdictUnclean, journal.VerdictStopped, journal.VerdictInconclusive} {
		m.ended.WithLabelValues(string(v)) // so that a rate over the first one is right
	}
	return m
}

// run is given the records of one run, in their order.
func (m *metrics) run() func(journal.Record) {
	return (&counted{metrics: m}).record
}

// counted is a run that is counted.
type counted struct {
	metrics *metrics
	mu      sync.Mutex
	open    map[journal.Place]*openEffect // nil before the first
}

// openEffect is an effect that has not ended.
type openEffect struct {
	kind   string
	at     time.Duration
	fault  bool // it is one
	on     bool // and is on
	timing bool // how long it takes says something
}

func (c *counted) record(rec journal.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.metrics
	m.records.Inc()
	switch b := rec.Body.(type) {
	case *journal.RunBeginBody:
		m.started.Inc()
	case *journal.RunEndBody:
		m.ended.WithLabelValues(string(b.Verdict)).Inc()
		for place := range c.open { // what has no end has one now
			c.close(place)
		}
	case *journal.StepEndBody:
		m.steps.WithLabelValues(string(b.Status)).Inc()
	case *journal.EffectStartBody:
		if c.open == nil {
			c.open = map[journal.Place]*openEffect{}
		}
		c.open[rec.Place] = &openEffect{kind: b.Kind, at: rec.At, fault: b.Held && b.Chaos, timing: !b.Held}
	case *journal.EffectNoteBody:
		if e := c.open[rec.Place]; e != nil && e.fault && !e.on {
			e.on = true
			m.faults.Inc()
		}
	case *journal.EffectEndBody:
		if e := c.open[rec.Place]; e != nil && e.timing {
			m.effects.WithLabelValues(e.kind, strconv.FormatBool(b.Error == nil)).Observe((rec.At - e.at).Seconds())
		}
		c.close(rec.Place)
	}
}

// close forgets an effect.
func (c *counted) close(place journal.Place) {
	if e := c.open[place]; e != nil && e.on {
		c.metrics.faults.Dec()
	}
	delete(c.open, place)
}

// request counts a request that was answered.
func (m *metrics) request(c *fiber.Ctx, took time.Duration) {
	method := c.Method()
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}, method) {
		method = "other" // a client must not make series
	}
	m.requests.WithLabelValues(method, strconv.Itoa(c.Response().StatusCode())).Observe(took.Seconds())
}

// metricsRoute is what Prometheus asks for.
func (s *Server) metricsRoute() {
	const contentType = "text/plain; version=0.0.4; charset=utf-8"
	o := op("GET", "/metrics", "metrics", Viewer, "What the server does, for Prometheus.", "system")
	o.Responses["200"] = &huma.Response{Description: "The metrics.", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(s.api, o, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		families, err := s.metrics.registry.Gather()
		if err != nil {
			return nil, asProblem(err)
		}
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", contentType)
			ctx.SetStatus(http.StatusOK)
			enc := expfmt.NewEncoder(ctx.BodyWriter(), expfmt.NewFormat(expfmt.TypeTextPlain))
			for _, family := range families {
				if err := enc.Encode(family); err != nil {
					panic(err) // into memory, of what was gathered
				}
			}
		}}, nil
	})
}
