//lint:file-ignore ST1005 an error may begin with Toxiproxy, which is a name

package toxiproxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
)

// prefix is what the names of our toxics begin with.
const prefix = "starquake-"

// refuseMark ends the name of the toxic that marks a proxy disabled by us.
const refuseMark = "refuse"

// undoWithin is how long the end of a fault is tried for.
const undoWithin = 15 * time.Second

// Proxy is one proxy of a Toxiproxy server.
type Proxy struct {
	link.Caller
	Name string
}

// State is a proxy as the API has it.
type State struct {
	Name     string  `json:"name"`
	Listen   string  `json:"listen"`
	Upstream string  `json:"upstream"`
	Enabled  bool    `json:"enabled"`
	Toxics   []toxic `json:"toxics"`
}

// State asks for the proxy. One that is not there is an error that says what to do.
func (p *Proxy) State(ctx context.Context) (State, error) {
	var s State
	err := p.Call(ctx, http.MethodGet, p.path(), nil, &s)
	switch {
	case isGone(err):
		return s, fmt.Errorf("Toxiproxy at %s has no proxy %q: %w; make it with: toxiproxy-cli create -l LISTEN -u UPSTREAM %s", p.Base, p.Name, err, p.Name)
	case link.IsStatus(err, http.StatusNotFound): // what stands before it says so; another try may tell
		return s, fmt.Errorf("Toxiproxy at %s: %v: is it the right address?", p.Base, err)
	case err != nil:
		return s, fmt.Errorf("Toxiproxy at %s: %w", p.Base, err)
	case s.Name != p.Name:
		return s, fmt.Errorf("Toxiproxy at %s answered about a proxy %q instead of %q: is it the right address?", p.Base, s.Name, p.Name)
	}
	return s, nil
}

// isGone reports whether err is Toxiproxy's own word that there is no such proxy.
func isGone(err error) bool {
	var e *link.StatusError
	return errors.As(err, &e) && e.Status == http.StatusNotFound && strings.Contains(e.Message, "proxy not found")
}

func (p *Proxy) path(more ...string) string {
	return link.Path(append([]string{"proxies", p.Name}, more...)...)
}

// names is what the names of a fault's toxics begin with. Its parts have neither slash
// nor anything that a URL would change.
func names(id string) string {
	return prefix + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, id) + "-"
}

// Applied is a fault that is on.
type Applied struct {
	*link.Follower
	p        *Proxy
	id       string
	toxics   []toxic
	disabled *bool // we may have disabled the proxy; of the Follower until it has stopped
}

// Apply puts a fault on, unless it is lifted, and returns when Toxiproxy has confirmed it. An error means that
// a part of it may be on, which Undo takes off. The id names the fault for all time.
func (p *Proxy) Apply(ctx context.Context, f chaos.Fault, id string, elapsed time.Duration, hold link.Hold, warn func(error)) (*Applied, error) {
	toxics, err := toxicsOf(&f)
	if err != nil {
		return nil, link.Untouched(err)
	}
	for i := range toxics {
		toxics[i].Name = names(id) + toxics[i].Name
	}
	s, err := p.State(ctx)
	if err != nil {
		return nil, link.Untouched(err)
	}
	if !s.Enabled && !slices.ContainsFunc(s.Toxics, toxic.isRefusal) {
		return nil, link.Untouched(fmt.Errorf("proxy %q of Toxiproxy at %s is disabled, by somebody else: no fault would be met; enable it with: curl -X POST %s%s -d '{\"enabled\":true}'", p.Name, p.Base, p.Base, p.path()))
	}
	disabled := false
	var shows func(State) bool // what was asked for last and not answered; nil: all was
	w, err := link.Follow(ctx, link.Following{
		Fault: f, Elapsed: elapsed, Hold: hold, Warn: warn,
		Put:  func(ctx context.Context, _ time.Duration) error { return p.put(ctx, toxics, &disabled, &shows) },
		Take: func(ctx context.Context) error { return p.take(ctx, id, &disabled, nil) },
		Look: func(ctx context.Context) error { return p.look(ctx, toxics) },
	})
	if err != nil {
		came := shows == nil || !link.IsOverdue(err)
		look := func(s State, err error) { came = came || err == nil && shows(s) }
		p.awaitLate(err, id, &disabled, look)
		if !came {
			err = &link.OverdueError{Err: err, Undo: func(ctx context.Context) (bool, error) {
				err := p.undo(ctx, id, &disabled, look)
				return came, err
			}}
		}
		return nil, err
	}
	return &Applied{w, p, id, toxics, &disabled}, nil
}

