package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"starquake/app"
	"starquake/chaos/admin"
	"starquake/internal/alarm"
	"starquake/runtime/journal"
	"starquake/store"
)

// manager holds the runs of this process. A run that has ended is forgotten: what is said
// of it comes from the store, or in memory from the last of them.
type manager struct {
	config  *Config
	plane   *admin.Plane
	logger  *slog.Logger
	metrics *metrics
	clock   *alarm.Clock // nil where there is none
	store   *store.Store // nil: in memory

	mu      sync.Mutex
	live    map[string]*app.Running
	given   map[string][]string // the targets of each that is live
	ended   []*app.Running      // in memory only, the oldest first
	keys    map[startKey]*started
	keyed   []startKey // in the order in which they came
	newest  string     // the id of the run last started
	closing bool
	// known are the ids of all runs, sorted, as they were read at knownAt, and of those begun
	// here since.
	known   []string
	knownAt time.Time
	parked  int // those let go as this process ends
	// untaken are the runs that were interrupted and could not be taken up yet, by their ids.
	untaken map[string]*untaken
	targets func() []string // the names of all there are; set with takeUp
	places  map[*place]bool // of runs that are being started
	// queue are the starts that wait for their turn, the next one first; waits has them by
	// their ids, with those that are beginning, and those that never began, which nevers
	// lists, the oldest first.
	queue  []*waiting
	waits  map[string]*waiting
	nevers []string
	// revivals counts how often the run of an id was taken up because the process of its
	// script was killed; reviving are those that are being taken up, with what is closed then.
	revivals map[string]int
	reviving map[string]chan struct{}
	// takeUp takes up a run of this process that was parked; set before the first one.
	takeUp func(id string) (*app.Running, error)
	// readable says which of the targets of these names cannot be read, nil if none. It may be nil,
	// and is called with mu held.
	readable func(targets []string) error
	damaged  int // starts that wait on disk and cannot be read
	// shelf has what waits on disk; nil where it is not kept.
	shelf   *store.Shelf
	release func() // gives the shelf to others; nil where this process has it not
	// starting are the starts under way, and what else has to be over before the runs are
	// parked; none is added once closing is set.
	starting sync.WaitGroup
	// reads are the runs that are being read from disk as a whole; see reading.
	reads chan struct{}
	// readied is closed when the runs that were interrupted go on, and what others have left on
	// was tried to be taken off. No run is started before: its faults could go with that.
	readied chan struct{}
	// ending is done, by end, when the server begins to end, before closing is set.
	ending context.Context
	end    context.CancelFunc
}

// started is what came of a start that had a key.
type started struct {
	request string        // its digest
	done    chan struct{} // closed when id or err is set
	id      string
	err     error
}

// startKey is the Idempotency-Key of somebody.
type startKey struct{ by, key string }

// maxKeys is how many keys of starts are known: the last ones.
const maxKeys = 100_000

// maxEnded is how many runs in memory are kept when they have ended.
const maxEnded = 1000

