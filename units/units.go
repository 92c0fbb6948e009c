// Package units reads and writes the quantities of the Starquake language:
// durations, sizes, shares and bandwidths. Every other package takes them from
// here, so that "1h30m" or "5%" means the same in a script, on the command line,
// in an orchestration file and in an environment. It knows nothing else.
//
// The forms are those of LANGUAGE.md, "Dialect":
//
//	duration   "250ms", "1h30m", "1.5s", "2d" and plain numbers of seconds
//	size       "400KB" (decimal), "400KiB", "400B" and plain numbers of bytes
//	share      0..1 as a number, or "5%"
//	bandwidth  "125KB/s", "1Mbit/s" and plain numbers of bytes per second
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// MaxDuration is the longest duration the language accepts: 100 years. It keeps
// sums of durations well inside the 292 years that an int64 of nanoseconds holds.
const MaxDuration = 100 * 365 * 24 * time.Hour

// unit is one suffix and what it multiplies the number before it with.
type unit struct {
	suffix string
	factor float64
}

// durationUnits are in falling order, which is the order they are written in.
var durationUnits = []unit{
	{"d", float64(24 * time.Hour)},
	{"h", float64(time.Hour)},
	{"m", float64(time.Minute)},
	{"s", float64(time.Second)},
	{"ms", float64(time.Millisecond)},
	{"us", float64(time.Microsecond)},
	{"µs", float64(time.Microsecond)},
	{"ns", 1},
}

// ParseDuration reads a duration such as "250ms", "1h30m" or "2d". Every number
// needs its unit; a leading minus is an error, since nothing in the language
// waits for a negative time.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, fmt.Errorf("an empty string is no duration; write for example \"250ms\" or \"1h30m\"")
	}
	if rest == "0" {
		return 0, nil
	}
	// Whole units are summed as integers: a float64 of nanoseconds is exact only up to 104 days.
	var total time.Duration
	for rest != "" {
		n, after, ok := leadingNumber(rest)
		if !ok {
			if positive, minus := strings.CutPrefix(rest, "-"); minus && total == 0 {
				if _, err := ParseDuration(positive); err == nil {
					return 0, fmt.Errorf("%q is no duration: it is negative; expected 0s or more", s)
				}
			}
			return 0, fmt.Errorf("%q is no duration; write for example \"250ms\", \"30s\" or \"1h30m\"", s)
		}
		u, after, ok := leadingUnit(after, durationUnits)
		if !ok {
			if near := together(s); near != s {
				if _, err := ParseDuration(near); err == nil {
					return 0, fmt.Errorf("%q is no duration: no space stands between a number and its unit; write %q", s, near)
				}
			}
			if words := strings.Fields(after); len(words) > 0 {
				return 0, fmt.Errorf("%q is no duration: %q is no unit (d, h, m, s, ms, us, ns)", s, words[0])
			}
			return 0, fmt.Errorf("%q is no duration: the number %s has no unit (d, h, m, s, ms, us, ns)", s, rest)
		}
		whole := math.Trunc(n)
		frac := fraction(rest)
		// Neither summand is above 100 years, so that their sum does not overflow.
		if n*u.factor <= float64(MaxDuration) {
			total += time.Duration(whole)*time.Duration(u.factor) + time.Duration(math.Round(frac*u.factor))
		}
		if n*u.factor > float64(MaxDuration) || total > MaxDuration {
			return 0, fmt.Errorf("%q is too long for a duration: at most %s (100 years)", s, FormatDuration(MaxDuration))
		}
		rest = strings.TrimLeft(after, " ")
	}
	return total, nil
}

// together is s without the spaces between a number and what is no number behind it.
func together(s string) string {
	var b strings.Builder
	for _, word := range strings.Fields(s) {
		if b.Len() > 0 && (word[0] == '.' || word[0] >= '0' && word[0] <= '9') {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String()
}

// Seconds turns a plain number of seconds into a duration. Negative, infinite and
// not-a-number values, and those above MaxDuration, are errors.
func Seconds(n float64) (time.Duration, error) {
	written := trimFloat(n)
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return 0, fmt.Errorf("%s is no duration: it is not a finite number", written)
	case n < 0:
		return 0, fmt.Errorf("%s is no duration: it is negative", written)
	case n > MaxDuration.Seconds():
		return 0, fmt.Errorf("%s is too long for a duration: at most %s (100 years)", written, FormatDuration(MaxDuration))
	}
	return time.Duration(math.Round(n * float64(time.Second))), nil
}

// FormatDuration writes d so that ParseDuration reads the same value back, in the
// largest units that fit: "1h30m", "1m30s", "1.5s", "250ms", "0s". Below a minute
// it is one number with one unit.
func FormatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d == math.MinInt64: // its negative is itself
		return "-106751d23h47m16.854775808s"
	case d < 0:
		return "-" + FormatDuration(-d)
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case d < time.Millisecond:
		return trimFloat(float64(d)/float64(time.Microsecond)) + "us"
	case d < time.Second:
		return trimFloat(float64(d)/float64(time.Millisecond)) + "ms"
	}
	var b strings.Builder
	for _, u := range durationUnits[:3] {
		if n := d / time.Duration(u.factor); n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteString(u.suffix)
			d -= n * time.Duration(u.factor)
		}
	}
	if d > 0 {
		sec, frac := d/time.Second, d%time.Second
		b.WriteString(strconv.FormatInt(int64(sec), 10))
		if frac > 0 {
			b.WriteString(strings.TrimRight(fmt.Sprintf(".%09d", int64(frac)), "0"))
		}
		b.WriteString("s")
	}
	return b.String()
}

