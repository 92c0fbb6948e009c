package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"starquake/builtins"
	"starquake/chaos/admin"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/server/schedule"
)

// metrics are what /metrics tells. What runs do is counted from their records as they are
// written, so it is what their journals have.
type metrics struct {
	registry *prometheus.Registry
	started  prometheus.Counter
	ended    *prometheus.CounterVec
	steps    *prometheus.CounterVec
	effects  *prometheus.HistogramVec
	records  prometheus.Counter
	requests *prometheus.HistogramVec
	times    *prometheus.CounterVec
	// paused and stopping are how many of the runs that go on are so; faults how many faults
	// of theirs are on, those that are lifted among them.
	paused, stopping, faults atomic.Int64
	// lifting has the ids of the runs whose faults may be lifted: they are paused, or ask.
	lifting sync.Map
}

// buckets go from what an answer from memory takes to a minute.
func buckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// newMetrics makes the metrics of a server whose runs and data plane these are.
func newMetrics(runs *manager, plane *admin.Plane, damaged func() map[string]int) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		started:  prometheus.NewCounter(prometheus.CounterOpts{Name: "starquake_runs_started_total", Help: "Runs that began in this process."}),
		ended:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starquake_runs_ended_total", Help: "Runs that ended in this process, by verdict."}, []string{"verdict"}),
		steps:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starquake_steps_ended_total", Help: "Steps that ended, by how."}, []string{"status"}),
		effects: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "starquake_effect_seconds", Help: "How long effects took that are not held, by kind and whether they were done as asked.", Buckets: buckets(),
		}, []string{"kind", "ok"}),
		records: prometheus.NewCounter(prometheus.CounterOpts{Name: "starquake_journal_records_total", Help: "Records written to journals."}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "starquake_http_request_seconds", Help: "How long requests of the API took, by method and status.", Buckets: buckets(),
		}, []string{"method", "status"}),
		times: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "starquake_schedule_times_total", Help: "Times of schedules, by what became of them."}, []string{"what"}),
	}
	m.registry.MustRegister(&states{m, runs, damaged}, m.started, m.times, m.ended, m.steps, m.effects, m.records, m.requests,
		admin.NewCollector(plane), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, v := range []journal.Verdict{journal.VerdictPassed, journal.VerdictFailed, journal.VerdictAborted, journal.VerdictErrored, journal.VerdictUnclean, journal.VerdictStopped, journal.VerdictInconclusive} {
		m.ended.WithLabelValues(string(v)) // so that a rate over the first one is right
	}
	for _, what := range []string{schedule.Started, schedule.Skipped, schedule.Missed, schedule.Failed} {
		m.times.WithLabelValues(what) // likewise
	}
	return m
}

// states are how many runs there are in each state, as they are when they are asked for.
type states struct {
	metrics *metrics
	runs    *manager
	damaged func() map[string]int
}

var faultsDesc = prometheus.NewDesc("starquake_faults_on", "Faults of runs that go on in this process which are on, and not lifted. What a run has left on when it ended unclean is not among them.", nil, nil)

var runsDesc = prometheus.NewDesc("starquake_runs",
	"Runs that have not ended, by what they are doing: queued, running, paused, stopping, or parked (let go when a server ended or died, and not taken up by this one).", []string{"state"}, nil)

var damagedDesc = prometheus.NewDesc("starquake_damaged_documents", "What the server keeps and cannot read, or open, by kind: it is left out, and all else goes on.", []string{"kind"}, nil)

// Describe implements prometheus.Collector.
func (s *states) Describe(ch chan<- *prometheus.Desc) {
	ch <- runsDesc
	ch <- faultsDesc
	ch <- damagedDesc
}

// Collect implements prometheus.Collector.
func (s *states) Collect(ch chan<- prometheus.Metric) {
	s.runs.mu.Lock()
	live, queued, parked := int64(s.runs.going()), len(s.runs.queue), s.runs.lets()
	s.runs.mu.Unlock()
	paused, stopping := s.metrics.paused.Load(), s.metrics.stopping.Load()
	for state, n := range map[string]int64{
		statusQueued: int64(queued), string(view.Running): max(0, live-paused-stopping), string(view.Paused): paused, statusStopping: stopping, "parked": int64(parked),
	} {
		ch <- prometheus.MustNewConstMetric(runsDesc, prometheus.GaugeValue, float64(n), state)
	}
	ch <- prometheus.MustNewConstMetric(faultsDesc, prometheus.GaugeValue, float64(max(0, s.metrics.faults.Load()-s.lifted())))
	for kind, n := range s.damaged() {
		ch <- prometheus.MustNewConstMetric(damagedDesc, prometheus.GaugeValue, float64(n), kind)
	}
}

