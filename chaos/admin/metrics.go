package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics gives the plane's figures to Prometheus: what each fault has seen and hit, and
// each target's traffic of the last minute.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(collector{s.plane}); err != nil {
		return err
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// metricsWindow is what the latencies and rates of /metrics cover.
const metricsWindow = time.Minute

// collector makes metrics of a plane as it is.
type collector struct{ plane *Plane }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("starquake_"+name, help, labels, nil)
}

// descs are the metrics.
func descs() (seen, hit, delayed, dropped, conns, requests, latency *prometheus.Desc) {
	fault := []string{"target", "fault", "kind"}
	return desc("fault_seen_total", "Requests, connections or messages that a fault that is on has seen.", fault...),
		desc("fault_hit_total", "Those of them that it hit.", fault...),
		desc("fault_delayed_bytes_total", "Bytes that it delayed.", fault...),
		desc("fault_dropped_bytes_total", "Bytes that it dropped.", fault...),
		desc("target_connections", "Connections that are open.", "target"),
		desc("target_requests_last_minute", "Requests answered in the last minute.", "target"),
		desc("target_latency_last_minute_seconds", "Latencies of the last minute, with and without faults.", "target", "faulted")
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	a, b, d, e, f, g, h := descs()
	for _, one := range []*prometheus.Desc{a, b, d, e, f, g, h} {
		ch <- one
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	seen, hit, delayed, dropped, conns, requests, latency := descs()
	for _, t := range c.plane.Targets() {
		p, err := c.plane.Proxy(t.Name)
		if err != nil {
			continue // closed meanwhile
		}
		window := p.Window(metricsWindow)
		ch <- prometheus.MustNewConstMetric(conns, prometheus.GaugeValue, float64(window.ActiveConns), t.Name)
		ch <- prometheus.MustNewConstMetric(requests, prometheus.GaugeValue, float64(window.Requests), t.Name)
		for name, l := range map[string]struct {
			count              uint64
			sum, p50, p90, p99 float64
		}{
			"true":  {window.Faulted.Count, window.Faulted.MeanMS * float64(window.Faulted.Count), window.Faulted.P50MS, window.Faulted.P90MS, window.Faulted.P99MS},
			"false": {window.Clean.Count, window.Clean.MeanMS * float64(window.Clean.Count), window.Clean.P50MS, window.Clean.P90MS, window.Clean.P99MS},
		} {
			ch <- prometheus.MustNewConstSummary(latency, l.count, l.sum/1000,
				map[float64]float64{0.5: l.p50 / 1000, 0.9: l.p90 / 1000, 0.99: l.p99 / 1000}, t.Name, name)
		}
		faults, err := c.plane.Faults(t.Name, "")
		if err != nil {
			continue
		}
		for _, f := range faults {
			for metric, value := range map[*prometheus.Desc]uint64{seen: f.Stats.Seen, hit: f.Stats.Hit, delayed: f.Stats.Delayed, dropped: f.Stats.Dropped} {
				ch <- prometheus.MustNewConstMetric(metric, prometheus.CounterValue, float64(value), t.Name, f.ID, f.Fault.Kind)
			}
		}
	}
}
