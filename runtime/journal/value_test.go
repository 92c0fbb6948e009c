package journal

import (
	"encoding/json"
	"testing"
)

func TestMeasured(t *testing.T) {
	for _, test := range []struct{ value, unit, limit, want string }{
		{"0.288398", UnitSeconds, "", "288ms"},
		{"0.8003", UnitSeconds, "below 800ms", "800.3ms"},
		{"-0.000000001", UnitSeconds, "", "0s"},
		{"-0.000000001", UnitSeconds, "at least 0s", "-1ns"},
		{"0.0", UnitSeconds, "", "0s"},
		{"5400.0", UnitSeconds, "", "1h30m"},
		{"0.1", UnitSeconds, "", "100ms"}, // which is not what 0.1 * 1e9 cut to a whole number gives for all
		{"0.06666666666666667", "", "below 0.01", "0.06667"},
		{"0.06666666666666667", "", "below 1%", "6.667%"},
		{"2", "", "below 150%", "200%"},
		{"9007199254740993", "", "below 3", "9007199254740993"},
		{`"0.5"`, UnitSeconds, "", `"0.5"`},
		{"null", UnitSeconds, "", "None"},
		{"", UnitSeconds, "", ""},
		{"[0.25]", "", "below 1%", "[0.25]"},
	} {
		if got := Measured(json.RawMessage(test.value), test.unit, test.limit); got != test.want {
			t.Errorf("Measured(%s, %q, %q) is %q, want %q", test.value, test.unit, test.limit, got, test.want)
		}
	}
}