// lifted is how many faults are on but lifted.
func (s *states) lifted() (n int64) {
	s.metrics.lifting.Range(func(id, _ any) bool {
		s.runs.mu.Lock()
		run := s.runs.live[id.(string)]
		s.runs.mu.Unlock()
		if run != nil {
			v := run.View()
			n += int64(v.FaultsOn - v.FaultsNow())
		}
		return true
	})
	return n
}

// counted is a run that is counted. Its records come to record in their order; those that a
// run which is taken up has from before come to past.
type counted struct {
	metrics          *metrics
	id               string
	mu               sync.Mutex
	open             map[journal.Place]*openEffect // nil before the first
	paused, stopping bool
	asking           int // approvals that wait
}

// openEffect is an effect that has not ended.
type openEffect struct {
	kind   string
	at     time.Duration
	fault  bool // it is one
	on     bool // and is on
	timing bool // how long it takes says something
}

// past follows what the run was when it was taken up. Another process has counted it.
func (c *counted) past(recs []journal.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rec := range recs {
		c.follow(rec)
	}
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
	case *journal.StepEndBody:
		m.steps.WithLabelValues(string(b.Status)).Inc()
	case *journal.EffectEndBody:
		if e := c.open[rec.Place]; e != nil && e.timing {
			m.effects.WithLabelValues(e.kind, strconv.FormatBool(b.Error == nil)).Observe((rec.At - e.at).Seconds())
		}
	}
	c.follow(rec)
}

// follow keeps what the run is doing now. The caller holds mu.
func (c *counted) follow(rec journal.Record) {
	switch b := rec.Body.(type) {
	case *journal.ControlBody:
		switch b.Action {
		case runtime.ActionPause:
			c.does(true, c.stopping)
		case runtime.ActionResume:
			c.does(false, c.stopping)
		case runtime.ActionStop, runtime.ActionAbort: // which end a pause
			c.does(false, true)
		}
		c.maybeLifts()
	case *journal.RunEndBody:
		c.end()
	case *journal.EffectStartBody:
		if c.open == nil {
			c.open = map[journal.Place]*openEffect{}
		}
		c.open[rec.Place] = &openEffect{kind: b.Kind, at: rec.At, fault: b.Held && b.Chaos, timing: !b.Held}
		if b.Kind == builtins.KindApprove {
			c.asking++
			c.maybeLifts()
		}
	case *journal.EffectNoteBody:
		if e := c.open[rec.Place]; e != nil && e.fault && !e.on {
			e.on = true
			c.metrics.faults.Add(1)
		}
	case *journal.EffectEndBody:
		c.close(rec.Place)
	}
}

// does notes whether the run is paused, or stopping. The caller holds mu.
func (c *counted) does(paused, stopping bool) {
	for _, state := range []struct {
		was *bool
		is  bool
		of  *atomic.Int64
	}{{&c.paused, paused, &c.metrics.paused}, {&c.stopping, stopping, &c.metrics.stopping}} {
		switch {
		case state.is && !*state.was:
			state.of.Add(1)
		case !state.is && *state.was:
			state.of.Add(-1)
		}
		*state.was = state.is
	}
}

// maybeLifts notes whether the run's faults may be lifted. The caller holds mu.
func (c *counted) maybeLifts() {
	if c.paused || c.asking > 0 {
		c.metrics.lifting.Store(c.id, true)
	} else {
		c.metrics.lifting.Delete(c.id)
	}
}

// over is told that the run is not of this process any more: it has ended, or was parked.
func (c *counted) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

// end forgets the run: what has no end has one now. The caller holds mu.
func (c *counted) end() {
	c.does(false, false)
	defer c.maybeLifts()
	for place := range c.open {
		c.close(place)
	}
}

// close forgets an effect. The caller holds mu.
func (c *counted) close(place journal.Place) {
	e := c.open[place]
	if e == nil {
		return
	}
	delete(c.open, place)
	if e.on {
		c.metrics.faults.Add(-1)
	}
	if e.kind == builtins.KindApprove {
		c.asking--
		c.maybeLifts()
	}
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
