package journal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// samples has a record of every kind, with every field set, and some without.
func samples() []Record {
	problem := &Problem{Code: "c", Message: "a <b> & \"c\"\n\u2028 é", Path: "a/b", Stack: []Frame{{File: "x.star", Line: 3, Col: 7, Func: "main"}}}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	bodies := map[Kind][]any{
		RunBegin: {&RunBeginBody{
			Format: FormatVersion, Interpreter: "starlark", Name: "n", Script: "s.star", Modules: map[string]string{"s.star": "x = 1 < 2\n"},
			Params: raw(`{"a":1}`), Seed: 1<<64 - 1, Origin: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), World: "real", Meta: raw(`{}`),
			Strict: true, CleanupTimeout: 5,
		}},
		RunEnd:      {&RunEndBody{Verdict: VerdictUnclean, Reason: "r", Message: "m", Tolerated: 1, Flaky: 2, Unclean: []Problem{*problem}, Paused: 3}},
		BranchBegin: {&BranchBeginBody{Path: "a", Role: "parallel"}},
		BranchEnd:   {&EndBody{Path: "a", Status: Failed, Error: problem}, &EndBody{Status: Passed}},
		StepBegin: {&StepBeginBody{
			Path: "a", Name: "a", Duration: 1, Delay: 2, Timeout: 3, Retries: 4, Labels: map[string]string{"k": "<v>"}, Pos: "x.star:1",
			StepRest: &StepRest{RetryDelay: 1, Backoff: 1.5, OnFailure: "tolerate", Recovered: 2, Timed: true, Asks: true, Terms: raw(`{"min_hits":0}`)},
		}, &StepBeginBody{Path: "b", Name: "b"}},
		StepTry:       {&StepTryBody{Path: "a", Try: 1}},
		StepEnd:       {&StepEndBody{Path: "a", Status: Skipped, Tries: 1, Started: 5, Reason: "r", Error: problem, Tolerate: true}},
		ParallelBegin: {&ParallelBody{Path: "a", Branches: 2, Limit: 1, RunAll: true}, &ParallelBody{}},
		LoopBegin:     {&LoopBody{Path: "a", Times: new(int), Duration: 1, Every: 2, Until: true}, &LoopBody{}},
		AttemptBegin:  {&AttemptBody{Path: "a"}},
		OnExit:        {&ExitBody{Path: "a", Name: "n", When: "always"}},
		Wait:          {&WaitBody{Path: "a", Timeout: 1, Every: 2, Stable: 3, May: true, Func: true}},
		GuardBegin: {&GuardBody{
			Path: "a", Name: "g", Every: 1, Breaches: 2, IgnoreErrors: true, IgnoreNoData: true, Action: "abort", Func: true,
		}},
		SteadyBegin: {&SteadyBody{
			Path: "a", Name: "s", Before: true, During: true, After: true, Share: 0.99, Every: 1, Settle: 2, Kind: "probe", Args: raw(`{}`),
		}},
		TurnBegin:  {&TurnBody{Path: "[1]", Turn: 1, Late: time.Second}, &TurnBody{Path: "[é]"}},
		LoopEnd:    {&EndBody{Status: Passed, Turns: 3, Late: 1}},
		AttemptEnd: {&EndBody{Status: Stopped}},
		Sleep:      {&SleepBody{For: 5 * time.Second, Why: "every"}, &SleepBody{}, &SleepBody{For: -1, Why: "\x00\x7f\xff<>&"}},
		Timer:      {nil},
		EffectStart: {
			&EffectStartBody{Kind: "http", Path: "a", Args: raw(`{"url":"http://x/?a=1&b=<2>"}`), Held: true, Chaos: true, Repeat: true, Within: 5, Terms: raw(`{"a":"<"}`)},
			&EffectStartBody{Kind: "http", Args: raw(`null`)},
		},
		EffectNote: {&EffectNoteBody{Data: raw(`{"on":true}`)}},
		EffectStop: {nil},
		EffectEnd: {
			&EffectEndBody{Data: raw(`[1,2.5e-300,"\u2028"]`)}, &EffectEndBody{Error: &EffectError{Code: "c", Message: "m"}}, &EffectEndBody{},
			&EffectEndBody{Data: raw(`1`), Error: &EffectError{Code: "c", Message: "m"}},
		},
		Check:   {&CheckBody{Path: "a", Name: "n", OK: true, Value: raw("1"), Unit: "s", Limit: "below 2", Detail: "d", Stack: problem.Stack}},
		Figure:  {&FigureBody{Path: "a", Name: "n", Value: 0.1, Unit: "ms", Better: "lower"}},
		Guard:   {&WatchBody{Path: "a", Name: "g", State: "breach", Value: raw("1"), Detail: "d", Seen: 1, Bad: 2, Missed: 3}},
		Steady:  {&WatchBody{Name: "s", State: "holds", Phase: "before"}},
		Log:     {&LogBody{Level: "info", Message: "m", Fields: raw(`{"a":"<"}`), Units: map[string]string{"a": "s"}, Path: "a"}},
		Control: {&ControlBody{Action: "pause", Path: "a", By: "b", Detail: "d", Lift: true}},
		Failure: {&FailureBody{Problem: *problem, Tolerated: true, By: "0:1", Of: []string{"0:2"}}, &FailureBody{Problem: *problem}},
	}
	var all []Record
	for kind, list := range bodies {
		for _, body := range list {
			all = append(all, Record{At: 1500 * time.Millisecond, Kind: kind, Place: Place{Branch: "0.2", Op: 7}, Body: body})
		}
	}
	return all
}

