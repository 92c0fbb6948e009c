package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/store"
)

// slowService puts a fault on that it was asked for only once it has been told to take it off.
type slowService struct {
	*httptest.Server
	on    atomic.Bool
	offs  atomic.Int32
	taken func() // unless nil, is called as it is told to take it off
}

func startSlow(t *testing.T) *slowService {
	s := &slowService{}
	mux := http.NewServeMux()
	mux.HandleFunc("/off", func(http.ResponseWriter, *http.Request) {
		s.on.Store(s.offs.Add(1) == 1)
		if s.taken != nil {
			s.taken()
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// fault is a fault of the service, as a run has it.
func (s *slowService) fault(t *testing.T) json.RawMessage {
	t.Helper()
	f, err := chaos.New("http", map[string]any{"name": "flag", "on": map[string]any{"url": s.URL + "/on", "timeout": "5s"}, "off": s.URL + "/off"})
	if err != nil {
		t.Fatal(err)
	}
	args, err := json.Marshal(builtins.FaultArgs{Fault: f, Text: f.String()})
	if err != nil {
		t.Fatal(err)
	}
	return args
}

// TestGuardLate: a process that is killed while it puts a fault on has asked for it, and that may
// be done after the guardian has taken it off. What was confirmed on is undone once.
func TestGuardLate(t *testing.T) {
	hello := guardianHello{Run: "r", Policy: effects.Policy{Network: []string{"127.0.0.1"}}}
	for _, on := range []bool{false, true} {
		s := startSlow(t)
		held := []guarded{{ID: "1", Args: s.fault(t), On: on, asked: time.Now().Add(-link.Late)}}
		if err := takeAllOff(hello, held, false, slog.New(slog.DiscardHandler), time.Minute); err != nil {
			t.Error(err)
		}
		if n := s.offs.Load(); n != map[bool]int32{false: 2, true: 1}[on] || !on && s.on.Load() {
			t.Errorf("confirmed %v: taken off %d times, and then on: %v", on, n, s.on.Load())
		}
	}
}

// asks begins a run that asks for the fault of the service.
func (s *slowService) asks(t *testing.T, st *store.Store, id string) *store.Run {
	t.Helper()
	resume, err := json.Marshal(resumption{Policy: effects.Policy{Network: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := st.Create(store.Info{ID: id, Name: "x", Script: "x.star", Started: time.Now(), Resume: resume})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Append([]journal.Record{
		{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{
			Format: journal.FormatVersion, Name: "x", Script: "x.star", Origin: time.Now(), World: "real", Modules: map[string]string{"x.star": ""},
		}},
		{Kind: journal.EffectStart, Place: journal.Place{Branch: "0", Op: 1}, Body: &journal.EffectStartBody{Kind: builtins.KindFault, Args: s.fault(t), Held: true, Chaos: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// died is asks of a run whose process died then, a second before nothing can arrive any more.
func (s *slowService) died(t *testing.T, st *store.Store, id string) {
	t.Helper()
	if err := s.asks(t, st, id).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(st.RunDir(id), "journal.jsonl"), time.Time{}, time.Now().Add(time.Second-link.Late)); err != nil {
		t.Fatal(err)
	}
}

// TestCleanUpLate: the same where nobody but a cleanup is left to see to it.
func TestCleanUpLate(t *testing.T) {
	s := startSlow(t)
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s.died(t, st, "run-1")
	done, err := CleanUp(t.Context(), st, "run-1", slog.New(slog.DiscardHandler))
	if err != nil || len(done.Off) != 1 || s.offs.Load() != 2 || s.on.Load() {
		t.Errorf("%+v, %v; taken off %d times, and then on: %v", done, err, s.offs.Load(), s.on.Load())
	}
}

// TestCleanUpLateSpares: what another run has put on while that was waited for is left alone.
func TestCleanUpLateSpares(t *testing.T) {
	s := startSlow(t)
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s.died(t, st, "run-1")
	var other *store.Run
	s.taken = sync.OnceFunc(func() { other = s.asks(t, st, "run-2") })
	done, err := CleanUp(t.Context(), st, "run-1", slog.New(slog.DiscardHandler))
	if err != nil || len(done.Left) != 1 || !strings.Contains(done.Left[0], "run run-2, which goes on, has put on the same") || s.offs.Load() != 1 {
		t.Errorf("%+v, %v; taken off %d times", done, err, s.offs.Load())
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
}

// TestParkLate: a server that lets go of a run as it ends does not wait for that, which the next
// one does.
func TestParkLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(Running)
		r.outside.late = latenessOf(nil, time.Now())
		r.outside.late.cut = make(chan struct{})
		req := runtime.Request{ID: journal.Place{Branch: "0", Op: 1}, Kind: builtins.KindFault, Args: (&slowService{Server: &httptest.Server{URL: "http://a"}}).fault(t)}
		began := time.Now()
		time.AfterFunc(time.Second, r.letGo)
		waited, err := r.outside.late.await(t.Context(), &req)
		if took := time.Since(began); !waited || err == nil || !strings.Contains(err.Error(), "may still arrive") || took != time.Second {
			t.Errorf("it waited %v for %s: %v", waited, took, err)
		}
		r.letGo() // once more does no harm
	})
}

// TestLateness: who takes off what a dead process has left waits for as long as something may
// arrive, and for nothing where nothing can.
func TestLateness(t *testing.T) {
	at := journal.Place{Branch: "0", Op: 1}
	noted := []journal.Record{{Kind: journal.EffectNote, Place: at, Body: &journal.EffectNoteBody{}}}
	made := func(kind string, params map[string]any) chaos.Fault {
		f, err := chaos.New(kind, params)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	own := builtins.FaultArgs{Fault: made("exec", map[string]any{"name": "x", "on": []any{"a"}, "off": []any{"b"}})}
	latency := made("latency", map[string]any{"delay": "1s"})
	there := func(kind string) builtins.FaultArgs {
		return builtins.FaultArgs{Fault: latency, Target: "shop", Engine: &engine.Ref{Kind: kind, URL: "http://127.0.0.1:1"}}
	}
	for _, tt := range []struct {
		name string
		args builtins.FaultArgs
		recs []journal.Record
		died time.Duration // so long ago
		want time.Duration
	}{
		{"being put on", own, nil, 0, link.Late},
		{"being put on, a while ago", own, nil, 4 * time.Second, link.Late - 4*time.Second},
		{"being put on, long ago", own, nil, time.Hour, 0},
		{"by a request", builtins.FaultArgs{Fault: made("http", map[string]any{"name": "x", "on": map[string]any{"url": "http://a", "timeout": "20s"}, "off": "http://b"})}, nil, 0, 21 * time.Second},
		{"on", own, noted, 0, 0},
		{"on an engine", there(engine.Toxiproxy), noted, 0, aliveWithin + link.AfterLast},
		{"a lease", there(engine.Starquake), nil, 0, 0},
		{"on an embedded proxy", builtins.FaultArgs{Fault: latency, Target: "shop"}, nil, 0, 0},
		{"its clock is wrong", own, nil, -time.Hour, link.Late},
	} {
		synctest.Test(t, func(t *testing.T) {
			args, err := json.Marshal(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			l, began := latenessOf(tt.recs, time.Now().Add(-tt.died)), time.Now()
			waited, err := l.await(t.Context(), &runtime.Request{ID: at, Kind: builtins.KindFault, Args: args})
			if took := time.Since(began); err != nil || took != tt.want || waited != (tt.want > 0) {
				t.Errorf("%s: it waited %v for %s, %v; want %s", tt.name, waited, took, err, tt.want)
			}
		})
	}
}

// TestOwnLate: the same while the process is there, where nobody answers what puts the fault on.
func TestOwnLate(t *testing.T) {
	s := startSlow(t)
	given := make(chan struct{}) // what it was asked for has been given up
	s.Config.Handler.(*http.ServeMux).HandleFunc("/on", func(http.ResponseWriter, *http.Request) { <-given })
	defer close(given)
	f, err := chaos.New("http", map[string]any{"name": "flag", "on": map[string]any{"url": s.URL + "/on", "timeout": "300ms"}, "off": s.URL + "/off"})
	if err != nil {
		t.Fatal(err)
	}
	base := effects.New(effects.Policy{Network: []string{"127.0.0.1"}}, effects.Options{})
	defer base.Close()
	args, err := json.Marshal(builtins.FaultArgs{Fault: f, Text: f.String()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = newTargets(slog.New(slog.DiscardHandler), base).fault(t.Context(), &runtime.Call{Request: runtime.Request{Kind: builtins.KindFault, Args: args}})
	if p := (*journal.EffectError)(nil); err == nil || errors.As(err, &p) && p.Code == journal.CodeUnclean {
		t.Errorf("got %v", err)
	}
	if n := s.offs.Load(); n != 2 || s.on.Load() {
		t.Errorf("taken off %d times, and then on: %v", n, s.on.Load())
	}
}
