package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/effects"
)

// Options are what a run is given besides its script. The zero value works.
type Options struct {
	// Params are the parameters by name.
	Params map[string]builtins.GivenParam
	// Seed, if set, takes the place of the hash of script and parameters.
	Seed *uint64
	// Env is the environment; nil is an empty one.
	Env *Environment
	// AllowNet and AllowExec are added to what the environment permits. Where neither
	// says anything of the network every host is open, as `starquake run` has it; an
	// environment with an empty list opens none (see Confined). A plan warns of what a run
	// would refuse.
	AllowNet, AllowExec []string
	// AllowLoad is where load may go besides the hosts that the environment and the
	// script's own targets name. An environment that lists where leaves the targets out.
	AllowLoad []string
	// MaxLoadRate is the highest rate of load; 0 is that of the environment, or
	// effects.DefaultMaxLoadRate.
	MaxLoadRate float64
	// MaxBody bounds the body of a request that the script makes, and what it reads of an
	// answer's, in bytes; 0: answers alone are bounded, by effects.DefaultMaxBody.
	MaxBody int64
	// Confined is a server's rule: the script gets the targets that the environment names
	// and can open no others, and where nobody has permitted a network it reaches only the
	// hosts that the environment names.
	Confined bool
	// OwnProxies lets a confined script open proxies and name engines of its own after all.
	OwnProxies bool
	// Strict makes a run fail that only passed with tolerated failures or retries.
	Strict bool
	// CleanupTimeout bounds each on_exit handler; 0: 30 seconds.
	CleanupTimeout time.Duration
	// Isolate executes the script in a child process with limits: whatever it computes,
	// it can be ended, and the faults are off. See IsIsolatedChild.
	Isolate bool
	// MemoryLimit bounds the heap while the script computes, in bytes: that of its own
	// process under Isolate (0: DefaultIsolatedMemory), else that of this process with
	// all that is in it (0: DefaultMemoryLimit).
	MemoryLimit int64
	// CPULimit bounds the processor time of the script's own process under Isolate, to the
	// second: of all that it computes until the run ends, or until another process takes the
	// run up. 0 is DefaultIsolatedCPU.
	CPULimit time.Duration
}

// noEnvironment is what a run without --env has; nothing changes it.
var noEnvironment = &Environment{}

func (o *Options) env() *Environment {
	if o.Env == nil {
		return noEnvironment
	}
	return o.Env
}

// policy says what a run with these options may touch.
func (o *Options) policy() (effects.Policy, error) {
	given := o.env()
	p := effects.Policy{AllowExec: slices.Concat(given.AllowExec, o.AllowExec), Network: slices.Concat(given.AllowNet, o.AllowNet)}
	switch {
	case given.AllowNet != nil || len(o.AllowNet) > 0:
	case o.Confined:
		p.Network = given.hosts()
	default:
		p.Network = []string{"*"}
	}
	p.Load, p.LoadOwnTargets = slices.Concat(given.AllowLoad, o.AllowLoad), given.AllowLoad == nil
	switch {
	case !p.LoadOwnTargets:
	case o.Confined:
		p.Load, p.LoadOwnTargets = append(p.Load, given.hosts()...), o.OwnProxies
	default:
		p.Load = append(p.Load, given.loadHosts()...)
	}
	if p.MaxLoadRate = o.MaxLoadRate; p.MaxLoadRate == 0 {
		p.MaxLoadRate = given.MaxLoadRate
	}
	p.MaxBody = o.MaxBody
	if err := p.Validate(); err != nil {
		return p, Refusals{{Severity: dsl.Error, Code: "policy", Message: err.Error()}}
	}
	return p, nil
}

// WrongPermission says what is wrong with lists of what scripts may reach, send load to and
// execute, and which of them it is: allow_net, allow_load or allow_exec.
func WrongPermission(net, load, exec []string) (key string, err error) {
	for _, given := range []struct {
		key    string
		policy effects.Policy
	}{
		{"allow_net", effects.Policy{Network: net}}, {"allow_load", effects.Policy{Load: load}}, {"allow_exec", effects.Policy{AllowExec: exec}},
	} {
		if err := given.policy.Validate(); err != nil {
			return given.key, err
		}
	}
	return "", nil
}

// ParseParams reads --param flags, "name=value" each.
func ParseParams(flags []string) (map[string]builtins.GivenParam, error) {
	params := make(map[string]builtins.GivenParam, len(flags))
	for _, flag := range flags {
		name, value, ok := strings.Cut(flag, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--param %q: expected name=value", flag)
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("--param %s is given twice", name)
		}
		params[name] = builtins.GivenParam{Text: value}
	}
	return params, nil
}

// paramsJSON is the form of the parameters in the journal and under the seed.
func paramsJSON(params map[string]builtins.GivenParam) json.RawMessage {
	if len(params) == 0 {
		return nil
	}
	plain := make(map[string]json.RawMessage, len(params))
	for name, p := range params {
		plain[name] = p.JSON
		if p.JSON == nil {
			plain[name], _ = json.Marshal(p.Text) // a string can be marshalled
		}
	}
	raw, _ := json.Marshal(plain) // checked JSON values and strings; keys are sorted
	return raw
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
