package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// program is the real binary.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "serve")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "starquake")
	for _, plain := range []string{"application/x-ndjson", "text/event-stream", "text/html", "text/markdown", "application/xml"} {
		openapi3filter.RegisterBodyDecoder(plain, openapi3filter.RegisteredBodyDecoder("text/plain"))
	}
	openapi3filter.RegisterBodyDecoder("application/sarif+json", openapi3filter.RegisteredBodyDecoder("application/json"))
	args := []string{"build", "-o", program}
	if race {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "starquake/cmd/starquake")...)
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// patience is how long anything may take: no test passes or fails by the clock.
const patience = 4 * time.Minute

// lab is a running server, and a client that compares every answer with the document
// that the server has of itself.
type lab struct {
	t      testing.TB
	url    string
	cmd    *exec.Cmd
	log    *said
	data   string
	router routers.Router
	client *http.Client
	ended  chan error
}

// said is what a process has written so far; it goes on meanwhile.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// serve starts the program with a data folder of its own, and args.
func serve(t testing.TB, args ...string) *lab { return serveIn(t, t.TempDir(), args...) }

// serveIn is serve with a data folder.
func serveIn(t testing.TB, data string, args ...string) *lab {
	t.Helper()
	l := &lab{t: t, data: data, log: &said{}, client: &http.Client{Transport: &http.Transport{}}, ended: make(chan error, 1)}
	l.cmd = exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data}, args...)...)
	l.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	l.cmd.Stderr = l.log
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "API on ")
	go func() {
		_, _ = io.Copy(io.Discard, out)
		l.ended <- l.cmd.Wait()
		close(l.ended)
	}()
	if err != nil || !ok {
		<-l.ended
		t.Fatalf("the server did not start: %q %v\n%s", line, err, l.log)
	}
	l.url = url
	l.learn()
	return l
}

// learn reads the server's document.
func (l *lab) learn() {
	l.t.Helper()
	resp, err := l.client.Get(l.url + "/api/v1/openapi.json")
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, schema := range doc.Components.Schemas {
		for _, p := range schema.Value.Properties {
			if v := p.Value; p.Ref == "" && v.Type == nil && len(v.OneOf)+len(v.AnyOf)+len(v.AllOf) == 0 {
				// What has no type is anything, in OpenAPI 3.1 null too, which package openapi3 does not see.
				v.Type = &openapi3.Types{"null", "boolean", "number", "string", "array", "object"}
			}
		}
	}
	doc.Servers = openapi3.Servers{{URL: l.url}}
	if l.router, err = gorillamux.NewRouter(doc); err != nil {
		l.t.Fatal(err)
	}
}

// stop ends the server as an operator does.
func (l *lab) stop() {
	l.t.Helper()
	if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		l.t.Fatal(err)
	}
	select {
	case err := <-l.ended:
		if err != nil {
			l.t.Fatalf("the server ended with %v\n%s", err, l.log)
		}
	case <-time.After(patience):
		l.t.Fatalf("the server does not end\n%s", l.log)
	}
}

// kill ends it as a crash does.
func (l *lab) kill() {
	_ = l.cmd.Process.Kill() // it may have ended
	for range l.ended {
	}
	l.client.CloseIdleConnections()
	if strings.Contains(l.log.String(), "DATA RACE") {
		l.t.Errorf("a data race in the server:\n%s", l.log)
	}
}

// answer is what came of a request.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

// do makes a request, and compares the answer with the document. Headers are "Name: value".
func (l *lab) do(method, path string, body any, headers ...string) *answer {
	l.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	case []byte:
		in = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			l.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, in)
	if err != nil {
		l.t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	resp, err := l.client.Do(req)
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", method, path, err, l.log)
	}
	defer resp.Body.Close()
	a := &answer{t: l.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		l.t.Fatalf("%s: %v", a.what, err)
	}
	l.compare(req, a)
	return a
}

// compare looks whether an answer is as the document has it.
func (l *lab) compare(req *http.Request, a *answer) {
	l.t.Helper()
	if a.status >= 400 {
		a.problem()
	}
	if req.URL.Path == "/" {
		return // a page for people
	}
	if req.Host != "" { // the router knows the server by its address
		req = req.Clone(req.Context())
		req.Host = req.URL.Host
	}
	route, params, err := l.router.FindRoute(req)
	if err != nil {
		if a.status < 400 {
			l.t.Errorf("%s: %d, but the document does not have it: %v", a.what, a.status, err)
		}
		return
	}
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		l.t.Errorf("%s: the answer is not what the document says: %v\n%d %s", a.what, err, a.status, a.body)
	}
}

// problem is what an answer that is a failure says.
type problem struct {
	Status int
	Code   string
	Detail string
	Line   int
	Column int
	Source string
	Help   string
	Errors []struct{ Code, Message, Location string }
}

func (a *answer) problem() problem {
	a.t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil || p.Status != a.status || p.Code == "" || p.Detail == "" {
		a.t.Errorf("%s: %d, expected a problem: %s", a.what, a.status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: a problem comes as %q", a.what, got)
	}
	return p
}

// is fails the test unless the answer has a status, and for a problem a code.
func (a *answer) is(status int, code ...string) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, expected %d: %s", a.what, a.status, status, a.body)
	}
	if len(code) > 0 {
		if p := a.problem(); p.Code != code[0] {
			a.t.Fatalf("%s: code %q, expected %q: %s", a.what, p.Code, code[0], a.body)
		}
	}
	return a
}

// get gives a value of a JSON answer by its path: "runs.0.id".
func (a *answer) get(path string) any {
	a.t.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	for _, key := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func (a *answer) text(path string) string { return fmt.Sprint(a.get(path)) }

// await asks until fn is content.
func (l *lab) await(what string, fn func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); !fn(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited for %s\n%s", what, l.log)
		}
	}
}

// begin starts an orchestration in Starlark, and gives the run's id.
func (l *lab) begin(script string, more ...any) string {
	l.t.Helper()
	body := map[string]any{"content": script, "format": "starlark"}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return l.do("POST", "/api/v1/runs", body).is(201).text("id")
}

// over waits for a run's end, and gives how it ended.
func (l *lab) over(id string) *answer {
	l.t.Helper()
	var a *answer
	l.await("the end of run "+id, func() bool {
		a = l.do("GET", "/api/v1/runs/"+id, nil).is(200)
		return a.get("status") == "ended"
	})
	return a
}

// command executes the program to its end.
func command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}
