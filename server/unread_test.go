package server_test

import (
	"io"
	"strings"
	"testing"
)

// TestUnreadLog: where nobody reads the log, requests are answered and runs begin and end. Who
// reads late gets all.
func TestUnreadLog(t *testing.T) {
	l := serve(t, "--log-level", "debug", "--proxy", upstream(t), "--request-rate", "0")
	l.client.Timeout = patience
	const asked = 2000 // which is more than a pipe holds
	func() {
		l.log.mu.Lock()
		defer l.log.mu.Unlock()
		for range asked {
			resp, err := l.client.Get(l.url + "/api/v1/targets?unread")
			if err != nil {
				t.Fatal("a request waits for the log: ", err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		id := l.begin("def main():\n    sleep(\"1h\")\n")
		l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	}()
	l.stop()
	log := l.log.String()
	if got := strings.Count(log, `"path":"/api/v1/targets"`); got != asked || strings.Contains(log, "dropped") {
		t.Errorf("%d of %d requests are in the log, which ends with\n%s", got, asked, log[max(0, len(log)-2000):])
	}
}
