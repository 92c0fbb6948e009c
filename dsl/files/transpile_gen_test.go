package files_test

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"starquake/dsl/files"
)

// genDoc makes a document as Read makes them. What it holds is random, but means
// something: variables are set before they are asked for.
func genDoc(t *rapid.T) *files.Doc {
	g := &gen{t: t, advanced: rapid.Bool().Draw(t, "advanced"), doc: &files.Doc{Format: "yaml", HasSteps: true}}
	g.doc.Name = g.str("name")
	if g.yes("description") {
		g.doc.Description = g.str("description")
	}
	for range g.count(3, "tags") {
		g.doc.Tags = append(g.doc.Tags, *g.str("tag"))
	}
	for i := range g.count(2, "targets") {
		g.targets = append(g.targets, g.words("target")+strconv.Itoa(i))
		g.doc.Targets = append(g.doc.Targets, files.Target{
			Name: g.at(g.targets[i]), Listen: g.ptr("127.0.0.1:" + strconv.Itoa(18000+i)), Upstream: g.ptr("127.0.0.1:80"), Comment: g.comment(),
		})
	}
	if g.yes("parallel") {
		g.doc.Parallel = &files.Bool{Value: rapid.Bool().Draw(t, "parallel")}
	}
	if g.yes("loop") {
		g.doc.LoopOrchestration = &files.Bool{Value: true}
		g.doc.MaxIterations = g.num(float64(rapid.IntRange(1, 3).Draw(t, "iterations")))
	}
	g.doc.Comment = g.comment()
	if g.advanced {
		g.doc.Variables = []files.Entry{g.variable("count", big.NewInt(3)), g.variable("limit", 2.5), g.variable("who", "ops")}
	}
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		g.doc.Steps = append(g.doc.Steps, g.step(false))
	}
	if g.advanced {
		g.rest()
	}
	return g.doc
}

type gen struct {
	t        *rapid.T
	doc      *files.Doc
	advanced bool
	targets  []string
	line     int
	steps    []string
}

func (g *gen) rest() {
	for range g.count(3, "advanced steps") {
		g.doc.HasAdvanced = true
		g.doc.AdvancedSteps = append(g.doc.AdvancedSteps, g.step(true))
	}
	for range g.count(2, "conditionals") {
		c := files.Conditional{Name: *g.str("conditional"), Condition: g.condition(2), Comment: g.comment()}
		for range g.count(2, "then") {
			c.ThenSteps = append(c.ThenSteps, g.step(true))
		}
		for range g.count(2, "else") {
			c.ElseSteps = append(c.ElseSteps, g.step(true))
		}
		g.doc.ConditionalSteps = append(g.doc.ConditionalSteps, c)
	}
	for _, moment := range []string{"pre_step", "post_step", "pre_orchestration", "post_orchestration"} {
		if rapid.IntRange(0, 3).Draw(g.t, moment) == 0 {
			h := g.hook()
			h.HookType = g.ptr(moment)
			g.doc.Hooks = append(g.doc.Hooks, h)
		}
	}
}

func (g *gen) yes(what string) bool         { return rapid.Bool().Draw(g.t, what) }
func (g *gen) count(n int, what string) int { return rapid.IntRange(0, n).Draw(g.t, what) }
func (g *gen) pick(of []string) string      { return rapid.SampledFrom(of).Draw(g.t, "one of") }
func (g *gen) any(v any) *files.Any         { return &files.Any{Pos: g.pos(), Value: v} }
func (g *gen) at(s string) files.Str        { return files.Str{Pos: g.pos(), Value: s} }
func (g *gen) ptr(s string) *files.Str      { v := g.at(s); return &v }
func (g *gen) variable(n string, v any) files.Entry {
	return files.Entry{Key: g.at(n), Value: files.Any{Pos: g.pos(), Value: v}, Comment: g.comment()}
}

func (g *gen) num(f float64) *files.Num {
	return &files.Num{Pos: g.pos(), Text: strconv.FormatFloat(f, 'f', -1, 64), Value: f}
}

// pos gives a place of its own to everything.
func (g *gen) pos() files.Pos {
	g.line++
	return files.Pos{Line: g.line, Col: 1, EndLine: g.line, EndCol: 9}
}

func (g *gen) words(what string) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"step", "load", "Slow Payments", "503 errors", "größe", "main", "vars", "lambda", "支付", "a-b.c", "finish"}),
		rapid.StringMatching(`[ -~]{1,20}`), rapid.StringN(1, 12, 40),
	).Filter(func(s string) bool { return strings.TrimSpace(s) != "" && !strings.Contains(s, "{{") }).Draw(g.t, what)
}

