package files

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/units"
)

// scenarios gives the chaos of steps. A scenario that several steps have becomes a
// constant of the program.
type scenarios struct {
	t *transpiler
	// made holds the chaos of each scenario, by its place: aliases have one place.
	made map[*Config]madeChaos
	// uses counts the steps that have a scenario, by its key.
	uses map[scenarioKey]int
	// constants are the names of those that became constants, by the key.
	constants map[scenarioKey]string
	defined   []stmt
}

// madeChaos is a chaos as an expression, and as the text that tells whether two are one.
type madeChaos struct {
	faults expr
	text   string // "" where there is none
}

// count looks at a step before any is written.
func (c *scenarios) count(s *Step) {
	if sc := s.Scenario; sc != nil && sc.Config != nil {
		c.uses[c.key(sc)]++
	}
}

// scenarioKey is the same for scenarios that are equal.
type scenarioKey struct {
	chaos string
	named bool
	name  string
}

func (c *scenarios) key(sc *Scenario) scenarioKey {
	return scenarioKey{c.config(sc.Config).text, sc.Name != nil, valueOr(sc.Name, "")}
}

// of gives the chaos of a step; ok is false where it has none. said tells that the
// comments of the scenario stand elsewhere.
func (c *scenarios) of(s *Step) (e expr, ok, said bool) {
	sc := s.Scenario
	switch {
	case sc == nil:
		return e, false, false
	case sc.Config == nil && sc.Name == nil: // there is a name without a value
		c.t.fail(sc.Pos, "missing_key", "the scenario has neither a name nor a config").help("name a predefined scenario, or write its config")
		return e, false, false
	case sc.Config == nil:
		return call(sc.Name.Pos, "scenario", str(*sc.Name)), true, false
	}
	made, key := c.config(sc.Config), c.key(sc)
	switch {
	case made.text == "":
		return e, false, false
	case c.uses[key] < 2:
		return made.faults, true, false
	}
	name, have := c.constants[key]
	if !have {
		name = c.t.names.give(valueOr(sc.Name, ""), "chaos")
		c.constants[key] = name
		constant := simple(join(atom(sc.Pos, name+" = "), made.faults))
		constant.comments = c.t.scenarioComments(sc)
		c.defined = append(c.defined, constant)
	}
	return atom(sc.Pos, name), true, true
}

// config gives the chaos of a config.
func (c *scenarios) config(cfg *Config) madeChaos {
	if made, ok := c.made[cfg]; ok {
		return made
	}
	if cfg.faults == nil {
		faults, _, err := chaos.FromConfig(cfg.Plain)
		if err != nil {
			c.t.fail(cfg.Pos, "bad_config", "%v", err)
		}
		cfg.faults = &faults
	}
	made := makeChaos(cfg)
	c.made[cfg] = made
	return made
}

// makeChaos writes the faults of a config.
func makeChaos(cfg *Config) (made madeChaos) {
	if faults := *cfg.faults; len(faults) > 0 {
		made.faults = faultsExpr(cfg, faults)
		made.text = exprText(&made.faults)
	}
	return made
}

// makeAll makes the chaos of every config that was read, before it is asked for: a file may
// have one for each of its steps.
func (c *scenarios) makeAll(doc *Doc) {
	var configs []*Config
	eachStep(doc, func(s *Step) {
		if s.Scenario == nil || s.Scenario.Config == nil || s.Scenario.Config.faults == nil {
			return
		}
		if _, twice := c.made[s.Scenario.Config]; !twice {
			c.made[s.Scenario.Config] = madeChaos{}
			configs = append(configs, s.Scenario.Config)
		}
	})
	made := make([]madeChaos, len(configs))
	onEachCore(len(configs), func(i int) { made[i] = makeChaos(configs[i]) })
	for i, cfg := range configs {
		c.made[cfg] = made[i]
	}
}

// faultsExpr writes faults: one as it is, several as a list.
func faultsExpr(cfg *Config, faults []chaos.Fault) expr {
	if len(faults) == 1 {
		return faultExpr(cfg.blockOf(faults[0].Kind), &faults[0])
	}
	e := list(cfg.Pos)
	e.room(len(faults))
	for i := range faults {
		e.arg(faultExpr(cfg.blockOf(faults[i].Kind), &faults[i]))
	}
	return e
}

// blocks are the config blocks that make faults of the kinds behind them.
var blocks = map[string][]string{
	"latency":         {"latency"},
	"fault_injection": {"http_error", "connection_error", "timeout", "partial_response", "corrupt"},
	"rate_limit":      {"rate_limit"},
	"traffic_shaping": {"bandwidth", "packet_loss", "max_connections"},
	"circuit_breaker": {"circuit_breaker"},
	"bulkhead":        {"bulkhead"},
}

// blockOf is the place of the block that a fault of a kind was made of.
func (cfg *Config) blockOf(kind string) Pos {
	for _, e := range cfg.Entries {
		if slices.Contains(blocks[e.Key.Value], kind) {
			return e.Key.Pos
		}
	}
	return cfg.Pos
}

