package load

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// Condition is a limit on a figure, for StopWhen.
type Condition struct {
	Text   string
	Figure string
	Above  bool    // it is met above Limit, else below it
	Limit  float64 // seconds for a latency
}

// latencyFigures and numberFigures are the figures that a window has.
var latencyFigures = []string{"p50", "p90", "p95", "p99", "p999", "max"}

var numberFigures = []string{"error_rate", "errors", "requests", "throughput", "dropped"}

// WindowFigures are the names of the figures that a window has.
func WindowFigures() []string { return slices.Concat(numberFigures, latencyFigures) }

// IsLatency reports whether a figure is a time.
func IsLatency(figure string) bool { return slices.Contains(latencyFigures, figure) }

// IsShare reports whether a figure is a part of a whole: from 0 to 1.
func IsShare(figure string) bool { return figure == "error_rate" }

// ParseCondition reads "FIGURE > LIMIT" or "FIGURE < LIMIT". The limit of a latency is a
// duration, that of a rate may be a share such as 5%.
func ParseCondition(text string) (Condition, error) {
	i := strings.IndexAny(text, "<>")
	if i < 0 {
		return Condition{}, fmt.Errorf("%q; expected a figure, > or <, and a limit, such as \"error_rate > 50%%\"", text)
	}
	c := Condition{Text: text, Figure: strings.TrimSpace(text[:i]), Above: text[i] == '>'}
	if !slices.Contains(WindowFigures(), c.Figure) {
		return Condition{}, fmt.Errorf("%q has the figure %q; expected one of %s", text, c.Figure, strings.Join(WindowFigures(), ", "))
	}
	limit := strings.TrimSpace(text[i+1:])
	var err error
	if IsLatency(c.Figure) {
		var d time.Duration
		d, err = units.ParseDuration(limit)
		c.Limit = d.Seconds()
	} else {
		number, percent := strings.CutSuffix(limit, "%")
		c.Limit, err = strconv.ParseFloat(strings.TrimSpace(number), 64)
		if percent {
			c.Limit /= 100
		}
	}
	if err != nil || math.IsNaN(c.Limit) || math.IsInf(c.Limit, 0) {
		return Condition{}, fmt.Errorf("%q has the limit %q; expected a number, a share such as 50%%, or for a latency a time such as 2s", text, limit)
	}
	if IsShare(c.Figure) && (c.Limit < 0 || c.Limit > 1) {
		return Condition{}, fmt.Errorf("%q has the limit %q; expected a share from 0 to 1, or 0%% to 100%%", text, limit)
	}
	return c, nil
}

// met reports whether a window meets the condition. One without the figure does not.
func (c *Condition) met(w *Window) bool {
	v, ok := w.Figure(c.Figure)
	return ok && (c.Above && v > c.Limit || !c.Above && v < c.Limit)
}