var sizeUnits = []unit{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// ParseSize reads a number of bytes such as "400KB" (decimal) or "400KiB". The
// result is at most 1<<62.
func ParseSize(s string) (int64, error) {
	n, after, ok := leadingNumber(strings.TrimSpace(s))
	if !ok {
		return 0, fmt.Errorf("%q is no size; write for example \"400KB\" or \"4MiB\"", s)
	}
	u, after, ok := leadingUnit(strings.TrimLeft(after, " "), sizeUnits)
	if !ok || after != "" {
		return 0, fmt.Errorf("%q is no size: it needs one of the units B, KB, MB, GB, KiB, MiB, GiB", s)
	}
	if n*u.factor > 1<<62 {
		return 0, fmt.Errorf("%q is too large for a size", s)
	}
	return int64(math.Round(n * u.factor)), nil
}

// FormatSize writes n bytes in the largest unit that divides it, decimal before
// binary: "400KB", "4MiB", "1001B".
func FormatSize(n int64) string {
	for _, u := range []unit{{"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"KB", 1e3}, {"KiB", 1 << 10}} {
		if f := int64(u.factor); n >= f && n%f == 0 {
			return strconv.FormatInt(n/f, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// ParseShare reads a share such as "5%" or "0.05" and returns it as 0..1.
func ParseShare(s string) (float64, error) {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no share; write a number from 0 to 1 or a percentage such as \"5%%\"", s)
	}
	if percent {
		n /= 100
	}
	if err := CheckShare(n); err != nil {
		return 0, err
	}
	return n, nil
}

// CheckShare returns an error unless n is within 0..1.
func CheckShare(n float64) error {
	if n >= 0 && n <= 1 {
		return nil
	}
	return fmt.Errorf("%s is no share: it must be from 0 to 1 (or \"0%%\" to \"100%%\")", trimFloat(n))
}

// bandwidthUnits are bytes per second.
var bandwidthUnits = []unit{
	{"Gbit/s", 1e9 / 8}, {"Mbit/s", 1e6 / 8}, {"Kbit/s", 1e3 / 8}, {"kbit/s", 1e3 / 8}, {"bit/s", 1.0 / 8},
	{"GiB/s", 1 << 30}, {"MiB/s", 1 << 20}, {"KiB/s", 1 << 10},
	{"GB/s", 1e9}, {"MB/s", 1e6}, {"KB/s", 1e3}, {"kB/s", 1e3}, {"B/s", 1},
}

// ParseBandwidth reads a bandwidth such as "125KB/s" or "1Mbit/s" and returns
// bytes per second.
func ParseBandwidth(s string) (float64, error) {
	n, after, ok := leadingNumber(strings.TrimSpace(s))
	if !ok {
		return 0, fmt.Errorf("%q is no bandwidth; write for example \"125KB/s\" or \"1Mbit/s\"", s)
	}
	u, after, ok := leadingUnit(strings.TrimLeft(after, " "), bandwidthUnits)
	if !ok || after != "" {
		return 0, fmt.Errorf("%q is no bandwidth: it needs a unit such as B/s, KB/s, MB/s, Kbit/s or Mbit/s", s)
	}
	if n*u.factor > 1<<62 {
		return 0, fmt.Errorf("%q is too large for a bandwidth", s)
	}
	return n * u.factor, nil
}

// FormatBandwidth writes bytes per second in the largest decimal unit that leaves
// a short number: "125KB/s", "1.5MB/s".
func FormatBandwidth(n float64) string {
	for _, u := range []unit{{"GB/s", 1e9}, {"MB/s", 1e6}, {"KB/s", 1e3}} {
		if n >= u.factor {
			return trimFloat(n/u.factor) + u.suffix
		}
	}
	return trimFloat(n) + "B/s"
}

// leadingNumber splits a non-negative decimal number off the front of s.
func leadingNumber(s string) (n float64, after string, ok bool) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	if i == 0 {
		return 0, s, false
	}
	n, err := strconv.ParseFloat(s[:i], 64)
	return n, s[i:], err == nil
}

// fraction is what stands behind the point of the number at the front of s. It is
// read apart from the number, of which a float64 would keep only the first digits.
func fraction(s string) float64 {
	_, behind, found := strings.Cut(s, ".")
	if !found || strings.TrimLeft(s, "0123456789") != "."+behind {
		return 0
	}
	end := len(behind) - len(strings.TrimLeft(behind, "0123456789"))
	n, err := strconv.ParseFloat("0."+behind[:end]+"0", 64)
	if err != nil {
		return 0
	}
	return n
}

// leadingUnit splits the longest unit off the front of s.
func leadingUnit(s string, units []unit) (found unit, after string, ok bool) {
	for _, u := range units {
		if strings.HasPrefix(s, u.suffix) && len(u.suffix) > len(found.suffix) {
			found, ok = u, true
		}
	}
	return found, s[len(found.suffix):], ok
}

// trimFloat writes n with as many digits as it needs and no exponent.
func trimFloat(n float64) string {
	return strconv.FormatFloat(n, 'f', -1, 64)
}
