package mockforge

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
)

// undoWithin is how long the end of a fault is tried for.
const undoWithin = 15 * time.Second

// rampStep is how often a ramp is brought up to date.
const rampStep = 200 * time.Millisecond

const configPath = "/api/chaos/config"

// Config reads a server's configuration: the prior one, before faults are put on.
func Config(ctx context.Context, c link.Caller) (map[string]any, error) {
	var config map[string]any
	if err := c.Call(ctx, http.MethodGet, configPath, nil, &config); err != nil {
		return nil, fmt.Errorf("MockForge at %s: %w", c.Base, err)
	}
	if _, ok := config["enabled"].(bool); !ok {
		return nil, fmt.Errorf("MockForge at %s: GET %s answered without \"enabled\": is it the right address?", c.Base, configPath)
	}
	return config, nil
}

// Server is one MockForge server and the faults that this process has on it.
type Server struct {
	link.Caller
	// Prior is the configuration to go back to.
	Prior map[string]any

	// mu is held while the configuration is written, so that the last writer has seen
	// all faults.
	mu     sync.Mutex
	faults []*Applied     // those that are on now, the oldest first
	last   map[string]any // what was written last; nil: nothing
	known  map[string]any // what it is known to have, as it was written last; nil: nobody knows
	coming bool           // something was written that nobody answered: it may still come
}

// Applied is a fault that is on.
type Applied struct {
	*link.Follower
	s   *Server
	now chaos.Fault // as it is at this moment; guarded by the server's mu
}

// Apply puts a fault on, unless it is lifted, and returns when MockForge has confirmed it. An error means that
// a part of it may be on, which Undo takes off.
func (s *Server) Apply(ctx context.Context, f chaos.Fault, elapsed time.Duration, hold link.Hold, warn func(error)) (*Applied, error) {
	if err := Fits(&f); err != nil {
		return nil, link.Untouched(err)
	}
	if err := s.asFound(ctx); err != nil {
		return nil, link.Untouched(err)
	}
	a := &Applied{s: s}
	w, err := link.Follow(ctx, link.Following{
		Fault: f, Elapsed: elapsed, Hold: hold, Step: rampStep, Warn: warn,
		Put:  func(ctx context.Context, elapsed time.Duration) error { return s.put(ctx, a, constant(&f, elapsed)) },
		Take: func(ctx context.Context) error { return s.take(ctx, a) },
		Look: s.look,
	})
	if err != nil {
		wrote := s.forget(a) // Restore takes off what was written of it
		came := link.IsUntouched(err) || !link.IsOverdue(err)
		undo := func(ctx context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !came {
				read, err := Config(ctx, s.Caller)
				if err != nil {
					return err
				}
				came = has(read, wrote)
			}
			return s.rewrite(ctx)
		}
		link.AwaitLate(err, undo)
		if !came {
			err = &link.OverdueError{Err: err, Undo: func(ctx context.Context) (bool, error) {
				err := s.untilDone(ctx, undo)
				return came, err
			}}
		}
		return nil, err
	}
	a.Follower = w
	return a, nil
}

// asFound is an error if the server cannot be asked, or has nothing of ours and another
// configuration than the prior one: to go back to that would undo what somebody did since, or
// put on again what another run had on then.
func (s *Server) asFound(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	read, err := Config(ctx, s.Caller)
	if err == nil && s.last == nil && !(has(read, normal(s.Prior)) && has(normal(s.Prior), read)) {
		err = fmt.Errorf("the configuration of MockForge at %s is not the one that was found when the run began to use it: somebody changed it since, such as another run; let one use it at a time", s.Base)
	}
	return err
}

// forget makes a fault none of those that are on, without telling the server, and gives what was
// written last.
func (s *Server) forget(a *Applied) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(o *Applied) bool { return o == a })
	return s.last
}

// Remove takes the fault off and returns when its absence is confirmed.
func (a *Applied) Remove(ctx context.Context) error {
	a.Stop()
	link.AwaitLate(a.Failed(), func(ctx context.Context) error {
		err := a.s.take(ctx, a)
		a.s.mu.Lock()
		defer a.s.mu.Unlock()
		if a.s.last == nil {
			a.s.last = normal(a.s.Prior) // what comes late is to be taken off once more
		}
		return err
	})
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	if err := link.Retry(ctx, func(ctx context.Context) error { return a.s.take(ctx, a) }); err != nil {
		return fmt.Errorf("%w; %s", err, byHand(a.s.Caller))
	}
	return nil
}

// byHand is what takes all faults off.
func byHand(c link.Caller) string {
	base := strings.TrimRight(c.Base, "/")
	return fmt.Sprintf("take all chaos off by hand: curl -X POST %s/api/chaos/disable, or go back to the configuration of before with PUT %s%s", base, base, configPath)
}

// put makes a fault one of those that are on, as it is now.
func (s *Server) put(ctx context.Context, a *Applied, now chaos.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.unchanged(ctx); err != nil {
		return link.Untouched(err) // nothing was written, or nothing more
	}
	had := slices.Clone(s.faults)
	was := a.now
	a.now = now
	if !slices.Contains(s.faults, a) {
		s.faults = append(s.faults, a)
	}
	config, err := s.config()
	if err != nil { // it does not go with the others: nothing was written
		s.faults, a.now = had, was
		return link.Untouched(err)
	}
	return s.write(ctx, config)
}