func (g *gen) str(what string) *files.Str { return g.ptr(g.words(what)) }

func (g *gen) comment() files.Comment {
	text := rapid.OneOf(rapid.Just(""), rapid.Just(""), rapid.SampledFrom([]string{"a remark", "two\nlines", "\"\"\" # x", "bad\x1b[31m\r\n\u202etext"}))
	return files.Comment{Head: text.Draw(g.t, "head"), Line: text.Draw(g.t, "line"), Foot: text.Draw(g.t, "foot")}
}

func (g *gen) step(advanced bool) files.Step {
	s := files.Step{Pos: g.pos(), Name: *g.str("step"), Comment: g.comment()}
	if len(g.steps) > 0 && rapid.IntRange(0, 4).Draw(g.t, "again") == 0 {
		s.Name.Value = g.pick(g.steps)
	}
	if rapid.IntRange(0, 3).Draw(g.t, "scenario") > 0 {
		s.Scenario = g.scenario()
	}
	if g.yes("duration") {
		s.DurationSeconds = g.num(rapid.SampledFrom([]float64{0, 0.25, 1, 90, 3600, 86400, 100000.5}).Draw(g.t, "seconds"))
	}
	if g.yes("delay") {
		s.DelayBeforeSeconds = g.num(rapid.SampledFrom([]float64{0, 0.001, 5}).Draw(g.t, "delay"))
	}
	if g.yes("tolerated") {
		s.ContinueOnFailure = &files.Bool{Pos: g.pos(), Value: g.yes("really")}
	}
	if len(g.targets) > 0 && g.yes("target") {
		s.Target = []files.Str{g.at(g.pick(g.targets))}
		if g.yes("another") {
			s.Target = append(s.Target, g.at("elsewhere"))
		}
	}
	if advanced {
		g.more(&s)
	}
	g.steps = append(g.steps, s.Name.Value)
	return s
}

func (g *gen) more(s *files.Step) {
	if g.yes("condition") {
		c := g.condition(2)
		s.Condition = &c
	}
	for range g.count(2, "pre") {
		s.PreHooks = append(s.PreHooks, g.hook())
	}
	for range g.count(2, "post") {
		s.PostHooks = append(s.PostHooks, g.hook())
	}
	if g.yes("variables") {
		s.Variables = []files.Entry{g.variable("count", big.NewInt(int64(g.count(5, "count")))), g.variable("note", "by {{variables.who}} in {{iteration}}")}
	}
	if g.yes("assertion") {
		c := files.Condition{Pos: g.pos(), Type: g.at("exists"), Variable: g.ptr("count")}
		s.Assertions = []files.Assertion{{Pos: g.pos(), Type: g.at("condition"), Condition: &c, Comment: g.comment()}}
	}
	if g.yes("timeout") {
		s.TimeoutSeconds = g.num(1e6)
	}
	if g.yes("retry") {
		s.Retry = &files.Retry{Pos: g.pos(), MaxAttempts: g.num(float64(rapid.IntRange(1, 4).Draw(g.t, "attempts"))), ExponentialBackoff: &files.Bool{Value: g.yes("backoff")}}
		if g.yes("retry delay") {
			s.Retry.DelaySeconds = g.num(2)
		}
	}
}

func (g *gen) scenario() *files.Scenario {
	sc := &files.Scenario{Pos: g.pos(), Comment: g.comment()}
	if g.yes("predefined") {
		sc.Name = g.ptr(g.pick([]string{"network_degradation", "slow_backend", "peak_traffic"}))
		return sc
	}
	if g.yes("named") {
		sc.Name = g.str("scenario")
	}
	if g.yes("described") {
		sc.Description = g.str("description")
	}
	if g.yes("lasts") {
		sc.DurationSeconds = g.num(7)
	}
	if g.yes("tagged") {
		sc.Tags = []files.Str{g.at("x"), g.at("y, z")}
	}
	sc.Config = g.config()
	return sc
}

