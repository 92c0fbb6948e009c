package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// approvals hold the questions of a run that wait for a person.
type approvals struct {
	nobody bool // there is nobody to answer: to ask is an error

	mu      sync.Mutex
	waiting map[string]chan builtins.ApproveAnswer // by place
	order   []string
}

func (a *approvals) with(e *effects.Effects) *effects.Effects {
	return e.With(builtins.KindApprove, performer(a.perform), planner(planApproval))
}

// perform waits for the answer.
func (a *approvals) perform(ctx context.Context, call *runtime.Call) (any, error) {
	if a.nobody {
		return nil, &journal.EffectError{Code: "nobody_to_approve", Message: "nobody can answer here; run it on a terminal, or on a server"}
	}
	id := call.ID.String()
	answer := make(chan builtins.ApproveAnswer, 1)
	a.mu.Lock()
	if a.waiting == nil {
		a.waiting = map[string]chan builtins.ApproveAnswer{}
	}
	a.waiting[id] = answer
	a.order = append(a.order, id)
	a.mu.Unlock()
	defer a.forget(id)
	select {
	case given := <-answer:
		return given, nil
	case <-ctx.Done():
		return nil, &journal.EffectError{Code: effects.CodeStopped, Message: "nobody answered before it was given up"}
	}
}

func (a *approvals) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
	for i, other := range a.order {
		if other == id {
			a.order = append(a.order[:i], a.order[i+1:]...)
			return
		}
	}
}

// answer answers the question at a place, or the oldest one for "".
func (a *approvals) answer(id string, given builtins.ApproveAnswer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) == 0 {
		return errors.New("no approval is waited for")
	}
	if id == "" {
		id = a.order[0]
	}
	waiting, ok := a.waiting[id]
	if !ok {
		return fmt.Errorf("no approval %q is waited for; waiting: %v", id, a.order)
	}
	given.At = time.Now().UTC()
	select {
	case waiting <- given:
		return nil
	default:
		return fmt.Errorf("approval %q has been answered already", id)
	}
}

// planApproval approves at once.
func planApproval(*runtime.Request) (runtime.Planned, error) {
	return answered(builtins.ApproveAnswer{Approved: true, By: "plan", At: runtime.VirtualOrigin}), nil
}
