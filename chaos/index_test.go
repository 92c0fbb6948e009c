package chaos_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"starquake/chaos"
)

// What the index leaves out does not fit, whatever is asked.
func TestIndexLeavesOutNothingThatFits(t *testing.T) {
	paths := []string{"", "/", "/a", "/a/b", "/a/**", "/**", "/a/*", "/*/b", "/ab/**", "*", "re:^/a/", "re:^/a", "re:/b$", "re:(?i)^/A/b", "re:(?i:^/a/b)", "/a%20b", "/a b/**", "/é/x"}
	hosts := []string{"", "h", "H", "h:80", "*.h", "re:^h", "k", "é", "[::1]"}
	targets := []string{"/", "/a", "/a/", "/a/b", "/A/b", "/ab", "/ab/c", "/a%2Fb", "/a%20b", "/a%20b/c", "/%C3%A9/x", "//a", "*", "h:80", "http://h/a/b", "http://H:80", "/a?b/c", "?", ""}
	asked := []string{"", "h", "H", "h:80", "x.h", "K", "É", "[::1]:80", "hh"}
	rapid.Check(t, func(t *rapid.T) {
		var matchers []*chaos.Matcher
		for range rapid.IntRange(0, 130).Draw(t, "rules") {
			if rapid.IntRange(0, 9).Draw(t, "none") == 0 {
				matchers = append(matchers, nil)
				continue
			}
			var headers map[string]string
			if name := rapid.SampledFrom([]string{"", "", "X-A", "x-b"}).Draw(t, "header"); name != "" {
				headers = map[string]string{name: "*", "accept": "*"}
			}
			m := &chaos.Match{Headers: headers, Path: rapid.SampledFrom(paths).Draw(t, "path"), Host: rapid.SampledFrom(hosts).Draw(t, "host")}
			compiled, err := m.Compile()
			if err != nil {
				t.Fatal(err)
			}
			matchers = append(matchers, compiled)
		}
		x := chaos.NewIndex(matchers)
		var buf chaos.Set
		for range 5 {
			req := chaos.Request{Method: []byte("GET"), Target: []byte(rapid.SampledFrom(targets).Draw(t, "target"))}
			req.HeaderLines = []byte(rapid.SampledFrom([]string{"", "Accept: x\r\n", "Accept: x\r\nX-a: y\r\n", "X-B:\r\nx-A: y\r\nACCEPT: \r\n"}).Draw(t, "lines"))
			if host := rapid.SampledFrom(asked).Draw(t, "asked"); host != "" {
				req.Host = []byte(host)
			}
			buf = x.May(&req, buf)
			for i, m := range matchers {
				may := buf.First(i) == i
				if m == nil && may {
					t.Fatalf("place %d, where there is nothing, may fit", i)
				}
				if m != nil && m.Fits(&req) && !may {
					t.Fatalf("%+v was left out, and fits %s of %s", m, req.Target, req.Host)
				}
			}
		}
	})
}

// Of a hundred rules that go by paths and hosts only those are asked that are near.
func TestIndexFindsFew(t *testing.T) {
	var matchers []*chaos.Matcher
	for i := range 100 {
		m := &chaos.Match{Path: fmt.Sprintf("/v%d/**", i)}
		switch i % 5 {
		case 4:
			m = &chaos.Match{Headers: map[string]string{fmt.Sprint("x-tenant-", i): "*"}}
		case 1:
			m = &chaos.Match{Path: fmt.Sprintf("re:^/v%d/[a-z]+", i)}
		case 2:
			m = &chaos.Match{Host: fmt.Sprintf("H%d.example.com", i)}
		case 3:
			m = &chaos.Match{Path: fmt.Sprintf("/v%d", i), Host: fmt.Sprintf("h%d.example.com", i)}
		}
		compiled, err := m.Compile()
		if err != nil {
			t.Fatal(err)
		}
		matchers = append(matchers, compiled)
	}
	x := chaos.NewIndex(matchers)
	for _, test := range []struct {
		target, host string
		want         []int
	}{
		{"/other", "h.example.com", nil},
		{"/v5/x", "h.example.com", []int{5}},
		{"/v6/x", "h2.example.com:80", []int{2, 6}},
		{"/v8", "H8.EXAMPLE.com", []int{8}},
		{"/v8", "h.example.com", nil},
	} {
		req := chaos.Request{Target: []byte(test.target), Host: []byte(test.host), HeaderLines: []byte("Accept: a\r\n")}
		may := x.May(&req, nil)
		var got []int
		for i := may.First(0); i >= 0; i = may.First(i + 1) {
			got = append(got, i)
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s of %s: %v, expected %v", test.target, test.host, got, test.want)
		}
	}
}
