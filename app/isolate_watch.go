package app

import (
	"fmt"
	goruntime "runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"starquake/runtime"
	"starquake/units"
)

// DefaultMemoryLimit is how large the heap of the process may grow while a script
// computes in it.
const DefaultMemoryLimit = 1 << 30

const (
	// watchEvery is the time between two looks at the heap.
	watchEvery = 10 * time.Millisecond
	// alertAt is the part of its limit from which on a script looks itself: it costs some
	// 10 ns a step. A text must be doubled three times from there.
	alertAt = 8
	// turnLimit bounds a turn in this process. It is only there to end what the step
	// budget does not see, a builtin that computes for ever: a machine under load must
	// not fail a run by it. So this process must have had as much processor time, too,
	// unless it is heard of no more. Under Isolate the limit is isolatedTurnLimit.
	turnLimit = 10 * time.Second
	// stuckLimit is for how long it need not be heard of.
	stuckLimit = time.Minute
)

// watched is a script that is watched: Hold keeps it from its next steps until release is
// called, and Alert has it look itself after each that took long.
type watched interface {
	Hold() (release func())
	Alert(look func())
}

// turnWorld is a world that knows whether the script computes: since an event was
// delivered and until the next is asked for. A watch looks at it.
type turnWorld struct {
	runtime.World
	watch *watch
	// limit is for the heap of the process, in bytes.
	limit  uint64
	script watched
	// fail ends what the script computes, and the run, for a reason. It is called once,
	// from the watch's goroutine or the script's.
	fail func(code, message string)

	began atomic.Int64 // when the turn that goes on began, on the watch's clock; 0 between turns

	// The watch's own: failed says that fail was called; used is the process's processor
	// time when the turn that began at looked was looked at first.
	failed bool
	looked int64
	used   time.Duration
}

// Next implements runtime.World.
func (w *turnWorld) Next(r *runtime.Ready) runtime.Event {
	w.pause()
	ev := w.World.Next(r)
	w.resume()
	return ev
}

func (w *turnWorld) resume() {
	w.began.Store(max(1, int64(time.Since(w.watch.epoch))))
	w.watch.computing.Add(1)
}

func (w *turnWorld) pause() {
	w.began.Store(0)
	w.watch.computing.Add(-1)
}

// executes gives the whole of a run that is watched.
func (w *turnWorld) executes(run *runtime.Run, body runtime.Body) func() runtime.Outcome {
	return func() runtime.Outcome {
		defer w.leave()
		return run.Execute(body)
	}
}

// watch looks at the heap of the process while scripts compute in it, and at how long
// they do. What it looks at belongs to the process, so there is one for all runs.
type watch struct {
	epoch     time.Time
	computing atomic.Int64 // turns that go on
	heap      func() (inUse, live uint64)
	used      func() (time.Duration, error) // processor time of the process

	checking sync.Mutex // held by who looks

	mu   sync.Mutex
	runs map[*turnWorld]struct{}
	stop chan struct{} // closed to end the goroutine; nil while there is none
}

// processWatch is the watch of this process. Its goroutine lives while a run does.
var processWatch = &watch{epoch: time.Now(), heap: heapInUse, used: func() (time.Duration, error) { return processorTime(0) }}

// over makes the world of a run that is watched from now on, its first turn included,
// until leave.
func (h *watch) over(world runtime.World, limit int64, script watched, fail func(code, message string)) *turnWorld {
	if limit <= 0 {
		limit = DefaultMemoryLimit
	}
	w := &turnWorld{World: world, watch: h, limit: uint64(limit), script: script, fail: fail}
	w.resume()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.runs == nil {
		h.runs = make(map[*turnWorld]struct{})
	}
	h.runs[w] = struct{}{}
	if h.stop == nil {
		h.stop = make(chan struct{})
		go h.look(h.stop)
	}
	return w
}

// leave ends the watching. It is called after the run's last turn.
func (w *turnWorld) leave() {
	w.pause()
	h := w.watch
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.runs, w)
	if len(h.runs) == 0 {
		close(h.stop)
		h.stop, h.runs = nil, nil
	}
}

// look looks every so often until stop is closed.
func (h *watch) look(stop chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if h.computing.Load() > 0 {
				h.check()
			}
		}
	}
}

// check fails the run to blame, if one is.
func (h *watch) check() {
	h.checking.Lock()
	defer h.checking.Unlock()
	heap, live := h.heap()
	w, since := h.oldestTurn()
	if w != nil && !w.failed && heap > w.limit/alertAt {
		w.script.Alert(h.check)
	} else if w != nil {
		w.script.Alert(nil)
	}
	if w != nil && !w.failed && heap > w.limit && heap <= 2*w.limit && live <= w.limit/4*3 {
		// Much of it may be garbage. What is not is found out at once, and the script waits
		// for it: it could take several times as much meanwhile.
		defer w.script.Hold()()
		goruntime.GC()
		heap, live = h.heap()
	}
	switch {
	case w == nil || w.failed:
	case since > turnLimit && (since > stuckLimit || h.computed(w) > turnLimit):
		w.failed = true
		w.fail(runtime.CodeScriptTime, "the script computed for more than "+units.FormatDuration(turnLimit)+" in one turn")
	case heap > w.limit && live > w.limit/4*3, heap > 2*w.limit:
		w.failed = true
		w.fail(runtime.CodeScriptMemory, fmt.Sprintf("the script used up its memory: %s of %s; keep less, or raise the limit",
			units.FormatSize(int64(heap>>20<<20)), units.FormatSize(int64(w.limit))))
	}
}

// oldestTurn is the turn that has gone on for longest, and for how long. Nobody can
// tell whose memory it is; who computes is the likeliest. While one that was failed
// has not ended its turn, no other is.
func (h *watch) oldestTurn() (oldest *turnWorld, since time.Duration) {
	now := time.Since(h.epoch)
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.runs {
		if w.failed {
			return w, 0
		}
		began := w.began.Load()
		if began != 0 && (oldest == nil || now-time.Duration(began) > since) {
			oldest, since = w, now-time.Duration(began)
		}
		if began != 0 && began != w.looked {
			w.looked = began
			w.used, _ = h.used()
		}
	}
	return oldest, since
}

// computed is for how long at most the turn of w has computed: no longer than the process
// has used its processors since. Where that cannot be known it is taken to have computed
// all the time.
func (h *watch) computed(w *turnWorld) time.Duration {
	used, err := h.used()
	if err != nil {
		return stuckLimit
	}
	return used - w.used
}

// heapInUse is what the process has in heap objects, garbage included, and stacks; and
// what of it the last collection found to be live.
func heapInUse() (inUse, live uint64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	stacks := samples[1].Value.Uint64()
	return samples[0].Value.Uint64() + stacks, samples[2].Value.Uint64() + stacks
}
