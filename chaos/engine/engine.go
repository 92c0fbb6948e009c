package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/chaos/mockforge"
	"starquake/chaos/toxiproxy"
)

// The kinds of engine.
const (
	Toxiproxy = "toxiproxy"
	MockForge = "mockforge"
	Starquake = "starquake"
)

// Ref names a target of an engine.
type Ref struct {
	// Kind is a row of Kinds.
	Kind string `json:"kind"`
	// URL is the address of the engine's API.
	URL string `json:"url"`
	// Target is the engine's own name for what faults are put on; MockForge has none.
	Target string `json:"target,omitempty"`
	// Token, unless empty, opens the API. In a journal it is the placeholder of a secret.
	Token string `json:"token,omitempty"`
	// Prior is what Attach found, of an engine that has to be brought back to it.
	Prior map[string]any `json:"prior,omitempty"`
}

// Kind is one row of the table.
type Kind struct {
	Name string
	// Leased says that faults go off by themselves when nobody renews them.
	Leased bool
	// Counts says that it tells how many requests met a fault.
	Counts bool
	// Protocol is that of its targets, as far as it is known beforehand.
	Protocol string
	// Faults names the kinds of fault that it can do, at least with some parameters; nil: all
	// that are put on a target.
	Faults []string

	fits       func(f *chaos.Fault) error
	attach     func(ctx context.Context, c link.Caller, ref Ref) (Attached, error)
	apply      func(ctx context.Context, c link.Caller, ref Ref, p Put, servers *servers) (Applied, error)
	undo       func(ctx context.Context, c link.Caller, ref Ref, id string, servers *servers) error
	disconnect func(ctx context.Context, c link.Caller, ref Ref, how string, match *chaos.Match) (int, error)
	window     func(ctx context.Context, c link.Caller, ref Ref, last time.Duration) (chaos.WindowStats, error)
}