// Remove takes the fault off and returns when its absence is confirmed. It is lost if it was
// gone before.
func (a *Applied) Remove(ctx context.Context) error {
	a.Stop()
	a.p.awaitLate(a.Failed(), a.id, a.disabled, nil)
	was := a.On()
	return a.p.undo(ctx, a.id, a.disabled, func(s State, err error) {
		if err != nil && !isGone(err) {
			return // nobody has seen it, and it is as it was
		}
		if err = a.p.judge(s, err, a.toxics); was && link.IsLost(err) {
			a.Lose(err)
		}
		was = false // from here on we may have taken off what is not there
	})
}

// awaitLate takes off what there may be of a fault because of err, and waits for what of it may
// still arrive. That the proxy is disabled may come last, when no mark tells of it any more: if it
// may be, it is enabled then. seen is as for undo.
func (p *Proxy) awaitLate(err error, id string, disabled *bool, seen func(State, error)) {
	may := *disabled
	link.AwaitLate(err, func(ctx context.Context) error { return p.take(ctx, id, disabled, seen) })
	if !may || !link.IsUnanswered(err) {
		return
	}
	*disabled = true
	ctx, cancel := context.WithTimeout(context.Background(), undoWithin)
	defer cancel()
	_ = p.take(ctx, id, disabled, seen) // it is taken off once more, which tells
}

// put makes the proxy have the toxics, and confirms it. It sets disabled when it disables it, and
// shows to what tells that the proxy has what it asks for, until that is answered.
func (p *Proxy) put(ctx context.Context, toxics []toxic, disabled *bool, shows *func(State) bool) error {
	for _, t := range toxics {
		*shows = func(s State) bool {
			return slices.ContainsFunc(s.Toxics, func(o toxic) bool { return o.Name == t.Name })
		}
		err := p.Call(ctx, http.MethodPost, p.path("toxics"), t, nil)
		if err != nil && !link.IsStatus(err, http.StatusConflict) { // ours of before
			return err
		}
		if t.isRefusal() {
			*disabled = true
			*shows = func(s State) bool { return !s.Enabled }
			if err := p.enable(ctx, false); err != nil {
				return err
			}
		}
	}
	*shows = nil
	return p.look(ctx, toxics)
}

// look returns a LostError unless the proxy has the toxics as they were put.
func (p *Proxy) look(ctx context.Context, toxics []toxic) error {
	s, err := p.State(ctx)
	return p.judge(s, err, toxics)
}

// judge is look at what was answered.
func (p *Proxy) judge(s State, err error, toxics []toxic) error {
	if isGone(err) {
		return link.Lost("the proxy is gone, and the fault with it: %v", err)
	}
	if err != nil {
		return err
	}
	for _, t := range toxics {
		i := slices.IndexFunc(s.Toxics, func(o toxic) bool { return o.Name == t.Name })
		switch {
		case i < 0:
			return link.Lost("the toxic %s of proxy %q is gone: somebody took it off, or Toxiproxy was started anew", t.Name, p.Name)
		case !t.same(&s.Toxics[i]):
			return link.Lost("the toxic %s of proxy %q is not as it was put: somebody changed it, or Toxiproxy did not take %v", t.Name, p.Name, t.Attributes)
		case t.isRefusal() && s.Enabled:
			return link.Lost("proxy %q is enabled: somebody ended the fault that disabled it", p.Name)
		}
	}
	return nil
}

func (t toxic) isRefusal() bool {
	return t.Type == "noop" && strings.HasPrefix(t.Name, prefix) && strings.HasSuffix(t.Name, "-"+refuseMark)
}

// same reports whether Toxiproxy has the toxic as it was sent; it keeps toxicity in 32 bits.
func (t *toxic) same(have *toxic) bool {
	if t.Type != have.Type || t.Stream != have.Stream || math.Abs(t.Toxicity-have.Toxicity) > 1e-6 {
		return false
	}
	for name, want := range t.Attributes {
		if have.Attributes[name] != want {
			return false
		}
	}
	return true
}

