package server

import (
	"context"
	"errors"
	"testing"

	"github.com/gofiber/fiber/v2"

	"starquake/chaos/admin"
	"starquake/server/schedule"
	"starquake/store"
)

// blocked are runs that begin when those of a server may.
type blocked struct {
	schedule.Runs
	m       *manager
	started chan struct{}
}

func (b blocked) Start(context.Context, schedule.Start) (string, error) {
	close(b.started)
	<-b.m.readied
	return "", errors.New("too late")
}

func (b blocked) Active(string) bool   { return false }
func (b blocked) Met(schedule.Outcome) {}

// TestShutdownWhileTakingOff: a server that is told to end while it still tries to take off
// what earlier runs left on does not wait for that, though a schedule does.
func TestShutdownWhileTakingOff(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	m := someManager(t)
	m.starting.Add(1)
	go func() { // takes as long as it may
		<-m.ending.Done()
		m.takeOffAll(nil)
	}()
	runs := blocked{m: m, started: make(chan struct{})}
	schedules, err := schedule.New(st, runs, m.logger)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := schedules.Put("now", "me", schedule.Definition{Orchestration: "x", After: "0s"}, ""); err != nil {
		t.Fatal(err)
	}
	<-runs.started
	ctx, stop := context.WithCancel(t.Context())
	s := &Server{runs: m, schedules: schedules, plane: admin.NewPlane(m.logger), app: fiber.New(fiber.Config{DisableStartupMessage: true}), ctx: ctx, stop: stop}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(patient(t)) }()
	select {
	case err := <-ended:
		t.Log(err)
	case <-patient(t).Done():
		t.Error("the server does not end")
		m.end()
		<-ended
	}
	if e, err := schedules.Get("now"); err != nil || e.State.Last != nil {
		t.Errorf("the time is noted as %v, error %v; the next server sees to it", e.State.Last, err)
	}
}
