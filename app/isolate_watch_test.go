package app

import (
	"testing"
	"testing/synctest"
	"time"

	"starquake/builtins"
	"starquake/runtime"
)

// TestWatchTurn: a script that computes for too long is ended, and one that waits for the
// processor on a busy machine is not.
func TestWatchTurn(t *testing.T) {
	for name, c := range map[string]struct {
		share float64 // of the processor that this process gets
		after time.Duration
	}{
		"computes":          {1, turnLimit},
		"on a busy machine": {0.25, 4 * turnLimit},
		"stuck":             {0, stuckLimit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				epoch := time.Now()
				h := &watch{epoch: epoch, heap: func() (uint64, uint64) { return 0, 0 }, used: func() (time.Duration, error) {
					return time.Duration(c.share * float64(time.Since(epoch))), nil
				}}
				failed := make(chan string, 1)
				w := h.over(nil, 0, new(builtins.Env), func(code, _ string) { failed <- code })
				defer w.leave()
				time.Sleep(turnLimit - time.Second)
				w.pause()
				w.resume() // another turn
				began := time.Now()
				if code := <-failed; code != runtime.CodeScriptTime {
					t.Errorf("ended with %s", code)
				}
				if took := time.Since(began); took < c.after || took > c.after+time.Second {
					t.Errorf("ended after %s, expected %s", took, c.after)
				}
			})
		})
	}
}

// heldScript notes what a watch asks of a script.
type heldScript struct{ held, looks bool }

func (s *heldScript) Hold() func() {
	s.held = true
	return func() { s.held = false }
}

func (s *heldScript) Alert(look func()) { s.looks = look != nil }

// TestWatchHolds: a script whose heap may be garbage waits until it is known and is ended
// before it goes on; one that is far beyond is ended at once; and one with much of it looks
// itself.
func TestWatchHolds(t *testing.T) {
	const limit = 1000
	for name, c := range map[string]struct {
		heap        uint64
		live        uint64 // after a collection
		held, looks bool
		failed      bool
	}{
		"little":     {heap: limit / 10},
		"much":       {heap: limit / 2, looks: true},
		"garbage":    {heap: limit + 1, live: limit / 2, held: true, looks: true},
		"not":        {heap: limit + 1, live: limit + 1, held: true, looks: true, failed: true},
		"far beyond": {heap: 2*limit + 1, looks: true, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(heldScript)
			wasHeld, failed, looked := false, false, false
			h := &watch{epoch: time.Now(), used: func() (time.Duration, error) { return 0, nil }, heap: func() (uint64, uint64) {
				if !looked {
					looked = true
					return c.heap, 0
				}
				wasHeld = s.held
				return c.heap, c.live
			}}
			w := &turnWorld{watch: h, limit: limit, script: s, fail: func(code, _ string) {
				failed = code == runtime.CodeScriptMemory && s.held == c.held
			}}
			h.runs = map[*turnWorld]struct{}{w: {}}
			w.resume()
			h.check()
			if wasHeld != c.held || s.held || s.looks != c.looks || failed != c.failed {
				t.Errorf("held %t (still %t), looks %t, failed %t; expected %+v", wasHeld, s.held, s.looks, failed, c)
			}
		})
	}
}
