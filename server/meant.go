package server

import (
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"starquake/internal/nearest"
)

// wrapIt is how the text of an orchestration is sent.
const wrapIt = `the body is JSON that has the text of the orchestration in it: {"content": "TEXT", "format": "yaml"}; jq -Rs '{content: .}' FILE makes it of a file`

// noOrchestration is the problem of a name by which nothing is kept.
func (s *Server) noOrchestration(name string) *Problem {
	p := problemf(404, "orchestration_not_found", "there is no orchestration %q", name)
	p.Help = s.meantOrchestration(name)
	return p
}

// meantOrchestration is the help where nothing is kept by a name; "" where no other is near it.
func (s *Server) meantOrchestration(name string) string {
	docs, _, err := s.shelf.Readable()
	if err != nil { // which who asks for one that there is gets to know
		return ""
	}
	var names []string
	for i := range docs {
		names = append(names, docs[i].Name)
	}
	return didYouMean(name, names)
}

// bodySchema is the schema of an operation's body; nil if it has none.
func (s *Server) bodySchema(o *huma.Operation) *huma.Schema {
	if o.RequestBody == nil || o.RequestBody.Content["application/json"] == nil {
		return nil
	}
	return s.schema(o.RequestBody.Content["application/json"].Schema)
}

// schema is the schema that another may only refer to.
func (s *Server) schema(of *huma.Schema) *huma.Schema {
	if of != nil && of.Ref != "" {
		return s.api.OpenAPI().Components.Schemas.SchemaFromRef(of.Ref)
	}
	return of
}

// meantProperty is the help where a body has a property that there is not, at a place such as
// body.faults[0].kind; "" where none is near it.
func (s *Server) meantProperty(o *huma.Operation, location string) string {
	parts := strings.Split(location, ".")
	last := len(parts) - 1
	of := s.bodySchema(o)
	for _, part := range parts[1:max(last, 1)] {
		name, _, inList := strings.Cut(part, "[")
		if of == nil {
			return ""
		}
		if of = s.schema(of.Properties[name]); inList && of != nil {
			of = s.schema(of.Items)
		}
	}
	if of == nil {
		return ""
	}
	return didYouMean(parts[last], slices.Collect(maps.Keys(of.Properties)))
}

// didYouMean is the help where a name is none of those that there are; "" where none is near it.
func didYouMean(wrong string, names []string) string {
	slices.Sort(names)
	if meant := nearest.Of(wrong, names); meant != "" {
		return "did you mean " + meant + "?"
	}
	return ""
}
