package runtime_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// pipes are the two directions between a run and its world, in one process.
type pipes struct {
	toWorld, toRun    *io.PipeReader
	fromRun, fromWrld *io.PipeWriter
}

func newPipes() *pipes {
	p := &pipes{}
	p.toWorld, p.fromRun = io.Pipe()
	p.toRun, p.fromWrld = io.Pipe()
	return p
}

// cut breaks both directions, as the end of the process does.
func (p *pipes) cut() {
	p.fromRun.Close()
	p.toRun.Close()
}

// overPipe runs body on one side and world on the other.
func overPipe(t testing.TB, cfg runtime.Config, world runtime.World, opt runtime.PipeOptions, body runtime.Body) runtime.Outcome {
	t.Helper()
	p := newPipes()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer p.cut()
		_ = runtime.NewPipeWorld(p.toRun, p.fromRun).Execute(cfg, body) // the other side says how it ended
	}()
	kill := opt.Kill
	opt.Kill = func() {
		p.cut()
		if kill != nil {
			kill()
		}
	}
	out := runtime.ServePipe(p.toWorld, p.fromWrld, world, opt)
	p.toWorld.Close()
	p.fromWrld.Close()
	<-ended
	return out
}

// TestPipeIsTransparent runs every golden case with its world behind a pipe: the
// records are the same.
func TestPipeIsTransparent(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "=== ")[1:] {
			name, rest, _ := strings.Cut(part, "\n")
			source, _, _ := strings.Cut(rest, "----\n")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) {
				c := parseCase(source)
				direct := &journal.Memory{}
				want := c.execute(direct)

				piped := &journal.Memory{}
				w := newScripted(c.answers, piped)
				for _, ctl := range c.controls {
					w.Control(ctl.at, ctl.control)
				}
				cfg := runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: runtime.VirtualOrigin, World: "virtual"}, Strict: c.strict}
				program := newInterp(c.answers).body(c.program)
				got := overPipe(t, cfg, w, runtime.PipeOptions{TurnLimit: time.Minute}, func(b *runtime.Branch) (any, error) {
					if c.max > 0 {
						b.Run().SetMaxDuration(c.max)
					}
					return program(b)
				})
				if diff := cmp.Diff(lines(t, direct), lines(t, piped)); diff != "" {
					t.Errorf("records (-direct +piped):\n%s", diff)
				}
				if diff := cmp.Diff(failures(want), failures(got)); diff != "" {
					t.Errorf("failures (-direct +piped):\n%s", diff)
				}
				if want.Verdict != got.Verdict || want.Reason != got.Reason || want.Took != got.Took {
					t.Errorf("verdict: want %v, got %v", want.RunEndBody, got.RunEndBody)
				}
			})
		}
	}
}

func lines(t testing.TB, j *journal.Memory) string {
	t.Helper()
	var out strings.Builder
	if err := journal.Write(&out, j.Records()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestPipeAsk asks within a turn.
func TestPipeAsk(t *testing.T) {
	p := newPipes()
	child := runtime.NewPipeWorld(p.toRun, p.fromRun)
	ended := make(chan error, 1)
	var got string
	go func() {
		defer p.cut()
		ended <- child.Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
			b.Log("info", "asks", nil)
			return nil, child.Ask("who", &got)
		})
	}()
	out := runtime.ServePipe(p.toWorld, p.fromWrld, runtime.NewVirtual(planner{}, journal.Discard{}), runtime.PipeOptions{
		Answer: func(q json.RawMessage) (any, error) { return "re: " + string(q), nil },
	})
	if err := <-ended; err != nil || out.Verdict != journal.VerdictPassed || got != `re: "who"` {
		t.Errorf("%v, %v, answer %q", err, out.RunEndBody, got)
	}
}

// faultWorld is a real world whose faults say when they went off.
type faultWorld struct {
	*runtime.Real
	memory *journal.Memory
	on     chan string
	off    chan string
}

