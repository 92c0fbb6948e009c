package proxy

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// A client that sends all of a large request before it reads gets the answer that a fault
// gives, or the proxy where the upstream is down, as one does that sends little.
func TestAnswerToUpload(t *testing.T) {
	const size = 16 << 20
	failing := startProxy(t, "http", startHTTP(t, func(w http.ResponseWriter, r *http.Request) { t.Error("the upstream is asked") }))
	apply(t, failing, "x", "http_error", map[string]any{"codes": 503})
	down := startProxy(t, "http", "127.0.0.1:1")
	for _, head := range []string{"Content-Length: 16777216\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n1000000\r\n"} {
		for p, status := range map[*Proxy]int{failing: 503, down: 502} {
			c := dialRaw(t, p.Addr())
			send(t, c, "POST / HTTP/1.1\r\nHost: a\r\n"+head)
			send(t, c, strings.Repeat("x", size))
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Errorf("%q: %v", head, err)
			} else if resp.StatusCode != status {
				t.Errorf("%q: %s, want %d", head, resp.Status, status)
			}
		}
	}
}
