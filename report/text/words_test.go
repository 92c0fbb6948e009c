package text

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestShort(t *testing.T) {
	cases := map[time.Duration]string{
		0: "0s", 1: "0s", 340 * time.Microsecond: "340us", 1234 * time.Microsecond: "1.2ms", 123456 * time.Microsecond: "123ms",
		1234 * time.Millisecond: "1.23s", 12345 * time.Millisecond: "12.3s", 59990 * time.Millisecond: "1m",
		90500 * time.Millisecond: "1m31s", 25 * time.Hour: "1d1h", -time.Second: "-1s",
	}
	for d, want := range cases {
		if got := short(d); got != want {
			t.Errorf("short(%d) is %q, expected %q", d, got, want)
		}
	}
	for _, d := range []time.Duration{math.MinInt64, math.MaxInt64} {
		if got := short(d); !strings.Contains(got, "d") {
			t.Errorf("short(%d) is %q", d, got)
		}
	}
}

func TestValue(t *testing.T) {
	cases := map[string]string{
		``: "", `null`: "", `"a b"`: "a b", `0.7200000000000001`: "0.72", `12`: "12", `123456789012`: "123456789012",
		`1e3`: "1000", `true`: "true", `[1, 2]`: "[1, 2]", `{"a":1}`: `{"a":1}`, `1e999`: "1e999", `"unended`: `"unended`,
	}
	for raw, want := range cases {
		if got := value(json.RawMessage(raw), ""); got != want {
			t.Errorf("value(%s) is %q, expected %q", raw, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	for _, test := range []struct {
		raw   string
		units map[string]string
		want  string
	}{
		{`{"b":"two words","a":1.5,"c":"","d":"x=y","e":null}`, nil, `a=1.5 b="two words" c="" d="x=y" e=None`},
		{`{"a":"None","b":"1.5","c":true,"d":"true","e":"plain"}`, nil, `a="None" b="1.5" c=true d="true" e=plain`},
		{`{"p99":0.288398,"n":0.288398}`, map[string]string{"p99": "s"}, `n=0.288398 p99=288ms`},
		{`{"all":[0.25,1.5],"none":null}`, map[string]string{"all": "s", "none": "s"}, `all=[250ms, 1.5s] none=None`},
	} {
		if got := fields(json.RawMessage(test.raw), test.units); got != test.want {
			t.Errorf("fields of %s: %s, expected %s", test.raw, got, test.want)
		}
	}
}

// TestMeasured: a value is never rounded to what its limit says.
func TestMeasured(t *testing.T) {
	for _, test := range []struct{ raw, unit, limit, want string }{
		{"0.288398", "s", "below 800ms", "288ms"},
		{"0.8003", "s", "below 800ms", "800.3ms"},
		{"0.800000001", "s", "between 1s and 800ms", "800.000001ms"},
		{"0.10000001", "", "below 0.1", "0.10000001"},
		{`"503"`, "", "equal to 503", "503"},
		{"0.02", "", "below 5%", "2%"},
		{"[0.25,1.5]", "s", "equal to [1s]", "[250ms, 1.5s]"},
		{"", "", "below 1", ""},
		{"null", "", "below 1", "None"},
	} {
		if got := measured(json.RawMessage(test.raw), test.unit, test.limit); got != test.want {
			t.Errorf("measured(%s, %q, %q) is %q, expected %q", test.raw, test.unit, test.limit, got, test.want)
		}
	}
}

func TestBecause(t *testing.T) {
	for _, test := range []struct{ word, message, want string }{
		{"stopped", "stopped by anna: enough", "by anna: enough"},
		{"stopped", "stopped", ""},
		{"aborted", `guard "g" was breached: 0.7`, `guard "g" was breached: 0.7`},
		{"failed", "failed: no luck", "no luck"},
		{"passed", "", ""},
		{"fail", "failed", "failed"},
	} {
		if got := because(test.word, test.message); got != test.want {
			t.Errorf("because(%q, %q) is %q, expected %q", test.word, test.message, got, test.want)
		}
	}
}

func TestQuote(t *testing.T) {
	cases := map[string]string{"rate=300": "rate=300", "a=b c": "'a=b c'", "a=it's": `'a=it'\''s'`, "x=$(id)": "'x=$(id)'", "u=http://h/p": "u=http://h/p"}
	for s, want := range cases {
		if got := quote(s); got != want {
			t.Errorf("quote(%s) is %s, expected %s", s, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	cases := map[string]string{
		"plain äöü 表": "plain äöü 表", "a\x1b[31mb": "a·[31mb", "a\nb\tc\rd": "a b c d", "\u009b": "·",
		"\u202egnp\u2069": "·gnp·", "\xff": "\ufffd", "\x00\x7f": "··",
	}
	for s, want := range cases {
		if got := Clean(s); got != want {
			t.Errorf("Clean(%q) is %q, expected %q", s, got, want)
		}
	}
}

func TestWidthAndCut(t *testing.T) {
	s := style{}
	cases := []struct {
		text  string
		width int
		n     int
		want  string
	}{
		{"abc", 3, 3, "abc"}, {"abcd", 4, 3, "ab…"}, {"表示する", 8, 8, "表示する"}, {"表示する", 8, 4, "表… "},
		{"表示する", 8, 5, "表示…"}, {"e\u0301a", 2, 2, "e\u0301a"}, {"abc", 3, 0, ""}, {"👩 x", 4, 4, "👩 x"},
	}
	for _, c := range cases {
		if got := width(c.text); got != c.width {
			t.Errorf("width(%q) is %d, expected %d", c.text, got, c.width)
		}
		if got := s.cut(c.text, c.n); got != c.want {
			t.Errorf("cut(%q, %d) is %q, expected %q", c.text, c.n, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	cases := []struct {
		text string
		n    int
		want []string
	}{
		{"", 10, []string{""}},
		{"one two three", 10, []string{"one two", "three"}},
		{"exactly te", 10, []string{"exactly te"}},
		{"12345678 9", 8, []string{"12345678", "9"}},
		{"averylongwordindeed x", 10, []string{"averylongw", "ordindeed", "x"}},
		{"表示する表示する", 8, []string{"表示する", "表示する"}},
		{"           x", 8, []string{"        ", "x"}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, wrap(c.text, c.n)); diff != "" {
			t.Errorf("wrap(%q, %d):\n%s", c.text, c.n, diff)
		}
	}
}

func TestIsTurn(t *testing.T) {
	for seg, want := range map[string]bool{
		"[0]/": true, "[12]#2/": true, "[x]/": false, "[]/": false, "[1]#/": false, "soak/": false, "soak#2/": false, "[1/": false,
	} {
		if isTurn(seg) != want {
			t.Errorf("isTurn(%q) is %t", seg, !want)
		}
	}
}

// An axis of any length has labels that do not run into each other, within its cells.
func TestAxis(t *testing.T) {
	for _, total := range []time.Duration{0, 1, 999, time.Millisecond, time.Second, 100 * time.Second, 59 * time.Minute,
		24 * time.Hour, 48*time.Hour + 1, 400 * day, 100 * 365 * day, math.MaxInt64} {
		for _, cells := range []int{12, 13, 40, 41, 150} {
			a := newAxis(total, cells)
			labels, ruler := a.labels(), a.ruler(style{})
			if len(labels) != cells || width(ruler) != cells {
				t.Errorf("axis of %s in %d cells: %q, %q", total, cells, labels, ruler)
			}
			if !strings.HasPrefix(labels, "0s") {
				t.Errorf("axis of %s in %d cells begins with %q", total, cells, labels)
			}
			if marks := strings.Count(ruler, "┬") + 1; marks < len(strings.Fields(labels)) {
				t.Errorf("axis of %s in %d cells has %d marks for the labels %q", total, cells, marks, labels)
			}
			if got := width(a.bar(style{}, []stretch{{0, total}, {total, total}}, false)); got != cells {
				t.Errorf("a bar of %d cells in %d", got, cells)
			}
		}
	}
}

func TestBar(t *testing.T) {
	a := newAxis(10*time.Second, 10)
	sec := time.Second
	cases := []struct {
		spans []stretch
		want  string
	}{
		{[]stretch{{0, 10 * sec}}, "━━━━━━━━━━"},
		{[]stretch{{sec / 2, 3 * sec}}, "╺━━       "},
		{[]stretch{{3 * sec, 3 * sec}}, "   ╸      "},
		{[]stretch{{10 * sec, 10 * sec}}, "         ╺"},
		{[]stretch{{0, sec}, {5 * sec, 6*sec + sec/2}}, "━    ━╸   "},
		{[]stretch{{-sec, 20 * sec}}, "━━━━━━━━━━"},
		{nil, "          "},
	}
	for _, c := range cases {
		if got := a.bar(style{}, c.spans, false); got != c.want {
			t.Errorf("bar of %v is %q, expected %q", c.spans, got, c.want)
		}
	}
}
