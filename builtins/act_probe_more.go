package builtins

import (
	"cmp"
	"fmt"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
)

// calledProbes are the probes of what act_call.go calls.
func calledProbes() []Builtin {
	simulated := map[string]string{"simulated": `what a plan reads: False, or {"ok": False, "bad_after": "30s", "bad_for": "10s"} when it is watched`}
	ranges := map[string][2]float64{"below": someTime, "timeout": someTime}
	return []Builtin{
		{dsl.Builtin{
			Sig:    `probe.dns(name: string, type: string = "A", *, server: string|None = None, contains: string|None = None, below: duration|None = None, timeout: duration = "2s", simulated: dict|bool|None = None)`,
			Doc:    "Is a probe that holds if the name has a record of the type, contains among them, found in less than below. Its value is the list of records.",
			Family: "judging", Ranges: ranges, Choices: map[string][]string{"type": effects.DNSTypes()}, Help: simulated,
		}, func(c *Call) (starlark.Value, error) {
			p := effects.DNSProbe{Kind: "dns", Name: c.String("name"), Type: c.String("type"), Server: c.String("server"), Contains: c.String("contains"), Below: c.Duration("below"), Timeout: c.Duration("timeout")}
			return c.newProbe(&p, &p.Simulated, fmt.Sprintf("dns %s %s", p.Type, p.Name))
		}},
		{dsl.Builtin{
			Sig:    `probe.grpc(addr: string, service: string = "", *, metadata: dict = {}, tls: bool = False, ` + tlsParams + `, below: duration|None = None, timeout: duration = "2s", simulated: dict|bool|None = None)`,
			Doc:    "Is a probe that holds if the server, or the service on it, is SERVING by grpc.health.v1, in less than below. Its value is the status.",
			Family: "judging", Ranges: ranges, Help: tlsHelp(simulated),
		}, func(c *Call) (starlark.Value, error) {
			p := effects.GRPCProbe{Kind: "grpc", Addr: c.String("addr"), Service: c.String("service"), TLS: c.grpcTLS(), Below: c.Duration("below"), Timeout: c.Duration("timeout")}
			var err error
			if p.Metadata, err = c.metadata(); err != nil {
				return nil, err
			}
			return c.newProbe(&p, &p.Simulated, "grpc "+cmp.Or(p.Service, "health")+" "+p.Addr)
		}},
		{dsl.Builtin{
			Sig:    `probe.prometheus(query: string, *, below: number|None = None, above: number|None = None, url: string|secret|None = None, headers: headers = {}, ` + tlsParams + `, timeout: duration = "2s", simulated: dict|bool|None = None)`,
			Doc:    "Is a probe that holds if the query has data, and every number of its result is below and above the limits. Its value is the number that is nearest to a limit or furthest beyond it. A result without samples, and NaN, are no data: the probe does not hold then, and guard(on_no_data =) says what becomes of it.",
			Family: "judging", Ranges: map[string][2]float64{"timeout": someTime}, Help: tlsHelp(simulated),
		}, probePrometheus},
	}
}

func probePrometheus(c *Call) (starlark.Value, error) {
	address, err := c.prometheusURL(taskOf(c.Thread).env)
	if err != nil {
		return nil, err
	}
	p := effects.PrometheusProbe{Kind: "prometheus", URL: address, Query: c.String("query"), TLS: c.tls(), Timeout: c.Duration("timeout")}
	if p.Headers, err = c.headerMap("headers"); err != nil {
		return nil, err
	}
	if c.Has("below") {
		v := c.Float("below")
		p.Below = &v
	}
	if c.Has("above") {
		v := c.Float("above")
		p.Above = &v
	}
	return c.newProbe(&p, &p.Simulated, "prometheus "+p.Query)
}
