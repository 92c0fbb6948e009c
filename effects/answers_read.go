package effects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxAnswers bounds the size of a file of answers.
const maxAnswers = 4 << 20

// ReadAnswers reads a file of answers, YAML or JSON; name is for messages. It is a
// list of rules, of which the first that matches an effect answers it:
//
//   - match: {kind: http, url: "http://shop.test/api/**", method: GET}
//     answer: {status: 503, elapsed: 2s}
//   - match: {argv0: kubectl, path: "soak/*"}
//     sequence:
//   - {code: 1, stderr: not ready}
//   - {code: 0}
//
// match takes kind, url and path (globs), method (of gRPC "pkg.Service/Method"),
// argv0 (a base name or a whole path), and as globs addr (of tcp and gRPC), name (of
// dns, and a channel's) and query (of Prometheus); all that is given must hold, and of a watched probe its own url or argv
// count. An answer's members replace those of the planned answer; a sequence gives
// one for each effect and stays at its last, calls and probes counted apart. A probe
// that is read or watched takes a reading, {ok: false}, or the answer of the call that it
// makes, which it judges; a watch takes members of its summary, bad_after and bad_for, too.
func ReadAnswers(name string, text []byte) (*Answers, error) {
	if len(text) > maxAnswers {
		return nil, fmt.Errorf("%s: %d bytes; a file of answers has at most %d", name, len(text), maxAnswers)
	}
	root, err := parseNodes(text)
	if err != nil {
		var at *lineError
		if errors.As(err, &at) {
			return nil, fmt.Errorf("%s:%d: %s", name, at.line, at.message)
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &answerReader{}
	rules := r.file(root)
	if r.err != nil {
		return nil, fmt.Errorf("%s:%d: %s", name, r.err.line, r.err.message)
	}
	return &Answers{name: name, rules: rules}, nil
}

// lineError is an error at a line.
type lineError struct {
	line    int
	message string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.message) }

// answerReader walks the nodes of a file and keeps the first error. After one, what
// it returns is of no use.
type answerReader struct {
	err *lineError
}

// fail keeps an error at a node.
func (r *answerReader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &lineError{n.Line, fmt.Sprintf(format, args...)}
	}
}

// file reads the list of rules.
func (r *answerReader) file(root *yaml.Node) []answerRule {
	if root.Kind != yaml.SequenceNode {
		r.fail(root, "found %s; expected a list of rules: - match: {…}, answer: {…}", describe(root))
		return nil
	}
	rules := make([]answerRule, 0, len(root.Content))
	for _, n := range root.Content {
		rules = append(rules, r.rule(n))
	}
	return rules
}

// rule reads one rule.
func (r *answerReader) rule(n *yaml.Node) answerRule {
	fields := r.mapping(n, "a rule", []string{"match", "answer", "sequence"})
	rule := answerRule{line: n.Line}
	match, answer, sequence := fields["match"], fields["answer"], fields["sequence"]
	switch {
	case r.err != nil:
		return rule
	case match == nil:
		r.fail(n, "the rule has no match; to answer every effect of a kind write match: {kind: http}")
	case (answer == nil) == (sequence == nil):
		r.fail(n, "the rule needs either answer or sequence")
	case sequence != nil && (sequence.Kind != yaml.SequenceNode || len(sequence.Content) == 0):
		r.fail(sequence, "found %s; expected a list of answers", describe(sequence))
	}
	if r.err != nil {
		return rule
	}
	rule.match = r.match(match)
	written := []*yaml.Node{answer}
	if sequence != nil {
		written = sequence.Content
	}
	for _, n := range written {
		rule.answers = append(rule.answers, r.answer(n, rule.match.kind))
	}
	return rule
}

// match reads what a rule matches.
func (r *answerReader) match(n *yaml.Node) (m answerMatch) {
	fields := r.mapping(n, "match", []string{"kind", "url", "method", "argv0", "addr", "name", "query", "path"})
	if r.err == nil && len(fields) == 0 {
		r.fail(n, "match is empty; it needs one of kind, url, method, argv0, addr, name, query, path")
	}
	for key, value := range fields {
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" || value.Value == "" {
			r.fail(value, "match.%s is %s; expected a text", key, describe(value))
			return m
		}
	}
	text := func(key string) string {
		if fields[key] == nil {
			return ""
		}
		return fields[key].Value
	}
	pattern := func(key string) *glob {
		if fields[key] == nil {
			return nil
		}
		g, err := compileGlob(fields[key].Value)
		if err != nil {
			r.fail(fields[key], "match.%s: %v", key, err)
		}
		return g
	}
	return answerMatch{
		kind: text("kind"), method: strings.ToUpper(text("method")), argv0: text("argv0"),
		url: pattern("url"), path: pattern("path"), addr: pattern("addr"), name: pattern("name"), query: pattern("query"),
	}
}

// answer reads one answer and checks its members as far as the kind is known.
func (r *answerReader) answer(n *yaml.Node, kind string) writtenAnswer {
	sim := simulations()[kind]
	r.mapping(n, "the answer", sim.keys())
	if r.err != nil {
		return writtenAnswer{}
	}
	var buf bytes.Buffer
	if err := writeJSON(&buf, n); err != nil {
		r.err = err
		return writtenAnswer{}
	}
	answer := writtenAnswer{line: n.Line, data: buf.Bytes()}
	fields, _, err := sim.read(answer.data)
	if err != nil {
		r.fail(n, "answer: %v", err)
		return writtenAnswer{}
	}
	if sim != nil {
		for _, extra := range sim.extra {
			delete(fields, extra)
		}
	}
	if err := sim.validate(fields); err != nil {
		r.fail(n, "answer: %v", err)
	}
	return answer
}

// mapping reads a mapping's members. With known not nil others are errors.
func (r *answerReader) mapping(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s is %s; expected a mapping", what, describe(n))
		return nil
	}
	fields := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.fail(key, "a key of %s is %s; expected a text", what, describe(key))
		case known != nil && !slices.Contains(known, key.Value):
			r.fail(key, "unknown key %q in %s; known are %s", key.Value, what, strings.Join(known, ", "))
		case fields[key.Value] != nil:
			r.fail(key, "the key %q is there twice in %s", key.Value, what)
		}
		fields[key.Value] = n.Content[i+1]
	}
	return fields
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null" && n.Tag != "!!str":
		return excerpt([]byte(n.Value))
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		text, _ := json.Marshal(n.Value) // a string: cannot fail
		return excerpt(text)
	}
	return "nothing"
}
