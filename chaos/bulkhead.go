package chaos

import (
	"container/list"
	"sync"
	"time"
)

func bulkheadKind() Kind {
	return Kind{
		Name: "bulkhead",
		Doc: "Limits how many requests are under way at once. Some more wait in a queue; " +
			"one that finds the queue full, or waits too long, is answered 503.",
		Protocols: []string{"http", "grpc", "graphql"},
		Params: []ParamSpec{
			{Name: "max_concurrent", Type: TypeInt, Max: 1e6, Ramp: true, Default: "100",
				Doc: "how many requests may be under way"},
			{Name: "queue", Type: TypeInt, Max: 1e6, Ramp: true, Default: "10",
				Doc: "how many may wait"},
			{Name: "queue_timeout", Type: TypeDuration, Max: float64(maxDelay), Ramp: true, Default: `"5s"`,
				Doc: "how long one waits"},
		},
	}
}

// Bulkhead is a fault of kind bulkhead made ready. Nothing in it waits: it says who may
// go on and who has to wait, and its user does the waiting. Use one Bulkhead for all
// connections, which may be at once.
type Bulkhead struct {
	max, queue, timeout Value

	mu      sync.Mutex
	running int
	waiting *list.List // of *Waiter, the one that has waited longest in front
}

// Admission is how a request enters a Bulkhead.
type Admission int

// The admissions.
const (
	Full     Admission = iota // it is answered 503
	Admitted                  // it may go on, and has to Leave
	Queued                    // it waits for its wake, at most QueueTimeout, then has to Quit
)

// Waiter is a request in the queue.
type Waiter struct {
	// Wake is called, by whoever Leave returned the waiter to, when it is admitted.
	Wake func()
	at   *list.Element // nil once it is admitted or has quit
}

// NewBulkhead makes f, which is valid, ready.
func NewBulkhead(f *Fault) *Bulkhead {
	return &Bulkhead{max: f.Number("max_concurrent"), queue: f.Number("queue"), timeout: f.Number("queue_timeout"), waiting: list.New()}
}

// Enter asks for a place. wake is kept for a request that is Queued, whose Waiter is
// returned.
func (b *Bulkhead) Enter(elapsed time.Duration, wake func()) (Admission, *Waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running < b.max.Int(elapsed) && b.waiting.Len() == 0 { // nobody overtakes the queue
		b.running++
		return Admitted, nil
	}
	if b.waiting.Len() >= b.queue.Int(elapsed) {
		return Full, nil
	}
	w := &Waiter{Wake: wake}
	w.at = b.waiting.PushBack(w)
	return Queued, w
}

// Leave gives an admitted request's place back, and returns those who get it: their
// Wake is to be called. It is more than one where a ramp has made room.
func (b *Bulkhead) Leave(elapsed time.Duration) []*Waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	return b.admit(elapsed)
}

// Quit takes a waiter out of the queue. It returns false if that had been admitted
// meanwhile: then it may go on, and has to Leave. Otherwise the others are those whom
// a ramp has made room for meanwhile: their Wake is to be called.
func (b *Bulkhead) Quit(w *Waiter, elapsed time.Duration) (quit bool, others []*Waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.at == nil {
		return false, nil
	}
	b.waiting.Remove(w.at)
	w.at = nil
	return true, b.admit(elapsed)
}

// admit takes from the queue whom there is room for. The caller holds mu.
func (b *Bulkhead) admit(elapsed time.Duration) []*Waiter {
	var admitted []*Waiter
	for b.waiting.Len() > 0 && b.running < b.max.Int(elapsed) {
		w := b.waiting.Remove(b.waiting.Front()).(*Waiter)
		w.at = nil
		b.running++
		admitted = append(admitted, w)
	}
	return admitted
}

// QueueTimeout returns how long a request waits that enters now.
func (b *Bulkhead) QueueTimeout(elapsed time.Duration) time.Duration {
	return b.timeout.Duration(elapsed)
}
