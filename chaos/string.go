package chaos

import (
	"fmt"
	"strings"

	"starquake/units"
)

// String writes the fault in one line for people: "latency 500ms ±20% 80%",
// "http_error 500,503 20% on GET /api/**", "latency 50ms→800ms over 30s".
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.Kind)
	if row, err := KindOf(f.Kind); err == nil && row.text != nil {
		if text := row.text(&f); text != "" {
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
		fmt.Fprintf(&b, " pulse %s on, %s off", units.FormatDuration(f.Pulse.On), units.FormatDuration(f.Pulse.Off))
	}
	return b.String()
}

// String writes the match in one line for people: "GET,POST /api/** after 10".
func (m *Match) String() string {
	var parts []string
	if len(m.Method) > 0 {
		parts = append(parts, strings.Join(m.Method, ","))
	}
	if m.Path != "" {
		parts = append(parts, m.Path)
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
