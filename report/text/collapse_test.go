package text

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCollapse writes sequences of shapes as letters, and what becomes of them
// with repetitions in brackets.
func TestCollapse(t *testing.T) {
	cases := map[string]string{
		"":                         "",
		"a":                        "a",
		"aa":                       "aa",
		"aaa":                      "3a",
		"abc":                      "abc",
		"aaabaaa":                  "3ab3a",
		"ababab":                   "3(ab)",
		"xabababy":                 "x3(ab)y",
		"abab":                     "abab",
		"aaabaaabaaab":             "3(3ab)",
		"abcabcabcd":               "3(abc)d",
		"aaaabbbbaaaabbbbaaaabbbb": "3(4a4b)",
		strings.Repeat("a", 1000):  "1000a",
	}
	for in, want := range cases {
		items := make([]*item, len(in))
		for i := range in {
			at := time.Duration(i) * time.Second
			items[i] = &item{label: in[i : i+1], count: 1, inside: 1, spans: []stretch{{at, at + time.Second}}}
			items[i].setShape(true)
		}
		got := collapse(items)
		if text := written(got); text != want {
			t.Errorf("%s became %s, expected %s", in, text, want)
		}
		inside := 0
		for _, it := range got {
			inside += it.inside
		}
		if inside != len(in) {
			t.Errorf("%s: the rows stand for %d steps, expected %d", in, inside, len(in))
		}
	}
}

func written(items []*item) string {
	var b strings.Builder
	for _, it := range items {
		if it.count > 1 {
			b.WriteString(strconv.Itoa(it.count))
		}
		if it.kind == groupItem {
			b.WriteString("(" + written(it.kids) + ")")
		} else {
			b.WriteString(it.label)
		}
	}
	return b.String()
}
