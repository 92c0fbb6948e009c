package builtins

import (
	"encoding/json"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// TestFaultCheck gives a probe of the language to a fault of the user's own.
func TestFaultCheck(t *testing.T) {
	names, err := Compile(Table())
	if err != nil {
		t.Fatal(err)
	}
	v, err := starlark.EvalOptions(&syntax.FileOptions{}, newTestThread(), "x.star",
		`fault.exec("redis", on = ["a"], off = ["b"], check = probe.all(probe.tcp("127.0.0.1:6379"), probe.http("http://127.0.0.1")))`, names)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ToJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	var fault struct {
		Params struct {
			Check struct{ Kind string }
		}
	}
	if err := json.Unmarshal(raw, &fault); err != nil || fault.Params.Check.Kind != "all" {
		t.Errorf("%s: %v", raw, err)
	}
}

// TestFaultReference keeps docs/reference/faults.md that of the table of kinds; make
// docs writes it.
func TestFaultReference(t *testing.T) {
	golden(t, "../docs/reference/faults.md", string(FaultReference()))
}

func TestFaultHelp(t *testing.T) {
	for kind, want := range map[string]string{
		"":          "packet_loss ",
		"latency":   "jitter_percent",
		"ws_close":  "1000 to 4999, or HTTP statuses that are mapped",
		"exec":      "It is put on no target.",
		"bandwidth": "bandwidth or ramp; required; 1B/s to",
	} {
		text, err := FaultHelp(kind)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%q: %v, without %q:\n%s", kind, err, want, text)
		}
	}
	for kind, want := range map[string]string{"latncy": "did you mean latency?", "meteor": "without a kind all are listed"} {
		if _, err := FaultHelp(kind); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", kind, err)
		}
	}
}
