package chaos

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"starquake/units"
)

// String writes the fault in one line for people: "latency 500ms ±20% 80%",
// "http_error 500,503 20% on GET /api/**", "latency 50ms→800ms over 30s".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Kind)
	if row := rowOf(f.Kind); row != nil {
		text := row.text
		if text == nil {
			text = paramsText
		}
		if text := text(&f); text != "" {
			b.WriteString(" " + text)
		}
	}
	if f.Probability != Const(1) {
		b.WriteString(" " + TypeShare.show(f.Probability))
	}
	if f.Match != nil {
		b.WriteString(" on " + f.Match.String())
	}
	if f.Pulse != nil {
		fmt.Fprintf(&b, " (flaps %s on, %s off)", units.FormatDuration(f.Pulse.On), units.FormatDuration(f.Pulse.Off))
	}
	return b.String()
}

// paramsText writes what was given of a fault, in the order of its parameters: those
// that must be given without their names, the others with.
func paramsText(f *Fault) string {
	var parts []string
	params := rowOf(f.Kind).Params
	for i := range params {
		spec := &params[i]
		value, given := f.Params[spec.Name]
		if !given {
			continue
		}
		text := valueText(spec.Type, value)
		if spec.Default != "" {
			text = strings.ReplaceAll(spec.Name, "_", " ") + " " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// maxValueText bounds what one parameter takes of a line.
const maxValueText = 80

// valueText writes a parameter's value for people, in one line.
func valueText(t ParamType, value any) string {
	switch v := value.(type) {
	case Value:
		return t.show(v)
	case [2]Value:
		return TypeDuration.show(v[0]) + "–" + TypeDuration.show(v[1])
	case string:
		return wordText(v)
	case []string:
		words := make([]string, len(v))
		for i, word := range v {
			words[i] = wordText(word)
		}
		return clip(strings.Join(words, ","))
	case []int:
		words := make([]string, len(v))
		for i, code := range v {
			if words[i] = strconv.Itoa(code); t == TypeGRPCCodes {
				words[i] = GRPCName(code)
			}
		}
		return clip(strings.Join(words, ","))
	case map[string]string:
		return clip(wordText(strings.Join(sortedKeys(v), ",")))
	case json.RawMessage:
		return clip(string(v))
	case [][]string:
		commands := make([]string, len(v))
		for i, argv := range v {
			words := make([]string, len(argv))
			for j, word := range argv {
				words[j] = wordText(word)
			}
			commands[i] = strings.Join(words, " ")
		}
		return clip("[" + strings.Join(commands, "; ") + "]")
	case HTTPCall:
		v = v.WithDefaults()
		return v.Method + " " + wordText(v.URL)
	}
	return ""
}

// wordText quotes what could be taken for more than one word.
func wordText(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || !unicode.IsPrint(r) }) {
		s = strconv.Quote(s)
	}
	return clip(s)
}

// clip cuts s to maxValueText characters.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxValueText {
		return s
	}
	return string([]rune(s)[:maxValueText]) + "…"
}

// String writes the match in one line for people: "GET,POST /api/** after 10".
func (m *Match) String() string {
	var parts []string
	if len(m.Method) > 0 {
		parts = append(parts, strings.Join(m.Method, ","))
	}
	if m.Path != "" {
		parts = append(parts, wordText(m.Path))
	}
	for _, c := range []struct{ name, text string }{
		{"host", m.Host}, {"grpc", m.GRPCMethod}, {"graphql", m.GraphQLType}, {"operation", m.GraphQLOperation},
		{"from", strings.Join(m.Source, ",")},
	} {
		if c.text != "" {
			parts = append(parts, c.name+" "+wordText(c.text))
		}
	}
	for _, c := range []struct {
		name     string
		patterns map[string]string
	}{{"header", m.Headers}, {"query", m.Query}} {
		for _, name := range sortedKeys(c.patterns) {
			parts = append(parts, c.name+" "+wordText(name)+"="+wordText(c.patterns[name]))
		}
	}
	if m.BodySize != nil {
		parts = append(parts, "body "+m.BodySize.String())
	}
	if m.Chunked != nil {
		parts = append(parts, map[bool]string{true: "chunked", false: "not chunked"}[*m.Chunked])
	}
	for _, c := range []struct {
		name string
		n    uint64
	}{{"after", m.After}, {"first", m.First}, {"every", m.Every}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", c.name, c.n))
		}
	}
	return strings.Join(parts, " ")
}