// faultExpr writes a fault as a call of its constructor, with what differs from the
// defaults.
func faultExpr(pos Pos, f *chaos.Fault) expr {
	e := call(pos, "fault."+f.Kind)
	e.room(len(f.Params) + 2) // probability and match besides
	if kind, err := chaos.KindOf(f.Kind); err == nil {
		for i, p := range kind.Params {
			value, given := f.Params[p.Name]
			switch {
			case !given:
			case p.Name == "pattern":
				e.named(p.Name, patternExpr(f.Text(p.Name)))
			case i == 0 && !p.KeywordOnly:
				e.arg(paramExpr(p.Type, value))
			default:
				e.named(p.Name, paramExpr(p.Type, value))
			}
		}
	}
	if f.Probability != chaos.Const(1) {
		e.named("probability", quantity(chaos.TypeShare, f.Probability))
	}
	if f.Match != nil {
		e.named("match", matchExpr(f.Match))
	}
	return e
}

// paramExpr writes a parameter of a fault as its constructor takes it.
func paramExpr(t chaos.ParamType, value any) expr {
	switch v := value.(type) {
	case chaos.Value:
		return quantity(t, v)
	case [2]chaos.Value:
		return call(Pos{}, "", quantity(chaos.TypeDuration, v[0]), quantity(chaos.TypeDuration, v[1]))
	case string:
		return atom(Pos{}, quote(v))
	case []int:
		if len(v) == 1 {
			return atom(Pos{}, strconv.Itoa(v[0]))
		}
		e := list(Pos{})
		for _, n := range v {
			e.arg(atom(Pos{}, strconv.Itoa(n)))
		}
		return e
	}
	return jsonExpr(value)
}

// quantity writes a number in the unit of its type. A config has no ramps.
func quantity(t chaos.ParamType, v chaos.Value) expr { return atom(Pos{}, quantityText(t, v.Start)) }

func quantityText(t chaos.ParamType, n float64) string {
	switch t {
	case chaos.TypeDuration:
		return durationText(time.Duration(n))
	case chaos.TypeSize:
		return quote(units.FormatSize(int64(n)))
	case chaos.TypeBandwidth:
		text := units.FormatBandwidth(n)
		if back, err := units.ParseBandwidth(text); err == nil && back == n {
			return quote(text)
		}
	}
	return plainNumber(n)
}

// patternExpr writes the pattern of an http_error, "burst(5, 10s)" or "sequence(503,
// pass)", as the builtin that makes it.
func patternExpr(pattern string) expr {
	name, inside, _ := strings.Cut(strings.TrimSuffix(pattern, ")"), "(")
	args := strings.Split(inside, ", ")
	if name == "burst" && len(args) == 2 {
		return call(Pos{}, name, atom(Pos{}, args[0]), atom(Pos{}, quote(args[1])))
	}
	statuses := list(Pos{})
	for _, a := range args {
		if a == "pass" {
			a = "None"
		}
		statuses.arg(atom(Pos{}, a))
	}
	return call(Pos{}, name, statuses)
}

// matchExpr writes a match by its JSON form, whose keys are the arguments of fault.match.
func matchExpr(m *chaos.Match) expr {
	e := jsonExpr(m)
	out := call(Pos{}, "fault.match")
	for _, it := range e.items {
		out.named(strings.Trim(strings.TrimSuffix(it.key, ": "), `"`), it.value)
	}
	return out
}

// jsonExpr writes what JSON can hold, keys in the order of the JSON.
func jsonExpr(value any) expr {
	raw, err := json.Marshal(value)
	if err != nil {
		return atom(Pos{}, "None") // values of package chaos can be marshalled
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return jsonTokens(dec)
}

func jsonTokens(dec *json.Decoder) expr {
	token, err := dec.Token()
	if err != nil {
		return atom(Pos{}, "None")
	}
	switch x := token.(type) {
	case json.Delim:
		e := list(Pos{})
		if x == '{' {
			e = dict(Pos{})
		}
		for dec.More() {
			key := ""
			if x == '{' {
				name, _ := dec.Token()
				text, _ := name.(string)
				key = quote(text) + ": "
			}
			e.items = append(e.items, item{key, jsonTokens(dec)})
		}
		_, _ = dec.Token() // the end, which More has seen
		return e
	case json.Number:
		if n, ok := new(big.Int).SetString(x.String(), 10); ok {
			return atom(Pos{}, n.String())
		}
		f, _ := x.Float64()
		return atom(Pos{}, plainNumber(f))
	case bool:
		return atom(Pos{}, truth(x))
	case string:
		return atom(Pos{}, quote(x))
	}
	return atom(Pos{}, "None")
}

// exprText is an expression on one line.
func exprText(e *expr) string {
	var b strings.Builder
	e.text1(&b)
	return b.String()
}

func (e *expr) text1(b *strings.Builder) {
	b.WriteString(e.text + e.brackets.open())
	for i := range e.items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.items[i].key)
		e.items[i].value.text1(b)
	}
	b.WriteString(e.brackets.end())
	for i := range e.then {
		e.then[i].text1(b)
	}
}
