package journal

import (
	"encoding/json"
	"testing"
)

func TestText(t *testing.T) {
	for _, test := range []struct{ value, unit, want string }{
		{"0.288398", UnitSeconds, "288.398ms"},
		{"-0.000000001", UnitSeconds, "-1ns"},
		{"0.0", UnitSeconds, "0s"},
		{"5400.0", UnitSeconds, "1h30m"},
		{"0.1", UnitSeconds, "100ms"}, // which is not what 0.1 * 1e9 cut to a whole number gives for all
		{"0.288398", "", "0.288398"},
		{`"0.5"`, UnitSeconds, `"0.5"`},
		{"1e300", UnitSeconds, "1e300"},
		{"null", UnitSeconds, "null"},
		{"", UnitSeconds, ""},
	} {
		if got := Text(json.RawMessage(test.value), test.unit); got != test.want {
			t.Errorf("Text(%s, %q) is %q, want %q", test.value, test.unit, got, test.want)
		}
	}
}
