package builtins

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
)

// TestScripts runs testdata/*.star. A file is one or more chunks between lines of
// "---", each a program of its own. A line that ends in ### "regexp" must fail with
// such a message, and no other line may. Besides the builtins a chunk sees those of
// testRows.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	predeclared := compileForTest(t)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			line := 1
			for _, chunk := range strings.Split(string(text), "\n---\n") {
				// Blank lines keep the line numbers those of the file.
				runChunk(t, file, strings.Repeat("\n", line-1)+chunk, predeclared)
				line += strings.Count(chunk, "\n") + 2
			}
		})
	}
}

func runChunk(t *testing.T, file, source string, predeclared starlark.StringDict) {
	t.Helper()
	wants := expectations(t, file, source)
	thread := newTestThread()
	options := &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
	_, err := starlark.ExecFileOptions(options, thread, file, source, predeclared)
	line, message := 0, ""
	if err != nil {
		line, message = where(err), err.Error()
	}
	for at, want := range wants {
		if at != line || !want.MatchString(message) {
			t.Errorf("%s:%d: expected an error that fits %q", file, at, want)
		}
	}
	if err != nil && (wants[line] == nil || !wants[line].MatchString(message)) {
		t.Errorf("%s:%d: unexpected error: %s", file, line, message)
	}
}

var expectation = regexp.MustCompile(`### (".*"|` + "`.*`" + `)\s*$`)

// expectations finds the ### comments by their line.
func expectations(t *testing.T, file, source string) map[int]*regexp.Regexp {
	wants := map[int]*regexp.Regexp{}
	for i, text := range strings.Split(source, "\n") {
		m := expectation.FindStringSubmatch(text)
		if m == nil {
			if strings.Contains(text, "###") {
				t.Fatalf("%s:%d: a ### that is no quoted pattern", file, i+1)
			}
			continue
		}
		pattern, err := strconv.Unquote(m[1])
		if err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
		wants[i+1] = regexp.MustCompile(pattern)
	}
	return wants
}

// where is the line of the outermost frame of the file: that of the chunk itself.
func where(err error) int {
	var evalErr *starlark.EvalError
	if errors.As(err, &evalErr) && len(evalErr.CallStack) > 0 {
		return int(evalErr.CallStack.At(len(evalErr.CallStack) - 1).Pos.Line)
	}
	var syntaxErr syntax.Error
	if errors.As(err, &syntaxErr) {
		return int(syntaxErr.Pos.Line)
	}
	return 0
}

const randomKey = "test.random"

// newTestThread makes a thread with a stream of random numbers of its own.
func newTestThread() *starlark.Thread {
	thread := &starlark.Thread{Name: "test", Print: func(*starlark.Thread, string) {}}
	thread.SetLocal(randomKey, rand.New(rand.NewPCG(1, 2)))
	return thread
}

func testHooks() Hooks {
	return Hooks{
		Now:    func(*starlark.Thread) time.Time { return time.Date(2000, 1, 1, 0, 0, 7, 0, time.UTC) },
		Random: func(th *starlark.Thread) *rand.Rand { return th.Local(randomKey).(*rand.Rand) },
	}
}

