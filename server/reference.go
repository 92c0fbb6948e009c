package server

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Document is the API's document of itself, without a server.
func Document(version string) *huma.OpenAPI {
	s := &Server{config: Config{Version: version}}
	s.routes()
	return s.api.OpenAPI()
}

// call is an operation with where it is.
type call struct {
	method, path string
	*huma.Operation
}

// calls are all operations of a document, by tag, path and method.
func calls(doc *huma.OpenAPI) (all []call) {
	for path, item := range doc.Paths {
		for method, o := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if o != nil {
				all = append(all, call{method, path, o})
			}
		}
	}
	slices.SortFunc(all, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.Tags[0], b.Tags[0]), cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method))
	})
	return all
}

// sample is what the reference shows a call with, where that is more than its path.
type sample struct {
	query string
	body  string
	// headers are those that make the call what it is.
	headers []string
}

// The names in the samples' paths, by parameter and tag.
var sampleNames = map[string]string{"orchestrations/name": "checkout", "targets/name": "stock", "schedules/name": "nightly", "runs/id": "$ID"}

const (
	asBody   = `{"name": "checkout", "steps": [{"name": "rest", "duration_seconds": 1}]}`
	asSource = `{"format": "json", "content": "{\"name\": \"checkout\", \"steps\": [{\"name\": \"rest\", \"duration_seconds\": 1}]}"}`
)

// samples are by operation. Every operation with a body has one, as a test says, which
// sends them all.
var samples = map[string]sample{
	"import-orchestration":   {body: asSource},
	"put-orchestration":      {body: asSource},
	"validate-orchestration": {body: asSource},
	"plan-orchestration":     {body: `{"orchestration": "checkout"}`},
	"get-orchestration":      {query: "?format=yaml"},
	"start-run":              {body: `{"orchestration": "checkout", "labels": {"team": "shop"}}`, headers: []string{"Idempotency-Key: nightly-2026-12-01"}},
	"list-runs":              {query: "?status=running&label=team=shop"},
	"get-events":             {query: "?after=0&limit=100"},
	"pause-run":              {body: `{"comment": "somebody calls"}`},
	"resume-run":             {body: `{"comment": "go on"}`},
	"stop-run":               {body: `{"comment": "enough"}`},
	"skip-step":              {body: `{"path": "rest"}`},
	"approve-run":            {body: `{"comment": "go"}`},
	"reject-run":             {body: `{"comment": "not today"}`},
	"add-target":             {body: `{"name": "stock", "listen": "127.0.0.1:18082", "upstream": "127.0.0.1:8082", "labels": {"tier": "backend"}}`},
	"get-target-stats":       {query: "?last=5m"},
	"put-schedule":           {body: `{"orchestration": "checkout", "cron": "30 2 * * mon-fri", "time_zone": "Europe/Berlin"}`},
	"preview-schedule":       {body: `{"orchestration": "checkout", "every": "6h"}`},
	"chaos-import":           {body: asSource},
	"chaos-start":            {body: asBody},
	"chaos-stop":             {body: `{}`},
	"chaos-pause":            {body: `{}`},
	"chaos-resume":           {body: `{}`},
	"chaos-skip":             {body: `{"path": "rest"}`},
	"chaos-export":           {query: "?name=checkout"},
}

// sampleOf is the call's address below the server's, and its sample.
func sampleOf(c call) (string, sample) {
	path := c.path
	for name, value := range sampleNames {
		tag, param, _ := strings.Cut(name, "/")
		if c.Tags[0] == tag {
			path = strings.ReplaceAll(path, "{"+param+"}", value)
		}
	}
	s := samples[c.OperationID]
	return path + s.query, s
}

// Reference is the reference of the API in Markdown, with a call of curl for each operation.
func Reference() []byte {
	doc := Document("")
	var out bytes.Buffer
	out.WriteString(`# REST API

Generated from the OpenAPI document of the server, which is at ` + "`/api/v1/openapi.json`" + ` and is written by ` + "`starquake schema api`" + `. What the calls are
for, and how errors look, is in [server.md](../server.md); tokens and roles are in [security.md](../security.md).

In the calls ` + "`$URL`" + ` is the server, such as ` + "`http://localhost:3000`" + `, and ` + "`$ID`" + ` the id of a run. A server that wants a token is given it with
` + "`-H \"Authorization: Bearer $TOKEN\"`" + `. Errors are ` + "`application/problem+json`" + `.
`)
	tag := ""
	for _, c := range calls(doc) {
		if c.Tags[0] != tag {
			tag = c.Tags[0]
			fmt.Fprintf(&out, "\n## %s%s\n", strings.ToUpper(tag[:1]), tag[1:])
		}
		fmt.Fprintf(&out, "\n### %s %s\n\n%s", c.method, c.path, strings.TrimSpace(c.Summary))
		if c.Description != "" {
			out.WriteString(" " + strings.TrimSpace(c.Description))
		}
		if role, ok := c.Extensions["x-role"]; ok {
			fmt.Fprintf(&out, " Role: %s.", role)
		} else {
			out.WriteString(" No token is needed.")
		}
		fmt.Fprintf(&out, "\n\n```sh\n%s\n```\n", curlOf(c))
		parameters(&out, c)
		if c.RequestBody != nil {
			for _, kind := range slices.Sorted(maps.Keys(c.RequestBody.Content)) {
				fields(&out, doc, "body", c.RequestBody.Content[kind].Schema)
				break // they are of one form
			}
		}
		answers(&out, doc, c)
	}
	types(&out, doc)
	return append(bytes.TrimRight(out.Bytes(), "\n"), '\n')
}

