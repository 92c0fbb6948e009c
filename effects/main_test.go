package effects

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/runtime"
	"starquake/runtime/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is far longer than anything here takes that does not hang.
const soon = 2 * time.Minute

// open permits everything that a policy can.
func open() Policy { return Policy{AllowExec: []string{"*"}, Network: []string{"*"}} }

// newEffects makes effects that are closed with the test.
func newEffects(t testing.TB, policy Policy, opts Options) *Effects {
	t.Helper()
	if opts.ExecGrace == 0 {
		opts.ExecGrace = 50 * time.Millisecond
	}
	e := New(policy, opts)
	t.Cleanup(e.Close)
	return e
}

// request makes a request of args.
func request(t testing.TB, kind string, args any) runtime.Request {
	t.Helper()
	text, err := marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return runtime.Request{ID: journal.Place{Branch: "0", Op: 1}, Kind: kind, Args: text}
}

// perform performs an effect and reads its answer into a T.
func perform[T any](t testing.TB, ctx context.Context, e *Effects, kind string, args any) (T, error) {
	t.Helper()
	var answer T
	got, err := e.Perform(ctx, &runtime.Call{Request: request(t, kind, args)})
	if err != nil {
		return answer, err
	}
	into(t, got, &answer)
	return answer, nil
}

// mustPerform is perform of what cannot fail.
func mustPerform[T any](t testing.TB, e *Effects, kind string, args any) T {
	t.Helper()
	answer, err := perform[T](t, t.Context(), e, kind, args)
	if err != nil {
		t.Fatalf("performing %s: %v", kind, err)
	}
	return answer
}

// into reads plain data into v through its JSON form, as a run does.
func into(t testing.TB, data, v any) {
	t.Helper()
	text, err := marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("reading %s: %v", text, err)
	}
}

// code is the code of an error of a performer.
func code(err error) string {
	if err == nil {
		return ""
	}
	return asProblem(err, "no EffectError").Code
}

// codeIn is the code of the error in an answer.
func codeIn(p *journal.EffectError) string {
	if p == nil {
		return ""
	}
	return p.Code
}
