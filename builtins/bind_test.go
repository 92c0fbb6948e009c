package builtins

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"starquake/dsl"
)

// TestArgError looks at the parts that callers tell apart.
func TestArgError(t *testing.T) {
	step := compileForTest(t)["demo"].(*namespace).members["takes"]
	_, err := starlark.Call(newTestThread(), step, starlark.Tuple{starlark.String("a")},
		[]starlark.Tuple{{starlark.String("duration"), starlark.String("5 minutes")}})
	var arg *ArgError
	if !errors.As(err, &arg) {
		t.Fatalf("got %v, which is no ArgError", err)
	}
	want := ArgError{"demo.takes", "duration", `expected a duration such as "30s" or a ramp, got "5 minutes"`, `write "5m"`}
	if *arg != want {
		t.Errorf("got %+v, want %+v", *arg, want)
	}
}

// TestCompileRefuses lists mistakes in a table.
func TestCompileRefuses(t *testing.T) {
	row := func(b dsl.Builtin) []Builtin { return []Builtin{{b, nil}} }
	for _, test := range []struct {
		table []Builtin
		want  string
	}{
		{row(dsl.Builtin{Sig: `f`}), "expected name"},
		{row(dsl.Builtin{Sig: `f(x: potato)`}), `unknown type "potato"`},
		{row(dsl.Builtin{Sig: `f(x: int = "a")`}), "the default does not fit"},
		{row(dsl.Builtin{Sig: `f(x: int = 1 +)`}), "default of x"},
		{row(dsl.Builtin{Sig: `f(x: int = 5)`, Ranges: map[string][2]float64{"x": {0, 1}}}), "from 0 to 1, got 5"},
		{row(dsl.Builtin{Sig: `f(x: int)`, Ranges: map[string][2]float64{"y": {0, 1}}}), `"y", which is no parameter`},
		{row(dsl.Builtin{Sig: `f(x: int)`, Help: map[string]string{"z": ""}}), `"z", which is no parameter`},
		{append(row(dsl.Builtin{Sig: `f()`}), row(dsl.Builtin{Sig: `f()`})...), "stands twice"},
		{append(row(dsl.Builtin{Sig: `f()`}), row(dsl.Builtin{Sig: `f.g()`})...), "not a namespace"},
		{append(row(dsl.Builtin{Sig: `f.g()`}), row(dsl.Builtin{Sig: `f()`})...), "stands twice"},
		{row(dsl.Builtin{Sig: "f(" + strings.Repeat("x, ", 65) + ")"}), "at most 64"},
	} {
		if _, err := Compile(test.table); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Compile(%q): got error %v, want %q", test.table[0].Sig, err, test.want)
		}
	}
}

