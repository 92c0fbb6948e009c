package builtins

import (
	"encoding/json"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/runtime"
)

// KindDisconnect ends the connections of a target that are open.
const KindDisconnect = "target.disconnect"

// DisconnectArgs say how, and which: those that Match fits.
type DisconnectArgs struct {
	Target    string          `json:"target"`
	Engine    *engine.Ref     `json:"engine,omitempty"`
	How       string          `json:"how"`
	Match     *chaos.Match    `json:"match,omitempty"`
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// Disconnected is its answer.
type Disconnected struct {
	Connections int `json:"connections"`
}

// disconnect ends the target's connections, and gives how many there were.
func (t *Target) disconnect(c *Call, task *task) (starlark.Value, error) {
	if t.Engine != nil {
		if kind, err := engine.KindOf(t.Engine.Kind); err != nil || !kind.Disconnects() {
			return nil, runtime.Failf(runtime.ClassScript, CodeUnsupported, "target %q: %s cannot disconnect its clients; use fault.reset(), or an embedded proxy(…)", t.Name, t.Engine.Kind)
		}
	}
	args := DisconnectArgs{Target: t.Name, Engine: t.Engine, How: c.String("how")}
	if m, ok := c.Value("match").(matchValue); ok {
		args.Match = m.match
	}
	if err := chaos.CheckDisconnect(args.How, args.Match); err != nil {
		return nil, c.Errorf("match", "%v", err)
	}
	ask, err := c.ask(KindDisconnect, &args, &args.Simulated)
	if err != nil {
		return nil, err
	}
	ans, err := task.branch.Perform(ask)
	if err != nil {
		return nil, err
	}
	if ans.Err != nil {
		return nil, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "target %q: %s", t.Name, ans.Err.Message)
	}
	var done Disconnected
	if err := json.Unmarshal(ans.Data, &done); err != nil {
		return nil, err
	}
	return starlark.MakeInt(done.Connections), nil
}