// TestRoundTrip: every kind of record reads back as it was written, on one line.
func TestRoundTrip(t *testing.T) {
	seen := map[Kind]bool{}
	for _, rec := range samples() {
		seen[rec.Kind] = true
		text, err := rec.MarshalJSON()
		if err != nil {
			t.Fatalf("%s: %v", rec.Kind, err)
		}
		if bytes.ContainsAny(text, "\n\r") {
			t.Errorf("%s: a line break in %s", rec.Kind, text)
		}
		var got Record
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := rec
		if b, ok := rec.Body.(*SleepBody); ok && strings.Contains(b.Why, "\xff") {
			want.Body = &SleepBody{For: b.For, Why: strings.ToValidUTF8(b.Why, "\ufffd")}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -written +read:\n%s", rec.Kind, diff)
		}
	}
	for kind := range Kinds {
		if !seen[kind] {
			t.Errorf("no sample of kind %s", kind)
		}
	}
}

// TestSameAsEncodingJSON: what is written by hand is what encoding/json writes.
func TestSameAsEncodingJSON(t *testing.T) {
	for _, rec := range samples() {
		if rec.Body == nil {
			continue
		}
		got, err := appendBody(nil, rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		want, err := appendAny(nil, rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", rec.Kind, got, want)
		}
	}
}

// TestExactFormat keeps the format as it is documented.
func TestExactFormat(t *testing.T) {
	tests := []struct {
		rec  Record
		want string
	}{
		{Record{At: 1500000000, Kind: StepEnd, Place: Place{"0", 4}, Body: &StepEndBody{Path: "baseline", Status: Passed}},
			`{"at":1500000000,"kind":"step.end","place":"0:4","body":{"path":"baseline","status":"passed","started":0}}`},
		{Record{Kind: Timer, Place: Place{"0.1", 2}}, `{"at":0,"kind":"timer","place":"0.1:2"}`},
		{Record{Kind: Sleep, Place: Place{"0.1", 2}, Body: &SleepBody{For: 5, Why: "a<b&c"}}, `{"at":0,"kind":"sleep","place":"0.1:2","body":{"for":5,"why":"a<b&c"}}`},
		{Record{Kind: EffectNote, Place: Place{"0", 1}, Body: &EffectNoteBody{}}, `{"at":0,"kind":"effect.note","place":"0:1","body":{"data":null}}`},
	}
	for _, test := range tests {
		got, err := test.rec.MarshalJSON()
		if err != nil || string(got) != test.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
		}
	}
	var b strings.Builder
	if err := Write(&b, []Record{tests[1].rec, tests[2].rec}); err != nil || b.String() != tests[1].want+"\n"+tests[2].want+"\n" {
		t.Errorf("written %q, %v", b.String(), err)
	}
}