func compileForTest(t testing.TB) starlark.StringDict {
	t.Helper()
	names, err := Compile(append(Values(testHooks()), testRows()...), Constants())
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// testTarget is a target as little as can be.
type testTarget string

func (t testTarget) TargetName() string    { return string(t) }
func (t testTarget) String() string        { return string(t) }
func (t testTarget) Type() string          { return "target" }
func (t testTarget) Freeze()               {}
func (t testTarget) Truth() starlark.Bool  { return true }
func (t testTarget) Hash() (uint32, error) { return starlark.String(t).Hash() }

// testRows are builtins for the scripts only: assertions, and one that takes an
// argument of every sort and tells what it got.
func testRows() []Builtin {
	row := func(sig string, fn func(*Call) (starlark.Value, error)) Builtin {
		return Builtin{dsl.Builtin{Sig: sig, Doc: "For tests."}, fn}
	}
	takes := Builtin{dsl.Builtin{
		Sig: `demo.takes(name: string, run: function = None, duration: duration~ = "1s", *, how: string = "fast", when: list = ["a"], ` +
			`count: int = 3, share: share~ = 1, percent: percent = 5, size: size = "1KB", rate: bandwidth = None, flag: bool = True, ` +
			`x: float = 0.5, codes: int|list = 200, headers: headers = {}, on: targets = None, chaos: faults = None, token: string|secret = "")`,
		Choices: map[string][]string{"how": {"fast", "slow"}, "when": {"a", "b"}},
		Ranges: map[string][2]float64{
			"count": {1, 10}, "duration": {0.001, 3600}, "size": {1, 1e6}, "codes": {100, 599}, "x": {-1, 1},
		},
		Doc: "For tests.",
	}, func(c *Call) (starlark.Value, error) {
		return starlark.String(fmt.Sprintf("%s %v %v %s %v %d %v %v %d %v %v %v %v %v %q", c.String("name"), c.Callable("run") != nil,
			c.Duration("duration"), c.String("how"), c.List("when"), c.Int("count"), c.Share("share"), c.Percent("percent"), c.Size("size"),
			c.Bandwidth("rate"), c.Bool("flag"), c.Float("x"), c.List("codes"), c.Headers("headers"), c.String("token"))), nil
	}}
	return []Builtin{
		takes,
		row(`eq(x: any, y: any)`, func(c *Call) (starlark.Value, error) {
			if ok, err := starlark.Equal(c.Value("x"), c.Value("y")); err != nil || !ok {
				return nil, fmt.Errorf("%v != %v (%v)", c.Value("x"), c.Value("y"), err)
			}
			return starlark.None, nil
		}),
		row(`fails(f: function, pattern: string)`, func(c *Call) (starlark.Value, error) {
			_, err := starlark.Call(c.Thread, c.Callable("f"), nil, nil)
			if err == nil {
				return nil, fmt.Errorf("it did not fail")
			}
			if !regexp.MustCompile(c.String("pattern")).MatchString(err.Error()) {
				return nil, fmt.Errorf("%q does not fit %s", err.Error(), c.String("pattern"))
			}
			return starlark.None, nil
		}),
		row(`demo.rest(*branches: function, limit: int = None, **named: function)`, func(c *Call) (starlark.Value, error) {
			return starlark.String(fmt.Sprint(len(c.Rest()), c.Named(), c.Has("limit"))), nil
		}),
		row(`demo.pos()`, func(c *Call) (starlark.Value, error) { return starlark.MakeInt(int(c.Pos().Line)), nil }),
		row(`demo.secret(name: string)`, func(c *Call) (starlark.Value, error) { return NewSecret(c.String("name")) }),
		row(`demo.target(name: string)`, func(c *Call) (starlark.Value, error) {
			return testTarget(c.String("name")), nil
		}),
		row(`demo.faults(f: faults)`, func(c *Call) (starlark.Value, error) {
			all, err := Faults(c.Value("f"))
			var out []starlark.Value
			for _, f := range all {
				out = append(out, starlark.String(f.Fault.String()+onTargets(f.Targets)))
			}
			return starlark.NewList(out), err
		}),
		row(`demo.object(ok: bool = True, **fields)`, func(c *Call) (starlark.Value, error) {
			fields := []Field{{Name: "ok", Value: c.Value("ok")}}
			for _, kv := range c.Named() {
				fields = append(fields, Field{Name: string(kv[0].(starlark.String)), Value: kv[1]})
			}
			reads := 0
			lazy := Field{Name: "lazy", Lazy: func() (starlark.Value, error) { reads++; return starlark.MakeInt(reads), nil }}
			method := Method(Builtin{dsl.Builtin{Sig: `double(n: int)`}, func(c *Call) (starlark.Value, error) {
				return starlark.MakeInt(2 * c.Int("n")), nil
			}})
			return NewObject("step_result", append(fields, lazy, method)...), nil
		}),
		row(`demo.explain(message: string)`, func(c *Call) (starlark.Value, error) {
			return starlark.String(ExplainOperator(c.String("message"))), nil
		}),
	}
}
