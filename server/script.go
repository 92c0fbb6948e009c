package server

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"

	"starquake/app"
	"starquake/dsl"
)

// scripts are texts that were read and checked, so that starting the same one a thousand
// times compiles it once.
type scripts struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]*loaded
	bytes int // of the texts
}

// loaded is what came of a text.
type loaded struct {
	script *app.Script
	diags  dsl.Diagnostics
	from   definition
}

// maxScripts bounds the texts whose scripts are kept, in bytes: a script takes many times
// its text. When it is reached, all are forgotten.
const maxScripts = 4 << 20

// The formats of an orchestration, and the names that its text has in diagnostics.
const (
	formatYAML     = "yaml"
	formatJSON     = "json"
	formatStarlark = "starlark"
)

// formatNamed is the format of a name that it may have in a request: scripts are also known
// by the ending of their files.
func formatNamed(name string) string {
	if name == "star" {
		return formatStarlark
	}
	return name
}

func fileName(format string) string {
	return "orchestration." + map[string]string{formatYAML: "yaml", formatJSON: "json", formatStarlark: "star"}[format]
}

// formatOf is the format that a text seems to have.
func formatOf(content string) string {
	if strings.HasPrefix(strings.TrimSpace(content), "{") {
		return formatJSON
	}
	return formatYAML
}

// paramAs is how parameters are given to a server, for the help of what is wrong with them.
const paramAs = `"params": {"NAME": VALUE} in the body (starquake start: --param NAME=VALUE)`

// load reads and checks a text. The error is a *Problem with all that is wrong.
func (c *scripts) load(format, content string, lenient bool) (*loaded, error) {
	hash := sha256.New()
	hash.Write([]byte(format))
	if lenient {
		hash.Write([]byte{1})
	}
	hash.Write([]byte{0})
	hash.Write([]byte(content))
	var key [sha256.Size]byte
	hash.Sum(key[:0])
	c.mu.Lock()
	l := c.known[key]
	c.mu.Unlock()
	if l == nil {
		l = &loaded{from: definition{Format: format, Content: content, Lenient: lenient}}
		l.script, l.diags = app.Loader{Lenient: lenient, ParamAs: paramAs}.LoadText(fileName(format), []byte(content))
		l.diags = append(l.diags, l.aboutReport()...)
		if !l.diags.HasErrors() { // what is wrong is not kept
			c.keep(key, l)
		}
	}
	if l.diags.HasErrors() {
		return nil, diagnosed(400, l.diags, l.source(content))
	}
	return l, nil
}

// aboutReport says what becomes of a report that the text asks for: the server writes no
// file for anybody.
func (l *loaded) aboutReport() dsl.Diagnostics {
	if l.script == nil || l.script.Report == nil {
		return nil
	}
	d := l.script.Report.At
	d.Severity = dsl.Hint
	d.Message = fmt.Sprintf("report_path: %.200q is not written by a server, which makes the report of a run from its journal when it is asked: GET %s", l.script.Report.Path, reportPath("{id}"))
	return dsl.Diagnostics{d}
}

func (c *scripts) keep(key [sha256.Size]byte, l *loaded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || c.bytes+len(l.from.Content) > maxScripts {
		c.known, c.bytes = map[[sha256.Size]byte]*loaded{}, 0
	}
	if _, twice := c.known[key]; !twice {
		c.known[key] = l
		c.bytes += len(l.from.Content)
	}
}

// source gives the texts that diagnostics point into.
func (l *loaded) source(content string) func(string) []byte {
	return func(file string) []byte {
		if l.script != nil && l.script.Unit != nil {
			if text := l.script.SourceOf(file); text != nil {
				return text
			}
		}
		return bytes.Clone([]byte(content))
	}
}
