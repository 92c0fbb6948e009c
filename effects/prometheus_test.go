package effects

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"starquake/internal/porttest"
)

// fakePrometheus answers each query by what the table has for it.
func fakePrometheus(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/api/v1/query" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(answers[r.FormValue("query")]))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/base"
}

func promVector(samples ...string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(samples, ",") + `]}}`
}

func TestPrometheus(t *testing.T) {
	url := fakePrometheus(t, map[string]string{
		"two":    promVector(`{"metric":{"job":"b"},"value":[1,"2.5"]}`, `{"metric":{"job":"a"},"value":[1,"1"]}`),
		"none":   promVector(),
		"scalar": `{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}`,
		"nan":    promVector(`{"metric":{},"value":[1,"NaN"]}`),
		"inf":    promVector(`{"metric":{},"value":[1,"+Inf"]}`),
		"matrix": `{"status":"success","data":{"resultType":"matrix","result":[]}}`,
		"bad":    `{"status":"error","errorType":"bad_data","error":"parse error"}`,
		"slow":   `{"status":"error","errorType":"timeout","error":"query timed out"}`,
		"number": promVector(`{"metric":{},"value":[1,2]}`),
		"html":   "<html>",
		"huge":   promVector(`{"metric":{"a":"` + strings.Repeat("x", maxPrometheusBody) + `"},"value":[1,"1"]}`),
	})
	e := newEffects(t, open(), Options{})
	for _, test := range []struct {
		query, samples, fails string
		below, above          float64 // of a probe; 0: none
		ok, noData            bool
	}{
		{query: "two", samples: `[{map[job:a] 1} {map[job:b] 2.5}]`, below: 3, above: 0.5, ok: true},
		{query: "two", samples: `[{map[job:a] 1} {map[job:b] 2.5}]`, below: 2.5},
		{query: "two", samples: `[{map[job:a] 1} {map[job:b] 2.5}]`, above: 1},
		{query: "none", samples: "[]", below: 1, noData: true},
		{query: "scalar", samples: "[{map[] 7}]", ok: true},
		{query: "nan", samples: "[{map[] NaN}]", below: 1, noData: true},
		{query: "inf", samples: "[{map[] +Inf}]", below: 1},
		{query: "inf", samples: "[{map[] +Inf}]", above: 1, ok: true},
		{query: "matrix", samples: "[]", fails: CodeInvalid},
		{query: "bad", samples: "[]", fails: CodeInvalid},
		{query: "slow", samples: "[]", fails: CodeTimeout},
		{query: "number", samples: "[]", fails: CodeFailed},
		{query: "html", samples: "[]", fails: CodeFailed},
		{query: "huge", samples: "[]", fails: CodeFailed},
	} {
		got := mustPerform[PrometheusAnswer](t, e, KindPrometheus, PrometheusArgs{URL: url, Query: test.query, Timeout: soon})
		if fmt.Sprint(got.Samples) != test.samples || codeIn(got.Error) != test.fails {
			t.Errorf("%s: %.200v %v", test.query, got.Samples, got.Error)
		}
		p := PrometheusProbe{Kind: "prometheus", URL: url, Query: test.query, Timeout: soon}
		if test.below != 0 {
			p.Below = &test.below
		}
		if test.above != 0 {
			p.Above = &test.above
		}
		r := mustPerform[Reading](t, e, KindProbe, p)
		if r.OK != test.ok || r.NoData != test.noData || r.OK == (r.Error != "") {
			t.Errorf("a probe of %s below %v above %v: %+v", test.query, test.below, test.above, r)
		}
	}
}

// TestRealPrometheus asks the server itself, where Debian's package is installed.
// TestPrometheusJudgesAll: an answer keeps only the first samples of a large result, and a
// probe judges all of them.
func TestPrometheusJudgesAll(t *testing.T) {
	samples := make([]string, maxSamples+1)
	for i := range samples {
		samples[i] = fmt.Sprintf(`{"metric":{"i":"%04d"},"value":[1,"%d"]}`, i, i/maxSamples)
	}
	url := fakePrometheus(t, map[string]string{"many": promVector(samples...)})
	e := newEffects(t, open(), Options{})
	answer := mustPerform[PrometheusAnswer](t, e, KindPrometheus, PrometheusArgs{URL: url, Query: "many", Timeout: soon})
	if last := answer.Samples[len(answer.Samples)-1]; len(answer.Samples) != maxSamples || !answer.Truncated || last.Labels["i"] != "0999" {
		t.Errorf("%d samples, truncated %t, the last %v; expected the first %d", len(answer.Samples), answer.Truncated, last, maxSamples)
	}
	below := 1.0
	reading := mustPerform[Reading](t, e, KindProbe, PrometheusProbe{Kind: "prometheus", URL: url, Query: "many", Below: &below, Timeout: soon})
	if reading.OK || reading.Value != 1.0 {
		t.Errorf("reading %+v, expected the last sample's to be bad", reading)
	}
}

func TestRealPrometheus(t *testing.T) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus here; apt-get install prometheus provides it")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	addr := porttest.Free(t)
	text := "global: {scrape_interval: 200ms}\nscrape_configs: [{job_name: self, static_configs: [{targets: ['" + addr + "']}]}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	if err := cmd.Start(); err != nil {
		t.Skipf("prometheus does not start: %v", err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	e := newEffects(t, open(), Options{})
	limit := 0.5
	probe := PrometheusProbe{Kind: "prometheus", URL: "http://" + addr, Query: `up{job="self"}`, Above: &limit, Timeout: soon}
	var r Reading
	for deadline := time.Now().Add(soon); time.Now().Before(deadline) && !r.OK; time.Sleep(100 * time.Millisecond) {
		r = mustPerform[Reading](t, e, KindProbe, probe)
	}
	if !r.OK || r.Value != 1.0 {
		t.Fatalf("up of itself: %+v", r)
	}
	none := mustPerform[PrometheusAnswer](t, e, KindPrometheus, PrometheusArgs{URL: "http://" + addr, Query: "nothing_of_that_name", Timeout: soon})
	if none.Error != nil || len(none.Samples) != 0 {
		t.Errorf("a metric that nobody has: %+v %v", none, none.Error)
	}
	for query, want := range map[string]string{"sum(": CodeInvalid, "up[5m]": CodeInvalid} {
		if got := mustPerform[PrometheusAnswer](t, e, KindPrometheus, PrometheusArgs{URL: "http://" + addr, Query: query, Timeout: soon}); codeIn(got.Error) != want {
			t.Errorf("%s: %v, want the code %s", query, got.Error, want)
		}
	}
}
