package builtins

import (
	"encoding/json"

	"starquake/effects"
	"starquake/runtime"
)

// ready finds out, once in a run, what the method of gRPC load takes. Asked under the chaos
// of its step the server might not say it, and the load would begin late or not at all.
func (t *Traffic) ready(e *Env, b *runtime.Branch) error {
	if t.spec.GRPC == nil || !t.spec.GRPC.NeedsMethod() || e.described[t.id] {
		return nil
	}
	raw, err := json.Marshal(effects.LoadDescribeArgs{GRPC: *t.spec.GRPC})
	if err != nil {
		return err
	}
	ans, err := b.Perform(runtime.Ask{Kind: effects.KindLoadDescribe, Args: raw, Repeat: true})
	if err != nil {
		return err
	}
	if ans.Err != nil {
		return loadFailure(ans.Err)
	}
	if e.described == nil {
		e.described = map[string]bool{}
	}
	e.described[t.id] = true
	return nil
}
