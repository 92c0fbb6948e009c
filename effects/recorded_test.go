package effects

import (
	"encoding/json"
	"fmt"
	"testing"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestRecorded: an effect gets the answer of the one at its place that asked for the same, else the
// oldest that nobody has. One of which nothing is known keeps those behind it from nobody.
func TestRecorded(t *testing.T) {
	args := json.RawMessage(`{"url":"http://a.test"}`)
	var recs []journal.Record
	for op, status := range []int{0, 201, 202, 203, 204} {
		at := journal.Place{Branch: "0", Op: uint32(op + 1)}
		end := &journal.EffectEndBody{Data: fmt.Appendf(nil, `{"status":%d}`, status)}
		if status == 0 {
			end = &journal.EffectEndBody{Error: &journal.EffectError{Code: journal.CodeUncertain}}
		}
		recs = append(recs, journal.Record{Kind: journal.EffectStart, Place: at, Body: &journal.EffectStartBody{Kind: KindHTTP, Args: args}},
			journal.Record{Kind: journal.EffectEnd, Place: at, Body: end})
	}
	recorded := ReadRecorded(recs)
	p := recorded.Over(newEffects(t, Policy{}, Options{}), nil)
	for _, tt := range []struct {
		branch string
		op     uint32
		args   json.RawMessage
		status int
	}{
		{"0", 3, args, 202},   // its own
		{"0.1", 1, args, 200}, // the oldest, of which nothing is known: as planned
		{"0.1", 2, args, 201}, // the next
		{"0", 2, args, 203},   // its own is used
		{"0", 5, json.RawMessage(`{"url":"http://b"}`), 200}, // nobody had asked for that
		{"0", 5, args, 204},
		{"0", 6, args, 200}, // no more are there
	} {
		planned, err := p.Plan(&runtime.Request{ID: journal.Place{Branch: tt.branch, Op: tt.op}, Kind: KindHTTP, Args: tt.args})
		if err != nil {
			t.Fatal(err)
		}
		var got HTTPAnswer
		if raw, ok := planned.Done.Data.(json.RawMessage); !ok || json.Unmarshal(raw, &got) != nil || got.Status != tt.status {
			t.Errorf("%s:%d got %s, want %d", tt.branch, tt.op, planned.Done.Data, tt.status)
		}
	}
	if recorded.Missing != 3 {
		t.Errorf("%d are missing, want 3", recorded.Missing)
	}
}
