package server_test

import (
	"net/url"
	"strings"
	"testing"
)

const base = "/api/v1/orchestrations"

// TestOrchestrations keeps, changes, reads and forgets definitions.
func TestOrchestrations(t *testing.T) {
	l := serve(t)
	in := l.do("POST", base+"/import", map[string]any{"content": suite}).is(201)
	if in.text("name") != "Chaos Suite" || in.get("version") != 1.0 || in.header.Get("ETag") != `"`+in.text("etag")+`"` {
		t.Errorf("imported: %s", in.body)
	}
	one := base + "/Chaos%20Suite"
	got := l.do("GET", one, nil).is(200)
	if got.text("content") != suite || got.header.Get("ETag") != in.header.Get("ETag") {
		t.Errorf("kept: %s", got.body)
	}
	etag := in.header.Get("ETag")
	if again := l.do("GET", one, nil, "If-None-Match: "+etag).is(304); again.header.Get("ETag") != etag || len(again.body) != 0 || again.header.Get("Content-Type") != "" {
		t.Errorf("304 with %q: %v", again.body, again.header)
	}
	if star := l.do("GET", one+"?format=star", nil).is(200).text("content"); !strings.Contains(star, `step("base", duration = "50ms")`) {
		t.Errorf("as a script:\n%s", star)
	}
	if js := l.do("GET", one+"?format=json", nil).is(200).text("content"); !strings.Contains(js, `"name": "Chaos Suite"`) {
		t.Errorf("as JSON:\n%s", js)
	}
	l.do("PUT", one, map[string]any{"content": suite, "format": "yaml"}).is(200) // nothing was created
	if p := l.do("PUT", one, map[string]any{"content": suite, "format": "yaml"}, "If-None-Match: *").is(412, "changed").problem(); p.Detail != `"Chaos Suite": it is there already, with version 1` {
		t.Errorf("one that is there: %s", p.Detail)
	}
	changed := map[string]any{"content": strings.Replace(suite, "0.05", "0.06", 1), "format": "yaml"}
	if p := l.do("PUT", one, changed, `If-Match: "1-0000000000000000"`).is(412, "changed").problem(); p.Detail != `"Chaos Suite": it has been changed meanwhile: the latest version is 1` {
		t.Errorf("one that has changed: %s", p.Detail)
	}
	l.do("PUT", one, changed, "If-None-Match: *").is(412, "changed")
	l.do("PUT", one, changed, "If-Match: x").is(400, "invalid_request")
	l.do("PUT", base+"/new", changed, "If-Match: "+etag).is(412, "changed")
	l.do("PUT", base+"/new", changed, "If-Match: *").is(412, "changed")
	l.do("PUT", one, changed, "If-Match: *").is(200)
	if v := l.do("GET", one, nil, "If-None-Match: "+etag).is(200); v.get("version") != 2.0 {
		t.Errorf("changed: %s", v.body)
	}
	if v := l.do("GET", one+"?version=1", nil).is(200); v.text("content") != suite {
		t.Errorf("version 1: %s", v.body)
	}
	l.do("GET", one+"?version=9", nil).is(404, "version_not_found")
	if v := l.do("GET", one+"/versions", nil).is(200); v.get("orchestrations.0.version") != 2.0 || v.get("orchestrations.1.version") != 1.0 {
		t.Errorf("versions: %s", v.body)
	}
	l.do("PUT", base+"/script", map[string]any{"content": waits, "format": "starlark"}, "If-None-Match: *").is(201)
	if v := l.do("GET", base, nil).is(200); len(v.get("orchestrations").([]any)) != 2 {
		t.Errorf("list: %s", v.body)
	}
	// The other word for the format, wherever one is asked for; answers have one.
	for _, body := range []map[string]any{{"content": waits, "format": "star"}, {"content": waits, "format": "starlark"}} {
		l.do("POST", base+"/validate", body).is(200)
		l.do("POST", base+"/plan", body).is(200)
	}
	l.do("POST", base+"/import", map[string]any{"content": waits, "format": "star"}).is(201)
	for _, path := range []string{base + "/waits", base + "/waits?format=star", base + "/waits?format=starlark", "/api/chaos/orchestration/export?name=waits&format=star"} {
		if got := l.do("GET", path, nil).is(200); got.text("format") != "starlark" || got.text("content") != waits {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	l.do("DELETE", base+"/waits", nil).is(204)
	if y := l.do("GET", base+"/script?format=yaml", nil).is(200).text("content"); !strings.Contains(y, "name: waits") {
		t.Errorf("a script as YAML:\n%s", y)
	}
	id := l.do("POST", "/api/v1/runs", map[string]any{"orchestration": "script"}).is(201).text("id")
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	l.do("POST", "/api/v1/runs", map[string]any{"orchestration": "script", "content": "x"}).is(400, "invalid_request")
	l.do("POST", "/api/v1/runs", map[string]any{}).is(400, "invalid_request")
	l.do("DELETE", one, nil, "If-Match: "+etag).is(412, "changed")
	l.do("DELETE", one, nil).is(204)
	l.do("DELETE", one, nil).is(404, "orchestration_not_found")
	l.do("GET", one, nil).is(404, "orchestration_not_found")
	l.do("GET", one+"/versions", nil).is(404, "orchestration_not_found")
	l.do("POST", "/api/v1/runs", map[string]any{"orchestration": "Chaos Suite"}).is(404, "orchestration_not_found")
	// What one server has kept the next one has.
	l.stop()
	serveIn(t, l.data).do("GET", base+"/script", nil).is(200)
}

// TestNames: a name may hold what it likes, and reaches no file by it.
func TestNames(t *testing.T) {
	l := serve(t)
	for _, name := range []string{"../../etc/passwd", "a/b", "ü €", "con", ".", "..", strings.Repeat("n", 200)} {
		path := base + "/" + url.PathEscape(name)
		if name == "." || name == ".." { // a path has no such part: it comes in the body
			l.do("POST", base+"/import", map[string]any{"content": waits, "format": "starlark", "name": name}).is(201)
			continue
		}
		l.do("PUT", path, map[string]any{"content": waits, "format": "starlark"}).is(201)
		if got := l.do("GET", path, nil).is(200).text("name"); got != name {
			t.Errorf("kept as %q, expected %q", got, name)
		}
		l.do("DELETE", path, nil).is(204)
	}
	for _, name := range []string{"a\r\nX-Injected: 1", "\x00", strings.Repeat("n", 201), " "} {
		l.do("PUT", base+"/"+url.PathEscape(name), map[string]any{"content": waits, "format": "starlark"}).is(400, "invalid_name")
	}
	l.do("POST", base+"/import", map[string]any{"content": "x = 1\n", "format": "starlark"}).is(400)
}

// TestJudged: what is wrong is said at its place.
func TestJudged(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	ok := l.do("POST", base+"/validate", map[string]any{"content": waits, "format": "starlark"}).is(200)
	if ok.get("valid") != true || ok.text("name") != "waits" || ok.get("steps") != 2.0 {
		t.Errorf("valid: %s", ok.body)
	}
	p := l.do("POST", base+"/validate", map[string]any{"content": "def main():\n    stepp(\"x\")\n", "format": "starlark"}).is(400).problem()
	if p.Line != 2 || p.Column != 5 || p.Source != `    stepp("x")` || len(p.Errors) == 0 {
		t.Errorf("wrong: %+v", p)
	}
	needs := map[string]any{"content": "n = param(\"n\", type = \"int\")\n" + waits, "format": "starlark"}
	l.do("POST", base+"/validate", needs).is(400, "bad_argument")
	if p := l.do("POST", "/api/v1/runs", needs).is(422).problem(); !strings.Contains(p.Detail, `"n" is required`) || !strings.Contains(p.Help, `give it with "params": {"n": VALUE} in the body`) {
		t.Errorf("a start without its parameter: %+v", p)
	}
	needs["params"] = map[string]any{"n": 1}
	l.do("POST", base+"/validate", needs).is(200)
	plan := l.do("POST", base+"/plan", map[string]any{"content": waits, "format": "starlark", "seed": 7}).is(200)
	if plan.get("total_seconds") != 3600.01 || plan.text("seed") != "7" || plan.text("steps.1.name") != "long" {
		t.Errorf("plan: %s", plan.body)
	}
	l.do("POST", base+"/plan", map[string]any{"content": slow, "format": "starlark", "params": map[string]any{"nope": 1}}).is(400)
	cannot := map[string]any{"content": "api = mockforge(\"http://127.0.0.1:9\")\ndef main():\n    api.disconnect()\n", "format": "starlark"}
	if p := l.do("POST", base+"/plan", cannot).is(400, "unsupported").problem(); p.Line != 3 {
		t.Errorf("a plan of what no run can do: %+v", p)
	}
	l.do("POST", base+"/plan", map[string]any{"content": slow, "format": "starlark", "seed": -1}).is(400, "invalid_request")
	l.do("POST", "/api/v1/runs", map[string]any{"content": slow, "format": "starlark", "params": map[string]any{"nope": 1}}).is(422)
	l.do("POST", "/api/v1/runs", map[string]any{"content": slow, "format": "starlark", "targets": []string{"nope"}}).is(422, "target_not_found")
	l.do("POST", "/api/v1/runs", map[string]any{"content": slow, "format": "starlark", "targets": []string{}}).is(422)
}

// TestTargets opens and closes targets while the server runs.
func TestTargets(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	_, to, _ := strings.Cut(upstream(t), ",")
	add := map[string]any{"name": "more", "listen": "127.0.0.1:0", "upstream": to, "labels": map[string]string{"tier": "db"}}
	made := l.do("POST", "/api/v1/targets", add).is(201)
	if made.header.Get("Location") != "/api/v1/targets/more" || made.get("added") != true {
		t.Errorf("added: %s", made.body)
	}
	l.do("POST", "/api/v1/targets", add).is(200)
	l.do("POST", "/api/v1/targets", map[string]any{"name": "api", "listen": "127.0.0.1:0", "upstream": to}).is(409, "target_differs")
	l.do("POST", "/api/v1/targets", map[string]any{"name": "x", "listen": "nonsense", "upstream": to}).is(400, "invalid_target")
	l.do("POST", "/api/v1/targets", map[string]any{"name": "x", "listen": "127.0.0.1:1", "upstream": "127.0.0.1:1"}).is(400, "invalid_target")
	l.do("POST", "/api/v1/targets", map[string]any{"name": "x", "listen": made.text("listen"), "upstream": to}).is(400, "listen")
	id := l.begin("orchestration(name = \"db\")\ndef main():\n    step(\"s\", duration = \"1h\", chaos = fault.latency(\"200ms\"), on = targets(tier = \"db\"))\n", "targets", []string{"more"})
	l.do("DELETE", "/api/v1/targets/more", nil).is(409, "target_in_use")
	l.kill()
	l = serveIn(t, l.data, "--proxy", upstream(t))
	l.await("the fault again", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 })
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	l.over(id)
	l.do("DELETE", "/api/v1/targets/more", nil).is(204)
	l.do("DELETE", "/api/v1/targets/more", nil).is(404, "target_not_found")
	l.do("DELETE", "/api/v1/targets/api", nil).is(409, "target_configured")
	l.do("GET", "/api/v1/targets/more", nil).is(404, "target_not_found")
	if all := l.do("GET", "/api/v1/targets", nil).is(200); len(all.get("targets").([]any)) != 1 {
		t.Errorf("targets: %s", all.body)
	}
}
