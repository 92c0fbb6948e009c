package journal

import (
	"encoding/json"
	"math"
	"strconv"
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

// Text is a value as it stands in messages: a duration as the language writes it,
// anything else as its JSON.
func Text(value json.RawMessage, unit string) string {
	if d, ok := Duration(value, unit); ok {
		return units.FormatDuration(d)
	}
	return string(value)
}
