package builtins

import (
	"strings"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"starquake/runtime/journal"
)

// interrupts let another goroutine end what a run's script computes. The zero value
// is ready.
type interrupts struct {
	current atomic.Pointer[starlark.Thread] // the thread that executes, or did last
	reason  atomic.Pointer[journal.Problem] // of the first interruption
	held    atomic.Pointer[chan struct{}]   // what is executed waits until it is closed; nil: it does not
	look    atomic.Pointer[func()]          // is called after a long step; may be nil
	heeded  time.Time                       // when what is executed was seen last, while there is a look
}

// longStep is how long a few steps take only if they make something large.
const longStep = time.Millisecond

// Alert has the script itself call look after each step that took long, before its next:
// whoever else looks may get no processor in time. Nil ends that. It may be called from
// any goroutine.
func (i *interrupts) Alert(look func()) {
	if look == nil {
		i.look.Store(nil)
	} else if i.look.Load() == nil {
		i.look.Store(&look)
	}
}

// Hold keeps the script from its next steps until release is called, so that somebody
// can look at its memory who would else look at what was there some steps ago: a text can
// be doubled by each. It may be called from any goroutine, by one at a time.
func (i *interrupts) Hold() (release func()) {
	free := make(chan struct{})
	i.held.Store(&free)
	return func() {
		i.held.Store(nil)
		close(free)
	}
}

// heed waits while the script is held, and looks if it has to. The script calls it.
func (i *interrupts) heed() {
	if look := i.look.Load(); look != nil {
		if time.Since(i.heeded) > longStep {
			(*look)()
		}
		i.heeded = time.Now()
	}
	if free := i.held.Load(); free != nil {
		<-*free
	}
}

// Interrupt ends what the script computes now, before its next step: the computation
// fails with that code and message. It may be called from any goroutine. What the run
// executes afterwards, a clean-up above all, is not touched.
func (i *interrupts) Interrupt(code, message string) {
	i.reason.CompareAndSwap(nil, &journal.Problem{Code: code, Message: message})
	if thread := i.current.Load(); thread != nil {
		thread.Cancel(message)
	}
}

// executes notes the thread that executes from now on, and gives the one before.
func (i *interrupts) executes(thread *starlark.Thread) *starlark.Thread {
	return i.current.Swap(thread)
}

// describe completes p if msg, the interpreter's, says that it was interrupted.
func (i *interrupts) describe(msg string, p *journal.Problem) bool {
	reason := i.reason.Load()
	if reason == nil || !strings.HasSuffix(msg, "Starlark computation cancelled: "+reason.Message) {
		return false
	}
	p.Code, p.Message = reason.Code, reason.Message
	return true
}