// config makes a configuration of which Entries hold the blocks alone.
func (g *gen) config() *files.Config {
	plain := map[string]any{}
	if rapid.IntRange(0, 5).Draw(g.t, "enabled") == 0 {
		plain["enabled"] = false
	}
	if g.yes("latency") {
		plain["latency"] = map[string]any{"fixed_delay_ms": 250, "jitter_percent": 10.5, "probability": 0.8}
	}
	if g.yes("range") {
		plain["latency"] = map[string]any{"random_delay_range_ms": []any{100, 2000}}
	}
	if g.yes("faults") {
		plain["fault_injection"] = map[string]any{
			"http_errors": []any{500, 503}, "error_pattern": map[string]any{"type": "burst", "count": 5, "interval_ms": 10_000},
			"connection_errors": true, "connection_error_kind": "tcp_reset", "timeout_errors": true,
			"request_matcher": map[string]any{"source_ips": []any{"10.0.0.0/8"}, "headers": []any{map[string]any{"name": "X-A", "value": "b\"c"}}, "min_body_size_bytes": 10},
		}
	}
	if g.yes("sequence") {
		plain["fault_injection"] = map[string]any{"error_pattern": map[string]any{"type": "sequential", "sequence": []any{503, 200}}, "http_errors": []any{503}}
	}
	if g.yes("shaping") {
		plain["traffic_shaping"] = map[string]any{"bandwidth_limit_bps": 125_001, "packet_loss_percent": 0.5, "max_connections": 7}
	}
	if g.yes("limits") {
		plain["rate_limit"] = map[string]any{"per_ip": true, "per_endpoint": true}
		plain["circuit_breaker"] = map[string]any{"timeout_ms": 1500}
		plain["bulkhead"] = map[string]any{}
	}
	cfg := &files.Config{Pos: g.pos(), Plain: plain, Comment: g.comment()}
	for key := range plain {
		cfg.Entries = append(cfg.Entries, files.Entry{Key: g.at(key), Value: *g.any([]files.Entry{}), Comment: g.comment()})
	}
	return cfg
}

func (g *gen) condition(depth int) files.Condition {
	c := files.Condition{Pos: g.pos()}
	types := []string{"equals", "not_equals", "greater_than", "less_than_or_equal", "exists", "previous_step_succeeded", "previous_step_failed"}
	if depth > 0 {
		types = append(types, "and", "or", "not")
	}
	c.Type = g.at(g.pick(types))
	switch c.Type.Value {
	case "and", "or":
		for range rapid.IntRange(1, 3).Draw(g.t, "conditions") {
			c.Conditions = append(c.Conditions, g.condition(depth-1))
		}
	case "not":
		inner := g.condition(depth - 1)
		c.Condition = &inner
	case "exists":
		c.Variable = g.ptr(g.pick([]string{"count", "limit", "who"}))
	case "equals", "not_equals":
		c.Variable, c.Value = g.ptr("who"), g.any(g.pick([]string{"ops", "dev", "{{variables.who}}"}))
	case "greater_than", "less_than_or_equal":
		c.Variable, c.Value = g.ptr(g.pick([]string{"count", "limit"})), g.any(big.NewInt(int64(g.count(5, "value"))))
	}
	return c
}

func (g *gen) hook() files.Hook {
	h := files.Hook{Pos: g.pos(), Name: *g.str("hook"), Comment: g.comment()}
	for range rapid.IntRange(1, 3).Draw(g.t, "actions") {
		h.Actions = append(h.Actions, g.action())
	}
	if g.yes("condition") {
		c := g.condition(1)
		h.Condition = &c
	}
	return h
}

func (g *gen) action() files.Action {
	a := files.Action{Pos: g.pos(), Type: g.at(g.pick([]string{"set_variable", "log", "http_request", "record_metric"})), Comment: g.comment()}
	switch a.Type.Value {
	case "set_variable":
		a.Name, a.Value = g.ptr("count"), g.any(big.NewInt(int64(g.count(5, "value"))))
	case "log":
		a.Message = g.ptr(fmt.Sprintf("%s {{variables.count}} of {{variables.limit}} {curly} {{iteration}}", g.words("message")))
		a.Level = g.ptr(g.pick([]string{"info", "warning", "error"}))
	case "http_request":
		a.URL, a.Method = g.ptr("http://127.0.0.1:1/{{variables.who}}"), g.ptr(g.pick([]string{"GET", "POST", "OPTIONS"}))
		a.Body = g.any([]files.Entry{{Key: g.at("n"), Value: *g.any("{{variables.count}}")}, {Key: g.at("list"), Value: *g.any([]files.Any{*g.any(nil), *g.any(true), *g.any(1.5)})}})
	case "record_metric":
		a.Name, a.Value = g.ptr("m"), g.any("{{variables.count}}")
	}
	return a
}
