package builtins

import (
	"cmp"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
)

// grpcTLS are the TLS arguments of a gRPC call, nil for none.
func (c *Call) grpcTLS() *effects.TLSArgs {
	if tls := c.tls(); tls != nil {
		return tls
	}
	if c.Bool("tls") {
		return new(effects.TLSArgs)
	}
	return nil
}

// metadata reads a dict of strings and secrets.
func (c *Call) metadata() (map[string]string, error) {
	d := c.Dict("metadata")
	if d == nil || d.Len() == 0 {
		return nil, nil
	}
	out := make(map[string]string, d.Len())
	for k, v := range d.Entries() {
		name, ok := text(k)
		value, also := text(v)
		if !ok || !also {
			return nil, c.Errorf("metadata", "expected names and texts, got %s = %s", describe(k), describe(v))
		}
		out[name] = value
	}
	return out, nil
}

func grpcHealth(c *Call, t *task) (starlark.Value, error) {
	args := effects.GRPCArgs{Addr: c.String("addr"), Method: effects.GRPCHealth, Message: effects.HealthRequest(c.String("service")), TLS: c.grpcTLS(), Timeout: c.Duration("timeout")}
	var err error
	if args.Metadata, err = c.metadata(); err != nil {
		return nil, err
	}
	expect := c.String("expect")
	if expect == "NOT_SERVING" && !c.Has("simulated") {
		args.Simulated = []byte(`{"status":"NOT_SERVING"}`)
	}
	a, err := performed[effects.GRPCAnswer](c, t, effects.KindGRPC, &args, &args.Simulated, true)
	if err == nil {
		err = c.refusal(a.Error)
	}
	if err != nil {
		return nil, err
	}
	status := a.HealthStatus()
	if expect != "any" && status != expect {
		return nil, unmet("the health of %s: expected %s, got %s", grpcSubject(&args, c.String("service")), expect, cmp.Or(status, grpcError(a)))
	}
	return NewObject("grpc_health",
		Field{Name: "ok", Value: starlark.Bool(status == effects.GRPCServing)},
		Field{Name: "status", Value: starlark.String(status)},
		Field{Name: "code", Value: starlark.String(a.Code)},
		Field{Name: "message", Value: starlark.String(a.Detail)},
		Field{Name: "elapsed", Value: answeredIn(a.Elapsed, a.Error)},
		Field{Name: "error", Value: grpcErrorValue(a)},
	), nil
}

func grpcSubject(args *effects.GRPCArgs, service string) string {
	if service == "" {
		return args.Addr
	}
	return service + " at " + args.Addr
}

func grpcCall(c *Call, t *task) (starlark.Value, error) {
	args := effects.GRPCArgs{Addr: c.String("addr"), Method: c.String("method"), TLS: c.grpcTLS(), Timeout: c.Duration("timeout")}
	var err error
	if args.Metadata, err = c.metadata(); err != nil {
		return nil, err
	}
	if args.Message, err = ToJSON(c.Value("message")); err != nil {
		return nil, c.Errorf("message", "%v", err)
	}
	expect, err := c.grpcCodes()
	if err != nil {
		return nil, err
	}
	if len(expect) > 0 && expect[0] != "OK" {
		args.PlannedCode = expect[0]
	}
	a, err := performed[effects.GRPCAnswer](c, t, effects.KindGRPC, &args, &args.Simulated, false)
	if err == nil {
		err = c.refusal(a.Error)
	}
	if err != nil {
		return nil, err
	}
	met := len(expect) == 0
	for _, code := range expect {
		met = met || a.Code == code
	}
	if !met {
		return nil, unmet("%s at %s: expected %s, got %s", args.Method, args.Addr, strings.Join(expect, " or "), cmp.Or(grpcError(a), a.Code))
	}
	return grpcObject(a), nil
}

// grpcCodes reads the expected statuses; none for "any".
func (c *Call) grpcCodes() ([]string, error) {
	names, err := c.Strings("expect")
	if err != nil {
		return nil, err
	}
	if len(names) == 1 && names[0] == "any" {
		return nil, nil
	}
	if len(names) == 0 {
		return nil, c.Errorf("expect", "expected at least one status, or \"any\"")
	}
	for i, name := range names {
		if names[i], err = effects.ParseGRPCCode(name); err != nil {
			return nil, c.Errorf("expect", "%v", err)
		}
	}
	return names, nil
}

// grpcError says why there is no answer; "" if there is one.
func grpcError(a *effects.GRPCAnswer) string {
	switch {
	case a.Error != nil:
		return a.Code + ": " + a.Error.Message
	case a.Code != "OK":
		return strings.TrimSuffix(a.Code+": "+clip(a.Detail, 500), ": ")
	}
	return ""
}

func grpcErrorValue(a *effects.GRPCAnswer) starlark.Value {
	if text := grpcError(a); text != "" {
		return starlark.String(text)
	}
	return starlark.None
}

func grpcObject(a *effects.GRPCAnswer) *Object {
	return NewObject("grpc_response",
		Field{Name: "ok", Value: starlark.Bool(a.Code == "OK")},
		Field{Name: "code", Value: starlark.String(a.Code)},
		Field{Name: "message", Value: starlark.String(a.Detail)},
		Method(Builtin{dsl.Builtin{Sig: `json()`}, func(c *Call) (starlark.Value, error) {
			if len(a.Message) == 0 || string(a.Message) == "null" {
				return nil, runtime.Failf(runtime.ClassFailed, "no_message", "there is no answer: %s", cmp.Or(grpcError(a), a.Code))
			}
			return FromJSON(a.Message)
		}}),
		Field{Name: "metadata", Lazy: func() (starlark.Value, error) { return newHeaderDict(a.Metadata), nil }},
		Field{Name: "elapsed", Value: answeredIn(a.Elapsed, a.Error)},
		Field{Name: "error", Value: grpcErrorValue(a)},
	)
}
