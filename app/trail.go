package app

import (
	"crypto/sha256"
	"slices"

	"go.starlark.net/starlark"

	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// trail is what a plan can tell of the script besides its records. It is made where the
// script executes: under Options.Isolate it crosses the pipe at the run's end.
type trail struct {
	// Reached are the places of the calls, line and column by file, from which a builtin
	// was called, callers included.
	Reached map[string][][2]int32 `json:"reached,omitempty"`
	// Asked are the places from which effects were asked for, by the effect's own place
	// in the run: of each kind and arguments the first.
	Asked map[string]journal.Frame `json:"asked,omitempty"`
	// Notices are those of the script's surroundings.
	Notices []builtins.Notice `json:"notices,omitempty"`
	// Waited says that a wait decided how long the plan took.
	Waited bool `json:"waited,omitempty"`
}

// trailSetup says what of a trail is wanted that takes its time.
type trailSetup struct {
	Reached bool `json:"reached,omitempty"`
	Asked   bool `json:"asked,omitempty"`
}

// reached gives the question whether a builtin was called from a place.
func (t *trail) reached() func(file string, line, col int32) bool {
	places := map[callPlace]bool{}
	for file, list := range t.Reached {
		for _, at := range list {
			places[callPlace{file, at[0], at[1]}] = true
		}
	}
	return func(file string, line, col int32) bool { return places[callPlace{file, line, col}] }
}

type callPlace struct {
	file      string
	line, col int32
}

// maxAsked bounds the effects whose places a trail has.
const maxAsked = 10_000

// tracker makes the trail of one plan.
type tracker struct {
	env     *builtins.Env
	reached map[callPlace]bool
	asked   map[string]journal.Frame // nil: nobody wants to know
	seen    map[effectKey]bool
}

// track begins a trail of what executes in env.
func track(env *builtins.Env, want trailSetup) *tracker {
	t := &tracker{env: env}
	if want.Asked {
		t.asked, t.seen = map[string]journal.Frame{}, map[effectKey]bool{}
	}
	if want.Reached {
		t.reached = map[callPlace]bool{}
		before := env.OnCall
		env.OnCall = func(thread *starlark.Thread) {
			if before != nil {
				before(thread)
			}
			t.onCall(thread)
		}
	}
	return t
}

func (t *tracker) onCall(thread *starlark.Thread) {
	for depth := range thread.CallStackDepth() {
		if pos := thread.CallFrame(depth).Pos; pos.Line > 0 {
			t.reached[callPlace{pos.Filename(), pos.Line, pos.Col}] = true
		}
	}
}

// onEffect is the run's Config.OnEffect.
func (t *tracker) onEffect() func(*runtime.Branch, *runtime.Request) {
	if t.asked == nil {
		return nil
	}
	return func(b *runtime.Branch, req *runtime.Request) {
		if len(t.asked) == maxAsked {
			return
		}
		key := keyOf(req.Kind, req.Args)
		if !t.seen[key] {
			t.seen[key] = true
			t.asked[req.ID.String()] = builtins.Where(b)
		}
	}
}

// effectKey stands for kind and arguments of an effect, which may be large.
type effectKey [sha256.Size]byte

func keyOf(kind string, args []byte) effectKey {
	return sha256.Sum256(slices.Concat([]byte(kind), []byte{0}, args))
}

// trail is what there is so far.
func (t *tracker) trail() *trail {
	out := &trail{Asked: t.asked, Notices: t.env.Notices, Waited: t.env.Waited}
	for at := range t.reached {
		if out.Reached == nil {
			out.Reached = map[string][][2]int32{}
		}
		out.Reached[at.file] = append(out.Reached[at.file], [2]int32{at.line, at.col})
	}
	return out
}
