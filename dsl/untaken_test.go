package dsl

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const branchy = `load("lib.star", "helper")

def soothe():
    step("soothe", duration = "1s")

def main():
    r = step("base", duration = "1s")
    if not r.ok and (
        r.status == "failed"):
        step("worse", duration = "1s")
        if r.value:
            sleep("1s")
    elif r.value == 3:
        soothe()
    elif r.value == 4:
        r = 5
    else:
        helper()
    if r:
        x = 1
    for i in range(3):
        if i > 1:
            loop(lambda n: step("in a lambda", duration = "1s"), times = 2)
        else:
            log("small")
`

func branchyUnit(t *testing.T) *Unit {
	t.Helper()
	u, diags := LoadModules("main.star", map[string]string{
		"main.star": branchy,
		"lib.star":  "def helper():\n    if True:\n        sleep(\"1s\")\n",
	}, testOptions())
	if diags != nil {
		t.Fatal(diags)
	}
	return u
}

func describe(sites []Site) string {
	var b strings.Builder
	for _, s := range sites {
		fmt.Fprintf(&b, "%s:%d:%d %s else=%t:", s.File, s.Line, s.Col, s.Condition, s.Else)
		for _, a := range s.Actions {
			fmt.Fprintf(&b, " %s(%s)@%d:%d", a.Name, a.Text, a.Line, a.Col)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestUntaken(t *testing.T) {
	u := branchyUnit(t)
	tests := []struct {
		name    string
		reached []string
		want    string
	}{
		{"nothing", nil, `lib.star:2:5 True else=false: sleep(1s)@3:9
main.star:8:5 not r.ok and ( r.status == "failed") else=false: step(worse)@10:9 sleep(1s)@12:13
main.star:13:5 r.value == 3 else=false: soothe()@14:9
main.star:17:5 r.value == 4 else=true: helper()@18:9
main.star:22:9 i > 1 else=false: loop()@23:13 step(in a lambda)@23:28
main.star:24:9 i > 1 else=true: log(small)@25:13
`},
		{"some", []string{"main.star:10:13", "main.star:18:15", "lib.star:3:14", "main.star:25:16"}, `main.star:11:9 r.value else=false: sleep(1s)@12:13
main.star:13:5 r.value == 3 else=false: soothe()@14:9
main.star:22:9 i > 1 else=false: loop()@23:13 step(in a lambda)@23:28
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sites := Untaken(u, testOptions(), func(file string, line, col int32) bool {
				for _, r := range test.reached {
					if r == fmt.Sprintf("%s:%d:%d", file, line, col) {
						return true
					}
				}
				return false
			})
			if diff := cmp.Diff(test.want, describe(sites)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestArms(t *testing.T) {
	var got []string
	for _, s := range Arms(branchyUnit(t), testOptions(), func(file string, line, col int32) bool { return file == "main.star" && line == 12 }) {
		got = append(got, fmt.Sprintf("%s:%d else=%t taken=%t", s.File, s.Line, s.Else, s.Taken))
	}
	want := []string{
		"lib.star:2 else=false taken=false",
		"main.star:8 else=false taken=true", "main.star:11 else=false taken=true",
		"main.star:13 else=false taken=false", "main.star:17 else=true taken=false",
		"main.star:22 else=false taken=false", "main.star:24 else=true taken=false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCalls(t *testing.T) {
	const text = `NAME = "db"
token = secret("TOKEN")
other = secret(name = NAME)
late = secret("a" + "b")

def main():
    http.get("http://localhost", headers = {"x": token})
    parallel(lambda: sleep("1s"))
`
	u, diags := LoadText("x.star", []byte(text), testOptions())
	if diags != nil {
		t.Fatal(diags)
	}
	var got []string
	for c := range Calls(u, testOptions()) {
		name, ok := c.Text("name")
		got = append(got, fmt.Sprintf("%s %d:%d-%d:%d %q name=%q,%t", c.Name, c.Line, c.Col, c.EndLine, c.EndCol, c.Func, name, ok))
	}
	want := []string{
		`secret 2:9-2:24 "" name="TOKEN",true`,
		`secret 3:9-3:28 "" name="db",true`,
		`secret 4:8-4:25 "" name="",false`,
		`http.get 7:5-7:57 "main" name="",false`,
		`parallel 8:5-8:34 "main" name="",false`,
		`sleep 8:22-8:33 "main" name="",false`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range Calls(u, testOptions()) {
		break // an early end must not panic
	}
}
