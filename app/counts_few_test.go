package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"starquake/chaos"
	"starquake/chaos/engine"
)

// busy is a fault that meets a thousand requests a second.
type busy struct {
	engine.Applied
	since time.Time
}

func (b *busy) Stats(context.Context) (*chaos.Stats, error) {
	return &chaos.Stats{Seen: uint64(time.Since(b.since) / time.Millisecond)}, nil
}

// TestCountsAreFew: however much a fault meets, it says so seldom, and what it has not
// said is a small part of what it has done.
func TestCountsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day, most = 24 * time.Hour, 1700
		ctx, cancel := context.WithTimeout(t.Context(), day)
		defer cancel()
		began, reports, told := time.Now(), 0, chaos.Stats{}
		tells := tellOf(ctx, &busy{since: began}, told, func(data any) {
			now := chaos.Stats(data.(faultNote))
			on := time.Since(began)
			if lost := time.Duration(now.Seen-told.Seen) * time.Millisecond; lost > max(time.Second, on/60) || lost > time.Minute {
				t.Errorf("after %s what %s brought had not been told", on, lost)
			}
			reports, told = reports+1, now
		})
		defer tells.end()
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-tells.timer.C:
				tells.ask()
			case s := <-tells.answer:
				tells.tell(s)
			}
		}
		if reports < 1000 || reports > most {
			t.Errorf("%d reports in %s, expected at most %d", reports, day, most)
		}
	})
}
