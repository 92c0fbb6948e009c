package load

import (
	"context"
	"sync"
	"time"
)

const (
	// unsentAfter is how far behind its time a request is not sent any more.
	unsentAfter = time.Second
	// cutAfter is how long requests under way are waited for when load is ended before
	// its time.
	cutAfter = time.Second
	// stopWindow and stopRequests are what a condition of StopWhen looks at.
	stopWindow   = 10 * time.Second
	stopRequests = 10
)

// Sender sends one request. HTTP and gRPC have one each.
type Sender interface {
	// Send sends a request and waits for its answer, until the deadline.
	Send(deadline time.Time) Outcome
	// Close ends the requests under way, which then return, and all connections.
	Close()
}

// Generator is load under way. Its methods may be called from any goroutine.
type Generator struct {
	spec   Spec
	sender Sender
	rec    *recorder
	stops  []Condition

	jobs    chan job
	slots   chan struct{} // one for each worker that there may be
	workers sync.WaitGroup

	mu       sync.Mutex
	start    time.Time
	paused   time.Duration // in all
	pausedAt time.Time     // or zero
	changed  chan struct{} // closed at a pause and at its end
	cut      bool
	ending   time.Duration // the clock at its end, once ended
	ended    bool
}

// job is one request that is due.
type job struct {
	intended time.Duration // by the load's clock
	due      time.Time
}

// New makes a generator of a valid specification. Run starts it.
func New(spec Spec, sender Sender) *Generator {
	g := &Generator{
		spec: spec, sender: sender, rec: newRecorder(spec.Warmup),
		jobs: make(chan job), slots: make(chan struct{}, spec.Slots()), changed: make(chan struct{}),
		start: time.Now(),
	}
	for _, text := range spec.StopWhen {
		if c, err := ParseCondition(text); err == nil { // the specification is valid
			g.stops = append(g.stops, c)
		}
	}
	return g
}

// Pause stops the load's clock: nothing new is due until Resume.
func (g *Generator) Pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pausedAt.IsZero() {
		g.pausedAt = time.Now()
		g.change()
	}
}

// Resume lets the clock go on from where it was.
func (g *Generator) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.pausedAt.IsZero() {
		g.paused += time.Since(g.pausedAt)
		g.pausedAt = time.Time{}
		g.change()
	}
}

// change wakes the pacer. The caller holds mu.
func (g *Generator) change() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// clock is the time since the start without pauses. What the wall clock says then is
// origin + clock.
func (g *Generator) clock() (now time.Duration, origin time.Time, stands bool, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	origin = g.start.Add(g.paused)
	if !g.pausedAt.IsZero() {
		return g.pausedAt.Sub(origin), origin, true, g.changed
	}
	if g.ended {
		return g.ending, origin, true, g.changed
	}
	return time.Since(origin), origin, false, g.changed
}

// Window gives the figures of the last so long, at most MaxWindow. The time of a pause
// is not in it.
func (g *Generator) Window(last time.Duration) *Window {
	now, _, _, _ := g.clock()
	return g.rec.window(now, last)
}

// Run sends until the duration is over, ctx ends or a condition is met, waits for the
// answers and gives the figures. It is called once.
func (g *Generator) Run(ctx context.Context) *Figures {
	g.mu.Lock()
	g.start = time.Now()
	g.mu.Unlock()
	stoppedBy := g.pace(ctx)
	now, _, _, _ := g.clock()
	if g.spec.Duration > 0 {
		now = min(now, g.spec.Duration)
	}
	g.mu.Lock()
	g.ended, g.ending = true, now
	g.mu.Unlock()
	close(g.jobs)
	g.drain(ctx)
	f := g.rec.figures(now)
	f.StoppedBy = stoppedBy
	return f
}

// drain waits for the workers. Once ctx is over what is under way has a little time,
// and is then cut off.
func (g *Generator) drain(ctx context.Context) {
	done := make(chan struct{})
	go func() { g.workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		timer := time.NewTimer(cutAfter)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
			g.mu.Lock()
			g.cut = true
			g.mu.Unlock()
		}
	}
	g.sender.Close()
	<-done
}

// pace hands out the requests as they are due.
func (g *Generator) pace(ctx context.Context) (stoppedBy string) {
	plan := schedule{pieces: g.spec.Rate}
	next := plan.next()
	looked := time.Duration(0)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		now, origin, stands, changed := g.clock()
		if !stands {
			for next <= now && (g.spec.Duration == 0 || next < g.spec.Duration) {
				g.offer(job{next, origin.Add(next)}, now)
				next = plan.next()
			}
			if g.spec.Duration > 0 && now >= g.spec.Duration {
				return ""
			}
			if len(g.stops) > 0 && now-looked >= time.Second {
				looked = now
				if text := g.stop(now); text != "" {
					return text
				}
			}
		}
		wake := next
		if g.spec.Duration > 0 {
			wake = min(wake, g.spec.Duration)
		}
		if len(g.stops) > 0 {
			wake = min(wake, looked+time.Second)
		}
		tick := timer.C
		if stands {
			tick = nil
		} else {
			timer.Reset(time.Until(origin.Add(min(wake, now+time.Hour))))
		}
		select {
		case <-ctx.Done():
		case <-tick:
		case <-changed:
		}
	}
	return ""
}

// stop gives the condition of StopWhen that is met.
func (g *Generator) stop(now time.Duration) string {
	w := g.rec.window(now, stopWindow)
	for i := range g.stops {
		if w.Requests >= stopRequests && g.stops[i].met(w) {
			return g.stops[i].Text
		}
	}
	return ""
}

// offer gives a request that is due to a worker.
func (g *Generator) offer(j job, now time.Duration) {
	g.rec.due(j.intended)
	if now-j.intended > unsentAfter {
		g.rec.unsent(j.intended)
		return
	}
	select {
	case g.jobs <- j:
		return
	default:
	}
	select {
	case g.slots <- struct{}{}:
		g.workers.Add(1)
		go g.work(j)
	default:
		g.rec.full(j.intended)
	}
}

// work sends one request and then those that are handed to it.
func (g *Generator) work(j job) {
	defer g.workers.Done()
	timeout := g.spec.Patience()
	for ok := true; ok; j, ok = <-g.jobs {
		sent := time.Now()
		g.rec.sent(j.intended, sent.Sub(j.due))
		outcome := g.sender.Send(sent.Add(timeout))
		end := time.Now()
		latency := end.Sub(j.due)
		if !outcome.OK && g.wasCut() {
			g.rec.unfinished(j.intended, latency)
			continue
		}
		g.rec.ended(j.intended, max(j.intended, g.at(end)), latency, outcome)
	}
}

// at is what the load's clock says at a moment of this pause, or since the last one.
func (g *Generator) at(moment time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.pausedAt.IsZero() && moment.After(g.pausedAt) {
		moment = g.pausedAt
	}
	return moment.Sub(g.start.Add(g.paused))
}

func (g *Generator) wasCut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cut
}