func TestMarshalErrors(t *testing.T) {
	for name, body := range map[string]any{
		"raw of a note": &EffectNoteBody{Data: json.RawMessage("{")},
		"raw of an end": &EffectEndBody{Data: json.RawMessage("1 2")},
		"raw terms":     &EffectStartBody{Args: json.RawMessage("{}"), Terms: json.RawMessage("nope")},
		"raw arguments": &EffectStartBody{Args: json.RawMessage("nope")},
		"no plain data": make(chan int),
	} {
		if text, err := (Record{Kind: EffectNote, Place: Place{"0", 1}, Body: body}).MarshalJSON(); err == nil {
			t.Errorf("%s: written as %s, expected an error", name, text)
		}
	}
}

func TestUnmarshalErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{"kind":"timer"}`:                                     `"" is no place of a run`,
		`{"kind":"timer","place":"0.:1"}`:                      `"0.:1" is no place`,
		`{"kind":"timer","place":".1:1"}`:                      `".1:1" is no place`,
		`{"kind":"timer","place":"a\nb:1"}`:                    `is no place`,
		`{"kind":"timer","place":"0:-1"}`:                      `is no place`,
		`{"kind":"timer","place":"0:4294967296"}`:              `is no place`,
		`{"kind":"warp","place":"0:1"}`:                        `unknown record kind "warp"`,
		`{"kind":"sleep","place":"0:1"}`:                       `a sleep record has no body`,
		`{"kind":"sleep","place":"0:1","body":{"for":"long"}}`: `reading a sleep record`,
		`[]`: `cannot unmarshal array`,
	} {
		var rec Record
		if err := json.Unmarshal([]byte(text), &rec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected one with %q", text, err, want)
		}
	}
}

// FuzzUnmarshalJSON: no text makes it panic, and what it reads it writes in a form
// that reads and writes the same again.
func FuzzUnmarshalJSON(f *testing.F) {
	for _, rec := range samples() {
		text, err := rec.MarshalJSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var rec Record
		if rec.UnmarshalJSON(text) != nil {
			return
		}
		first, err := rec.MarshalJSON()
		if err != nil {
			t.Fatalf("read from %q, but: %v", text, err)
		}
		var again Record
		if err := again.UnmarshalJSON(first); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := again.MarshalJSON()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written %s, then %s, %v", first, second, err)
		}
	})
}

// TestMemory keeps order over several chunks and gives copies.
func TestMemory(t *testing.T) {
	var m Memory
	var want []Record
	batch := make([]Record, 700)
	for i := range 5 {
		for k := range batch {
			batch[k] = Record{At: time.Duration(i*len(batch) + k), Kind: Timer}
		}
		want = append(want, batch...)
		if err := m.Append(batch); err != nil {
			t.Fatal(err)
		}
	}
	got := m.Records()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-appended +kept:\n%s", diff)
	}
	got[0].At = 99
	if m.Records()[0].At == 99 {
		t.Error("Records gives no copy")
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	for _, rec := range []Record{
		{At: 1500000000, Kind: Sleep, Place: Place{"0.2", 7}, Body: &SleepBody{For: time.Second}},
		{At: 1500000000, Kind: Timer, Place: Place{"0.2", 7}},
		{At: 1500000000, Kind: EffectEnd, Place: Place{"0.2", 7}, Body: &EffectEndBody{Data: json.RawMessage(`{"status":200,"elapsed":1234567}`)}},
		{At: 1500000000, Kind: StepEnd, Place: Place{"0.2", 7}, Body: &StepEndBody{Path: "a", Status: Passed, Tries: 1}},
	} {
		b.Run(string(rec.Kind), func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf, _ = rec.AppendJSON(buf[:0])
			}
		})
	}
}
