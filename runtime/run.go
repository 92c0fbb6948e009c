package runtime

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// Config is what a run is given besides its world. The zero value of every field
// works, Begin.Name aside.
type Config struct {
	// Begin is the first record: name, parameters, seed, script.
	Begin journal.RunBeginBody
	// CleanupTimeout bounds each on_exit handler; 0: 30 seconds.
	CleanupTimeout time.Duration
	// MaxBranches bounds the branches alive at once; 0: 100 000.
	MaxBranches int
	// MaxDepth bounds how deep branches may nest; 0: 64.
	MaxDepth int
	// Strict makes a run fail that only passed with tolerated failures or retries.
	Strict bool
	// PastFailures lets what calls a step that has failed go on, once an effect was asked
	// for: with other answers it may not fail, and who looks ahead wants what comes then.
	PastFailures bool
	// Describe completes the description of an error that ended a body: its code and
	// its backtrace. It is called on b, once for each error, and changes only p.
	Describe func(b *Branch, err error, p *journal.Problem)
	// OnTurn is called when a branch starts to execute after it parked: the budget
	// of interpreter steps is re-armed there. It may be nil.
	OnTurn func(b *Branch)
	// OnEffect is called on b when it asks for an effect, which it must not change:
	// who wants to know where in the script that is looks there. It may be nil.
	OnEffect func(b *Branch, req *Request)
}

// Run is one run of one orchestration. It is used by one goroutine at a time: the
// one whose branch executes.
type Run struct {
	cfg   Config
	world World

	now   time.Duration // time of the last event
	seq   uint64        // requests so far, orders timers of one due time
	ready Ready         // what the world is to carry out next

	queue   []*Branch // runnable branches, first in first out, from head
	head    int
	root    *Branch
	base    *scope  // owns what lasts as long as the run: listeners
	live    int     // branches alive
	running *Branch // the branch that executes now

	clocks  [2]clock // held: stops in a pause; live: does not
	paused  bool
	lifted  bool          // this pause took the faults off
	lifts   int           // pauses and questions that took the faults off
	resumed int           // how often another process has gone on with the run
	frozen  time.Duration // held time at which the pause began
	offset  time.Duration // world time minus held time, for pauses that are over
	waiting []Event       // completions that came during a pause
	stalled []*Branch     // branches that were woken during a pause, in order

	effects map[journal.Place]*effect // not completed yet
	chaosOn int                       // held effects with Chaos that are on
	// chaosChanges is how often one was asked for, told to end, or has ended.
	chaosChanges int
	started      bool          // an effect went out or time passed
	idle         bool          // no operation yet but what prepares the run, and what others are in
	limit        time.Duration // what SetMaxDuration said; 0: nothing

	steps map[string]*stepState // running steps by path, for skip

	turnOps int // operations of this turn

	end verdicts
}

// maxTurnOps bounds the operations of one turn. Their records stay in memory until
// the run waits for something, so a loop that never does must end before memory.
// Each branch alive adds its own: a hundred thousand may begin in one turn.
const (
	maxTurnOps  = 200_000
	turnOpsEach = 20
)

// defaultCleanup is how long each on_exit handler may take.
const defaultCleanup = 30 * time.Second

// New makes a run that will talk to w.
func New(cfg Config, w World) *Run {
	if cfg.CleanupTimeout == 0 {
		cfg.CleanupTimeout = defaultCleanup
	}
	if cfg.MaxBranches == 0 {
		cfg.MaxBranches = 100_000
	}
	if cfg.MaxDepth == 0 {
		cfg.MaxDepth = 64
	}
	cfg.Begin.Strict = cfg.Strict
	if cfg.CleanupTimeout != defaultCleanup {
		cfg.Begin.CleanupTimeout = cfg.CleanupTimeout
	}
	r := &Run{cfg: cfg, world: w, idle: true}
	r.end.tell = r.tellFailure
	return r
}

// Outcome is how a run ended.
type Outcome struct {
	journal.RunEndBody
	// Took is the time from begin to end.
	Took time.Duration
	// Failures are all that failed, tolerated or not, in order.
	Failures []*Failure
}

// Execute runs body as the root branch until everything that it started has ended,
// every fault is off and every clean-up was done, and gives the verdict. It returns
// after the world has taken the last record.
func (r *Run) Execute(body Body) Outcome {
	r.root = &Branch{run: r, path: "0"}
	r.live = 1
	r.record(journal.RunBegin, journal.Place{Branch: "0"}, &r.cfg.Begin)
	if r.limit > 0 {
		r.recordLimit()
	}
	r.running = r.root
	r.base = &scope{kind: scopeRun, branch: r.root}
	s := r.root.open(scopeRun, "")
	_, err := r.root.call(body)
	err = r.root.close(s, err)
	switch {
	case err == nil:
	case err != ErrCancelled:
		r.end.fail(r.failure(r.root, err))
	case !r.end.ended(): // nobody stopped it, so it is a defect and no success
		r.end.fail(Failf(ClassErrored, "internal_error", "internal error: the run was cancelled by nobody"))
	}
	r.root.shield++
	r.root.releaseAll(r.base)
	out := r.verdict()
	out.Paused = r.now - r.heldNow()
	r.record(journal.RunEnd, journal.Place{Branch: "0"}, &out.RunEndBody)
	r.ready.Due = Never
	r.world.Finish(&r.ready)
	return out
}

