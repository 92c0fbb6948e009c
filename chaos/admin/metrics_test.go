package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"starquake/chaos/admin"
)

// TestMetrics reads what /metrics says with the parser of Prometheus.
func TestMetrics(t *testing.T) {
	s := start(t, admin.Options{})
	s.status(t)
	s.do(t, "PUT", "/v1/targets/orders/faults/f", `{"fault": {"kind": "latency", "params": {"delay": "5ms"}}, "ttl": "1m"}`)
	s.status(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		status, text := s.do(t, "GET", "/metrics", "")
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(text))
		if status != 200 || err != nil {
			t.Fatalf("%d, %v\n%s", status, err, text)
		}
		counted := families["starquake_target_requests_total"].Metric[0].GetCounter().GetValue() == 2
		for _, m := range families["starquake_target_latency_seconds"].Metric {
			counted = counted && m.GetHistogram().GetSampleCount() > 0
		}
		if !counted && time.Now().Before(deadline) {
			continue // the answer is counted after it was given, one figure after the other
		}
		for _, m := range families["starquake_target_latency_seconds"].Metric {
			h := m.GetHistogram()
			if h.GetSampleCount() != 1 {
				t.Errorf("%v: %d latencies, want 1", m.Label, h.GetSampleCount())
			}
			faulted := m.Label[0].GetValue() == "true"
			for _, b := range h.Bucket {
				if faulted && b.GetUpperBound() < 0.005 && b.GetCumulativeCount() > 0 {
					t.Errorf("a latency of 5 ms is below %v", b.GetUpperBound())
				}
			}
			if last := h.Bucket[len(h.Bucket)-1]; last.GetCumulativeCount() != 1 {
				t.Errorf("%v: the last bucket has %d", m.Label, last.GetCumulativeCount())
			}
		}
		for _, name := range []string{"starquake_fault_seen_total", "starquake_fault_hit_total"} {
			if got := families[name].Metric[0].GetCounter().GetValue(); got != 1 {
				t.Errorf("%s is %v, want 1", name, got)
			}
		}
		if families["toxiproxy_proxy_received_bytes_total"] == nil {
			t.Error("Toxiproxy's own metric is missing")
		}
		return
	}
}
