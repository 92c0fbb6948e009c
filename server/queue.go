package server

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// statusQueued is that of a run that waits for its turn: nothing of it has begun.
const statusQueued = "queued"

// tryAgain is after how long a start may be asked for again that there was no room for. When
// a run ends nobody knows.
const tryAgain = 10 * time.Second

// waiting is a start that waits for its turn. It has the id that its run will have. Those
// that never begin are known for a while: whoever asked finds out why.
type waiting struct {
	id, name, by string
	labels       map[string]string
	since        time.Time
	targets      []string
	start        func(app.RunOptions) (*app.Running, error)
	key          startKey  // of the start; the zero value without one
	asked        *starting // what is to be started
	// came says that its turn has come, why what kept it from beginning then; guarded by the manager's mu.
	came bool
	why  string
	// kept is closed when it is on disk, where it is to be.
	kept chan struct{}
	// settled is closed when the run has begun, or never will.
	settled chan struct{}
	// end is set, before settled is closed, of one that never will.
	end *neverBegun
}

// neverBegun is why a start that waited came to nothing.
type neverBegun struct {
	verdict         journal.Verdict
	reason, message string
	at              time.Time
}

// maxNever is how many starts are known that never began: the last ones.
const maxNever = 1000

// crowded says why no more runs may go on, nil if they may. The caller holds mu.
func (m *manager) crowded() error {
	a := &m.config.Admission
	n := m.going() + len(m.places)
	if a.MaxRuns == 0 || n < a.MaxRuns && len(m.queue) == 0 {
		return nil
	}
	p := problemf(429, "too_many_runs", "%s, and no more than %d may; try again when one has ended", many(n, "run goes on", "runs go on"), a.MaxRuns)
	if a.Queue > 0 {
		p.Detail = fmt.Sprintf("%s of at most %d, and %s of at most %d; try again when one has ended",
			many(n, "run goes on", "runs go on"), a.MaxRuns, many(len(m.queue), "waits", "wait"), a.Queue)
	}
	p.retry = tryAgain
	return p
}

// many is a number of things in words.
func many(n int, one, more string) string {
	if n != 1 {
		one = more
	}
	return fmt.Sprintf("%d %s", n, one)
}

// full reports whether a start would have to wait now.
func (m *manager) full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crowded() != nil
}

// wait puts a start at the end of the queue, if there is room. The caller holds mu.
func (m *manager) wait(w *waiting) bool {
	if len(m.queue) >= m.config.Admission.Queue {
		return false
	}
	w.id, w.since, w.settled, w.kept = app.NewRunID(time.Now()), time.Now(), make(chan struct{}), make(chan struct{})
	m.queue = append(m.queue, w)
	m.waits[w.id] = w
	return true
}

// advance begins what waits and may begin, the first first. One whose target another run
// has for itself lets those behind it pass. The caller holds mu.
func (m *manager) advance() {
	for i := 0; i < len(m.queue) && !m.closing; {
		if most := m.config.Admission.MaxRuns; most > 0 && m.going()+len(m.places) >= most {
			return
		}
		w := m.queue[i]
		in, err := m.take(w.targets)
		if err != nil {
			i++
			continue
		}
		m.queue = slices.Delete(m.queue, i, i+1)
		w.came = true
		m.starting.Add(1)
		go m.turn(w, in)
	}
}

// turn begins a start whose turn it is.
func (m *manager) turn(w *waiting, in *place) {
	defer m.starting.Done()
	<-w.kept
	r, err := guardedStart(w.start, m.options(w.id))
	if short(err) || err != nil && m.parting() != nil { // its process may have been told to end, too
		m.waitsOn(w, in, err)
		return
	}
	var lost error
	if err == nil {
		m.adopt(r, w.targets)
		lost = r.Begun()
	} else {
		m.logger.Error("a run that waited does not begin", "run", w.id, "name", w.name, "error", err)
	}
	if short(lost) && m.undone(r) {
		m.waitsOn(w, in, lost)
		return
	}
	if lost == nil { // until it has begun on disk it would be lost with this process
		m.unkeep(w)
	} else {
		m.logger.Error("a run that waited cannot be kept", "run", w.id, "name", w.name, "error", lost)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.places, in)
	if err == nil {
		delete(m.waits, w.id)
		close(w.settled)
	} else {
		m.never(w, journal.VerdictErrored, "start_failed", err.Error())
		if known := m.keys[w.key]; known != nil && known == w.asked.started { // as of one that is refused at once: it may be tried again
			m.unkey(w.key)
		}
	}
	m.advance()
}

