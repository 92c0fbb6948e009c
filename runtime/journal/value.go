package journal

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// Duration gives the duration that a value of UnitSeconds is; false for another.
func Duration(value json.RawMessage, unit string) (time.Duration, bool) {
	if unit != UnitSeconds {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(math.Abs(n) <= units.MaxDuration.Seconds()) {
		return 0, false
	}
	return time.Duration(math.Round(n * float64(time.Second))), true
}

// Measured is a value as it stands in messages, beside its limit or with none: a duration
// as the language writes it, a number with the digits that matter, anything else as its JSON.
func Measured(value json.RawMessage, unit, limit string) string {
	if d, ok := Duration(value, unit); ok {
		return units.Measured(d, limit)
	}
	if string(value) == "null" {
		return "None" // as a script has it
	}
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || isWhole(value) && !strings.Contains(limit, "%") {
		return string(value) // a whole number has no digit too many
	}
	return units.MeasuredNumber(n, limit)
}

func isWhole(value json.RawMessage) bool { return !bytes.ContainsAny(value, ".eE") }
