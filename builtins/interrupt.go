package builtins

import (
	"strings"
	"sync/atomic"

	"go.starlark.net/starlark"

	"starquake/runtime/journal"
)

// interrupts let another goroutine end what a run's script computes. The zero value
// is ready.
type interrupts struct {
	current atomic.Pointer[starlark.Thread] // the thread that executes, or did last
	reason  atomic.Pointer[journal.Problem] // of the first interruption
	held    atomic.Pointer[chan struct{}]   // what is executed waits until it is closed; nil: it does not
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

// heed waits while the script is held.
func (i *interrupts) heed() {
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