func newFaultWorld() *faultWorld {
	w := &faultWorld{memory: &journal.Memory{}, on: make(chan string, 16), off: make(chan string, 16)}
	w.Real = runtime.NewReal(w, w.memory, time.Now())
	return w
}

// Perform implements runtime.Performer.
func (w *faultWorld) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	name := call.ID.String()
	if call.Held && call.Kind != "half" {
		call.Report(json.RawMessage(`{"on":true}`))
	}
	w.on <- name
	<-ctx.Done()
	w.off <- name
	switch call.Kind {
	case "sticky":
		return nil, errors.New("it is still there")
	case "half":
		return nil, &journal.EffectError{Code: journal.CodeUnclean, Message: "a part of it may be on"}
	case "leased":
		return nil, &journal.EffectError{Code: journal.CodeExpired, Message: "its lease has run out"}
	}
	return nil, nil
}

// await waits for a message, with a deadline that only a defect reaches.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("waited for %s: %s", soon, what)
		panic("not reached")
	}
}

// TestPipeDeath kills the process in every way in the middle of a step with a fault:
// the fault goes off, the journal is complete, the verdict says why.
func TestPipeDeath(t *testing.T) {
	cases := []struct {
		name    string
		kind    string // of the fault
		kill    func(p *pipes)
		opt     runtime.PipeOptions
		verdict journal.Verdict
		reason  string
	}{
		{name: "closed while waiting", kill: (*pipes).cut, verdict: journal.VerdictErrored, reason: runtime.CodeScriptKilled},
		{name: "explained", kill: (*pipes).cut, verdict: journal.VerdictErrored, reason: runtime.CodeScriptMemory, opt: runtime.PipeOptions{
			Died: func(error) runtime.Death {
				return runtime.Death{Code: runtime.CodeScriptMemory, Message: "memory", Script: true}
			},
		}},
		{name: "half a message", kill: func(p *pipes) { _, _ = p.fromRun.Write([]byte(`{"next`)); p.cut() }, verdict: journal.VerdictErrored, reason: runtime.CodeScriptKilled},
		{name: "too long a message", kill: func(p *pipes) { _, _ = p.fromRun.Write(make([]byte, 1<<16)) }, opt: runtime.PipeOptions{MaxMessage: 1 << 15}, verdict: journal.VerdictErrored, reason: runtime.CodeScriptOutput},
		{name: "too much in all", kill: func(p *pipes) { _, _ = p.fromRun.Write([]byte(strings.Repeat("x", 5000) + "\n")) }, opt: runtime.PipeOptions{MaxJournal: 4000}, verdict: journal.VerdictErrored, reason: runtime.CodeScriptOutput},
		{name: "fault stays", kind: "sticky", kill: (*pipes).cut, verdict: journal.VerdictUnclean, reason: "failed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newFaultWorld()
			p := newPipes()
			kind := "fault"
			if c.kind != "" {
				kind = c.kind
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = runtime.NewPipeWorld(p.toRun, p.fromRun).Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
					return b.Step(&runtime.StepSpec{Name: "a", Backoff: 1, Chaos: func() ([]runtime.Ask, error) {
						return []runtime.Ask{{Kind: kind, Args: json.RawMessage(`{}`), Chaos: true}}, nil
					}, Run: func(b *runtime.Branch) (any, error) { return nil, b.Sleep(time.Hour) }})
				})
			}()
			c.opt.Kill, c.opt.TurnLimit = p.cut, time.Minute
			served := make(chan runtime.Outcome, 1)
			go func() { served <- runtime.ServePipe(p.toWorld, p.fromWrld, w, c.opt) }()
			id := await(t, w.on, "the fault to be on")
			waitForRecord(t, w.memory, journal.Sleep)
			c.kill(p)
			if off := await(t, w.off, "the fault to be off"); off != id {
				t.Errorf("off is %s, expected %s", off, id)
			}
			out := await(t, served, "the run to end")
			p.toWorld.Close()
			p.fromWrld.Close()
			<-ended
			if out.Verdict != c.verdict || out.Reason != c.reason {
				t.Errorf("got %v, expected %s, %s", out.RunEndBody, c.verdict, c.reason)
			}
			if n := len(w.InFlight()); n != 0 {
				t.Errorf("%d effects in flight", n)
			}
			recs := w.memory.Records()
			if err := invariants(recs); err != nil {
				t.Errorf("%v\n%s", err, render(recs))
			}
			if last := recs[len(recs)-1]; last.Kind != journal.RunEnd {
				t.Errorf("the last record is %s", last.Kind)
			}
		})
	}
}

