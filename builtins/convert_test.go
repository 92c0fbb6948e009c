package builtins

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"pgregory.net/rapid"
)

// TestRoundTrip: what ToJSON writes FromJSON reads back as the same value of the
// same type.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := jsonValue(0).Draw(t, "value")
		raw, err := ToJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := FromJSON(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		again, err := ToJSON(back)
		if err != nil || string(again) != string(raw) {
			t.Fatalf("%s became %s (%v)", raw, again, err)
		}
		if same, err := starlark.Equal(v, back); err != nil || !same || v.Type() != back.Type() {
			t.Fatalf("%v became %v (%v)", v, back, err)
		}
	})
}

func jsonValue(depth int) *rapid.Generator[starlark.Value] {
	return rapid.Custom(func(t *rapid.T) starlark.Value {
		most := 6
		if depth > 3 {
			most = 4
		}
		switch rapid.IntRange(0, most).Draw(t, "sort") {
		case 0:
			return starlark.None
		case 1:
			return starlark.Bool(rapid.Bool().Draw(t, "bool"))
		case 2:
			n := starlark.MakeInt64(rapid.Int64().Draw(t, "int"))
			if rapid.Bool().Draw(t, "big") {
				n = n.Mul(n).Mul(n)
			}
			return n
		case 3:
			f := rapid.Float64().Draw(t, "float")
			if math.IsNaN(f) || math.IsInf(f, 0) {
				f = 0
			}
			return starlark.Float(f)
		case 4:
			return starlark.String(strings.ToValidUTF8(rapid.String().Draw(t, "string"), "?"))
		case 5:
			return starlark.NewList(rapid.SliceOfN(jsonValue(depth+1), 0, 4).Draw(t, "list"))
		}
		d := new(starlark.Dict)
		for range rapid.IntRange(0, 4).Draw(t, "size") {
			key := strings.ToValidUTF8(rapid.String().Draw(t, "key"), "?")
			if err := d.SetKey(starlark.String(key), jsonValue(depth+1).Draw(t, "member")); err != nil {
				t.Fatal(err)
			}
		}
		return d
	})
}

// FuzzFromJSON: any text is read or refused, as encoding/json would; what is read is
// written and read to the same text.
func FuzzFromJSON(f *testing.F) {
	for _, seed := range []string{`null`, `{"a":[1,2.5,-0,-0.0,1e5,"x\u0000\ud800"]}`, ` [ ] `, `{"":{}}`, `"\\\""`, `123456789012345678901`, `[1,`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := FromJSON(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("read %q, which is not JSON", text)
		}
		first, err := ToJSON(v)
		if err != nil {
			t.Fatalf("%q was read as %v, which cannot be written: %v", text, v, err)
		}
		back, err := FromJSON(first)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := ToJSON(back); err != nil || string(first) != string(second) {
			t.Fatalf("%s became %s (%v)", first, second, err)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	raw := json.RawMessage(`{"status":200,"headers":{"Content-Type":"application/json"},"elapsed":0.0123,"text":"` + strings.Repeat("x", 200) + `","ok":true,"list":[1,2,3]}`)
	b.Run("FromJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := FromJSON(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	v, err := FromJSON(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ToJSON", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ToJSON(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