// curlOf is the call of curl for an operation.
func curlOf(c call) string {
	at, s := sampleOf(c)
	line := "curl"
	if c.method != http.MethodGet && (c.method != http.MethodPost || s.body == "") {
		line += " -X " + c.method
	}
	for _, h := range s.headers {
		line += " -H '" + h + "'"
	}
	if s.body != "" {
		line += " -H 'Content-Type: application/json' -d '" + s.body + "'"
	}
	return line + ` "$URL` + at + `"`
}

func inCell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

func parameters(out *bytes.Buffer, c call) {
	if len(c.Parameters) == 0 {
		return
	}
	out.WriteString("\n| parameter | in | type | meaning |\n|---|---|---|---|\n")
	for _, p := range c.Parameters {
		means := p.Description
		if means == "" && p.Schema != nil {
			means = p.Schema.Description
		}
		if bounds := boundsOf(p.Schema); bounds != "" {
			means = strings.TrimSpace(means + " " + bounds)
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", p.Name, p.In, typeOf(p.Schema), inCell(means))
	}
}

// boundsOf says in which range a number is, and what it is if nobody says.
func boundsOf(s *huma.Schema) string {
	var parts []string
	switch {
	case s == nil:
		return ""
	case s.Minimum != nil && s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("from %v to %v", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		parts = append(parts, fmt.Sprintf("from %v on", *s.Minimum))
	case s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("up to %v", *s.Maximum))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("without it %v", s.Default))
	}
	if len(parts) == 0 {
		return ""
	}
	text := strings.Join(parts, "; ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// typeOf names a schema's type in a few words.
func typeOf(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case len(s.Enum) > 0:
		var words []string
		for _, v := range s.Enum {
			words = append(words, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(words, ", ")
	case s.Type == huma.TypeArray:
		return "list of " + typeOf(s.Items)
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// resolve follows a reference to a schema of the document.
func resolve(doc *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// fields is the table of what an object has.
func fields(out *bytes.Buffer, doc *huma.OpenAPI, what string, schema *huma.Schema) {
	s := resolve(doc, schema)
	if s == nil || len(s.Properties) == 0 {
		return
	}
	// The parts of a run's view are named so that they need no meaning written.
	told := false
	for _, p := range s.Properties {
		told = told || p.Description != ""
	}
	head := "\n| %s | type |\n|---|---|\n"
	if told {
		head = "\n| %s | type | meaning |\n|---|---|---|\n"
	}
	fmt.Fprintf(out, head, what)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		kind := typeOf(p)
		if slices.Contains(s.Required, name) && what == "body" {
			kind += ", required"
		}
		fmt.Fprintf(out, "| `%s` | %s |", name, kind)
		if told {
			fmt.Fprintf(out, " %s |", inCell(p.Description))
		}
		out.WriteString("\n")
	}
}

// types are tables of what stands in lists and fields of bodies and answers: of every type
// that a table names.
func types(out *bytes.Buffer, doc *huma.OpenAPI) {
	within := map[string]*huma.Schema{}
	var look func(s *huma.Schema)
	look = func(s *huma.Schema) {
		for _, p := range resolve(doc, s).Properties {
			for p.Type == huma.TypeArray {
				p = p.Items
			}
			if p.Ref != "" && within[typeOf(p)] == nil {
				within[typeOf(p)] = resolve(doc, p)
				look(p)
			}
		}
	}
	for _, c := range calls(doc) {
		bodies := []map[string]*huma.MediaType{}
		if c.RequestBody != nil {
			bodies = append(bodies, c.RequestBody.Content)
		}
		for _, r := range c.Responses {
			bodies = append(bodies, r.Content)
		}
		for _, body := range bodies {
			for _, m := range body {
				look(m.Schema)
			}
		}
	}
	out.WriteString("\n## Types\n\nWhat the tables above name. Those of a run's `view` have their times in nanoseconds since its begin.\n")
	for _, name := range slices.Sorted(maps.Keys(within)) {
		fmt.Fprintf(out, "\n### %s\n", name)
		fields(out, doc, "field", within[name])
	}
}

// answers says what an operation answers where it does what it is asked.
func answers(out *bytes.Buffer, doc *huma.OpenAPI, c call) {
	told := false
	for _, status := range slices.Sorted(maps.Keys(c.Responses)) {
		if status == "default" {
			continue
		}
		r := c.Responses[status]
		fmt.Fprintf(out, "\nStatus %s", status)
		why := ""
		if number, _ := strconv.Atoi(status); r.Description != http.StatusText(number) {
			why = " " + r.Description
		}
		if len(r.Content) == 0 {
			out.WriteString(": no body." + why + "\n")
			continue
		}
		fmt.Fprintf(out, ": `%s`.%s\n", strings.Join(slices.Sorted(maps.Keys(r.Content)), "`, `"), why)
		if m := r.Content["application/json"]; m != nil && !told {
			told = true // the others are of the same form
			fields(out, doc, "answer", m.Schema)
		}
	}
}
