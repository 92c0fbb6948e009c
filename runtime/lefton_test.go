package runtime_test

import (
	"encoding/json"
	"slices"
	"testing"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestLeftOn: whoever cleans up a run tries what is not confirmed off, and nothing else.
func TestLeftOn(t *testing.T) {
	fails := func(code string) *journal.EffectEndBody {
		return &journal.EffectEndBody{Error: &journal.EffectError{Code: code}}
	}
	on := &journal.EffectNoteBody{Data: json.RawMessage(`{}`)}
	tests := []struct {
		name   string
		chaos  bool
		bodies []any
		left   bool
	}{
		{"a probe", false, []any{on}, false},
		{"asked for", true, nil, true},
		{"on", true, []any{on}, true},
		{"off", true, []any{on, &journal.EffectEndBody{}}, false},
		{"expired", true, []any{on, fails(journal.CodeExpired)}, false},
		{"not confirmed", true, []any{on, fails("failed")}, true},
		{"left on by a recovery", true, []any{on, on, fails("left_on")}, true},
		{"never on", true, []any{fails("refused")}, false},
		{"half on", true, []any{fails(journal.CodeUnclean)}, true},
	}
	var recs []journal.Record
	var want []journal.Place
	for i, test := range tests {
		at := journal.Place{Branch: "0", Op: uint32(i + 1)}
		if test.left {
			want = append(want, at)
		}
		recs = append(recs, journal.Record{Kind: journal.EffectStart, Place: at, Body: &journal.EffectStartBody{Kind: "fault", Held: true, Chaos: test.chaos}})
		for _, body := range test.bodies {
			kind := journal.EffectNote
			if _, ends := body.(*journal.EffectEndBody); ends {
				kind = journal.EffectEnd
			}
			recs = append(recs, journal.Record{Kind: kind, Place: at, Body: body})
		}
	}
	var got []journal.Place
	for _, req := range runtime.LeftOn(recs) {
		got = append(got, req.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("left on: %v, expected %v", got, want)
	}
}
