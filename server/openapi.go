package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"starquake/internal/badjson"
)

// APIVersion is that of the API, as its paths have it: /api/v1. It is another only where
// what clients rely on is.
const APIVersion = 1

// newAPI makes the API that documents itself at /api/v1/openapi.json.
func (s *Server) newAPI() huma.API {
	config := huma.DefaultConfig("Starquake", s.config.Version)
	config.Info.Description = "Chaos orchestrations: definitions, runs, targets. Errors are application/problem+json with a stable code."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/api/v1/openapi", "", ""
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	form := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: readJSON}
	config.Formats = map[string]huma.Format{"application/json": form, "json": form}
	config.CreateHooks = nil // no links to schemas in answers
	config.Transformers = []huma.Transformer{s.problems}
	api := humafiber.New(s.app, config)
	api.UseMiddleware(s.admit)
	return api
}

// notJSON begins the message of a body that does not even begin as JSON does.
const notJSON = "expected a JSON object, found a text"

// readJSON is json.Unmarshal, with where a text is no JSON, or that it does not even begin as
// a body does: a file in another format that was sent as it is.
func readJSON(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var wrong *json.SyntaxError
	if start := bytes.TrimSpace(text); errors.As(err, &wrong) && len(start) > 0 && !bytes.ContainsRune([]byte("{["), rune(start[0])) {
		first, _, _ := bytes.Cut(start, []byte("\n"))
		return fmt.Errorf(notJSON+" that begins with %.60q", bytes.TrimSpace(first))
	}
	if errors.As(err, &wrong) {
		before := text[:min(int(wrong.Offset), len(text))]
		line := bytes.Count(before, []byte("\n")) + 1
		return fmt.Errorf("line %d, column %d: %w", line, max(1, len(before)-bytes.LastIndexByte(before, '\n')-1), err)
	}
	if err == nil {
		return nil
	}
	return badjson.Plain(err)
}

// op describes an operation: what it is called, which role it needs, and what it does.
func op(method, route, id string, role Role, summary string, tags ...string) huma.Operation {
	o := huma.Operation{
		Method: method, Path: route, OperationID: id, Summary: summary, Tags: tags,
		Metadata: map[string]any{needs: role}, Responses: map[string]*huma.Response{},
	}
	if method == http.MethodPost || method == http.MethodPut {
		o.MaxBodyBytes = -1 // the server's own limit holds
	}
	return o
}

// alsoOK is the key of an operation's metadata that says when it answers 200, as there was
// nothing to create.
const alsoOK = "also ok"

// schemaName names the schema of a type. Those of other packages have their package's name
// before their own.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if from := path.Base(t.PkgPath()); t.Name() != "" && strings.HasPrefix(t.PkgPath(), "starquake/") && from != "server" {
		return strings.ToUpper(from[:1]) + from[1:] + name
	}
	return name
}

// created makes 201 the status of what went well, and 200, unless "", that of something.
func created(o huma.Operation, ok string) huma.Operation {
	o.DefaultStatus = http.StatusCreated
	if ok != "" {
		o.Metadata[alsoOK] = ok
	}
	return o
}

// maybeQueued is the key of an operation's metadata that says that it answers 202 where what
// it asks for waits for its turn.
const maybeQueued = "queued"

// queues makes 202 a status of what went well.
func queues(o huma.Operation) huma.Operation {
	o.Metadata[maybeQueued] = true
	return o
}

// finish puts the errors as they are into the document.
func (s *Server) finish() {
	doc := s.api.OpenAPI()
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	failed := &huma.Response{Description: "What is wrong.", Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
	for _, item := range doc.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if o == nil {
				continue
			}
			for status := range o.Responses {
				if status >= "400" {
					delete(o.Responses, status)
				}
			}
			o.Responses["default"] = failed
			if role := o.Metadata[needs]; role != everybody {
				o.Extensions = map[string]any{"x-role": role}
				o.Security = []map[string][]string{{"token": {}}}
			}
			well := o.Responses[strconv.Itoa(o.DefaultStatus)]
			if o.Metadata[maybeQueued] != nil {
				o.Responses["202"] = &huma.Response{Description: "It waits for its turn.", Headers: well.Headers, Content: well.Content}
			}
			if ok, is := o.Metadata[alsoOK].(string); is {
				o.Responses["200"] = &huma.Response{Description: ok, Headers: well.Headers, Content: well.Content}
				well.Description = "It was created."
			}
		}
	}
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "A token of the server's own (starquake token new) or of its identity provider. Without it one is admin on the server's own machine, unless the server is told otherwise."},
	}
	for _, of := range []string{"ViewRun", "ViewPlan"} { // package huma does not know ",string"
		doc.Components.Schemas.Map()[of].Properties["seed"] = &huma.Schema{Type: huma.TypeString}
	}
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
}
