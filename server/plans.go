package server

import (
	"context"
	"sync"
	"time"

	"starquake/app"
)

// Plans of somebody below admin are made in processes of their own, each of which may take all
// the memory that a script may. Nobody has to have started anything for that, so that it is
// bounded apart from runs, for each by itself: who asks for many makes nobody else wait.
const (
	plansAtOnce  = 4                // of one person
	planPatience = 15 * time.Second // for which a further one waits
	planCPU      = 30 * time.Second // of processor time, of a plan
)

// plans are those that are being made.
type plans struct {
	mu sync.Mutex
	of map[string]*planner // by who asked
}

// planner is somebody who has plans made, or waits for that.
type planner struct {
	slots chan struct{}
	users int
}

// take waits until one more may be made for somebody. The answer ends it.
func (p *plans) take(ctx context.Context, who string) (done func(), err error) {
	p.mu.Lock()
	if p.of == nil {
		p.of = map[string]*planner{}
	}
	own := p.of[who]
	if own == nil {
		own = &planner{slots: make(chan struct{}, plansAtOnce)}
		p.of[who] = own
	}
	own.users++
	p.mu.Unlock()
	leave := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(p.of, who)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, planPatience)
	defer cancel()
	select {
	case own.slots <- struct{}{}:
		return func() { <-own.slots; leave() }, nil
	case <-ctx.Done():
		leave()
		busy := problemf(429, "too_many_plans", "%d plans and checks of yours are being made, as many as may be at once", plansAtOnce)
		busy.retry = time.Second
		return nil, busy
	}
}

// cheap bounds what the plan of somebody below admin may compute.
func cheap(opt *app.Options) {
	if opt.CPULimit == 0 || opt.CPULimit > planCPU {
		opt.CPULimit = planCPU
	}
}
