package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// approvals hold the questions of a run that wait for a person. That one is asked is a
// record, which people see before it is performed: an answer may come first.
type approvals struct {
	nobody bool // there is nobody to answer: to ask is an error

	mu sync.Mutex
	// asked has every question that was performed or answered, by place. What is over
	// stays, so that an answer that comes too late is told so.
	asked map[string]*question
}

// question is one of them.
type question struct {
	came  chan struct{} // closed when it is answered
	given *builtins.ApproveAnswer
	over  bool // given up
}

func (a *approvals) with(e *effects.Effects) *effects.Effects {
	return e.With(builtins.KindApprove, performer(a.perform), planner(planApproval))
}

// at gives the question at a place. The caller holds mu.
func (a *approvals) at(id string) *question {
	q := a.asked[id]
	if q == nil {
		if a.asked == nil {
			a.asked = map[string]*question{}
		}
		q = &question{came: make(chan struct{})}
		a.asked[id] = q
	}
	return q
}

// perform waits for the answer.
func (a *approvals) perform(ctx context.Context, call *runtime.Call) (any, error) {
	if a.nobody {
		return nil, &journal.EffectError{Code: "nobody_to_approve", Message: "nobody can answer here; run it on a terminal, or on a server"}
	}
	a.mu.Lock()
	q := a.at(call.ID.String())
	a.mu.Unlock()
	select {
	case <-q.came:
		return q.given, nil
	case <-ctx.Done():
		a.mu.Lock()
		q.over = true
		a.mu.Unlock()
		return nil, &journal.EffectError{Code: effects.CodeStopped, Message: "nobody answered before it was given up"}
	}
}

// answer answers the question at a place, which the journal has.
func (a *approvals) answer(id string, given builtins.ApproveAnswer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.at(id)
	switch {
	case q.over:
		return fmt.Errorf("approval %q is not waited for any more", id)
	case q.given != nil:
		return fmt.Errorf("approval %q has been answered already", id)
	}
	given.At = time.Now().UTC()
	q.given = &given
	close(q.came)
	return nil
}

// planApproval approves at once.
func planApproval(*runtime.Request) (runtime.Planned, error) {
	return answered(builtins.ApproveAnswer{Approved: true, By: "plan", At: runtime.VirtualOrigin}), nil
}
