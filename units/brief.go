package units

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Brief writes a duration with as many digits as a person reads.
func Brief(d time.Duration) string {
	to := time.Second
	switch abs := d.Abs(); {
	case abs < time.Millisecond:
		to = time.Microsecond
	case abs < 10*time.Millisecond:
		to = 100 * time.Microsecond
	case abs < time.Second:
		to = time.Millisecond
	case abs < 10*time.Second:
		to = 10 * time.Millisecond
	case abs < time.Minute:
		to = 100 * time.Millisecond
	}
	return FormatDuration(d.Round(to))
}

// Measured writes a duration beside its limit, which may be "": brief, but never what the
// limit says itself, since 800.3ms is not below 800ms.
func Measured(d time.Duration, limit string) string {
	text := Brief(d)
	if strings.Contains(limit, text) {
		return FormatDuration(d)
	}
	return text
}

// MeasuredNumber writes a number beside its limit likewise, with four digits that matter or
// all before the point; as a percentage where the limit is one.
func MeasuredNumber(n float64, limit string) string {
	unit, exact := "", -1
	if strings.Contains(limit, "%") {
		n, unit, exact = n*100, "%", 15 // the product's last digit is noise
	}
	text := strconv.FormatFloat(n, 'g', 4, 64)
	if math.Abs(n) >= 1000 && math.Abs(n) < 1e15 {
		text = strconv.FormatFloat(n, 'f', 0, 64)
	}
	if strings.Contains(limit, text+unit) {
		text = strconv.FormatFloat(n, 'g', exact, 64)
	}
	return text + unit
}
