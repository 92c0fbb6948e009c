package units

import (
	"testing"
	"time"
)

func TestMeasuredNumber(t *testing.T) {
	for _, test := range []struct {
		n           float64
		limit, want string
	}{
		{1.0 / 15, "below 0.01", "0.06667"},
		{1.0 / 15, "below 1%", "6.667%"},
		{0.010001, "below 1%", "1.0001%"},
		{0.01, "below 1%", "1%"},
		{0.10000001, "below 0.1", "0.10000001"},
		{123456.78, "below 10", "123457"},
		{2, "equal to 3", "2"},
		{1e18, "", "1e+18"},
	} {
		if got := MeasuredNumber(test.n, test.limit); got != test.want {
			t.Errorf("%v beside %q is %q, expected %q", test.n, test.limit, got, test.want)
		}
	}
}

func TestMeasured(t *testing.T) {
	for _, test := range []struct {
		d           time.Duration
		limit, want string
	}{
		{1234567 * time.Microsecond, "below 1s", "1.23s"},
		{800300 * time.Microsecond, "below 800ms", "800.3ms"},
		{-1234567 * time.Microsecond, "", "-1.23s"},
	} {
		if got := Measured(test.d, test.limit); got != test.want {
			t.Errorf("%s beside %q is %q, expected %q", test.d, test.limit, got, test.want)
		}
	}
}