// Attached is what an engine said of a target before the first fault.
type Attached struct {
	Listen   string            `json:"listen,omitempty"`
	Upstream string            `json:"upstream,omitempty"`
	Protocol string            `json:"protocol,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// Supports are the kinds of fault that it can do; nil: those of the table.
	Supports []string `json:"supports,omitempty"`
	// Prior is for Ref.Prior.
	Prior map[string]any `json:"prior,omitempty"`
}

// Put says what is put on a target.
type Put struct {
	Fault chaos.Fault
	// ID names the fault for all time, in all runs, Place in its own.
	ID, Place string
	// Seed is for its random decisions.
	Seed uint64
	// Elapsed is for how long it had been on before, and Before what it had done, if it
	// goes on. An engine that does not count has no use for the latter.
	Elapsed time.Duration
	Before  chaos.Stats
	// Hold is how it is held to begin with: lifted it does not go on before Restore.
	Hold link.Hold
	// Warn is told of what goes wrong and is tried again; it may be nil.
	Warn func(error)
}

// Applied is a fault that is on.
type Applied interface {
	// Pause holds the fault's clock, Lift takes it off for a while as well.
	Pause()
	Resume()
	Lift()
	Restore()
	// Lost gives the one error that the fault is gone before its time, when it is.
	Lost() <-chan error
	// Stats are what it has done so far; nil where the engine does not count.
	Stats(ctx context.Context) (*chaos.Stats, error)
	// Remove takes it off and returns when that is confirmed, with its last counts. An
	// error for which link.IsLost holds means that it is off, but was so before.
	Remove(ctx context.Context) (*chaos.Stats, error)
}

// Kinds is the table.
func Kinds() []Kind {
	return []Kind{
		{
			Name: Toxiproxy, Protocol: "tcp", Faults: toxiproxy.Kinds(), fits: toxiproxy.Fits,
			attach: attachToxiproxy, apply: applyToxiproxy, undo: undoToxiproxy,
		},
		{
			Name: MockForge, Protocol: "http", Faults: mockforge.Kinds(), fits: mockforge.Fits,
			attach: attachMockForge, apply: applyMockForge, undo: undoMockForge,
		},
		{
			Name: Starquake, Leased: true, Counts: true, Protocol: "auto", fits: func(*chaos.Fault) error { return nil },
			attach: attachRemote, apply: applyRemote, undo: undoRemote, window: windowRemote, disconnect: disconnectRemote,
		},
	}
}

// KindOf gives the row of an engine.
func KindOf(name string) (Kind, error) {
	rows := Kinds()
	i := slices.IndexFunc(rows, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		var names []string
		for _, k := range rows {
			names = append(names, k.Name)
		}
		return Kind{}, fmt.Errorf("unknown engine %q; there are %s", name, strings.Join(names, ", "))
	}
	return rows[i], nil
}

// Fits says why the engine cannot do a fault, as far as that is known beforehand.
func (k *Kind) Fits(f *chaos.Fault) error { return k.fits(f) }

// HasWindow says that it tells of the traffic of its targets.
func (k *Kind) HasWindow() bool { return k.window != nil }

// Disconnects says that it can end the connections of the clients of its targets.
func (k *Kind) Disconnects() bool { return k.disconnect != nil }

// Client is this process's side of all engines. It is safe for concurrent use.
type Client struct {
	// HTTP makes the requests; it says where they may go.
	HTTP    *http.Client
	servers servers
}

func (c *Client) open(ref Ref) (Kind, link.Caller, error) {
	k, err := KindOf(ref.Kind)
	if err == nil {
		err = link.CheckURL(ref.URL)
	}
	return k, link.Caller{HTTP: c.HTTP, Base: strings.TrimRight(ref.URL, "/"), Token: ref.Token}, err
}

// Attach asks an engine for a target: that it is there, and what must be known of it
// before the first fault.
func (c *Client) Attach(ctx context.Context, ref Ref) (Attached, error) {
	k, call, err := c.open(ref)
	if err != nil {
		return Attached{}, err
	}
	return k.attach(ctx, call, ref)
}

// Apply puts a fault on and returns when the engine has confirmed it. An error means that
// it, or a part of it, may be on: Undo takes that off.
func (c *Client) Apply(ctx context.Context, ref Ref, p Put) (Applied, error) {
	k, call, err := c.open(ref)
	if err != nil {
		return nil, err
	}
	return k.apply(ctx, call, ref, p, &c.servers)
}

// Undo takes off whatever the fault of that ID may have put on, whether it did or not, and
// returns when that is confirmed. It needs nothing of the process that put it on.
func (c *Client) Undo(ctx context.Context, ref Ref, id string) error {
	k, call, err := c.open(ref)
	if err != nil {
		return err
	}
	return k.undo(ctx, call, ref, id, &c.servers)
}

// Window asks for a target's traffic of the last so long; 0 is as far as it goes back.
func (c *Client) Window(ctx context.Context, ref Ref, last time.Duration) (chaos.WindowStats, error) {
	k, call, err := c.open(ref)
	if err == nil && k.window == nil {
		err = fmt.Errorf("%s does not tell of its traffic", ref.Kind)
	}
	if err != nil {
		return chaos.WindowStats{}, err
	}
	return k.window(ctx, call, ref, last)
}

// Disconnect ends the connections of a target that are open and that match fits, and gives
// how many there were.
func (c *Client) Disconnect(ctx context.Context, ref Ref, how string, match *chaos.Match) (int, error) {
	k, call, err := c.open(ref)
	if err == nil && k.disconnect == nil {
		err = fmt.Errorf("%s cannot disconnect its clients", ref.Kind)
	}
	if err != nil {
		return 0, err
	}
	return k.disconnect(ctx, call, ref, how, match)
}

// servers are the MockForge servers with faults of this process, by URL.
type servers struct {
	mu    sync.Mutex
	byURL map[string]*mockforge.Server
}

// known gives the server of a URL that this process has had faults on, or nil.
func (s *servers) known(c link.Caller) *mockforge.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byURL[c.Base]
}

// of gives the one server of a URL.
func (s *servers) of(c link.Caller, prior map[string]any) *mockforge.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byURL == nil {
		s.byURL = map[string]*mockforge.Server{}
	}
	if s.byURL[c.Base] == nil {
		s.byURL[c.Base] = &mockforge.Server{Caller: c, Prior: prior}
	}
	return s.byURL[c.Base]
}
