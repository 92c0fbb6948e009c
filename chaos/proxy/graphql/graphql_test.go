package graphql

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// nameless is a request whose answers are changed by their keys.
func nameless(batch bool) *Request { return &Request{Batch: batch, Operations: make([]Operation, 2)} }

func nulling(fields ...string) Nulling {
	return Nulling{Fields: fields, Pick: func(n int) int { return n - 1 }, Of: func(int) bool { return true }, Error: NewError("", "m", nil)}
}

// TestNull is about what stays as it was: all of the text but what is changed.
func TestNull(t *testing.T) {
	for _, test := range []struct {
		body  string
		batch bool
		field string
		want  string // "" for no change, "!" for no answer
	}{
		{`{"data":{"a":1}}`, false, "a", `{"errors":[{"message":"m","path":["a"]}],"data":{"a":null}}`},
		{` { "data" : { "b" : 12345678901234567890.10 , "a" : [ 1 ] } } `, false, "a", ` {"errors":[{"message":"m","path":["a"]}], "data" : { "b" : 12345678901234567890.10 , "a" : null } } `},
		{`{"data":{"a":{"a":1}},"errors":[]}`, false, "a", `{"data":{"a":null},"errors":[{"message":"m","path":["a"]}]}`},
		{`{"errors":null,"data":{"x":[[{"a":1}],null]}}`, false, "x.a", `{"errors":[{"message":"m","path":["x",0,0,"a"]}],"data":{"x":[[{"a":null}],null]}}`},
		{`{"errors":[{"message":"o"} ],"data":{"a":""}}`, false, "a", `{"errors":[{"message":"o"} ,{"message":"m","path":["a"]}],"data":{"a":null}}`},
		{`{"data":{"a":"é\u0000\"}","b":"<&>"}}`, false, "b", `{"errors":[{"message":"m","path":["b"]}],"data":{"a":"é\u0000\"}","b":null}}`},
		{`{"data":{"a":null,"b":1}}`, false, "a", ""},
		{`{"extensions":{"a":1},"data":null}`, false, "a", ""},
		{`{"extensions":{"data":{"a":1}}}`, false, "a", ""},
		{`{}`, false, "a", ""},
		{`{"data":{"a":1,"b":{"c":2,"__typename":"T"}}}`, false, "", `{"errors":[{"message":"m","path":["b","c"]}],"data":{"a":1,"b":{"c":null,"__typename":"T"}}}`},
		{`[{"data":{"a":1}},{"data":{"a":2},"errors":[1]}]`, true, "a", `[{"errors":[{"message":"m","path":["a"]}],"data":{"a":null}},{"data":{"a":null},"errors":[1,{"message":"m","path":["a"]}]}]`},
		{`[{"data":{}},{"data":{}},{"data":{"a":3}}]`, true, "a", ""}, // an answer that nobody asked for
		{`[{"data":{"a":1}}]`, false, "a", "!"},
		{`{"data":{"a":1}}`, true, "a", "!"},
		{`[1]`, true, "a", "!"},
		{`"x"`, false, "a", "!"},
		{`{"data":{"a":1}`, false, "a", "!"},
		{`{"data":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, false, "a", ""},
		{strings.Repeat("[", 1<<20), false, "a", "!"},
	} {
		n := nulling(test.field)
		if test.field == "" {
			n = nulling()
		}
		got, count, err := nameless(test.batch).Null([]byte(test.body), n)
		switch test.want {
		case "!":
			if err == nil {
				t.Errorf("%.80s: got %s, want an error", test.body, got)
			}
		case "":
			if err != nil || count != 0 || string(got) != test.body {
				t.Errorf("%.80s: got %d %.80s, %v; want it as it was", test.body, count, got, err)
			}
		default:
			if err != nil || count == 0 || string(got) != test.want {
				t.Errorf("%s: got %d, %v\n%s\nwant\n%s", test.body, count, err, got, test.want)
			}
		}
	}
}

func TestNullIsBounded(t *testing.T) {
	body := []byte(`{"data":{"all":[` + strings.Repeat(`{"a":1},`, 5000) + `{"a":1}]}}`)
	got, n, err := nameless(false).Null(body, nulling("a"))
	if err != nil || n != maxNulled || !json.Valid(got) || bytes.Count(got, []byte("null")) != maxNulled {
		t.Errorf("%d fields, %v, valid %v", n, err, json.Valid(got))
	}
}

func TestFormOf(t *testing.T) {
	for _, test := range []struct {
		method, contentType, query string
		want                       Form
	}{
		{"POST", "application/json", "", InJSON},
		{"POST", "Application/JSON; charset=utf-8", "", InJSON},
		{"POST", "application/graphql+json", "", InJSON},
		{"POST", "application/graphql", "", InDocument},
		{"POST", "text/plain", "query={a}", None},
		{"POST", "multipart/form-data; boundary=x", "", None},
		{"POST", "", "", None},
		{"GET", "application/json", "", None},
		{"GET", "", "query={a}", InQuery},
		{"GET", "", "x=1&query={a}", InQuery},
		{"GET", "", "operationName=A&extensions={}", InQuery},
		{"GET", "", "subquery=1", None},
		{"PUT", "application/json", "", None},
	} {
		if got := FormOf(test.method, test.contentType, test.query); got != test.want {
			t.Errorf("%s %s ?%s is %d, want %d", test.method, test.contentType, test.query, got, test.want)
		}
	}
}

// FuzzRequest reads hostile requests of every form.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"query":"query A($v: Int = 1) { a: b(c: $v) @skip(if: false) { ...f } } fragment f on T { d }","operationName":"A","variables":{"v":1}}`,
		`[{"query":"{a}"},{"extensions":{"persistedQuery":{"sha256Hash":"x"}},"operationName":"B"}]`,
		`query A { a } mutation B { ... on T @include(if: $x) { c } }`,
		`{"query":"{...f} fragment f on T {a{...f}}"}`, `[`, `{"documentId":"x"}`, "\xff{",
	} {
		f.Add(body, "query={a}&operationName=A&variables={}", "a.b")
	}
	f.Fuzz(func(t *testing.T, body, query, field string) {
		for _, form := range []Form{InQuery, InJSON, InDocument} {
			r, err := Read(form, query, []byte(body))
			if err != nil {
				continue
			}
			if len(r.Operations) == 0 || len(r.Operations) > maxBatch || !r.Batch && len(r.Operations) != 1 {
				t.Fatalf("%d operations, batch %v", len(r.Operations), r.Batch)
			}
			for i := range r.Operations {
				op := &r.Operations[i]
				op.Asks([]string{field})
				if op.Known() && op.Type == "" {
					t.Fatalf("its fields are known, its type is not: %+v", op)
				}
			}
			if answer := r.Answer(NewError("C", field, nil)); !json.Valid(answer) {
				t.Fatalf("the answer is %q", answer)
			}
		}
	})
}

// FuzzNull changes hostile answers: what comes out is JSON, and what was not to be
// changed is as it was.
func FuzzNull(f *testing.F) {
	for _, body := range []string{
		`{"data":{"a":{"b":[1,{"c":null}]}},"errors":[{"message":"m"}],"extensions":{}}`,
		`[{"data":{"a":1}},{"errors":[],"data":null}]`, ` {"errors" : null , "data" : {"a" : "x"} } `, `{"data":{"a":1,"a":2},"data":{"a":3}}`, `{"errors":{},"data":{"a":{}}}`,
	} {
		f.Add(body, "a", 0)
		f.Add(body, "", 1)
	}
	f.Fuzz(func(t *testing.T, body, field string, pick int) {
		n := nulling(field)
		if field == "" {
			n = nulling()
		}
		n.Pick = func(size int) int { return int(uint(pick) % uint(size)) }
		for _, batch := range []bool{false, true} {
			got, count, err := nameless(batch).Null([]byte(body), n)
			if err != nil {
				continue
			}
			if count == 0 && string(got) != body {
				t.Fatalf("nothing was nulled of %q, and it became %q", body, got)
			}
			if count > 0 && !json.Valid(got) {
				t.Fatalf("%q became %q", body, got)
			}
		}
	})
}