// SetMaxDuration stops the run when it has taken d in all, pauses not counted.
func (r *Run) SetMaxDuration(d time.Duration) {
	r.limit = d
	if r.root != nil {
		r.recordLimit()
	}
	t := &timer{fire: func() {
		r.control(Control{Action: ActionStop, By: "max_duration", Detail: "the run reached its max_duration of " + units.FormatDuration(d)})
	}}
	r.after(t, journal.Place{Branch: "0"}, max(d-r.heldNow(), 0), false)
}

func (r *Run) recordLimit() {
	r.record(journal.Sleep, journal.Place{Branch: r.root.path}, &journal.SleepBody{For: r.limit, Why: "max_duration"})
}

// Now is the time of the last event, since the run's origin.
func (r *Run) Now() time.Duration { return r.now }

// Virtual reports whether time is simulated and effects answer as planned.
func (r *Run) Virtual() bool { return r.cfg.Begin.World == "virtual" }

// Origin is the wall time at which the run began.
func (r *Run) Origin() time.Time { return r.cfg.Begin.Origin }

// heldNow is the time that pauses do not count.
func (r *Run) heldNow() time.Duration {
	if r.paused {
		return r.frozen
	}
	return r.now - r.offset
}

// record appends a fact, at the time of the last event.
func (r *Run) record(kind journal.Kind, place journal.Place, body any) {
	r.ready.Records = append(r.ready.Records, journal.Record{At: r.now, Kind: kind, Place: place, Body: body})
}

// seedOf derives a seed from the run's and a name within the run.
func (r *Run) seedOf(name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", r.cfg.Begin.Seed, name)
	return h.Sum64()
}

// A Body is what a step, a branch or a turn runs. Its value is the caller's affair.
type Body func(*Branch) (any, error)

// Branch is one line of execution of a run.
type Branch struct {
	run    *Run
	parent *Branch
	path   string // "0.2.1"
	ops    uint32 // operations so far
	kids   uint32 // branches made so far
	depth  int
	scope  *scope // innermost

	wake   chan struct{} // made when the branch first gives its turn to another
	body   Body          // set until the branch has begun
	own    *scope        // the branch's own scope
	queued bool          // runnable and not yet running
	parked bool
	ended  bool
	timer  timer // for sleeps
	// cancelled is the outermost cancelled scope of those this branch stands in.
	cancelled *scope
	// shield counts the clean-ups this branch is in: they are not woken by cancelling.
	shield int
	// livetime is set for branches that go on during a pause: guards.
	livetime bool
	// watch is set for branches that may only look; exit for clean-ups, which may
	// not inject.
	watch, exit bool
	// reads is set for branches that read a hypothesis of the scope they belong to.
	reads bool

	prev, next *Branch // siblings of the scope they end with

	join   *join
	rand   *rand.Rand
	status journal.Status
	value  any
	err    *Failure

	// Local is the caller's: builtins keep their interpreter thread here.
	Local any
}

// Parent is the branch that made this one, nil for the root.
func (b *Branch) Parent() *Branch { return b.parent }

// Run is the run that the branch belongs to.
func (b *Branch) Run() *Run { return b.run }

// Path names the branch: "0.2.1".
func (b *Branch) Path() string { return b.path }

// StepPath is the path for people of the innermost step, branch or turn.
func (b *Branch) StepPath() string { return b.scope.stepPath() }

// Watching reports whether the branch may only look: it reads a function probe.
func (b *Branch) Watching() bool { return b.watch }

// Now is the wall time of the last event.
func (b *Branch) Now() time.Time { return b.run.cfg.Begin.Origin.Add(b.run.now) }

// Elapsed is the time since the run began, pauses not counted.
func (b *Branch) Elapsed() time.Duration { return b.run.heldNow() }

// Rand is the branch's own random stream: PCG, seeded by the run's seed and the
// branch's path.
func (b *Branch) Rand() *rand.Rand {
	if b.rand == nil {
		b.rand = rand.New(rand.NewPCG(b.run.seedOf("random/"+b.path), 0))
	}
	return b.rand
}

// place numbers the branch's next operation.
func (b *Branch) place() journal.Place {
	b.run.idle = false
	return b.nextPlace()
}

// nextPlace is place for an operation that only prepares the run, or in which others may be
// done: a loop without a turn, or a branch that never began, did nothing.
func (b *Branch) nextPlace() journal.Place {
	b.ops++
	b.run.turnOps++
	return journal.Place{Branch: b.path, Op: b.ops}
}

// call runs body and turns a panic into an internal error: a defect in a builtin
// must end the run with its faults off, not the process.
func (b *Branch) call(body Body) (v any, err error) {
	defer catch(&err)
	return body(b)
}

// Fields are what a line of the log has besides its message.
type Fields struct {
	JSON  json.RawMessage   // an object
	Units map[string]string // journal.UnitSeconds for each field that is a duration
}

// Log records a line of the run's log. The fields may be nil.
func (b *Branch) Log(level, message string, fields *Fields) {
	line := &journal.LogBody{Level: level, Message: message, Path: b.scope.stepPath()}
	if fields != nil {
		line.Fields, line.Units = fields.JSON, fields.Units
	}
	b.run.record(journal.Log, b.place(), line)
}

// Figure records a figure of the run.
func (b *Branch) Figure(name string, value float64, unit, better string) {
	b.run.record(journal.Figure, b.place(), &journal.FigureBody{Path: b.scope.stepPath(), Name: name, Value: value, Unit: unit, Better: better})
}
