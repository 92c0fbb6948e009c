package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"starquake/app"
	"starquake/builtins"
	"starquake/chaos/admin"
	"starquake/internal/dnstest"
	"starquake/internal/waittest"
	"starquake/store"
)

// someTargets are targets, with one that was added, of a plane that logs to a handler.
func someTargets(t *testing.T, handler slog.Handler) *targets {
	t.Helper()
	plane := admin.NewPlane(slog.New(handler))
	t.Cleanup(func() { _ = plane.Close() })
	all, err := openTargets(t.Context(), plane, nil, store.ShelfIn(t.TempDir(), store.Targets), "")
	if err == nil {
		_, _, err = all.add(t.Context(), someTarget("a"), "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// someTarget is one whose upstream is not there.
func someTarget(name string) *builtins.Target {
	return &builtins.Target{Name: name, Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Protocol: "tcp", Open: true}
}

func unused(string) []string { return nil }

// names are those of the targets that a run would get.
func (t *targets) names(tt *testing.T) (names []string) {
	tt.Helper()
	waittest.Within(tt, time.Minute, "the start of a run waits for a target", func() { _, names, _ = t.environment(nil) })
	return names
}

// TestTargetLookUp: while the address of a target is looked up, which takes its time, runs
// start, and other targets are added and removed.
func TestTargetLookUp(t *testing.T) {
	names := dnstest.Hold(t, func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetReply(q)) }) // there is none
	all := someTargets(t, slog.DiscardHandler)
	slow := someTarget("slow")
	slow.Listen = "slow.test:0"
	ended := make(chan error, 1)
	go func() {
		_, _, err := all.add(t.Context(), slow, "")
		ended <- err
	}()
	defer func() { <-ended }()
	defer names.Answer()
	select {
	case <-names.Asked:
	case err := <-ended:
		ended <- err
		t.Skip("this machine asks no name servers: ", err)
	}
	if got := all.names(t); len(got) != 1 {
		t.Errorf("targets %q", got)
	}
	waittest.Within(t, time.Minute, "a target waits for another", func() {
		if _, fresh, err := all.add(t.Context(), someTarget("b"), ""); !fresh || err != nil {
			t.Errorf("added %v, %v", fresh, err)
		}
		if err := all.remove(t.Context(), "a", unused); err != nil {
			t.Error(err)
		}
	})
	names.Answer()
	waittest.Within(t, time.Minute, "it does not end", func() {
		if err := <-ended; err == nil {
			t.Error("nobody knows where it listens")
		}
		ended <- nil
	})
	if got := all.names(t); len(got) != 1 || len(all.turns) > 0 {
		t.Errorf("targets %q, of which %d are not settled", got, len(all.turns))
	}
}

// TestTargetTurns: those who add and remove a target of one name do so in turn. Who gives up
// does nothing.
func TestTargetTurns(t *testing.T) {
	all := someTargets(t, slog.DiscardHandler)
	done, err := all.turn(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	given, up := context.WithCancel(t.Context())
	up()
	waittest.Within(t, time.Minute, "who gives up waits", func() {
		if err := all.remove(given, "a", unused); err == nil {
			t.Error("it is removed while somebody else sees to it")
		}
		if _, _, err := all.add(given, someTarget("a"), ""); err == nil {
			t.Error("it is added while somebody else sees to it")
		}
	})
	const many = 8
	var turns sync.WaitGroup
	var mu sync.Mutex
	var added, removed int
	for range many {
		turns.Go(func() {
			_, fresh, err := all.add(t.Context(), someTarget("a"), "")
			gone := all.remove(t.Context(), "a", unused) == nil
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if fresh {
				added++
			}
			if gone {
				removed++
			}
		})
	}
	done()
	waittest.Within(t, time.Minute, "the turns do not end", turns.Wait)
	if got := all.names(t); len(got) != 0 || len(all.turns) > 0 || removed != added+1 { // one was there
		t.Errorf("%d added and %d removed; targets %q, of which %d are not settled", added, removed, got, len(all.turns))
	}
}

// slowLog is a log that nobody reads until let is closed.
type slowLog struct {
	slog.Handler
	asked, let chan struct{}
}

// Handle implements slog.Handler.
func (l slowLog) Handle(context.Context, slog.Record) error {
	l.asked <- struct{}{}
	<-l.let
	return nil
}

// TestTargetSlowToEnd: while a target that is removed waits for a connection that does not
// end, runs start, without it, and other targets are added.
func TestTargetSlowToEnd(t *testing.T) {
	log := slowLog{slog.NewTextHandler(io.Discard, nil), make(chan struct{}, 1), make(chan struct{})}
	all := someTargets(t, log)
	read := sync.OnceFunc(func() { close(log.let) })
	defer read()
	client, err := net.Dial("tcp", all.all()[0].Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "hello"); err != nil {
		t.Fatal(err)
	}
	<-log.asked // it cannot reach its upstream, and does not end before that is told
	ended := make(chan error, 1)
	go func() { ended <- all.remove(t.Context(), "a", unused) }()
	waittest.Within(t, time.Minute, "the connection is not cut", func() { _, _ = io.Copy(io.Discard, client) })
	if got := all.names(t); len(got) != 0 {
		t.Errorf("targets %q", got)
	}
	waittest.Within(t, time.Minute, "a target waits for another", func() {
		if _, _, err := all.add(t.Context(), someTarget("b"), ""); err != nil {
			t.Error(err)
		}
	})
	read()
	waittest.Within(t, time.Minute, "it does not end", func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestTargetStays: a target that a run has, or that cannot be forgotten, is there as before.
func TestTargetStays(t *testing.T) {
	all := someTargets(t, slog.DiscardHandler)
	if err := all.remove(t.Context(), "a", func(string) []string { return []string{"a run"} }); err == nil {
		t.Error("a run has it")
	}
	shelf, file := all.shelf, filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	all.shelf = store.ShelfIn(file, store.Targets)
	if err := all.remove(t.Context(), "a", unused); err == nil {
		t.Error("it comes back with the next start")
	}
	if got := all.names(t); len(got) != 1 || !all.added("a") {
		t.Errorf("targets %q", got)
	}
	if _, err := all.plane.Proxy("a"); err != nil {
		t.Error(err)
	}
	all.shelf = shelf
	if err := all.remove(t.Context(), "a", unused); err != nil {
		t.Error(err)
	}
}

// TestTargetOfOneThatBegins: a target that a run has been given which is being started is not
// removed under it.
func TestTargetOfOneThatBegins(t *testing.T) {
	m := someManager(t)
	begins, let := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := m.begin(&waiting{targets: []string{"a"}, start: func(app.RunOptions) (*app.Running, error) {
			close(begins)
			<-let
			return nil, io.EOF
		}}, false)
		ended <- err
	}()
	<-begins
	if got := m.using("a"); len(got) != 1 {
		t.Errorf("used by %q", got)
	}
	if got := m.using("b"); len(got) != 0 {
		t.Errorf("another is used by %q", got)
	}
	close(let)
	if err := <-ended; err != io.EOF {
		t.Error(err)
	}
	if got := m.using("a"); len(got) != 0 {
		t.Errorf("after the end used by %q", got)
	}
}
