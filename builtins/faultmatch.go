package builtins

import (
	"encoding/json"
	"fmt"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/dsl"
)

// matchValue is a fault.match(…). Its match is nil for everything.
type matchValue struct{ match *chaos.Match }

func (m matchValue) String() string {
	if m.match == nil {
		return "<match everything>"
	}
	return "<match " + m.match.String() + ">"
}
func (m matchValue) Type() string          { return "match" }
func (m matchValue) Freeze()               {}
func (m matchValue) Truth() starlark.Bool  { return true }
func (m matchValue) Hash() (uint32, error) { return 0, fmt.Errorf("a match cannot be a key of a dict") }

// MarshalJSON writes the match in the form of package chaos.
func (m matchValue) MarshalJSON() ([]byte, error) {
	if m.match == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(m.match)
}

// matchRow is fault.match.
func matchRow() Builtin {
	return Builtin{dsl.Builtin{
		Family: "chaos", Returns: "match",
		Sig: `fault.match(*, method: string|list = None, path: string = None, host: string = None, headers: dict = {}, query: dict = {}, ` +
			`source: string|list = None, body_size: tuple|list = None, chunked: bool = None, grpc_method: string = None, ` +
			`graphql_operation: string = None, graphql_type: string = None, every: int = None, first: int = None, after: int = None)`,
		Doc: "Narrows a fault to some requests, as its argument match. All that is given must hold: the first after requests that fit are left out, " +
			"of those left the first count, and of these each every-th is taken. " +
			"A pattern is a glob or \"re:\" and a regular expression (RE2); in a glob * is a part of one segment and ** anything. " +
			"Of connections that are not parsed (tcp, tls) only source and the counts can hold.",
		Ranges:  map[string][2]float64{"every": {1, 1 << 53}, "first": {1, 1 << 53}, "after": {0, 1 << 53}},
		Choices: map[string][]string{"graphql_type": {"query", "mutation", "subscription"}},
		Help: map[string]string{
			"method":            "a method such as \"GET\", or a list of them",
			"path":              "a pattern such as \"/api/*/orders/**\", for the decoded path without query",
			"host":              "a pattern such as \"*.example.com\", for Host without its port unless one is given",
			"headers":           "names of header fields and patterns for their values; \"*\" fits any",
			"query":             "names of query parameters and patterns for their values; \"*\" fits any",
			"source":            "the client's network such as \"10.0.0.0/8\", or its address, or a list of them",
			"body_size":         "the least and the greatest size of the request's body, by its Content-Length; None for no bound",
			"chunked":           "whether the request's body comes without its length",
			"grpc_method":       "a pattern such as \"shop.Orders/*\"",
			"graphql_operation": "a pattern for the name of the operation",
			"graphql_type":      "the type of the operation",
		},
	}, newMatch}
}

func newMatch(c *Call) (starlark.Value, error) {
	fields := map[string]any{}
	for i := range c.f.params {
		name := c.f.params[i].Name
		if !c.Has(name) {
			continue
		}
		plain, err := plainValue(c.Value(name), 0)
		if err != nil {
			return nil, c.Errorf(name, "%v", err)
		}
		fields[name] = plain
	}
	if _, err := c.Strings("method"); err != nil {
		return nil, err
	}
	m, err := chaos.NewMatch(fields)
	if err != nil {
		return nil, faultError(c, err)
	}
	return matchValue{m}, nil
}