// TestPipeDeathUnclean: what a fault says at its end means the same whether the process of the
// run is there or not: one that was being put on may be on in part, one that expired is off.
func TestPipeDeathUnclean(t *testing.T) {
	for kind, want := range map[string]journal.Verdict{"half": journal.VerdictUnclean, "leased": journal.VerdictErrored} {
		w, p := newFaultWorld(), newPipes()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = runtime.NewPipeWorld(p.toRun, p.fromRun).Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
				if _, err := b.Hold(runtime.Ask{Kind: kind, Args: json.RawMessage(`{}`), Chaos: true}); err != nil {
					return nil, err
				}
				return nil, b.Sleep(time.Hour)
			})
		}()
		served := make(chan runtime.Outcome, 1)
		go func() {
			served <- runtime.ServePipe(p.toWorld, p.fromWrld, w, runtime.PipeOptions{Kill: p.cut, TurnLimit: time.Minute})
		}()
		await(t, w.on, "the fault to be asked for")
		if kind == "leased" {
			waitForRecord(t, w.memory, journal.Sleep)
		}
		p.cut()
		out := await(t, served, "the run to end")
		p.toWorld.Close()
		p.fromWrld.Close()
		<-ended
		if out.Verdict != want {
			t.Errorf("%s: got %+v, expected %s", kind, out.RunEndBody, want)
		}
	}
}

func waitForRecord(t testing.TB, m *journal.Memory, kind journal.Kind) {
	t.Helper()
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, rec := range m.Records() {
			if rec.Kind == kind {
				return
			}
		}
	}
	t.Fatalf("waited for %s: a %s record", soon, kind)
}

// TestPipeTurnLimit lets the script compute without end.
func TestPipeTurnLimit(t *testing.T) {
	w := newFaultWorld()
	release := make(chan struct{})
	served := make(chan runtime.Outcome, 1)
	var registered func()
	var computes atomic.Bool
	p := newPipes()
	child := runtime.NewPipeWorld(p.toRun, p.fromRun)
	registered = child.CleanupRegistered
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = child.Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
			registered()
			if _, err := b.Hold(runtime.Ask{Kind: "fault", Args: json.RawMessage(`{}`), Chaos: true}); err != nil {
				return nil, err
			}
			computes.Store(true)
			<-release
			return nil, nil
		})
	}()
	go func() {
		// Not by the clock alone: a busy machine may take longer for the turn before.
		used := func() time.Duration {
			if computes.Load() {
				return time.Hour
			}
			return 0
		}
		served <- runtime.ServePipe(p.toWorld, p.fromWrld, w, runtime.PipeOptions{Kill: p.cut, TurnLimit: 200 * time.Millisecond, Used: used})
	}()
	await(t, w.on, "the fault to be on")
	await(t, w.off, "the fault to be off")
	out := await(t, served, "the run to end")
	close(release)
	p.toWorld.Close()
	p.fromWrld.Close()
	<-ended
	// A clean-up that nobody can run any more makes it unclean; the failure says why.
	if out.Verdict != journal.VerdictUnclean || out.Reason != "cleanup_not_run" || len(out.Failures) != 1 || out.Failures[0].Problem.Code != runtime.CodeScriptTime {
		t.Errorf("got %v, %v", out.RunEndBody, out.Failures)
	}
}

