package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"starquake/app"
)

// TestPlansAtOnce: of one person so many plans are made at once, and others do not wait for them.
func TestPlansAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p plans
		var done []func()
		for range plansAtOnce {
			d, err := p.take(t.Context(), "token ann")
			if err != nil {
				t.Fatal(err)
			}
			done = append(done, d)
		}
		other, err := p.take(t.Context(), "token ben")
		if err != nil {
			t.Fatal(err)
		}
		other()

		begin := time.Now()
		var busy *Problem
		if _, err := p.take(t.Context(), "token ann"); !errors.As(err, &busy) || busy.Status != 429 || busy.retry == 0 {
			t.Errorf("one too many gave %v", err)
		}
		if took := time.Since(begin); took != planPatience {
			t.Errorf("it waited for %v", took)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := p.take(ended, "token ann"); err == nil {
			t.Error("it waits although the server ends")
		}

		go func() {
			time.Sleep(time.Second)
			done[0]()
		}()
		begin = time.Now()
		last, err := p.take(t.Context(), "token ann")
		if took := time.Since(begin); err != nil || took != time.Second {
			t.Errorf("with a place in a second it took %v, %v", took, err)
		}
		last()
		for _, d := range done[1:] {
			d()
		}
		if len(p.of) != 0 {
			t.Errorf("%d are remembered", len(p.of))
		}
	})
}

// TestPlanIsCheap: a plan may compute for less long than a run.
func TestPlanIsCheap(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: planCPU, time.Hour: planCPU, time.Second: time.Second} {
		opt := app.Options{CPULimit: given}
		if cheap(&opt); opt.CPULimit != want {
			t.Errorf("of %v: %v, want %v", given, opt.CPULimit, want)
		}
	}
}
