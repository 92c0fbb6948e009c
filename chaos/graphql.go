package chaos

import (
	"encoding/json"
	"fmt"
	"time"
)

func graphqlErrorKind() Kind {
	return Kind{
		Name: "graphql_error",
		Doc: "Answers an operation with a GraphQL error instead of the upstream: HTTP 200, data null, and the code in errors[].extensions.code. " +
			"A batch of which one operation fits is answered whole.",
		Protocols: []string{"graphql"},
		Params: []ParamSpec{
			{Name: "codes", Type: TypeGraphQLCodes,
				Doc: `a code such as "NOT_FOUND" or a list of which one is picked; an HTTP status stands for the code it maps to`},
			{Name: "message", Type: TypeString, Default: `""`,
				Doc: "errors[].message; empty for a line that says what it is"},
			{Name: "path", Type: TypeJSON, Default: "[]",
				Doc: `errors[].path: names of fields and places in lists, as in ["order", "items", 0]`},
		},
		check: checkErrorPath,
	}
}

func graphqlPartialKind() Kind {
	return Kind{
		Name: "graphql_partial",
		Doc: "Answers a part of an operation. Some fields are null and stand in errors, with the path of each. " +
			"The schema is not known: a field that may not be null is null all the same. An answer over 1 MiB, in parts, or no JSON passes and is counted inapplicable.",
		Protocols: []string{"graphql"},
		Params: []ParamSpec{
			{Name: "fields", Type: TypeStrings, Default: "[]",
				Doc: `the fields, by the end of their path: "email", or "user.email" for those of a user; names of the schema or aliases; empty picks one of those that are there`},
		},
	}
}

func graphqlSlowFieldsKind() Kind {
	return Kind{
		Name:      "graphql_slow_fields",
		Doc:       "Holds back the answer to an operation that asks for certain fields. What a persisted operation asks for is not known.",
		Protocols: []string{"graphql"},
		Params: []ParamSpec{
			{Name: "fields", Type: TypeStrings,
				Doc: `a field or a list of them, by the end of their path: "orders", or "user.orders" for those of a user`},
			{Name: "delay", Type: TypeDuration, Max: float64(maxDelay), Ramp: true,
				Doc: "how long the answer is held back, once however many of the fields are asked for"},
		},
		does: []string{"delay"},
	}
}

// checkErrorPath checks the path of a GraphQL error: names, and places from 0.
func checkErrorPath(f *Fault) error {
	var v any
	if err := decodeJSON(f.JSON("path"), &v); err != nil {
		return fmt.Errorf("parameter path: %w", err)
	}
	path, ok := v.([]any)
	if !ok {
		return fmt.Errorf("parameter path: expected a list of names and places, found %s", describe(v))
	}
	for _, part := range path {
		if n, ok := wholeNumber(part); ok && n >= 0 {
			continue
		}
		if name, ok := part.(string); !ok || name == "" {
			return fmt.Errorf("parameter path has %s; expected the name of a field, or a place from 0", describe(part))
		}
	}
	return nil
}

// GraphQLError is a fault of kind graphql_error made ready. It has no state.
type GraphQLError struct {
	codes []string
	// Message is that of the error; empty leaves it to the engine.
	Message string
	// Path is that of the error, as JSON: a list, perhaps empty.
	Path json.RawMessage
}

// NewGraphQLError makes f, which is valid, ready.
func NewGraphQLError(f *Fault) GraphQLError {
	return GraphQLError{f.Strings("codes"), f.Text("message"), f.JSON("path")}
}

// Code returns the code of the n-th answer.
func (g *GraphQLError) Code(d Draws, n uint64) string { return g.codes[d.Pick(n, len(g.codes))] }

// GraphQLPartial is a fault of kind graphql_partial made ready. It has no state.
type GraphQLPartial struct {
	// Fields are ends of paths such as "user.email"; if it is empty, Pick chooses.
	Fields []string
}

// NewGraphQLPartial makes f, which is valid, ready.
func NewGraphQLPartial(f *Fault) GraphQLPartial { return GraphQLPartial{f.Strings("fields")} }

// Pick chooses one of size fields for the n-th answer.
func (g *GraphQLPartial) Pick(d Draws, n uint64, size int) int { return d.Pick(n, size) }

// GraphQLSlowFields is a fault of kind graphql_slow_fields made ready. It has no state.
type GraphQLSlowFields struct {
	// Fields are ends of paths such as "user.orders".
	Fields []string
	delay  Value
}

// NewGraphQLSlowFields makes f, which is valid, ready.
func NewGraphQLSlowFields(f *Fault) GraphQLSlowFields {
	return GraphQLSlowFields{f.Strings("fields"), f.Number("delay")}
}

// Delay returns how long an answer is held back that has one of the fields.
func (g *GraphQLSlowFields) Delay(elapsed time.Duration) time.Duration {
	return g.delay.Duration(elapsed)
}
