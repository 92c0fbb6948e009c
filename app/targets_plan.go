package app

import (
	"encoding/json"
	"math"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

type planner func(*runtime.Request) (runtime.Planned, error)

func (p planner) Plan(req *runtime.Request) (runtime.Planned, error) { return p(req) }

func planProxy(req *runtime.Request) (runtime.Planned, error) {
	var args builtins.Target
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	return runtime.Planned{Reports: []runtime.PlannedEvent{{Data: builtins.ProxyReport{Listen: args.Listen}}}}, nil
}

// planFault plans a fault: on at once, and met. Where no traffic is planned one
// request a second is assumed, so that hits = seen × probability says something.
func planFault(req *runtime.Request) (runtime.Planned, error) {
	args, ok := req.Value.(*builtins.FaultArgs)
	if !ok {
		args = new(builtins.FaultArgs)
		if err := json.Unmarshal(req.Args, args); err != nil {
			return runtime.Planned{}, err
		}
	}
	return runtime.Planned{
		Reports: []runtime.PlannedEvent{{Data: onNote(args, chaos.Stats{})}},
		End: func(ran time.Duration) (any, *journal.EffectError) {
			if !args.Counted() {
				return uncounted{true}, nil
			}
			seen := max(1, math.Ceil(ran.Seconds()))
			probability := args.Fault.Probability.At(ran / 2)
			hit := math.Round(seen * probability)
			if probability > 0 {
				hit = max(1, hit)
			}
			counts, err := chaos.Stats{Seen: uint64(seen), Hit: uint64(hit)}.MarshalJSON()
			if err != nil {
				return nil, &journal.EffectError{Code: effects.CodeInvalid, Message: err.Error()}
			}
			return json.RawMessage(counts), nil
		},
	}, nil
}

func planStats(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.Stats{Seen: 1, Hit: 1}), nil
}

// planDisconnect plans that nobody is connected.
func planDisconnect(*runtime.Request) (runtime.Planned, error) {
	return answered(builtins.Disconnected{}), nil
}

func planWindow(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.WindowStats{}), nil
}

// answered is a planned effect that completes at once.
func answered(data any) runtime.Planned {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: data}}
}