// enable switches the proxy on or off.
func (p *Proxy) enable(ctx context.Context, on bool) error {
	return p.Call(ctx, http.MethodPost, p.path(), map[string]bool{"enabled": on}, nil)
}

// Undo takes off whatever the fault may have put on, whether it did or not, and returns
// when Toxiproxy confirms that nothing of it is left. It tries for a while. The error
// says what to do by hand.
//
// Who was about to disable the proxy, and has not, left a mark on one that is enabled. That may
// still be done, when the mark is gone: it is waited for.
func (p *Proxy) Undo(ctx context.Context, id string) error {
	about := false
	err := p.undo(ctx, id, new(bool), func(s State, err error) {
		about = about || err == nil && s.Enabled && slices.ContainsFunc(s.Toxics, func(t toxic) bool {
			return t.isRefusal() && strings.HasPrefix(t.Name, names(id))
		})
	})
	if err != nil || !about {
		return err
	}
	wait := time.NewTimer(link.Late)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return fmt.Errorf("proxy %q may still be disabled late: %w; %s", p.Name, ctx.Err(), p.byHand(id))
	}
	return p.undo(ctx, id, &about, nil)
}

// undo is Undo for who may know that it has disabled the proxy. seen, unless nil, is given
// what the proxy is found like.
func (p *Proxy) undo(ctx context.Context, id string, disabled *bool, seen func(State, error)) error {
	ctx, cancel := context.WithTimeout(ctx, undoWithin)
	defer cancel()
	err := link.Retry(ctx, func(ctx context.Context) error { return p.take(ctx, id, disabled, seen) })
	if err != nil {
		return fmt.Errorf("%w; take it off by hand: %s", err, p.byHand(id))
	}
	return nil
}

// byHand is the command that takes a fault off.
func (p *Proxy) byHand(id string) string {
	base := strings.TrimRight(p.Base, "/") + p.path()
	return fmt.Sprintf("curl -s %s/toxics shows toxics whose names begin with %s; curl -X DELETE %s/toxics/NAME takes one off, curl -X POST %s -d '{\"enabled\":true}' enables the proxy",
		base, names(id), base, base)
}

// take takes the fault's toxics off and confirms it. A proxy that is gone has none. disabled
// says, and is told, that the proxy is disabled by the fault: also somebody who took its mark
// off has not enabled it.
func (p *Proxy) take(ctx context.Context, id string, disabled *bool, seen func(State, error)) error {
	s, err := p.State(ctx)
	if seen != nil {
		seen(s, err)
	}
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := func(t toxic) bool { return strings.HasPrefix(t.Name, names(id)) }
	*disabled = *disabled || slices.ContainsFunc(s.Toxics, func(t toxic) bool { return ours(t) && t.isRefusal() })
	if *disabled {
		// Before the mark goes: if we die between, it still says who disabled it.
		if err := p.enableAfter(ctx, s, ours); err != nil {
			return err
		}
	}
	for _, t := range s.Toxics {
		if !ours(t) {
			continue
		}
		err := p.Call(ctx, http.MethodDelete, p.path("toxics", t.Name), nil, nil)
		if err != nil && !link.IsStatus(err, http.StatusNotFound) {
			return err
		}
	}
	if s, err = p.State(ctx); err != nil {
		if isGone(err) {
			return nil
		}
		return err
	}
	if i := slices.IndexFunc(s.Toxics, ours); i >= 0 {
		return fmt.Errorf("proxy %q still has the toxic %s after it was deleted", p.Name, s.Toxics[i].Name)
	}
	// Two that end at once may each have left the enabling to the other.
	if *disabled {
		if err := p.enableAfter(ctx, s, ours); err != nil {
			return err
		}
	}
	*disabled = false
	return nil
}

// enableAfter enables a proxy that a fault has disabled and confirms it, unless another fault
// has it disabled, too. s is how it was found.
func (p *Proxy) enableAfter(ctx context.Context, s State, ours func(toxic) bool) error {
	done := func() bool {
		return s.Enabled || slices.ContainsFunc(s.Toxics, func(t toxic) bool { return t.isRefusal() && !ours(t) })
	}
	if done() {
		return nil
	}
	err := p.enable(ctx, true)
	if err == nil {
		s, err = p.State(ctx)
	}
	switch {
	case isGone(err):
		return nil
	case err == nil && !done():
		err = fmt.Errorf("proxy %q is still disabled after it was enabled", p.Name)
	}
	return err
}