// TestDefaultIsShared makes sure that no call can change the default of the next.
func TestDefaultIsShared(t *testing.T) {
	names, err := Compile([]Builtin{{dsl.Builtin{Sig: `f(x: list = [1])`}, func(c *Call) (starlark.Value, error) { return c.Value("x"), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := starlark.Call(newTestThread(), names["f"], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.(*starlark.List).Append(starlark.None); err == nil {
		t.Error("the default could be changed")
	}
}

// TestUnknownParameterPanics: a builtin that asks for what its signature lacks is a
// mistake that must show in its first test.
func TestUnknownParameterPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("expected a panic")
		}
	}()
	names, err := Compile([]Builtin{{dsl.Builtin{Sig: `f()`}, func(c *Call) (starlark.Value, error) { return c.Value("x"), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = starlark.Call(newTestThread(), names["f"], nil, nil)
}

// benchmarkTable has a builtin of the sort that a hot loop calls.
func benchmarkTable(b *testing.B) *function {
	names, err := Compile([]Builtin{{
		dsl.Builtin{Sig: `f(name: string, value: number, limit: duration = "1s", flag: bool = False)`},
		func(c *Call) (starlark.Value, error) {
			if c.String("name") == "" || c.Float("value") < 0 || c.Duration("limit") < 0 {
				return nil, errors.New("wrong")
			}
			return starlark.None, nil
		},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return names["f"].(*function)
}

// BenchmarkCall measures binding and reading three arguments, without the
// interpreter's own share.
func BenchmarkCall(b *testing.B) {
	f := benchmarkTable(b)
	thread := newTestThread()
	for _, bench := range []struct {
		name string
		args starlark.Tuple
	}{
		{"simple", starlark.Tuple{starlark.String("a"), starlark.MakeInt(5)}},
		{"duration value", starlark.Tuple{starlark.String("a"), starlark.MakeInt(5), Duration(5)}},
		{"duration string", starlark.Tuple{starlark.String("a"), starlark.MakeInt(5), starlark.String("1h30m")}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.CallInternal(thread, bench.args, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCallAllocations holds the binder to its two allocations.
func TestCallAllocations(t *testing.T) {
	names, err := Compile([]Builtin{{dsl.Builtin{Sig: `f(name: string, d: duration = "1s", n: int = 0)`},
		func(c *Call) (starlark.Value, error) { return starlark.None, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	f, thread := names["f"].(*function), newTestThread()
	args := starlark.Tuple{starlark.String("a"), starlark.String("30s"), starlark.MakeInt(7)}
	n := testing.AllocsPerRun(100, func() {
		if _, err := f.CallInternal(thread, args, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 {
		t.Errorf("a call allocates %v times, want at most 2", n)
	}
}

// FuzzBind calls every builtin of the table with random arguments: it may fail, but
// not panic, and every error about an argument names the builtin.
func FuzzBind(f *testing.F) {
	f.Add(uint64(1), "30s")
	f.Add(uint64(7), "5%")
	names := compileForTest(f)
	var all []*function
	for _, name := range names.Keys() {
		switch v := names[name].(type) {
		case *function:
			all = append(all, v)
		case *namespace:
			for _, member := range v.AttrNames() {
				if fn, ok := v.members[member].(*function); ok {
					all = append(all, fn)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		if len(text) > 1000 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		fn := all[r.IntN(len(all))]
		if fn.name == "fails" { // compiles patterns of its own
			return
		}
		args, kwargs := randomArgs(r, fn, text)
		_, err := starlark.Call(newTestThread(), fn, args, kwargs)
		var arg *ArgError
		if errors.As(err, &arg) && (arg.Builtin == "" || arg.Message == "") {
			t.Errorf("%s(%v, %v): an error without builtin or message: %+v", fn.name, args, kwargs, arg)
		}
	})
}

func randomArgs(r *rand.Rand, fn *function, text string) (args starlark.Tuple, kwargs []starlark.Tuple) {
	for range r.IntN(4) {
		args = append(args, randomValue(r, text, 0))
	}
	for i := range fn.params {
		if r.IntN(3) == 0 {
			kwargs = append(kwargs, starlark.Tuple{starlark.String(fn.params[i].Name), randomValue(r, text, 0)})
		}
	}
	if r.IntN(8) == 0 {
		kwargs = append(kwargs, starlark.Tuple{starlark.String(text), randomValue(r, text, 0)})
	}
	return args, kwargs
}

func randomValue(r *rand.Rand, text string, depth int) starlark.Value {
	switch n := r.IntN(16); {
	case n == 0:
		return starlark.None
	case n == 1:
		return starlark.Bool(r.IntN(2) == 0)
	case n == 2:
		return starlark.MakeInt(r.IntN(1000) - 100)
	case n == 3:
		return starlark.MakeInt64(int64(r.Uint64()))
	case n == 4:
		return starlark.MakeUint64(r.Uint64()).Mul(starlark.MakeUint64(r.Uint64()))
	case n == 5:
		return starlark.Float(r.NormFloat64() * 100)
	case n == 6:
		return Duration(r.Int64N(2e12) - 1e12)
	case n == 7:
		return &Ramp{starlark.String(text), starlark.MakeInt(r.IntN(9)), 1e9, Shape{Name: "linear"}}
	case n == 8:
		return Secret{"k"}
	case n == 9:
		return starlark.Bytes(text)
	case n == 10:
		return testTarget(text)
	case n == 11 && depth < 3:
		return starlark.Tuple{randomValue(r, text, depth+1), randomValue(r, text, depth+1)}
	case n == 12 && depth < 3:
		return starlark.NewList([]starlark.Value{randomValue(r, text, depth+1)})
	case n == 13 && depth < 3:
		d := new(starlark.Dict)
		_ = d.SetKey(starlark.String(text), randomValue(r, text, depth+1)) // strings hash
		return d
	}
	return starlark.String(text)
}
