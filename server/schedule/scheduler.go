package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"starquake/store"
)

// Runs is where runs are started.
type Runs interface {
	// Start begins a run and gives its id. A key that has started one before starts no
	// second one and gives that one's id; "" is no key.
	Start(ctx context.Context, s Start) (run string, err error)
	// Started gives the run that a start with that key has begun.
	Started(s Start) (run string, ok bool)
	// Active reports whether a run of this server goes on or waits to begin.
	Active(run string) bool
	// Stop stops a run and returns when it has ended and its faults are off.
	Stop(ctx context.Context, run, why string) error
	// Met is told what became of a time of a schedule.
	Met(o Outcome)
}

// Start is a run that a schedule asks for.
type Start struct {
	Schedule   string
	Definition Definition
	// By is who wrote the schedule, or who triggered it.
	By  string
	Key string
}

// states is the shelf of what the scheduler notes; what people write is on
// store.Schedules.
const states = "schedule-states"

// maxSchedules bounds how many there are.
const maxSchedules = 1000

// The errors of a scheduler besides those of package store.
var (
	// ErrActive says that a run of the schedule goes on, and that it starts no second one.
	ErrActive = errors.New("a run of the schedule goes on")
	// ErrInvalid says that a definition is wrong.
	ErrInvalid = errors.New("the schedule is wrong")
	// ErrDamaged says that a schedule is there and cannot be read.
	ErrDamaged = errors.New("the schedule cannot be read, and starts no runs")
	// ErrFull says that there may be no more.
	ErrFull = fmt.Errorf("there are %d schedules, more are not kept", maxSchedules)
)

// Scheduler is the schedules of a data folder. Its methods may be called from any
// goroutine.
type Scheduler struct {
	runs        Runs
	definitions *store.Shelf
	states      *store.Shelf
	logger      *slog.Logger
	release     func()
	ctx         context.Context
	cancel      context.CancelFunc

	mu      sync.Mutex
	runners map[string]*runner
	// damaged are the schedules that cannot be read, or what was noted of them, with why.
	// Nothing of theirs is due: what they have started nobody knows.
	damaged map[string]error
}

// New makes the scheduler of a data folder and starts it. The error is store.ErrOwned if
// another process is it.
func New(st *store.Store, runs Runs, logger *slog.Logger) (*Scheduler, error) {
	s := &Scheduler{
		runs: runs, definitions: st.Shelf(store.Schedules), states: st.Shelf(states),
		logger: logger, runners: map[string]*runner{}, damaged: map[string]error{},
	}
	var err error
	if s.release, err = s.definitions.Own(""); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	docs, damaged, err := s.definitions.Readable()
	for _, doc := range docs {
		if wrong := s.begin(doc); store.Passes(wrong) {
			err = errors.Join(err, wrong)
		} else if wrong != nil {
			s.setAside(doc.Name, wrong)
		}
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	for i := range damaged {
		s.setAside(damaged[i].Name, &damaged[i])
	}
	return s, nil
}

// setAside leaves a schedule out, and the others go on.
func (s *Scheduler) setAside(name string, why error) {
	s.damaged[name] = why
	s.logger.Error("a schedule cannot be read; it starts no runs until it is written anew or removed", "schedule", name, "error", why)
}

// Damaged are the schedules that cannot be read, by name, with why.
func (s *Scheduler) Damaged() map[string]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.damaged)
	_, now, _ := s.definitions.Readable()
	for i := range now { // one that was begun before goes on as it was until the next start
		all[now[i].Name] = &now[i]
	}
	return all
}

// SetAside is how many schedules could not be read when they were to be begun.
func (s *Scheduler) SetAside() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.damaged)
}

// readable is the error of a schedule that cannot be read. The caller has the lock.
func (s *Scheduler) readable(name string) error {
	if why := s.damaged[name]; why != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, why)
	}
	return nil
}

// Stop lets nothing come due any more; Close waits for what is being started.
func (s *Scheduler) Stop() { s.cancel() }

// Close ends the scheduler. Runs that it has started go on.
func (s *Scheduler) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	for _, r := range s.runners {
		r.end()
	}
	s.release()
}

