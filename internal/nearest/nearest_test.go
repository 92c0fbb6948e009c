package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	names := []string{"latency", "bandwidth", "http_error", "on", "großer"}
	for wrong, want := range map[string]string{
		"latncy": "latency", "LATENCY": "latency", "ltaency": "latency", "band": "bandwidth", "http_eror": "http_error",
		"no": "on", "grosser": "großer", "timeout": "", "": "", strings.Repeat("latency", 10): "",
	} {
		if got := Of(wrong, names); got != want {
			t.Errorf("%q was taken for %q, want %q", wrong, got, want)
		}
	}
	if got := Of("max_run", []string{"max_run_time", "max_runs"}); got != "max_runs" {
		t.Errorf("max_run was taken for %q", got)
	}
	if got := Of("retry", []string{"retry_delay", "retries"}); got != "retries" {
		t.Errorf("retry was taken for %q", got)
	}
	if got := Of("latency", []string{strings.Repeat("latency", 10)}); got != "" {
		t.Errorf("a name of 70 letters was found: %s", got)
	}
}
