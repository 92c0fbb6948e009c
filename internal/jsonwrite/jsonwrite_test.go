package jsonwrite

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestAsEncodingJSON holds what is written against what encoding/json makes of the same.
func TestAsEncodingJSON(t *testing.T) {
	type value struct {
		Text  string    `json:"text"`
		Int   int64     `json:"int"`
		Uint  uint64    `json:"uint"`
		Float float64   `json:"float"`
		Any   any       `json:"any"`
		List  []float64 `json:"list"`
	}
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[ -~]{0,20}`), rapid.String())
		number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-100, 100), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1e-6, 1e-7, 1e21, 1e20}))
		v := value{
			text.Draw(r, "text"), rapid.Int64().Draw(r, "int"), rapid.Uint64().Draw(r, "uint"), number.Draw(r, "float"),
			map[string]any{"a": text.Draw(r, "any")}, rapid.SliceOfN(number, 0, 3).Draw(r, "list"),
		}
		w := New(0)
		w.Open('{')
		w.Key("text")
		w.Text(v.Text)
		w.Key("int")
		w.Int(v.Int)
		w.Key("uint")
		w.Uint(v.Uint)
		w.Key("float")
		w.Float(v.Float)
		w.Key("any")
		w.Any(v.Any)
		w.Key("list")
		w.Open('[')
		for _, n := range v.List {
			w.Next()
			w.Float(n)
		}
		w.Close(']')
		w.Close('}')
		got, err := w.Bytes()
		if err != nil {
			r.Fatal(err)
		}
		if v.List == nil {
			v.List = []float64{}
		}
		want, err := json.Marshal(v)
		if err != nil {
			r.Fatal(err)
		}
		if string(got) != string(want) {
			r.Fatalf("written %s\nwant    %s", got, want)
		}
	})
}

func TestFails(t *testing.T) {
	w := New(0)
	w.Float(math.NaN())
	w.Fail(errors.New("later"))
	if out, err := w.Bytes(); out != nil || err == nil || err.Error() == "later" {
		t.Errorf("got %q and %v, expected nothing and the first error", out, err)
	}
}
