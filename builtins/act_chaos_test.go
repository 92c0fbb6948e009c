package builtins

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"starquake/chaos"
	"starquake/chaos/engine"
)

// TestFaultArgsAreWrittenAsByEncodingJSON holds the arguments of a fault, which are written
// by hand, against what encoding/json makes of the same fields.
func TestFaultArgsAreWrittenAsByEncodingJSON(t *testing.T) {
	type fields FaultArgs // without the method
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`[ -~]{1,20}`), rapid.String())
		fault, err := chaos.New("latency", map[string]any{"delay": rapid.Float64Range(0, 100).Draw(r, "delay"), "probability": rapid.Float64Range(0, 1).Draw(r, "probability")})
		if err != nil {
			r.Fatal(err)
		}
		args := FaultArgs{Target: text.Draw(r, "target"), Name: text.Draw(r, "name"), Fault: fault, Text: text.Draw(r, "text")}
		if rapid.Bool().Draw(r, "engine") {
			args.Engine = &engine.Ref{Kind: "toxiproxy", URL: text.Draw(r, "url"), Prior: map[string]any{"a": 1}}
		}
		if rapid.Bool().Draw(r, "simulated") {
			args.Simulated = json.RawMessage(`{ "hit": 1, "why": "<a>" }`)
		}
		want, err := json.Marshal(fields(args))
		if err != nil {
			r.Fatal(err)
		}
		if got, err := args.MarshalJSON(); string(got) != string(want) || err != nil {
			r.Fatalf("written %s, %v\nwant    %s", got, err, want)
		}
	})
}
