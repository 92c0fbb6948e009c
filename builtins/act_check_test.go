package builtins

import (
	"fmt"
	"strings"
	"testing"

	"starquake/runtime/journal"
)

func TestCheckLimits(t *testing.T) {
	names, err := Compile(Table(), Constants())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ args, want string }{
		{`0.02, below = "5%"`, `ok 0.02 below 5%`},
		{`0.2, at_least = "20 %"`, `ok 0.2 at least 20 %`},
		{`1.2, below = "110%"`, `failed 1.2 below 110%`},
		{`0.2, below = "1s"`, `ok 0.2s below 1s`},
		{`2, below = duration("1500ms")`, `failed 2.0s below 1.5s`},
		{`2, between = ("1s", 3)`, `ok 2.0s between 1s and 3s`},
		{`100000, at_most = "100KB"`, `ok 100000 at most 100KB`},
		{`duration("288.398ms"), below = 0.3`, `ok 0.288398s below 300ms`},
		{`duration("1s"), below = "800ms", above = "0s"`, `failed 1.0s below 800ms and above 0s`},
		{`[duration("1s")], equals = [duration("1s")]`, `ok [1.0]s equal to [1s]`},
		{`None, equals = None`, `ok null equal to None`},
		{`5, equals = None`, `failed 5 equal to None`},
		{`True, below = None`, `ok true `},
		{`5, below = 9, equals = None`, `ok 5 below 9`},
		{`None, below = 9`, `failed null below 9`},
		{`None, below = "1s"`, `failed null below "1s"`},
		{`"5%", equals = "5%"`, `ok "5%" equal to "5%"`},
		{`5, equals = "five"`, `failed 5 equal to "five"`},
		{`0.5, equals = "50%"`, `ok 0.5 equal to 50%`},
		{`float("nan"), below = "1s"`, `failed "nan" below 1s`},

		{`5, below = "9"`, `a value of 5 cannot be compared with "9"; beside a number write a number`},
		{`5, below = "0"`, `a value of 5 cannot be compared with "0"`},
		{`5, below = "1s", above = "1%"`, `a value of 5s cannot be compared with "1%"`},
		{`5, between = (1, "x")`, `a value of 5 cannot be compared with "x"`},
		{`duration("1s"), below = "5%"`, `a value of 1s cannot be compared with "5%"; beside a duration write a duration`},
		{`"a", below = 3`, `a value of "a" cannot be compared with 3; write a limit of the same type`},
		{`"15s", below = "1s"`, `"15s" is text, and would be compared with "1s" letter by letter; write duration("15s")`},
		{`"15s", between = ("1s", "2m")`, `"15s" is text, and would be compared with "1s" letter by letter`},
		{`"10KB", below = "9KB"`, `"10KB" is text, and would be compared with "9KB" letter by letter; write size("10KB")`},
		{`"10%", at_most = "9%"`, `"10%" is text, and would be compared with "9%" letter by letter; write 0.1`},
		{`"10", below = "9"`, `"10" is text, and would be compared with "9" letter by letter; write float("10")`},
		{`"100", above = "1s"`, `"100" is text, and would be compared with "1s" letter by letter`},
		{`"v10", below = "v9"`, `ok "v10" below "v9"`},
		{`"10", below = "a"`, `ok "10" below "a"`},
		{`"15s", equals = "15s"`, `ok "15s" equal to "15s"`},
		{`"2024-05-01", above = "2024-04-30"`, `ok "2024-05-01" above "2024-04-30"`},
		{`5`, `expected True or False, or a limit beside it`},
		{`float("inf"), below = "1s"`, `a value of +inf cannot be compared with 1s`},
	}
	for _, test := range tests {
		out, recs := planned(names, `check("c", `+test.args+`)`)
		got, judged := out.Message, false
		for _, rec := range recs {
			if c, ok := rec.Body.(*journal.CheckBody); ok {
				judged = true
				got = fmt.Sprintf("%s %s%s %s", map[bool]string{true: "ok", false: "failed"}[c.OK], c.Value, c.Unit, c.Limit)
				if c.OK == (len(c.Stack) > 0) {
					t.Errorf("check(%s): ok %t with a stack of %d frames", test.args, c.OK, len(c.Stack))
				}
			}
		}
		if got != test.want && (judged || !strings.Contains(got, test.want)) {
			t.Errorf("check(%s):\n got %s\nwant %s", test.args, got, test.want)
		}
	}
}

// TestRecordedDuration: a duration keeps its unit, also in figures.
func TestRecordedDuration(t *testing.T) {
	names, err := Compile(Table(), Constants())
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`record("r", duration("1500ms"))`:                           "1.5 s",
		`record("r", duration("1500ms"), unit = "s")`:               "1.5 s",
		`record("r", 3, unit = "rps")`:                              "3 rps",
		`record("r", recorded("x", default = duration("2s")) / 2.)`: "1 s",
		`record("r", duration("1s"), unit = "ms")`:                  "a duration is recorded in seconds",
	} {
		out, recs := planned(names, line)
		got := out.Message
		for _, rec := range recs {
			if f, ok := rec.Body.(*journal.FigureBody); ok {
				got = fmt.Sprintf("%v %s", f.Value, f.Unit)
			}
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, expected %q", line, got, want)
		}
	}
}

// TestProbesOnlyLook: a function probe that would change the run, or the system, is a
// mistake of the script, told at the call.
func TestProbesOnlyLook(t *testing.T) {
	names, err := Compile(Table(), Constants())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*Builtin{}
	table := Table()
	for i := range table {
		name, _, _ := strings.Cut(table[i].Sig, "(")
		rows[name] = &table[i]
	}
	for line, may := range map[string]bool{
		`record("r", 1)`:                             false,
		`check("c", True)`:                           false,
		`step("s", lambda: None)`:                    false,
		`sleep("1s")`:                                false,
		`parallel(lambda: None)`:                     false,
		`apply_chaos(fault.latency("1s"), on = one)`: false,
		`one.disconnect()`:                           false,
		`log("looked")`:                              true,
		`recorded("r")`:                              true,
		`http.get("http://127.0.0.1:9/")`:            true,
		`observe(probe.tcp("127.0.0.1:9")).ok`:       true,
	} {
		for _, judge := range []string{"guard", "steady_state"} {
			out, _ := planned(names, judge+`("judge", lambda: [`+line+`] != None)`)
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "one."), "(")
			if row := rows[word]; row != nil && row.Looks != may {
				t.Errorf("the reference of %s says that a function probe may call it: %v", word, row.Looks)
			}
			refused := strings.Contains(out.Message, word+": a function probe may only look")
			if refused == may || may && out.Verdict != journal.VerdictPassed {
				t.Errorf("%s in a function of %s: %s: %s", line, judge, out.Verdict, out.Message)
			}
		}
	}
}
