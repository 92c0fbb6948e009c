package files

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"starquake/chaos"
	"starquake/dsl"
)

// askedConfig is a chaos configuration that is to be checked, and what package chaos says
// of it.
type askedConfig struct {
	v, key   *node
	cfg      *Config
	warnings []chaos.ConfigNote
	err      error
}

// config notes a chaos configuration, for checkConfigs.
func (c *checker) config(v, key *node) {
	if c.configs[v] != nil {
		return
	}
	cfg := &Config{Pos: v.pos}
	c.configs[v] = cfg
	if len(v.pairs) == 0 {
		c.warn(key.pos, "empty_config", "%s is empty: there is no chaos", key.text).Help = "write a block such as latency, or leave the scenario out"
	}
	if c.lenient && c.withoutUnknown(v, key) {
		c.configs[v] = nil
		c.config(v, key)
		return
	}
	c.asked = append(c.asked, askedConfig{v: v, key: key, cfg: cfg})
}

// checkConfigs checks the chaos configurations, which package chaos does by its own table,
// and puts what that says in its place. A file may have one for each of its steps.
func (c *checker) checkConfigs() {
	onEachCore(len(c.asked), func(i int) {
		a := &c.asked[i]
		var faults []chaos.Fault
		a.cfg.Entries, a.cfg.Plain = a.v.entries(), a.v.plainMap()
		if faults, a.warnings, a.err = chaos.FromConfig(a.cfg.Plain); a.err == nil {
			a.cfg.faults = &faults
		}
	})
	for i := range c.asked {
		a := &c.asked[i]
		for _, n := range a.warnings {
			c.note(dsl.Warning, n, a.v, a.key)
		}
		var all chaos.ConfigErrors
		if errors.As(a.err, &all) {
			for _, n := range all {
				c.note(dsl.Error, n, a.v, a.key)
			}
		}
	}
	c.asked = nil
}

// withoutUnknown warns of the unknown keys of a configuration and takes them out.
func (c *checker) withoutUnknown(v, key *node) (changed bool) {
	if c.full() { // nobody will see which they are
		dropped := v.dropUnknown(ConfigKeys())
		c.more += dropped
		return dropped > 0
	}
	_, _, err := chaos.FromConfig(v.plainMap())
	var all chaos.ConfigErrors
	if !errors.As(err, &all) {
		return false
	}
	unknown := map[*node]map[string]bool{}
	for _, n := range all {
		if n.Code != "unknown_key" {
			continue
		}
		c.note(dsl.Warning, n, v, key)
		last := len(n.Path) - 1
		parent, _ := follow(v, key, n.Path[:last])
		if unknown[parent] == nil {
			unknown[parent] = map[string]bool{}
		}
		unknown[parent][n.Path[last]] = true
	}
	for parent, keys := range unknown {
		parent.pairs = slices.DeleteFunc(parent.pairs, func(p pair) bool { return keys[p.key.text] })
		changed = true
	}
	return changed
}

// dropUnknown takes the keys that are not among keys out of a mapping of a configuration and
// out of those in it, and returns how many they were.
func (n *node) dropUnknown(keys []chaos.ConfigKey) (dropped int) {
	if len(keys) == 0 { // it is to be no mapping, which is said elsewhere
		return 0
	}
	before := len(n.pairs)
	n.pairs = slices.DeleteFunc(n.pairs, func(p pair) bool {
		i := slices.IndexFunc(keys, func(k chaos.ConfigKey) bool { return k.Name == p.key.text })
		if i < 0 {
			return true
		}
		dropped += p.value.dropUnknown(keys[i].Keys)
		for _, item := range p.value.items {
			dropped += item.dropUnknown(keys[i].Keys)
		}
		return false
	})
	return dropped + before - len(n.pairs)
}

// note says what package chaos says, where it belongs.
func (c *checker) note(severity dsl.Severity, n chaos.ConfigNote, v, key *node) {
	if c.full() { // nobody will see where it is
		c.say(severity, Pos{}, n.Code, "%s", n.Message)
		return
	}
	at, atKey := follow(v, key, n.Path)
	if at.kind == badNode {
		return
	}
	message := n.Message
	pos := at.pos
	switch {
	case n.AtKey && atKey != nil:
		pos = atKey.pos
	case n.AtKey:
		pos = headOf(at, nil)
	case at.kind != stringNode && pos.EndLine > pos.Line:
		pos = headOf(at, nil)
	}
	if !n.AtKey && atKey != nil {
		message = atKey.text + ": " + message
	}
	d := c.say(severity, pos, n.Code, "%s", message)
	if len(n.Choices) > 0 && len(n.Path) > 0 {
		d.Help = suggest(n.Wrong, n.Choices, "there are")
	}
	if n.Code == "wrong_type" {
		d.Help = helpFor(at, n.Message)
	}
}

// follow goes along a path; key is the key of the last mapping on it, of an item that of its list.
func follow(v, k *node, path []string) (at, key *node) {
	at, key = v, k
	for _, part := range path {
		if at.kind == listNode {
			if i, err := strconv.Atoi(part); err == nil && i < len(at.items) {
				at = at.items[i]
			}
			continue
		}
		next := at.get(part)
		if next == nil {
			return at, key
		}
		key, at = at.keyOf(part), next
	}
	return at, key
}

// helpFor says what to write for a value of the wrong type, by what was expected.
func helpFor(v *node, message string) string {
	switch {
	case strings.HasPrefix(message, "expected true"):
		return boolHelp(v)
	case strings.HasPrefix(message, "expected a number"), strings.HasPrefix(message, "expected a whole"):
		return numberHelp(v)
	case strings.HasPrefix(message, "expected a string"):
		return quoteHelp(v)
	}
	return ""
}
