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

// parsePattern reads "", "burst(count, interval)" or "sequence(code, …)".
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
			if item != "pass" {
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
	if p.interval, err = units.ParseDuration(args[1]); err != nil {
		return p, fmt.Errorf("parameter pattern: the interval of burst: %w", err)
	}
	if p.interval < time.Millisecond {
		return p, fmt.Errorf("parameter pattern: the interval of burst is %s; expected 1ms or more", describe(args[1]))
	}
	return p, nil
}
