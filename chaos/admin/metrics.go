package admin

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics gives the plane's figures to Prometheus: what each fault has seen and hit, and
// each target's traffic with its latencies, with and without faults.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(NewCollector(s.plane)); err != nil {
		return err
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// collector makes metrics of a plane as it is.
type collector struct {
	plane                                *Plane
	seen, hit, inapplicable              *prometheus.Desc
	delayed, dropped                     *prometheus.Desc
	open, connections, requests, in, out *prometheus.Desc
	latency                              *prometheus.Desc
	received                             *prometheus.Desc
}

// NewCollector makes metrics of a plane: what each fault that is on has seen and hit, and
// each target's traffic.
func NewCollector(p *Plane) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("starquake_"+name, help, labels, nil)
	}
	fault := []string{"target", "fault", "kind"}
	return &collector{
		plane:        p,
		seen:         desc("fault_seen_total", "Requests, connections or messages that a fault that is on has seen.", fault...),
		hit:          desc("fault_hit_total", "Those of them that it hit.", fault...),
		inapplicable: desc("fault_inapplicable_total", "Connections that speak what the fault cannot act on.", fault...),
		delayed:      desc("fault_delayed_bytes_total", "Bytes that it delayed.", fault...),
		dropped:      desc("fault_dropped_bytes_total", "Bytes that it dropped.", fault...),
		open:         desc("target_connections", "Connections that are open.", "target"),
		connections:  desc("target_connections_total", "Connections that came.", "target"),
		requests:     desc("target_requests_total", "Requests that were answered.", "target"),
		in:           desc("target_received_bytes_total", "Bytes that came from clients.", "target"),
		out:          desc("target_sent_bytes_total", "Bytes that came for clients.", "target"),
		latency:      desc("target_latency_seconds", "Latencies of requests, from the head of the request to the end of the answer, with and without faults.", "target", "faulted"),
		received: prometheus.NewDesc("toxiproxy_proxy_received_bytes_total", "The same bytes, as Toxiproxy names them.",
			[]string{"direction", "proxy", "listener", "upstream"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.seen, c.hit, c.inapplicable, c.delayed, c.dropped, c.open, c.connections, c.requests, c.in, c.out, c.latency, c.received,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, t := range c.plane.Targets() {
		p, err := c.plane.Proxy(t.Name)
		if err != nil {
			continue // closed meanwhile
		}
		all := p.Totals()
		ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(p.ActiveConns()), t.Name)
		count(c.connections, all.Connections, t.Name)
		count(c.requests, all.Requests, t.Name)
		count(c.in, all.BytesIn, t.Name)
		count(c.out, all.BytesOut, t.Name)
		count(c.received, all.BytesIn, "upstream", t.Name, t.Listen, t.Upstream)
		count(c.received, all.BytesOut, "downstream", t.Name, t.Listen, t.Upstream)
		ch <- prometheus.MustNewConstHistogram(c.latency, all.Faulted.Count, all.Faulted.Seconds, all.Faulted.Buckets, t.Name, "true")
		ch <- prometheus.MustNewConstHistogram(c.latency, all.Clean.Count, all.Clean.Seconds, all.Clean.Buckets, t.Name, "false")
		for _, f := range p.Faults() { // those of runs that have borrowed the target too
			labels := []string{t.Name, f.ID, f.Fault.Kind}
			if f.Fault.Counted() {
				count(c.seen, f.Stats.Seen, labels...)
				count(c.hit, f.Stats.Hit, labels...)
			}
			count(c.inapplicable, f.Stats.Inapplicable, labels...)
			count(c.delayed, f.Stats.Delayed, labels...)
			count(c.dropped, f.Stats.Dropped, labels...)
		}
	}
}
