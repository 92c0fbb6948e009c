package graphql

import (
	"bytes"
	"encoding/json"
)

// Error is one in an answer.
type Error struct {
	Message string `json:"message"`
	// Path is a JSON list; empty or "[]" is none.
	Path json.RawMessage `json:"path,omitempty"`
	// Extensions is nil without a code.
	Extensions *Extensions `json:"extensions,omitempty"`
}

// Extensions are those of an error.
type Extensions struct {
	Code string `json:"code"`
}

// NewError makes an error; code and path may be empty.
func NewError(code, message string, path json.RawMessage) Error {
	e := Error{Message: message}
	if len(path) > 0 && string(path) != "[]" {
		e.Path = path
	}
	if code != "" {
		e.Extensions = &Extensions{code}
	}
	return e
}

// result is an answer to one operation.
type result struct {
	Errors []Error         `json:"errors"`
	Data   json.RawMessage `json:"data"`
}

// Answer is what a client gets that asked for r and gets e instead. r may be nil.
func (r *Request) Answer(e Error) []byte {
	one := result{[]Error{e}, json.RawMessage("null")}
	if r == nil || !r.Batch {
		return encode(one)
	}
	all := make([]result, len(r.Operations))
	for i := range all {
		all[i] = one
	}
	return encode(all)
}

// encode writes JSON as it is read best. What is written here can be.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"errors":[{"message":"an error that cannot be written"}],"data":null}` + "\n")
	}
	return b.Bytes()
}
