package graphql

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Form is how a request carries its operations.
type Form uint8

// The forms.
const (
	// None: it carries none, as far as its head says.
	None Form = iota
	// InQuery: in parameters of the query, as a GET does.
	InQuery
	// InJSON: its body is a JSON object, or a batch of them.
	InJSON
	// InDocument: its body is a document (application/graphql).
	InDocument
)

// FormOf tells the form from what a request's head says.
func FormOf(method, contentType, query string) Form {
	switch method {
	case http.MethodGet:
		for _, name := range []string{"query=", "extensions=", "documentId="} {
			if strings.HasPrefix(query, name) || strings.Contains(query, "&"+name) {
				return InQuery
			}
		}
	case http.MethodPost:
		switch media, _, _ := mime.ParseMediaType(contentType); media {
		case "application/json", "application/graphql+json":
			return InJSON
		case "application/graphql":
			return InDocument
		}
	}
	return None
}

// Request is what a request asks for.
type Request struct {
	// Batch: the operations came as a list, and so are answered.
	Batch bool
	// Operations are one, or those of the batch.
	Operations []Operation
}

// Operation is one operation of a request.
type Operation struct {
	// Type is "query", "mutation" or "subscription"; empty where the document is not
	// there, as of a persisted one.
	Type string
	// Name may be empty.
	Name string
	// asked are the fields asked for, nil if the document is not there.
	asked *field
}

// maxBatch bounds the operations of a request.
const maxBatch = 100

// wire is an operation as it is sent.
type wire struct {
	Query         *string        `json:"query"`
	OperationName *string        `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	DocumentID    string         `json:"documentId"`
	Extensions    struct {
		PersistedQuery struct {
			Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
	} `json:"extensions"`
}

// Read reads a request of a form: query is the query of its target, as it stands there,
// and body its content. The error says why it is none of GraphQL.
func Read(form Form, query string, body []byte) (*Request, error) {
	switch form {
	case InQuery:
		return readQuery(query, nil)
	case InDocument:
		document := string(body)
		return readQuery(query, &document)
	case InJSON:
		return readJSON(body)
	}
	return nil, errors.New("it carries no operation")
}

// readQuery reads the parameters of a query, with the document if that is in the body.
func readQuery(query string, document *string) (*Request, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("the query: %w", err)
	}
	w := wire{Query: document, DocumentID: given.Get("documentId")}
	if document == nil && given.Has("query") {
		text := given.Get("query")
		w.Query = &text
	}
	if given.Has("operationName") {
		name := given.Get("operationName")
		w.OperationName = &name
	}
	for name, into := range map[string]any{"variables": &w.Variables, "extensions": &w.Extensions} {
		if text := given.Get(name); text != "" {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	op, err := w.operation()
	if err != nil {
		return nil, err
	}
	return &Request{Operations: []Operation{op}}, nil
}

// readJSON reads a body.
func readJSON(body []byte) (*Request, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	var r Request
	if r.Batch = bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")); r.Batch {
		if _, err := dec.Token(); err != nil {
			return nil, err
		}
	}
	for first := true; dec.More() && (r.Batch || first); first = false {
		var w wire
		if err := dec.Decode(&w); err != nil {
			return nil, err
		}
		op, err := w.operation()
		if err != nil {
			return nil, err
		}
		if r.Operations = append(r.Operations, op); len(r.Operations) > maxBatch {
			return nil, fmt.Errorf("a batch of more than %d operations", maxBatch)
		}
	}
	if len(r.Operations) == 0 {
		return nil, errors.New("it is empty")
	}
	return &r, nil
}

// operation says which operation is asked for.
func (w *wire) operation() (Operation, error) {
	var op Operation
	if w.OperationName != nil {
		op.Name = *w.OperationName
	}
	if w.Query == nil || *w.Query == "" {
		if w.Extensions.PersistedQuery.Hash == "" && w.DocumentID == "" {
			return op, errors.New("there is neither a document nor the hash of one")
		}
		return op, nil
	}
	doc, err := parse(*w.Query)
	if err != nil {
		return op, err
	}
	def := doc.Operations.ForName(op.Name)
	if op.Name == "" && len(doc.Operations) > 1 {
		def = nil
	}
	if def == nil {
		return op, nil // the server will say that this does not tell which
	}
	op.Type, op.Name = string(def.Operation), def.Name
	op.asked = fieldsOf(doc, def, w.Variables)
	return op, nil
}

// parse reads a document.
func parse(text string) (*ast.QueryDocument, error) {
	doc, err := parseBounded(text)
	if err != nil {
		return nil, err
	}
	if len(doc.Operations) == 0 {
		return nil, errors.New("the document has no operation")
	}
	return doc, nil
}
