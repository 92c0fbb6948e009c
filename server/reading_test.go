package server

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// TestReading: so many runs are read from disk at once as there are processors, since each is in
// memory as a whole. Further ones wait, and come when one is done.
func TestReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{reads: make(chan struct{}, runtime.GOMAXPROCS(0))}
		var done []func()
		for range cap(m.reads) {
			done = append(done, m.reading())
		}
		came := false
		go func() {
			defer m.reading()()
			came = true
		}()
		synctest.Wait()
		if came {
			t.Error("one more was read at once")
		}
		done[0]()
		synctest.Wait()
		if !came {
			t.Error("it did not come when another was done")
		}
		for _, d := range done[1:] {
			d()
		}
	})
}