func newManager(config *Config, plane *admin.Plane, logger *slog.Logger) (*manager, error) {
	m := &manager{
		config: config, plane: plane, logger: logger,
		live: map[string]*app.Running{}, given: map[string][]string{}, keys: map[startKey]*started{}, places: map[*place]bool{}, waits: map[string]*waiting{},
		untaken: map[string]*untaken{}, revivals: map[string]int{}, reviving: map[string]chan struct{}{},
	}
	m.readied = make(chan struct{})
	m.reads = make(chan struct{}, runtime.GOMAXPROCS(0))
	m.ending, m.end = context.WithCancel(context.Background())
	m.clock, _ = alarm.New() // without one sleeps end a millisecond late
	if !config.InMemory {
		m.store = config.Store
		if err := m.readKeys(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// remember notes what came of a key. The caller holds mu, or is the only one.
func (m *manager) remember(key startKey, s *started) {
	if m.keys[key] == nil {
		m.keyed = append(m.keyed, key)
	}
	m.keys[key] = s
	if len(m.keyed) > maxKeys {
		delete(m.keys, m.keyed[0])
		m.keyed = m.keyed[1:]
	}
}

// unkey forgets a key with which nothing was started: its place is free, too, or it would
// be forgotten by that once it is used again. The caller holds mu.
func (m *manager) unkey(key startKey) {
	delete(m.keys, key)
	for i, k := range slices.Backward(m.keyed) { // it is one of the last
		if k == key {
			m.keyed = slices.Delete(m.keyed, i, i+1)
			return
		}
	}
}

// readKeys reads the keys of starts, which are kept with the runs, and which run is the newest.
// Those of runs that ran somewhere else are of starts there.
func (m *manager) readKeys() error {
	runs, err := m.store.Runs(store.Filter{})
	if err != nil {
		return err
	}
	for i := range slices.Backward(runs) {
		m.newest = max(m.newest, runs[i].ID)
		if e := &runs[i]; e.Key != "" && !e.Imported && (e.End == nil || e.End.Reason != app.ReasonNotBegun) {
			done := make(chan struct{})
			close(done)
			m.remember(startKey{e.By, e.Key}, &started{request: e.Request, done: done, id: e.ID})
		}
	}
	return nil
}

// options are what the run of an id gets from this process.
func (m *manager) options(id string) app.RunOptions {
	counted := &counted{metrics: m.metrics, id: id}
	opt := app.RunOptions{
		ID: id, CanApprove: true, Clock: m.clock, Logger: m.logger, Plane: m.plane, Store: m.store, Version: m.config.Version,
		OnEnd: func(r *app.Running) {
			counted.over()
			m.logEnd(r)
			m.forget(r)
		},
		OnKilled: func() bool { return m.revives(id) }, Authority: m.config.Authority, OnPast: counted.past,
		OnRecord: func(rec journal.Record) {
			if b, ok := rec.Body.(*journal.RunBeginBody); ok {
				m.logger.Info("a run begins", "run", id, "name", b.Name)
			}
			counted.record(rec)
		},
	}
	if m.config.Traces != nil {
		traced, count, over := m.config.Traces.Run(id), opt.OnRecord, opt.OnEnd
		opt.OnRecord = func(rec journal.Record) {
			count(rec)
			traced.Record(rec)
		}
		opt.OnEnd = func(r *app.Running) {
			traced.End()
			over(r)
		}
	}
	return opt
}

// limit puts the limits of those below admin on a run that is to begin with these options.
// The function it gives is called with the run when it is known.
func (m *manager) limit(opt *app.RunOptions) func(*app.Running) {
	if m.config.Policy.Limits == (Limits{}) {
		return func(*app.Running) {}
	}
	l := &limited{limits: m.config.Policy.Limits}
	past, count := opt.OnPast, opt.OnRecord
	opt.OnPast = func(recs []journal.Record) {
		past(recs)
		l.past(recs)
	}
	opt.OnRecord = func(rec journal.Record) {
		count(rec)
		l.record(rec)
	}
	return l.bind
}

// begin starts a run, unless the server ends, and gives its id. Where too many go on it
// waits for its turn, if it is patient and there is room.
func (m *manager) begin(w *waiting, patient bool) (string, error) {
	in, err := m.admit(w, patient)
	if err != nil {
		return "", err
	}
	defer m.starting.Done()
	if in == nil {
		if err := m.keep(w); err != nil {
			return "", err
		}
		return w.id, nil
	}
	defer func() {
		m.mu.Lock()
		delete(m.places, in)
		m.advance()
		m.mu.Unlock()
	}()
	r, err := w.start(m.options(app.NewRunID(time.Now())))
	if err != nil {
		return "", err
	}
	m.adopt(r, w.targets)
	if err := r.Begun(); err != nil {
		m.dismiss(r)
		return "", fmt.Errorf("run %s cannot be kept: %w", r.ID, err)
	}
	return r.ID, nil
}

// dismissWithin is how long is waited for the end of a run whose start is refused.
const dismissWithin = 10 * time.Second

// dismiss stops a run whose start is refused, as it cannot be kept: whoever asked may ask again,
// and it must not go on as well once there is room.
func (m *manager) dismiss(r *app.Running) {
	ctx, cancel := context.WithTimeout(context.Background(), dismissWithin)
	defer cancel()
	_, err := r.Do(ctx, &app.ControlRequest{Op: "stop", By: "server", Comment: "it cannot be kept"})
	select {
	case <-r.Done():
	case <-ctx.Done():
		m.logger.Error("a run that cannot be kept does not end", "run", r.ID, "error", err)
	}
}

// admit gives a start its place, nil if it waits for its turn, or the error that says why it
// has neither. Without an error the start is among those under way.
func (m *manager) admit(w *waiting, patient bool) (*place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return nil, problemf(503, "closing", "the server is ending and starts no more runs")
	}
	in, err := m.take(w.targets)
	if err != nil {
		return nil, err
	}
	delete(m.places, in) // it does not count for itself
	if err := m.crowded(); err != nil {
		if patient && m.wait(w) {
			m.starting.Add(1) // the next server is given the queue when this start is in it
			return nil, nil
		}
		return nil, err
	}
	m.places[in] = true
	m.starting.Add(1)
	return in, nil
}

// logEnd notes how a run ended, unless it goes on in another process.
func (m *manager) logEnd(r *app.Running) {
	if r.Parked() {
		return
	}
	level, out := slog.LevelInfo, r.Wait().Outcome
	if out.Verdict != journal.VerdictPassed {
		level = slog.LevelWarn
	}
	m.logger.Log(context.Background(), level, "a run ended", "run", r.ID, "name", r.About().Name, "verdict", out.Verdict, "reason", out.Reason)
}

// adopt takes a run that has begun among those of this process.
func (m *manager) adopt(r *app.Running, targets []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[r.ID] = r
	if targets != nil {
		m.given[r.ID] = targets
	}
	m.newest = max(m.newest, r.ID)
	if m.store != nil {
		m.known = insert(m.known, r.ID)
	}
	select {
	case <-r.Done():
		m.drop(r) // it ended before it was known
	default:
	}
}

// forget lets go of a run that has ended.
func (m *manager) forget(r *app.Running) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(r)
}

// drop is forget for who holds mu. Where a run was parked, another may go on with it by now.
func (m *manager) drop(r *app.Running) {
	if m.live[r.ID] != r {
		return
	}
	given, known := m.given[r.ID]
	delete(m.live, r.ID)
	delete(m.given, r.ID)
	if r.Parked() && !m.closing {
		if m.reviving[r.ID] == nil {
			m.reviving[r.ID] = make(chan struct{})
		}
		in := &place{given, !known} // it keeps what it has
		m.places[in] = true
		m.starting.Add(1)
		go m.revive(r.ID, in)
		return
	}
	if taken := m.reviving[r.ID]; taken != nil { // the server ends
		close(taken)
		delete(m.reviving, r.ID)
	}
	delete(m.revivals, r.ID)
	m.advance()
	if m.store != nil {
		return
	}
	if m.ended = append(m.ended, r); len(m.ended) > maxEnded {
		m.ended[0] = nil
		m.ended = m.ended[1:]
	}
}

// parting is errParting once the server ends.
func (m *manager) parting() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return errParting
	}
	return nil
}

// park lets go of every run; see app.Running.Park. No run is started any more.
func (m *manager) park(ctx context.Context) error {
	m.mu.Lock()
	m.closing = true
	m.leaveQueue()
	m.mu.Unlock()
	m.end()
	m.starting.Wait()
	m.mu.Lock()
	runs := slices.Collect(maps.Values(m.live))
	if m.store != nil { // else they are stopped
		m.parked += m.going()
	}
	m.mu.Unlock()
	errs := make([]error, len(runs))
	var all sync.WaitGroup
	for i, r := range runs {
		all.Go(func() {
			if err := r.Park(ctx); err != nil {
				errs[i] = fmt.Errorf("run %s: %w", r.ID, err)
			}
		})
	}
	all.Wait()
	if m.clock != nil && ctx.Err() == nil {
		m.clock.Close() // nobody sleeps any more
	}
	if m.release != nil {
		m.release()
	}
	return errors.Join(errs...)
}
