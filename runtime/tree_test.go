package runtime_test

import (
	"fmt"
	"strings"
	"time"
)

// A node is one statement of the tree language in which the tests of this package
// are written. One statement stands on a line; blocks are braced:
//
//	step a dur=10s chaos=f1,f2 {
//	  sleep 3s
//	  fail "no luck"
//	}
//
// The interpreter (interp_test.go) is the reference of the statements.
type node struct {
	op   string
	args []string          // words and strings, in order
	opts map[string]string // key=value words
	kids []*node
	line int
}

func (n *node) arg(i int) string {
	if i < len(n.args) {
		return n.args[i]
	}
	return ""
}

func (n *node) has(word string) bool {
	for _, a := range n.args {
		if a == word {
			return true
		}
	}
	return false
}

// dur reads an option that is a duration; 0 without one.
func (n *node) dur(key string) time.Duration {
	if n.opts[key] == "" {
		return 0
	}
	return mustDuration(n.opts[key])
}

func mustDuration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

// parseTree reads a program; it panics with the line for the test's author.
func parseTree(text string) []*node {
	lines := strings.Split(text, "\n")
	var stack [][]*node
	var open []*node
	body := []*node{}
	for i, line := range lines {
		words := splitWords(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "}" {
			if len(open) == 0 {
				panic(fmt.Sprintf("line %d: a brace too many", i+1))
			}
			top := open[len(open)-1]
			top.kids = body
			body = append(stack[len(stack)-1], top)
			stack, open = stack[:len(stack)-1], open[:len(open)-1]
			continue
		}
		n := &node{op: words[0], opts: map[string]string{}, line: i + 1}
		block := words[len(words)-1] == "{"
		if block {
			words = words[:len(words)-1]
		}
		for _, w := range words[1:] {
			if k, v, ok := strings.Cut(w, "="); ok && !strings.HasPrefix(w, `"`) {
				n.opts[k] = v
			} else {
				n.args = append(n.args, strings.Trim(w, `"`))
			}
		}
		if block {
			stack, open, body = append(stack, body), append(open, n), nil
			continue
		}
		body = append(body, n)
	}
	if len(open) > 0 {
		panic(fmt.Sprintf("line %d: a brace is missing for %s", open[0].line, open[0].op))
	}
	return body
}

// splitWords splits at blanks outside double quotes; # begins a comment.
func splitWords(line string) []string {
	var words []string
	for {
		line = strings.Trim(line, " \t\n")
		if line == "" || line[0] == '#' {
			return words
		}
		end := strings.IndexAny(line, " \t")
		if line[0] == '"' {
			end = strings.IndexByte(line[1:], '"') + 2
		}
		if end < 0 || end > len(line) {
			end = len(line)
		}
		words = append(words, line[:end])
		line = line[end:]
	}
}

// String writes the node as it would be read.
func (n *node) String() string {
	var b strings.Builder
	n.write(&b, "")
	return b.String()
}

func (n *node) write(b *strings.Builder, indent string) {
	b.WriteString(indent + n.op)
	for _, a := range n.args {
		if strings.Contains(a, " ") {
			a = `"` + a + `"`
		}
		b.WriteString(" " + a)
	}
	for _, k := range sortedKeys(n.opts) {
		b.WriteString(" " + k + "=" + n.opts[k])
	}
	if n.kids != nil {
		b.WriteString(" {\n")
		for _, kid := range n.kids {
			kid.write(b, indent+"  ")
		}
		b.WriteString(indent + "}")
	}
	b.WriteByte('\n')
}