// take makes a fault none of those that are on.
func (s *Server) take(ctx context.Context, a *Applied) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil && !slices.Contains(s.faults, a) {
		return nil
	}
	s.faults = slices.DeleteFunc(s.faults, func(o *Applied) bool { return o == a })
	return s.rewrite(ctx)
}

// rewrite makes the server have the faults that are on, and no others. The caller holds mu.
func (s *Server) rewrite(ctx context.Context) error {
	s.known = nil
	if len(s.faults) == 0 {
		back, err := goBack(ctx, s.Caller, s.Prior)
		s.wrote(back, err)
		switch {
		case err != nil:
		case s.known != nil:
			s.last = nil
		default:
			s.last = back // to be gone back to once more
		}
		return err
	}
	read, err := Config(ctx, s.Caller)
	if err != nil {
		return err
	}
	s.Prior = without(s.Prior, read)
	config, err := s.config()
	if err != nil {
		return err
	}
	return s.write(ctx, config)
}

// Restore makes the server have what this process still has on, and nothing else of ours.
func (s *Server) Restore(ctx context.Context) error {
	return s.untilDone(ctx, func(ctx context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.rewrite(ctx)
	})
}

// untilDone tries to take faults off for a while. The error says what to do by hand.
func (s *Server) untilDone(ctx context.Context, take func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	if err := link.Retry(ctx, take); err != nil {
		return fmt.Errorf("%w; %s", err, byHand(s.Caller))
	}
	return nil
}

// config is what the faults, of which there are some, amount to over the prior configuration.
func (s *Server) config() (map[string]any, error) {
	all := make([]chaos.Fault, len(s.faults))
	for i, a := range s.faults {
		all[i] = a.now
	}
	config, err := configOf(all)
	if err != nil {
		return nil, err
	}
	return over(s.Prior, config), nil
}

// write writes a configuration and reads it back.
func (s *Server) write(ctx context.Context, config map[string]any) error {
	s.last, s.known = config, nil // whatever comes of it: it may be there
	err := write(ctx, s.Caller, config)
	s.wrote(config, err)
	return err
}

// wrote takes how the writing of a configuration went. What was answered after something that was
// not is not known to be there. The caller holds mu.
func (s *Server) wrote(config map[string]any, err error) {
	switch {
	case link.IsUnanswered(err):
		s.known, s.coming = nil, true
	case err == nil && !s.coming:
		s.known = config
	case err == nil:
		s.known, s.coming = nil, false
	}
}

// unchanged is a LostError if somebody has written the configuration since we did: what is
// written over it would bring back what that one has taken off. The caller holds mu.
func (s *Server) unchanged(ctx context.Context) error {
	if s.known == nil {
		return nil
	}
	read, err := Config(ctx, s.Caller)
	if err == nil && (!has(read, s.known) || hasMore(read, s.known)) {
		err = s.changed()
	}
	return err
}

func (s *Server) changed() error {
	return link.Lost("the configuration of MockForge at %s is not the one that was put: somebody changed it, or it was started anew", s.Base)
}

// goBack goes back to the prior configuration, confirms it, and gives what there is then. It
// switches nothing on: what is off by now somebody has seen to since, and what was on before may
// have been another run's.
func goBack(ctx context.Context, c link.Caller, prior map[string]any) (map[string]any, error) {
	if on(prior) {
		read, err := Config(ctx, c)
		if err != nil || !on(read) {
			return read, err
		}
		prior = without(prior, read)
	}
	prior = normal(prior)
	return prior, write(ctx, c, prior)
}

// without is a prior configuration that is in force without what is off in one that was read: we
// switch off nothing that was on before.
func without(prior, read map[string]any) map[string]any {
	if !on(prior) {
		return prior
	}
	out := maps.Clone(prior)
	out["enabled"] = on(read)
	for name := range blocks() {
		was, _ := prior[name].(map[string]any)
		is, _ := read[name].(map[string]any)
		if on(was) && !on(is) {
			out[name] = read[name]
		}
	}
	return out
}

// on reports whether a configuration, or a block of one, is in force.
func on(config map[string]any) bool {
	enabled, _ := config["enabled"].(bool)
	return enabled
}

func write(ctx context.Context, c link.Caller, config map[string]any) error {
	if err := c.Call(ctx, http.MethodPut, configPath, config, nil); err != nil {
		return fmt.Errorf("MockForge at %s: %w", c.Base, err)
	}
	read, err := Config(ctx, c)
	if err != nil {
		return err
	}
	if !has(read, config) || hasMore(read, config) {
		return fmt.Errorf("MockForge at %s has another configuration than the one that was just written: does somebody else write it, too?", c.Base)
	}
	return nil
}

// look returns a LostError unless the configuration is the one that was written.
func (s *Server) look(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return nil
	}
	read, err := Config(ctx, s.Caller)
	if err != nil {
		return err
	}
	if !has(read, s.last) {
		return s.changed()
	}
	return nil
}

// Undo goes back to the prior configuration, with all faults of whoever put them on off,
// and confirms it. It is for when that process is gone. The error says what to do by hand.
func Undo(ctx context.Context, c link.Caller, prior map[string]any) error {
	if prior == nil { // nothing was written before it was read
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	if err := link.Retry(ctx, func(ctx context.Context) error {
		_, err := goBack(ctx, c, prior)
		return err
	}); err != nil {
		return fmt.Errorf("%w; %s", err, byHand(c))
	}
	return nil
}
