package builtins

import (
	"encoding/json"

	"starquake/runtime"
)

// openGiven opens the proxies that --proxy and the environment ask for.
func (e *Env) openGiven(t *task) error {
	for _, target := range e.Targets {
		target.opened, target.named = false, false
		if err := e.open(t, target); err != nil {
			return err
		}
	}
	return nil
}

// openDeclared opens the proxies that the script's top level declared.
func (e *Env) openDeclared(t *task) error {
	for _, target := range e.targets {
		if err := e.open(t, target); err != nil {
			return err
		}
	}
	return nil
}

// open opens a proxy of the run; other targets are there already. Its listener is
// open when open returns.
func (e *Env) open(t *task, target *Target) error {
	switch {
	case target.opened:
		return nil
	case target.Engine != nil && !target.named:
		return nil
	case target.Engine != nil:
		return e.attach(t, target)
	case !target.Open:
		return nil
	}
	args, err := json.Marshal(target)
	if err != nil {
		return err
	}
	held, err := t.branch.HoldForRun(runtime.Ask{Kind: KindProxy, Args: args, Setup: true})
	if err != nil {
		return err
	}
	target.opened = true
	var rep ProxyReport
	if err := json.Unmarshal(held.First, &rep); err == nil && rep.Listen != "" {
		target.Listen = rep.Listen
	}
	return nil
}
