package dsl

import "strings"

// testTable is the language as LANGUAGE.md has it: the checks must work on signatures
// alone, so the tests bring their own.
func testTable() []Builtin {
	var out []Builtin
	add := func(phase Phase, returns, sigs string) {
		for sig := range strings.SplitSeq(strings.TrimSpace(sigs), "\n") {
			out = append(out, Builtin{Sig: strings.TrimSpace(sig), Doc: "For tests.", Phase: phase, Returns: returns})
		}
	}
	add(Declaring, "", `
		orchestration(name: string, description: string = "", tags: list = [], owner: string = "", runbook: string = "", max_duration: duration|None = None, environments: list = [])
		param(name: string, type: string|None = None, default: any = None, min: any = None, max: any = None, choices: list = [], help: string = "")`)
	add(Declaring, "secret", `secret(name: string)`)
	add(Declaring, "target", `proxy(name: string, listen: string, upstream: string, protocol: string = "auto", labels: dict = {})`)
	add(Anytime, "target", `target(name: string)`)
	add(Anytime, "targets", `targets(**labels: string)`)
	add(Acting, "", `
		step(name: string, run: function|None = None, args: tuple|list = (), *, traffic: traffic|None = None, chaos: faults|None = None, on: targets|None = None, duration: duration|None = None, delay_before: duration = "0s", timeout: duration|None = None, below: dict = {}, above: dict = {}, recovered: duration|None = None, min_hits: int = 1, retries: int = 0, retry_delay: duration = "1s", backoff: number = 1, when: bool|function = True, on_failure: string = "stop", labels: dict = {})
		parallel(*branches: function, over: iterable|None = None, limit: int|None = None, fail_fast: bool = True, **named: function)
		loop(body: function, times: int|None = None, duration: duration|None = None, until: function|None = None, every: duration|None = None, forever: bool = False)
		start(fn: function, name: string|None = None)
		attempt(fn: function)
		on_exit(fn: function, when: string = "always")
		sleep(d: duration)
		wait_until(probe: probe|function, timeout: duration, every: duration = "1s", stable: duration = "0s", must: bool = True)
		approve(message: string, timeout: duration = "1h", on_timeout: string = "stop", faults: string = "refuse")
		skip(reason: string)
		fail(*message)
		inconclusive(reason: string)
		apply_chaos(*faults: faults, on: targets|None = None, name: string|None = None, duration: duration|None = None)
		observe(probe: probe)
		check(name: string, value: any, *, below: any = None, above: any = None, at_most: any = None, at_least: any = None, equals: any = None, between: tuple|list|None = None, matches: string|None = None, detail: string = "")
		record(name: string, number: number, unit: string = "", better: string|None = None)
		steady_state(name: string, probe: probe|function, when: list = ["before", "during", "after"], during: share = "100%", every: duration = "1s", settle: duration = "0s")
		guard(name: string, probe: probe|function, every: duration = "1s", breaches: int = 1, on_error: string = "breach", on_no_data: string = "breach", action: string = "abort")
		log(message: any, level: string = "info", **fields)
		notify(channel: string, message: string)
		http.get(url: string, *, headers: headers = {}, timeout: duration = "10s", expect: string|int|list = "2xx,3xx")
		exec.run(argv: list, *, env: dict = {}, timeout: duration = "1m", expect: int|list = 0)
		traffic.run(t: traffic)
		traffic.start(t: traffic)`)
	add(Anytime, "", `
		now()
		elapsed()
		recorded(name: string, default: any = None)
		service(name: string)
		sum(x: iterable, start: any = 0)
		round(x: number|duration, n: int = 0)
		fmt(x: number|duration, digits: int|None = None, unit: string = "")
		random.random()
		random.choice(seq: list)`)
	add(Anytime, "duration", `duration(x: duration)`)
	add(Anytime, "ramp", `ramp(start: any, end: any, over: duration, shape: any = "linear")`)
	add(Anytime, "probe", `
		probe.http(url: string, method: string = "GET", headers: headers = {}, body: string|None = None, status: string|int|list = "2xx", contains: string|None = None, json: dict|None = None, below: duration|None = None, timeout: duration = "2s")
		probe.tcp(addr: string, below: duration|None = None, timeout: duration = "2s")
		probe.traffic(t: traffic, figure: string, below: any = None, above: any = None, window: duration = "10s")
		probe.all(*probes: probe)`)
	add(Anytime, "traffic", `traffic.http(url: string, rate: number~|list, duration: duration|None = None, *, method: string = "GET", headers: headers = {}, warmup: duration = "0s", max_in_flight: int|None = None, stop_when: list = [])`)
	add(Anytime, "faults", `
		scenario(name: string)
		profile(name: string)`)
	add(Anytime, "fault", `
		pulse(fault: faults, on: duration, off: duration)
		fault.latency(delay: duration~|None = None, jitter: duration~ = 0, *, between: tuple|None = None, jitter_percent: percent~ = 0, distribution: string = "uniform", direction: string = "response", probability: share~ = 1, match: match|None = None)
		fault.bandwidth(rate: bandwidth~, per: string = "connection", direction: string = "both", *, probability: share = 1)
		fault.packet_loss(*, percent: percent~, probability: share = 1)
		fault.limit_data(bytes: size, *, probability: share = 1)
		fault.http_error(codes: int|list, body: string = "", headers: headers = {}, *, pattern: any = None, probability: share~ = 1, match: match|None = None)
		fault.blackhole(open_connections: string = "freeze")`)
	add(Anytime, "match", `fault.match(*, method: string|list|None = None, path: string|None = None, every: int|None = None)`)
	for i := range out {
		switch name, _, _ := strings.Cut(out[i].Sig, "("); name {
		case "fault.latency":
			out[i].Choices = map[string][]string{"distribution": {"uniform", "normal", "pareto"}, "direction": {"request", "response", "both"}}
			out[i].Ranges = map[string][2]float64{"delay": {0, 3600}}
		case "step":
			out[i].Choices = map[string][]string{"on_failure": {"stop", "continue", "tolerate"}}
			out[i].Ranges = map[string][2]float64{"retries": {0, 1000}}
		case "steady_state":
			out[i].Choices = map[string][]string{"when": {"before", "during", "after"}}
		}
	}
	return out
}

func testOptions() Options { return Options{Builtins: testTable()} }