// TestPipeStopDuringTurn: a stop takes the faults off while the script computes.
func TestPipeStopDuringTurn(t *testing.T) {
	w := newFaultWorld()
	release := make(chan struct{})
	served := make(chan runtime.Outcome, 1)
	go func() {
		served <- overPipe(t, runtime.Config{}, w, runtime.PipeOptions{TurnLimit: time.Minute}, func(b *runtime.Branch) (any, error) {
			_, err := b.Hold(runtime.Ask{Kind: "fault", Args: json.RawMessage(`{}`), Chaos: true})
			<-release
			if err == nil {
				err = b.Sleep(time.Hour)
			}
			return nil, err
		})
	}()
	await(t, w.on, "the fault to be on")
	waitForRecord(t, w.memory, journal.RunBegin)
	began := time.Now()
	w.Control(runtime.Control{Action: runtime.ActionStop, By: "tester"})
	await(t, w.off, "the fault to be off")
	took := time.Since(began)
	close(release)
	out := await(t, served, "the run to end")
	if out.Verdict != journal.VerdictStopped || took > soon {
		t.Errorf("verdict %s, off after %s", out.Verdict, took)
	}
}

// TestPipeRefuses gives the world's side messages that no run sends.
func TestPipeRefuses(t *testing.T) {
	begin := `{"at":0,"kind":"run.begin","place":"0:0","body":{"format":1,"name":"x","seed":"1","origin":"2000-01-01T00:00:00Z","world":"real"}}`
	start := `{"at":0,"kind":"effect.start","place":"0:1","body":{"kind":"http","args":{}}}`
	end := `{"at":0,"kind":"run.end","place":"0:0","body":{"verdict":"passed","reason":"passed"}}`
	cases := []struct{ name, say, want string }{
		{"garbage", `hello`, "invalid character"},
		{"nothing", `{}`, "expected next, ask or finish"},
		{"unknown field", `{"now":1}`, "unknown field"},
		{"two messages", `{"next":{}}{"next":{}}`, "text after the message"},
		{"no begin", `{"next":{"records":[` + start + `],"start":[{"id":"0:1"}]}}`, "run.begin must come first"},
		{"two begins", `{"next":{"records":[` + begin + `,` + begin + `]}}`, "first and once"},
		{"an end", `{"next":{"records":[` + begin + `,` + end + `]}}`, "before the end"},
		{"a finish without end", `{"finish":{"records":[` + begin + `]}}`, "not the end of the run"},
		{"a finish with effects", `{"finish":{"records":[` + begin + `,` + start + `,` + end + `],"start":[{"id":"0:1"}]}}`, "asks for an effect"},
		{"from the future", `{"next":{"records":[` + strings.Replace(begin, `"at":0`, `"at":5`, 1) + `]}}`, "a run.begin record of time"},
		{"effect without record", `{"next":{"records":[` + begin + `],"start":[{"id":"0:1"}]}}`, "not in the journal"},
		{"record without effect", `{"next":{"records":[` + begin + `,` + start + `]}}`, "not asked for"},
		{"an effect twice", `{"next":{"records":[` + begin + `,` + start + `,` + start + `],"start":[{"id":"0:1"},{"id":"0:1"}]}}`, "under way already"},
		{"an answer of its own", `{"next":{"records":[` + begin + `,{"at":0,"kind":"effect.end","place":"0:1","body":{}}]}}`, "goes on"},
		{"a report of its own", `{"next":{"records":[` + begin + `,{"at":0,"kind":"effect.note","place":"0:1","body":{"data":1}}]}}`, "did not come"},
		{"a signal", `{"next":{"records":[` + begin + `],"signals":[{"id":"0:1","what":"kill"}]}}`, "unknown signal"},
		{"a question", `{"ask":1}`, "nobody to answer"},
		{"a place", `{"next":{"cancel":["x"]}}`, "no place of a run"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			memory := &journal.Memory{}
			out := runtime.ServePipe(strings.NewReader(c.say+"\n"), io.Discard, runtime.NewVirtual(planner{}, memory), runtime.PipeOptions{Begin: &journal.RunBeginBody{Name: "x"}})
			if out.Verdict != journal.VerdictErrored || out.Reason != runtime.CodeProtocol || !strings.Contains(out.Message, c.want) {
				t.Errorf("got %v, expected protocol and %q", out.RunEndBody, c.want)
			}
			recs := memory.Records()
			if len(recs) < 2 || recs[0].Kind != journal.RunBegin || recs[len(recs)-1].Kind != journal.RunEnd {
				t.Errorf("the journal is not whole:\n%s", render(recs))
			}
		})
	}
}