// begin runs a schedule as a document has it. The caller has the lock, or the scheduler
// for itself.
func (s *Scheduler) begin(doc store.Document) error {
	d, err := Parse(doc.Body)
	if err != nil {
		return fmt.Errorf("schedule %q: %w", doc.Name, err)
	}
	r := &runner{scheduler: s, name: doc.Name, by: doc.By, definition: d, triggers: make(chan trigger), done: make(chan struct{})}
	had, err := s.states.Get(doc.Name)
	if err == nil {
		err = json.Unmarshal(had.Body, &r.state)
	}
	if err != nil && !errors.Is(err, store.ErrNoDocument) {
		return fmt.Errorf("the state of schedule %q: %w", doc.Name, err)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	r.cancel = cancel
	s.runners[doc.Name] = r
	r.settle()
	r.begin(time.Now())
	r.note() // before anybody is told that it is there
	go r.run(ctx)
	return nil
}

// Entry is a schedule as it stands.
type Entry struct {
	store.Document
	Definition Definition
	State      State
}

// Put writes a schedule, as store.Shelf.Put does.
func (s *Scheduler) Put(name, by string, d Definition, etag string) (Entry, error) {
	err := CheckName(name)
	if err == nil {
		err = d.Check()
	}
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	body, err := json.Marshal(d)
	if err != nil {
		return Entry{}, err
	}
	if len(body) > maxText {
		return Entry{}, fmt.Errorf("%w: it has %d bytes; expected at most %d", ErrInvalid, len(body), maxText)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.runners[name]
	if old == nil {
		if len(s.runners) >= maxSchedules {
			return Entry{}, ErrFull
		}
		// What one of that name had noted before it was deleted is nothing of this one's.
		if err := s.states.Delete(name, ""); err != nil && !errors.Is(err, store.ErrNoDocument) {
			return Entry{}, err
		}
	}
	if s.damaged[name] != nil && etag == "" {
		if _, err := s.definitions.Get(name); err != nil { // it is the definition
			if err := s.definitions.Delete(name, ""); err != nil && !errors.Is(err, store.ErrNoDocument) {
				return Entry{}, err
			}
		}
	}
	doc, err := s.definitions.Put(name, by, body, etag, time.Now())
	if err != nil {
		return Entry{}, err
	}
	if old != nil {
		old.end()
	}
	if err := s.begin(doc); err != nil {
		delete(s.runners, name) // the old one has ended, and nobody would know
		s.setAside(name, err)
		return Entry{}, err
	}
	delete(s.damaged, name)
	return s.runners[name].entry(doc), nil
}

// Enable lets a schedule start runs by itself, or not.
func (s *Scheduler) Enable(name, by string, on bool) (Entry, error) {
	for {
		e, err := s.Get(name)
		if err != nil || e.Definition.Disabled == !on {
			return e, err
		}
		e.Definition.Disabled = !on
		if e, err = s.Put(name, by, e.Definition, e.ETag()); !errors.Is(err, store.ErrChanged) {
			return e, err
		}
	}
}

// Get gives a schedule.
func (s *Scheduler) Get(name string) (Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(name); err != nil {
		return Entry{}, err
	}
	doc, err := s.definitions.Get(name)
	if err != nil {
		return Entry{}, err
	}
	r := s.runners[name]
	if r == nil {
		return Entry{}, fmt.Errorf("schedule %q: %w", name, store.ErrNoDocument)
	}
	return r.entry(doc), nil
}

// List gives all schedules, by name.
func (s *Scheduler) List() ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs, _, err := s.definitions.Readable() // of the others Damaged tells
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(docs))
	for _, doc := range docs {
		if r := s.runners[doc.Name]; r != nil {
			entries = append(entries, r.entry(doc))
		}
	}
	return entries, nil
}

// Delete removes a schedule, as store.Shelf.Delete does. Runs that it has started go on.
func (s *Scheduler) Delete(name, etag string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.definitions.Delete(name, etag); err != nil {
		return err
	}
	if r := s.runners[name]; r != nil {
		r.end()
		delete(s.runners, name)
	}
	delete(s.damaged, name)
	if err := s.states.Delete(name, ""); err != nil && !errors.Is(err, store.ErrNoDocument) {
		return err
	}
	return nil
}

// Trigger starts a run of a schedule now, whether it is disabled or over. It changes
// neither when it is due nor how many runs it may still start.
func (s *Scheduler) Trigger(ctx context.Context, name, by string) (run string, err error) {
	s.mu.Lock()
	r, wrong := s.runners[name], s.readable(name)
	s.mu.Unlock()
	if wrong != nil {
		return "", wrong
	}
	if r == nil {
		return "", fmt.Errorf("schedule %q: %w", name, store.ErrNoDocument)
	}
	t := trigger{by: by, answer: make(chan triggered, 1)}
	select {
	case r.triggers <- t:
	case <-r.done:
		return "", fmt.Errorf("schedule %q: %w", name, store.ErrChanged)
	case <-ctx.Done():
		return "", ctx.Err()
	}
	got := <-t.answer // a start is bounded
	return got.run, got.err
}