// guardedStart survives a start that panics: it is a defect, and one run's alone.
func guardedStart(start func(app.RunOptions) (*app.Running, error), opt app.RunOptions) (r *app.Running, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v", p)
			opt.Logger.Error("a start failed: internal error", "run", opt.ID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return start(opt)
}

// never notes of a start that it comes to nothing. What was to be started is let go: the start
// stays known for a while, and may be large. The caller holds mu.
func (m *manager) never(w *waiting, verdict journal.Verdict, reason, message string) {
	w.end = &neverBegun{verdict, reason, message, time.Now()}
	w.start, w.asked = nil, &starting{started: w.asked.started}
	close(w.settled)
	if m.nevers = append(m.nevers, w.id); len(m.nevers) > maxNever {
		delete(m.waits, m.nevers[0])
		m.nevers = m.nevers[1:]
	}
}

// cancel takes a start out of the queue, or gives false for one that has begun. One that is
// beginning is waited for.
func (m *manager) cancel(ctx context.Context, id, by, comment string) (bool, error) {
	m.mu.Lock()
	w := m.waits[id]
	if w != nil {
		m.mu.Unlock()
		<-w.kept // a write is bounded
		m.mu.Lock()
	}
	at := slices.Index(m.queue, w)
	if w != nil && at >= 0 {
		defer m.mu.Unlock()
		if err := m.forgetStart(w); err != nil { // the next server would begin it
			return false, fmt.Errorf("run %s cannot be taken out of the queue: %w", id, err)
		}
		m.queue = slices.Delete(m.queue, at, at+1)
		message := "taken out of the queue by " + by
		if comment != "" {
			message += ": " + comment
		}
		m.never(w, journal.VerdictStopped, "cancelled", message)
		return true, nil
	}
	m.mu.Unlock()
	if w == nil {
		return false, nil
	}
	select {
	case <-w.settled:
	case <-m.ending.Done():
		select {
		case <-w.settled:
			return false, w.over()
		default:
		}
		return false, problemf(503, "closing", "the server is ending; run %s is begun, or waits for its turn, in the next one", id)
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return false, w.over()
}

// over is the problem of a start that is settled and never began, nil for one that has.
func (w *waiting) over() error {
	if w.end == nil {
		return nil
	}
	return problemf(409, codeRunEnded, "run %s has ended, %s: %s", w.id, w.end.verdict, w.end.message)
}

// leaveQueue lets go of what waits, as the server ends: the next one has it where it is on
// disk. The caller holds mu, and has set closing.
func (m *manager) leaveQueue() {
	for _, w := range m.queue {
		if m.shelf != nil {
			m.logger.Info("a run waits for its turn in the next server", "run", w.id, "name", w.name, "by", w.by)
			continue
		}
		m.never(w, journal.VerdictStopped, "server_ended", "the server ended before its turn came; it was not kept, so start it again")
		m.logger.Warn("a run that waited never begins, as the server ends", "run", w.id, "name", w.name, "by", w.by)
	}
	m.queue = nil
}

// queued gives a start that waits, or that never began, as clients see it.
func (m *manager) queued(id string) (Run, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.waits[id]
	if w == nil {
		return Run{}, false
	}
	r := Run{
		ID: w.id, Name: w.name, Status: statusQueued, Started: w.since.UTC(), Labels: w.labels, By: w.by, FailedSteps: []string{}, Iteration: 1,
		QueuePosition: slices.Index(m.queue, w) + 1,
	}
	if w.end != nil {
		at := w.end.at.UTC()
		r.Status, r.Verdict, r.Reason, r.Message, r.Ended = string(view.Ended), w.end.verdict, w.end.reason, w.end.message, &at
	}
	return r, true
}

// waits reports whether a start waits for its turn, or is beginning.
func (m *manager) waitsFor(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.waits[id]
	return w != nil && w.end == nil
}

// turnCame waits until a start has had its turn, where it waits for that. False: it came to
// nothing.
func (m *manager) turnCame(ctx context.Context, id string) (bool, error) {
	m.mu.Lock()
	w := m.waits[id]
	m.mu.Unlock()
	if w == nil {
		return true, nil
	}
	select {
	case <-w.settled:
		return w.end == nil, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// withWaiting puts the ids of what waits, or never began, among others, which it leaves as
// they are.
func (m *manager) withWaiting(ids []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waits) == 0 {
		return ids
	}
	ids = slices.Clone(ids)
	for id := range m.waits {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// notBegun is the problem of a question that only a run which has begun can answer, nil for
// one that has.
func (m *manager) notBegun(id string) error {
	r, ok := m.queued(id)
	switch {
	case !ok:
		return nil
	case r.Status == statusQueued:
		where := "its turn has come"
		if r.QueuePosition > 0 {
			where = fmt.Sprintf("at queue_position %d", r.QueuePosition)
		}
		p := problemf(409, "run_queued", "run %s is %s, %s, and has not begun: it has nothing to show yet, and cannot be steered", id, r.Status, where)
		p.Help = fmt.Sprintf("wait until its status is another: GET /api/v1/runs/%[1]s tells it, and GET /api/v1/runs/%[1]s/events with Accept: text/event-stream begins with the run; POST /api/v1/runs/%[1]s/stop takes it out of the queue", id)
		return p
	}
	return problemf(409, codeRunEnded, "run %s never began: %s", id, r.Message)
}
