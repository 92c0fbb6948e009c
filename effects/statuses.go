package effects

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Statuses is a set of HTTP statuses, written "200", "2xx", "200,204,3xx" or "any".
// The zero value is "2xx".
type Statuses struct {
	text   string
	ranges [][2]int
}

// ParseStatuses reads a set of statuses.
func ParseStatuses(s string) (Statuses, error) {
	set := Statuses{text: s}
	if s == "any" {
		set.ranges = [][2]int{{100, 999}}
		return set, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		low, high := part, part
		if len(part) == 3 && strings.HasSuffix(strings.ToLower(part), "xx") {
			low, high = part[:1]+"00", part[:1]+"99"
		}
		from, err := strconv.Atoi(low)
		to, _ := strconv.Atoi(high) // fails only if low does
		if err != nil || from < 100 || from > 999 {
			return Statuses{}, fmt.Errorf("%q is no status; write for example 200, \"2xx\", \"200,204\" or \"any\"", part)
		}
		set.ranges = append(set.ranges, [2]int{from, to})
	}
	return set, nil
}

// Has reports whether status is in the set.
func (s Statuses) Has(status int) bool {
	if s.ranges == nil {
		return status >= 200 && status <= 299
	}
	return slices.ContainsFunc(s.ranges, func(r [2]int) bool { return r[0] <= status && status <= r[1] })
}

// String is the set as it was written.
func (s Statuses) String() string {
	if s.ranges == nil {
		return "2xx"
	}
	return s.text
}

// First is the status that the virtual world answers with.
func (s Statuses) First() int {
	if s.ranges == nil || s.text == "any" {
		return 200
	}
	return s.ranges[0][0]
}

// UnmarshalJSON reads a text or a number.
func (s *Statuses) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	if text == "" || text == "null" {
		*s = Statuses{}
		return nil
	}
	set, err := ParseStatuses(text)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	*s = set
	return nil
}

// MarshalJSON writes the set as it was written.
func (s Statuses) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
