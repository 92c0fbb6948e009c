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
