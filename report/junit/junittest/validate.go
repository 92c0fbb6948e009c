// Package junittest validates JUnit's XML in tests.
package junittest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// element says what JUnit's common schema, the one of Jenkins (junit-10.xsd), permits of
// an element: its attributes, those that must be there, and its children in their order.
type element struct {
	attrs, required []string
	children        []string
	text            bool
}

var schema = map[string]element{
	"testsuites": {attrs: []string{"name", "time", "tests", "failures", "disabled", "errors"}, children: []string{"testsuite"}},
	"testsuite": {
		attrs:    []string{"name", "tests", "failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
		required: []string{"name", "tests"}, children: []string{"properties", "testcase", "system-out", "system-err"},
	},
	"properties": {children: []string{"property"}},
	"property":   {attrs: []string{"name", "value"}, required: []string{"name", "value"}},
	"testcase": {
		attrs: []string{"name", "assertions", "time", "classname", "status"}, required: []string{"name"},
		children: []string{"skipped", "error", "failure", "system-out", "system-err"},
	},
	"skipped":    {attrs: []string{"message"}},
	"error":      {attrs: []string{"message", "type"}, text: true},
	"failure":    {attrs: []string{"message", "type"}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

// Validate checks a document against the schema, and the counts of each suite against what it has.
func Validate(doc []byte) error {
	type open struct {
		name  string
		child int // index of the latest kind of child
	}
	var stack []open
	var counts, told map[string]int // of the suite
	times := regexp.MustCompile(`^\d+(\.\d+)?$`)
	dec := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch tok := token.(type) {
		case xml.StartElement:
			name := tok.Name.Local
			rules, known := schema[name]
			if !known {
				return fmt.Errorf("<%s> is unknown", name)
			}
			if name == "testsuite" {
				counts, told = map[string]int{}, map[string]int{}
			}
			if len(stack) == 0 && name != "testsuites" {
				return fmt.Errorf("the root is <%s>", name)
			}
			if n := len(stack); n > 0 {
				parent := &stack[n-1]
				at := slices.Index(schema[parent.name].children, name)
				if at < parent.child {
					return fmt.Errorf("<%s> in <%s>, at the wrong place or not permitted", name, parent.name)
				}
				parent.child = at
			}
			var have []string
			for _, a := range tok.Attr {
				have = append(have, a.Name.Local)
				if !slices.Contains(rules.attrs, a.Name.Local) {
					return fmt.Errorf("<%s %s=…> is not permitted", name, a.Name.Local)
				}
				if a.Name.Local == "time" && !times.MatchString(a.Value) {
					return fmt.Errorf("<%s time=%q>", name, a.Value)
				}
				if name == "testsuite" && slices.Contains([]string{"tests", "failures", "errors", "skipped"}, a.Name.Local) {
					if told[a.Name.Local], err = strconv.Atoi(a.Value); err != nil {
						return err
					}
				}
			}
			for _, must := range rules.required {
				if !slices.Contains(have, must) {
					return fmt.Errorf("<%s> has no %s", name, must)
				}
			}
			if counts != nil {
				counts[name]++
			}
			stack = append(stack, open{name: name})
		case xml.EndElement:
			stack = stack[:len(stack)-1]
			if tok.Name.Local == "testsuite" {
				for attr, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
					if told[attr] != counts[element] {
						return fmt.Errorf("%s=%d, and there are %d", attr, told[attr], counts[element])
					}
				}
			}
		case xml.CharData:
			if n := len(stack); n > 0 && strings.TrimSpace(string(tok)) != "" && !schema[stack[n-1].name].text {
				return fmt.Errorf("text in <%s>: %q", stack[n-1].name, tok)
			}
		}
	}
	return nil
}
