package units

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in   string
		want time.Duration
	}{
		{"250ms", 250 * time.Millisecond},
		{"30s", 30 * time.Second},
		{"1h30m", 90 * time.Minute},
		{" 1h 30m ", 90 * time.Minute},
		{"1.5s", 1500 * time.Millisecond},
		{".5s", 500 * time.Millisecond},
		{"2d", 48 * time.Hour},
		{"0", 0},
		{"0s", 0},
		{"1us", time.Microsecond},
		{"1µs", time.Microsecond},
		{"1ns", 1},
		{"0.1ns", 0},
		{"1m30s500ms", 90*time.Second + 500*time.Millisecond},
		{"0.1s", 100 * time.Millisecond},
		{"36500d", MaxDuration},
		{"36499d23h59m59.999999999s", MaxDuration - 1},
		{"100000000.000000001s", 100000000*time.Second + 1},
	}
	for _, test := range tests {
		got, err := ParseDuration(test.in)
		if err != nil || got != test.want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", test.in, int64(got), err, int64(test.want))
		}
	}
}

func TestParseDurationErrors(t *testing.T) {
	for in, part := range map[string]string{
		"":                                 "empty",
		"  ":                               "empty",
		"5":                                "no unit",
		"5 minutes":                        `"minutes" is no unit`,
		"5x":                               `"x" is no unit`,
		"10 ms":                            `no space stands between a number and its unit; write "10ms"`,
		" 1 h  30 m":                       `write "1h 30m"`,
		"1 30s":                            "no unit",
		"-5s":                              "no duration",
		"+5s":                              "no duration",
		"s":                                "no duration",
		"1h30":                             "no unit",
		"1..5s":                            "no duration",
		"1e3s":                             "no unit",
		"NaNs":                             "no duration",
		"infs":                             "no duration",
		"36501d":                           "too long",
		"36500d1ns":                        "too long",
		"18250d18251d":                     "too long",
		"9999999999999999999999999999999d": "too long",
		strings.Repeat("9", 400) + "s":     "no duration",
		strings.Repeat("36500d", 100):      "too long",
		"1s\x00":                           "no",
	} {
		got, err := ParseDuration(in)
		if err == nil || got != 0 || !strings.Contains(err.Error(), part) {
			t.Errorf("ParseDuration(%.50q) = %v, %v; want 0 and an error with %q", in, int64(got), err, part)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[float64]time.Duration{0: 0, 0.25: 250 * time.Millisecond, 90: 90 * time.Second, 1e-9: 1, 3153600000: MaxDuration} {
		if got, err := Seconds(in); err != nil || got != want {
			t.Errorf("Seconds(%v) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []float64{-1, -1e-300, math.NaN(), math.Inf(1), math.Inf(-1), 1e18, math.MaxFloat64} {
		if got, err := Seconds(in); err == nil || got != 0 {
			t.Errorf("Seconds(%v) = %v, %v; want an error", in, got, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0s", 1: "1ns", 1500: "1.5us", 250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.5s",
		90 * time.Second: "1m30s", 90 * time.Minute: "1h30m", 48 * time.Hour: "2d", 25*time.Hour + 1: "1d1h0.000000001s",
		-time.Second: "-1s", time.Millisecond + 1: "1.000001ms", MaxDuration: "36500d", math.MinInt64: "-106751d23h47m16.854775808s",
	} {
		if got := FormatDuration(in); got != want {
			t.Errorf("FormatDuration(%d) = %q, want %q", int64(in), got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]int64{
		"400KB": 400_000, "400kB": 400_000, "400KiB": 400 << 10, "4 MiB": 4 << 20, "1.5GB": 1_500_000_000, "0B": 0, "2GiB": 2 << 30, " 7B ": 7,
		"4294967296GiB": 1 << 62,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "5", "KB", "-5KB", "5K", "5 megs", "5KBx", "99999999999999GiB", "1e9B", ".B", "5TB"} {
		if got, err := ParseSize(in); err == nil || got != 0 {
			t.Errorf("ParseSize(%q) = %d, %v; want an error", in, got, err)
		}
	}
	for in, want := range map[int64]string{0: "0B", 1001: "1001B", 400_000: "400KB", 4 << 20: "4MiB", 1 << 30: "1GiB", 5e9: "5GB", -5: "-5B"} {
		if got := FormatSize(in); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for in, want := range map[string]float64{"5%": 0.05, "0.05": 0.05, "100%": 1, "0": 0, "1": 1, " 12.5 % ": 0.125} {
		if got, err := ParseShare(in); err != nil || math.Abs(got-want) > 1e-15 {
			t.Errorf("ParseShare(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "%", "often", "101%", "-1%", "1.1", "NaN", "NaN%", "inf", "5%%"} {
		if got, err := ParseShare(in); err == nil || got != 0 {
			t.Errorf("ParseShare(%q) = %v, %v; want 0 and an error", in, got, err)
		}
	}
	if CheckShare(0.5) != nil || CheckShare(math.NaN()) == nil || CheckShare(-0.1) == nil || CheckShare(1.1) == nil {
		t.Error("CheckShare is wrong")
	}
}

func TestBandwidth(t *testing.T) {
	for in, want := range map[string]float64{
		"125KB/s": 125_000, "1Mbit/s": 125_000, "1Gbit/s": 125_000_000, "8bit/s": 1, "1KiB/s": 1024, "1.5 MB/s": 1_500_000, "0B/s": 0,
		"1kbit/s": 125, "1Kbit/s": 125, "1kB/s": 1000, "1GiB/s": 1 << 30,
	} {
		if got, err := ParseBandwidth(in); err != nil || got != want {
			t.Errorf("ParseBandwidth(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "fast", "1Mbit", "5", "-1KB/s", "1KB/s!", "1MB/m"} {
		if got, err := ParseBandwidth(in); err == nil || got != 0 {
			t.Errorf("ParseBandwidth(%q) = %v, %v; want an error", in, got, err)
		}
	}
	for in, want := range map[float64]string{125_000: "125KB/s", 1_500_000: "1.5MB/s", 2e9: "2GB/s", 12.5: "12.5B/s", 0: "0B/s"} {
		if got := FormatBandwidth(in); got != want {
			t.Errorf("FormatBandwidth(%v) = %q, want %q", in, got, want)
		}
	}
}

// TestRoundTrip checks that what is formatted reads back as the same value.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(MaxDuration)).Draw(t, "duration"))
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("duration %d: %q reads back as %d, %v", int64(d), FormatDuration(d), int64(got), err)
		}
		n := rapid.Int64Range(0, 1<<53).Draw(t, "size")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Fatalf("size %d: %q reads back as %d, %v", n, FormatSize(n), got, err)
		}
		b := rapid.Float64Range(0, 1e12).Draw(t, "bandwidth")
		if got, err := ParseBandwidth(FormatBandwidth(b)); err != nil || math.Abs(got-b) > b*1e-12 {
			t.Fatalf("bandwidth %v: %q reads back as %v, %v", b, FormatBandwidth(b), got, err)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"250ms", "1h30m", "2d", "1.5s", "36500d", "0", "1µs", "5 minutes", "-1s", "1h 30m", "0.000000001s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if d != 0 {
				t.Errorf("ParseDuration(%q) = %d beside the error %v", s, int64(d), err)
			}
			return
		}
		if d < 0 || d > MaxDuration {
			t.Fatalf("ParseDuration(%q) = %d is out of range", s, int64(d))
		}
		if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
			t.Errorf("%q is %d, which is written %q and reads back as %d, %v", s, int64(d), FormatDuration(d), int64(again), err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"400KB", "4MiB", "0B", "1.5GB", "-1B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); n < 0 || n > 1<<62 || err != nil && n != 0 {
			t.Errorf("ParseSize(%q) = %d, %v", s, n, err)
		}
		if n, err := ParseShare(s); err == nil && (n < 0 || n > 1) {
			t.Errorf("ParseShare(%q) = %v", s, n)
		}
		if n, err := ParseBandwidth(s); err == nil && (n < 0 || math.IsInf(n, 0) || math.IsNaN(n)) {
			t.Errorf("ParseBandwidth(%q) = %v", s, n)
		}
	})
}
