package remote_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/chaos/remote"
	"starquake/chaos/remote/remotetest"
	"starquake/internal/memtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts a fake in a bubble: no lease runs out there since a machine is too busy to renew it.
func open(t *testing.T, ttl time.Duration) (*remotetest.Server, *remote.Target) {
	t.Helper()
	l, client := memtest.Listen(t)
	s := remotetest.StartOn(t, l)
	return s, &remote.Target{Caller: link.Caller{HTTP: client, Base: s.URL}, Name: "orders", TTL: ttl}
}

func apply(t *testing.T, target *remote.Target) *remote.Applied {
	t.Helper()
	f, err := chaos.New("latency", map[string]any{"delay": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := target.Apply(context.Background(), remote.Put{Fault: f, ID: "run-0.1-7", Key: "0.1:7", Seed: 1<<63 + 5, Elapsed: 3 * time.Second, Before: chaos.Stats{Seen: 5, Hit: 2}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLease(t *testing.T) { synctest.Test(t, lease) }

func lease(t *testing.T) {
	s, target := open(t, 300*time.Millisecond)
	state, err := target.State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := remote.State{Name: "orders", Listen: "127.0.0.1:1801", Upstream: "127.0.0.1:1802", Protocol: "http",
		Labels: map[string]string{"tier": "back"}, Supports: []string{"latency", "http_error"}}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Error(diff)
	}
	a := apply(t, target)
	l := s.Leases()["run-0.1-7"]
	if l.Fault.Kind != "latency" || l.Seed != "9223372036854775813" || l.Elapsed != "3s" || l.Before != (chaos.Stats{Seen: 5, Hit: 2}) {
		t.Errorf("it was put on as %+v", l)
	}
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Renewed >= 5 }) // twice its TTL
	a.Pause()
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Paused })
	a.Lift()
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Lifted })
	a.Restore()
	a.Resume()
	eventually(t, func() bool { l := s.Leases()["run-0.1-7"]; return !l.Lifted && !l.Paused })
	if stats, err := a.Stats(context.Background()); err != nil || stats.Hit != 4 {
		t.Errorf("%+v, %v", stats, err)
	}
	if w, err := target.Window(context.Background(), 0); err != nil || w.Span < 10*time.Minute {
		t.Errorf("as far as it goes back: %+v, %v", w, err)
	}
	if w, err := target.Window(context.Background(), 10*time.Second); err != nil || w.Requests != 42 || w.Span != 10*time.Second {
		t.Errorf("%+v, %v", w, err)
	}
	stats, err := a.Remove(context.Background())
	if err != nil || stats.Seen != 10 || len(s.Leases()) != 0 {
		t.Errorf("%+v, %v, left: %v", stats, err, s.Leases())
	}
	if err := target.Undo(context.Background(), "run-0.1-7"); err != nil { // once more does no harm
		t.Error(err)
	}
}

// TestRestart looks at a data plane that has forgotten the fault.
func TestRestart(t *testing.T) { synctest.Test(t, restart) }

func restart(t *testing.T) {
	s, target := open(t, 300*time.Millisecond)
	a := apply(t, target)
	s.Forget()
	if err := <-a.Lost(); !link.IsLost(err) || !strings.Contains(err.Error(), "started anew") {
		t.Error(err)
	}
	if _, err := a.Remove(context.Background()); !link.IsLost(err) {
		t.Errorf("taking it off: %v", err)
	}
}

// TestUnreachable looks at a data plane that cannot be reached: first for so short that
// nothing is lost, then for ever. The lease ends by itself, and who asks waits for that.
func TestUnreachable(t *testing.T) { synctest.Test(t, unreachable) }

func unreachable(t *testing.T) {
	s, target := open(t, 600*time.Millisecond)
	a := apply(t, target)
	s.Die(true)
	time.Sleep(100 * time.Millisecond) // shorter than the lease
	s.Die(false)
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Renewed > 0 })
	s.Die(true)
	began := time.Now()
	_, err := a.Remove(context.Background())
	if !link.IsLost(err) || time.Since(began) < 2*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if len(s.Leases()) != 0 {
		t.Error("the lease is on")
	}
}

// TestUnreachableUnasked looks at a fault whose lease runs out while nobody wants that.
func TestUnreachableUnasked(t *testing.T) { synctest.Test(t, unreachableUnasked) }

func unreachableUnasked(t *testing.T) {
	s, target := open(t, 200*time.Millisecond)
	a := apply(t, target)
	s.Die(true)
	if err := <-a.Lost(); !link.IsLost(err) || !strings.Contains(err.Error(), "could not be reached") {
		t.Error(err)
	}
	if _, err := a.Remove(context.Background()); !link.IsLost(err) {
		t.Error(err)
	}
}

