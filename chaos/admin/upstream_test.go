package admin_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/internal/dnstest"
	"starquake/internal/waittest"
)

// told is a log that is read while it is written. Each line of it is passed on.
type told struct{ lines chan string }

func (t told) Write(b []byte) (int, error) {
	t.lines <- string(bytes.TrimSpace(b))
	return len(b), nil
}

// Whoever opens a target, or moves one, to an upstream whose name has no address is told so,
// in the log: the target is made all the same, since the name may get one.
func TestUpstreamWithoutAddress(t *testing.T) {
	dnstest.Resolve(t, map[string][]string{"there.test": {"127.0.0.1"}})
	log := told{make(chan string, 16)}
	plane := admin.NewPlane(slog.New(slog.NewTextHandler(log, nil)))
	defer plane.Close()
	api := admin.NewServer(plane, admin.Options{}).Handler
	for _, ask := range []struct {
		method, path, body string
		status             int
		named              string // of the target that is warned of; empty for none
	}{
		{"PUT", "/v1/targets/there", `{"listen": "127.0.0.1:0", "upstream": "there.test:1"}`, 201, ""},
		{"PUT", "/v1/targets/ip", `{"listen": "127.0.0.1:0", "upstream": "[::1]:1"}`, 201, ""},
		{"PUT", "/v1/targets/ours", `{"listen": "127.0.0.1:0", "upstream": "gone.test:1"}`, 201, "ours"},
		{"POST", "/proxies", `{"name": "theirs", "listen": "127.0.0.1:0", "upstream": "gone.test:1"}`, 201, "theirs"},
		{"POST", "/proxies", `{"name": "later", "listen": "127.0.0.1:0", "upstream": "gone.test:1", "enabled": false}`, 201, "later"},
		{"POST", "/populate", `[{"name": "many", "listen": "127.0.0.1:0", "upstream": "gone.test:1"}]`, 201, "many"},
		{"POST", "/proxies/many", `{"enabled": false}`, 200, ""},
		{"POST", "/proxies/there", `{"upstream": "gone.test:2"}`, 200, "there"},
	} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(ask.method, "http://127.0.0.1"+ask.path, strings.NewReader(ask.body)))
		if w.Code != ask.status {
			t.Errorf("%s %s: %d %s", ask.method, ask.path, w.Code, w.Body)
		}
		if ask.named == "" {
			continue
		}
		waittest.Within(t, time.Minute, ask.named+" is warned of", func() {
			if line := <-log.lines; !strings.Contains(line, "the upstream has no address") || !strings.Contains(line, "target="+ask.named+" ") || !strings.Contains(line, "gone.test") {
				t.Errorf("%s %s: the log has %s", ask.method, ask.path, line)
			}
		})
	}
	if err := plane.Close(); err != nil {
		t.Error(err)
	}
	if len(log.lines) > 0 {
		t.Errorf("the log has %s, too", <-log.lines)
	}
}

// Names that take long to be looked up hold nobody: not the start, nor the faults, nor the end.
func TestUpstreamLookUpHoldsNobody(t *testing.T) {
	n := slowNames(t)
	log := told{make(chan string, 16)}
	plane := admin.NewPlane(slog.New(slog.NewTextHandler(log, nil)))
	var once sync.Once
	end := func() { once.Do(func() { _ = plane.Close() }) }
	defer end()
	waittest.Within(t, time.Minute, "it waits for a look-up", func() {
		for _, name := range strings.Split("a b c d e f g h i j k l", " ") { // more than are looked up at once
			if _, created, err := plane.Open(t.Context(), proxy.Config{Name: name, Listen: "127.0.0.1:0", Upstream: name + ".test:1"}); err != nil || !created {
				t.Error(created, err)
			}
		}
		if list := plane.Targets(); len(list) != 12 {
			t.Errorf("targets %+v", list)
		}
		end()
	})
	if len(log.lines) > 0 {
		t.Errorf("the log has %s", <-log.lines)
	}
	n.Answer()
}