// TestPipeLost breaks the pipe under the run: it comes to its end by itself.
func TestPipeLost(t *testing.T) {
	answers := map[string]string{
		"closed":          "",
		"garbage":         "hello\n",
		"no event":        "{}\n",
		"unknown kind":    `{"event":{"kind":"x","at":1}}` + "\n",
		"done without":    `{"event":{"kind":"done","at":1}}` + "\n",
		"control without": `{"event":{"kind":"control","at":1}}` + "\n",
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			w := runtime.NewPipeWorld(strings.NewReader(answer), io.Discard)
			cleaned := false
			err := w.Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
				if err := b.OnExit(runtime.ExitAlways, "exit", func(b *runtime.Branch) (any, error) { cleaned = true; return nil, b.Sleep(time.Second) }); err != nil {
					return nil, err
				}
				_, err := b.Perform(runtime.Ask{Kind: "http", Args: json.RawMessage(`{}`)})
				return nil, err
			})
			if err == nil || !cleaned {
				t.Errorf("error %v, cleaned up: %t", err, cleaned)
			}
		})
	}
}

// FuzzPipe gives both sides whatever comes: neither panics nor hangs, and the world's
// side leaves a journal that begins and ends.
func FuzzPipe(f *testing.F) {
	f.Add([]byte(`{"next":{"records":[{"at":0,"kind":"run.begin","place":"0:0","body":{"format":1,"name":"x","seed":"1","origin":"2000-01-01T00:00:00Z","world":"real"}},{"at":0,"kind":"effect.start","place":"0:1","body":{"kind":"fault","args":{},"held":true,"chaos":true}}],"start":[{"id":"0:1","seed":"7"}],"cancel":["0:1"],"signals":[{"id":"0:1","what":"pause"}],"due":1000}}` + "\n"))
	f.Add([]byte(`{"event":{"kind":"done","at":2,"id":"0:1","data":{"status":200}}}` + "\n"))
	f.Add([]byte(`{"outcome":[{"class":1,"problem":{"code":"x","message":"y"}}]}` + "\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		memory := &journal.Memory{}
		out := runtime.ServePipe(strings.NewReader(string(input)), io.Discard, runtime.NewVirtual(planner{}, memory), runtime.PipeOptions{
			Begin: &journal.RunBeginBody{Name: "x"}, TurnLimit: time.Minute,
		})
		recs := memory.Records()
		if out.Verdict == "" || recs[0].Kind != journal.RunBegin || recs[len(recs)-1].Kind != journal.RunEnd {
			t.Errorf("verdict %q, journal:\n%s", out.Verdict, render(recs))
		}
		_ = runtime.NewPipeWorld(bufio.NewReader(strings.NewReader(string(input))), io.Discard).Execute(runtime.Config{}, func(b *runtime.Branch) (any, error) {
			_, err := b.Perform(runtime.Ask{Kind: "http", Args: json.RawMessage(`{}`)})
			return nil, err
		})
	})
}

// BenchmarkPipeTurn is the cost of one turn with a timer and its records, through a
// pipe of the kernel.
func BenchmarkPipeTurn(b *testing.B) {
	toWorld, fromRun, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	toRun, fromWorld, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		_ = runtime.NewPipeWorld(toRun, fromRun).Execute(runtime.Config{}, sleeper(b.N))
		fromRun.Close()
		toRun.Close()
	}()
	runtime.ServePipe(toWorld, fromWorld, runtime.NewVirtual(planner{}, journal.Discard{}), runtime.PipeOptions{MaxJournal: 1 << 50})
	toWorld.Close()
	fromWorld.Close()
}