// TestRenewedUnanswered looks at a data plane that renews the lease without being able to say
// so, and then cannot be reached: the lease runs out after the last renewal that it may have
// got, and not before is it said to be off.
func TestRenewedUnanswered(t *testing.T) { synctest.Test(t, renewedUnanswered) }

func renewedUnanswered(t *testing.T) {
	s, target := open(t, 600*time.Millisecond)
	a := apply(t, target)
	s.Mute(true)
	if err := <-a.Lost(); !link.IsLost(err) {
		t.Error(err)
	}
	s.Die(true)
	s.Mute(false)
	if len(s.Leases()) == 0 {
		t.Fatal("it was not renewed")
	}
	if _, err := a.Remove(context.Background()); !link.IsLost(err) {
		t.Error(err)
	}
	if len(s.Leases()) != 0 {
		t.Error("it is said to be off, and its lease is on")
	}
}

// TestLate looks at a data plane that puts a fault on after that was given up, and was looked
// for in vain.
func TestLate(t *testing.T) { synctest.Test(t, late) }

func late(t *testing.T) {
	s, target := open(t, 0)
	s.Late()
	f, err := chaos.New("latency", map[string]any{"delay": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Apply(context.Background(), remote.Put{Fault: f, ID: "run-0.1-7"}); !link.IsUnanswered(err) {
		t.Errorf("got %v", err)
	}
	if err := target.Undo(context.Background(), "run-0.1-7"); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	if len(s.Leases()) != 0 {
		t.Error("it is on")
	}
}

// TestNotAsked looks at a data plane that nobody can connect to any more: what was not sent
// renews no lease, so nobody waits for longer than the last one that was granted.
func TestNotAsked(t *testing.T) { synctest.Test(t, notAsked) }

func notAsked(t *testing.T) {
	s, target := open(t, 600*time.Millisecond)
	a := apply(t, target)
	s.Close()
	if err := <-a.Lost(); !link.IsLost(err) {
		t.Error(err)
	}
	began := time.Now()
	if _, err := a.Remove(context.Background()); !link.IsLost(err) || time.Since(began) > 600*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

// TestHeldUnanswered looks at a fault that is put on again in a way that nobody answers, and
// that is to be lifted again before that is noticed.
func TestHeldUnanswered(t *testing.T) { synctest.Test(t, heldUnanswered) }

func heldUnanswered(t *testing.T) {
	s, target := open(t, 0)
	a := apply(t, target)
	held := func() (paused, lifted bool) { l := s.Leases()["run-0.1-7"]; return l.Paused, l.Lifted }
	a.Pause()
	a.Lift()
	eventually(t, func() bool { _, lifted := held(); return lifted })
	s.Mute(true)
	a.Resume()
	a.Restore()
	eventually(t, func() bool { _, lifted := held(); return !lifted })
	a.Pause()
	a.Lift()
	s.Mute(false)
	eventually(t, func() bool { paused, lifted := held(); return paused && lifted })
	a.Restore() // in a pause that goes on, as far as it sees
	eventually(t, func() bool { paused, lifted := held(); return paused && !lifted })
	if _, err := a.Remove(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestHidden looks at a data plane in whose place another server answers for a while, that
// there is nothing: that the fault is gone only the plane can say.
func TestHidden(t *testing.T) { synctest.Test(t, hidden) }

func hidden(t *testing.T) {
	s, target := open(t, 600*time.Millisecond)
	a := apply(t, target)
	s.Hide(true)
	time.Sleep(400 * time.Millisecond) // shorter than the lease
	s.Hide(false)
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Renewed > 0 })
	select {
	case err := <-a.Lost():
		t.Errorf("lost: %v", err)
	default:
	}
	s.Hide(true)
	time.AfterFunc(300*time.Millisecond, func() { s.Hide(false) })
	if _, err := a.Remove(context.Background()); err != nil || len(s.Leases()) != 0 {
		t.Errorf("%v, left: %v", err, s.Leases())
	}
}

// TestRenewedUnheld looks at a data plane that cannot hold a fault in a pause for a while: the
// lease is renewed all the same.
func TestRenewedUnheld(t *testing.T) { synctest.Test(t, renewedUnheld) }

func renewedUnheld(t *testing.T) {
	s, target := open(t, 600*time.Millisecond)
	a := apply(t, target)
	s.Stick(true)
	a.Pause()
	time.Sleep(3 * time.Second)
	s.Stick(false)
	eventually(t, func() bool { return s.Leases()["run-0.1-7"].Paused })
	if _, err := a.Remove(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestNoSuchTarget(t *testing.T) { synctest.Test(t, noSuchTarget) }

func noSuchTarget(t *testing.T) {
	_, target := open(t, 0)
	target.Name = "ordres"
	if _, err := target.State(context.Background()); err == nil || !strings.Contains(err.Error(), `has no target "ordres"; it has: orders`) {
		t.Errorf("got %v", err)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
