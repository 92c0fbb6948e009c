package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func table() []Setting {
	return []Setting{{"listen", Text}, {"max-runs", Integer}, {"request-rate", Number}, {"insecure", Bool}, {"allow-net", List}, {"proxy", Long}, {"oidc-role", Map}}
}

func TestRead(t *testing.T) {
	got, err := Read("s.yaml", []byte(`
listen: 0.0.0.0:3000   # with a comment
max_runs: 12
request_rate: 2.5
insecure: true
proxy: ["api=127.0.0.1:1,127.0.0.1:2", db=127.0.0.1:3]
oidc_role: {sre: operator, platform: admin}
`), table())
	if err != nil {
		t.Fatal(err)
	}
	want := Values{
		"listen": "0.0.0.0:3000", "max-runs": "12", "request-rate": "2.5", "insecure": "true",
		"proxy": []any{"api=127.0.0.1:1,127.0.0.1:2", "db=127.0.0.1:3"}, "oidc-role": map[string]any{"sre": "operator", "platform": "admin"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, empty := range []string{"", "# nothing\n", "null\n"} {
		if got, err := Read("s.yaml", []byte(empty), table()); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v", empty, got, err)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"listen: a\nmax-runs: 1\n", `s.yaml:2:1: "max-runs" is no setting; did you mean max_runs? the settings are allow_net, insecure, listen, max_runs`},
		{"listen: a\nlisten: b\n", `s.yaml:2:1: "listen" is there twice`},
		{"max_run: 1\n", `s.yaml:1:1: "max_run" is no setting; did you mean max_runs? the settings are`},
		{"max_runs: many\n", `s.yaml:1:11: max_runs is "many"; expected a whole number`},
		{"max_runs: x" + strings.Repeat("é", 60) + "\n", `max_runs is "x` + strings.Repeat("é", 29) + `…"; expected a whole number`},
		{"max_runs:\n", "s.yaml:1:10: max_runs: expected one value"},
		{"insecure: [true]\n", "s.yaml:1:11: insecure: expected one value"},
		{"insecure: perhaps\n", "expected true or false"},
		{"proxy: api\n", "s.yaml:1:8: proxy: expected a list"},
		{"proxy:\n  - {a: b}\n", "s.yaml:2:5: proxy: expected one value"},
		{"oidc_role: [a]\n", "s.yaml:1:12: expected a mapping"},
		{"oidc_role: {a: [b]}\n", "expected one value"},
		{"- a\n", "s.yaml:1:1: expected a mapping"},
		{"listen: &a x\nproxy: *a\n", "proxy: expected a list"},
		{"? [a]\n: b\n", "expected a name"},
		{"listen: a\n---\nlisten: b\n", "expected one YAML document"},
		{"listen: [\n", "s.yaml: yaml"},
		{strings.Repeat("#", maxFile+1), "longer than"},
	} {
		if got, err := Read("s.yaml", []byte(test.text), table()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q: %v, %v; want %q", test.text, got, err, test.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	look := func(vars map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	}
	got, err := Environment(look(map[string]string{
		"STARQUAKE_LISTEN": "", "STARQUAKE_MAX_RUNS": "3", "STARQUAKE_PROXY": "a=1,2\n b=3,4,http ", "STARQUAKE_ALLOW_NET": "c, d", "STARQUAKE_OIDC_ROLE": "sre=operator", "MAX_RUNS": "4",
	}), table())
	want := Values{"listen": "", "max-runs": "3", "proxy": []any{"a=1,2", "b=3,4,http"}, "allow-net": []any{"c", "d"}, "oidc-role": map[string]any{"sre": "operator"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, value := range map[string]string{"STARQUAKE_MAX_RUNS": "x", "STARQUAKE_OIDC_ROLE": "x", "STARQUAKE_INSECURE": "maybe", "STARQUAKE_REQUEST_RATE": "1/s"} {
		if _, err := Environment(look(map[string]string{name: value}), table()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// FuzzRead: no file breaks the reading, and what it gives are settings of the table.
func FuzzRead(f *testing.F) {
	f.Add([]byte("listen: a\nmax_runs: 1\nproxy: [a, b]\noidc_role: {a: b}\n"))
	f.Add([]byte("a: &a [*a, *a]\n"))
	f.Add([]byte("{listen: !!binary aGk=, ? max_runs : 0x10}"))
	f.Add([]byte("<<: {listen: a}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Read("f", text, table())
		if err != nil && got != nil {
			t.Error("values beside an error")
		}
		for flag, v := range got {
			switch v.(type) {
			case string, []any, map[string]any:
			default:
				t.Errorf("%s: %T", flag, v)
			}
		}
	})
}
