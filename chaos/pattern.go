package chaos

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// pattern is when an http_error answers. The zero pattern is always.
type pattern struct {
	count    uint64
	interval time.Duration
	sequence []int // 0 lets pass
}

// canonicalPattern writes a pattern as parsePattern knows it best: burst(5, 10s),
// sequence(503, pass, 500).
func canonicalPattern(s string) string {
	p, err := parsePattern(s)
	switch {
	case err != nil || s == "":
		return s
	case p.count > 0:
		return fmt.Sprintf("burst(%d, %s)", p.count, units.FormatDuration(p.interval))
	}
	items := make([]string, len(p.sequence))
	for i, code := range p.sequence {
		if items[i] = "pass"; code != 0 {
			items[i] = strconv.Itoa(code)
		}
	}
	return "sequence(" + strings.Join(items, ", ") + ")"
}

// parsePattern reads "", "burst(count, interval)" or "sequence(code, …)". The interval may
// be quoted, and the codes a list with None, as scripts have them.
func parsePattern(s string) (pattern, error) {
	var p pattern
	if s == "" {
		return p, nil
	}
	name, rest, called := strings.Cut(s, "(")
	args, closed := strings.CutSuffix(rest, ")")
	if !called || !closed || len(s) > 8192 {
		return p, fmt.Errorf("parameter pattern is %s; expected \"burst(5, 10s)\" or \"sequence(503, pass, 500)\"", describe(s))
	}
	args = strings.TrimSpace(args)
	if inner, ok := strings.CutPrefix(args, "["); ok && strings.HasSuffix(inner, "]") {
		args = strings.TrimSuffix(inner, "]")
	}
	list := strings.Split(args, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	switch strings.TrimSpace(name) {
	case "burst":
		return parseBurst(list)
	case "sequence":
		for _, item := range list {
			code := 0
			if item != "pass" && item != "None" && item != "null" {
				var err error
				if code, err = strconv.Atoi(item); err != nil || code < 200 || code > 599 {
					return p, fmt.Errorf("parameter pattern: sequence has %s; expected a status from 200 to 599 or pass", describe(item))
				}
			}
			p.sequence = append(p.sequence, code)
		}
		return p, nil
	}
	return p, fmt.Errorf("parameter pattern: %s is unknown; expected burst or sequence", describe(name))
}

func parseBurst(args []string) (p pattern, err error) {
	if len(args) != 2 {
		return p, fmt.Errorf("parameter pattern: burst has %d arguments; expected a count and an interval, as in \"burst(5, 10s)\"", len(args))
	}
	if p.count, err = strconv.ParseUint(args[0], 10, burstBits-1); err != nil || p.count == 0 {
		return p, fmt.Errorf("parameter pattern: the count of burst is %s; expected 1 to %d", describe(args[0]), 1<<(burstBits-1)-1)
	}
	interval := args[1]
	if inner, ok := strings.CutPrefix(interval, `"`); ok && strings.HasSuffix(inner, `"`) {
		interval = strings.TrimSuffix(inner, `"`)
	}
	if p.interval, err = units.ParseDuration(interval); err != nil {
		return p, fmt.Errorf("parameter pattern: the interval of burst: %w", err)
	}
	if p.interval < time.Millisecond {
		return p, fmt.Errorf("parameter pattern: the interval of burst is %s; expected 1ms or more", describe(args[1]))
	}
	return p, nil
}
