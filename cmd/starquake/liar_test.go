package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestLyingServer: what somebody's server says reaches no terminal as more than text.
func TestLyingServer(t *testing.T) {
	const escapes = `\u001b]0;title\u0007\u001b[2J\u009b31m\r\b\u202e`
	fails := false
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(500)
			fmt.Fprintf(w, `{"status": 500, "title": "%[1]s", "code": "x%[1]s", "detail": "no%[1]s", "help": "try%[1]s", "errors": [{"message": "%[1]s", "file": "%[1]s", "line": 1}]}`, escapes)
			return
		}
		run := strings.ReplaceAll(`{"id": "rE", "run_id": "rE", "run": "rE", "name": "nE", "message": "mE", "state": "queued", "status": "queued", "verdict": "vE", "reason": "wE", "started": "2026-01-01T00:00:00Z", "by": "bE"}`, "E", escapes)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/runs") && r.Method == "GET":
			fmt.Fprintf(w, `{"runs": [%s, %[1]s]}`, run)
		case strings.HasSuffix(r.URL.Path, "/schedules"):
			fmt.Fprintf(w, `{"schedules": [{"name": "%[1]s", "by": "%[1]s", "definition": {"orchestration": "%[1]s", "cron": "%[1]s"}}]}`, escapes)
		default:
			fmt.Fprint(w, run)
		}
	}))
	defer liar.Close()
	hostile := regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f-\u009f\u202a-\u202e]")
	for _, fails = range []bool{false, true} {
		for _, line := range []string{
			"start x", "status x", "status", "stop x", "pause x", "approve x", "runs list", "runs show x", "schedules list", "schedules show x",
			"schedules trigger x", "report x", "runs export x",
		} {
			var out bytes.Buffer
			sh := &shell{out: &out, err: &out}
			cli := new(commands)
			parser, err := kong.New(cli, kong.Name("starquake"), kong.Writers(&out, &out))
			if err != nil {
				t.Fatal(err)
			}
			ctx, err := parser.Parse(append(strings.Fields(line), "--base-url", liar.URL))
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sh.code(ctx.Run(sh))
			if out.Len() == 0 {
				t.Errorf("%s said nothing", line)
			}
			if bad := hostile.FindString(out.String()); bad != "" {
				t.Errorf("%s (it fails: %v) said %q, with %q", line, fails, &out, bad)
			}
		}
	}
}
