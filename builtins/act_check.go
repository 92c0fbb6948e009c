package builtins

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// limit is one way to judge a value.
type limit struct {
	name string
	word string // for people, before the limit
	op   syntax.Token
}

var limits = []limit{
	{"below", "below", syntax.LT}, {"above", "above", syntax.GT}, {"at_most", "at most", syntax.LE},
	{"at_least", "at least", syntax.GE}, {"equals", "equal to", syntax.EQL},
}

func check(c *Call, t *task) (starlark.Value, error) {
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	v := c.inSeconds()
	spec := runtime.CheckSpec{Name: c.String("name"), OK: true, Detail: c.String("detail")}
	judged := false
	judge := func(ok bool, text string) {
		judged = true
		spec.OK = spec.OK && ok
		if spec.Limit != "" {
			spec.Limit += " and "
		}
		spec.Limit += text
	}
	for _, l := range limits {
		if !c.Has(l.name) && !(l.name == "equals" && c.equalsNone()) {
			continue
		}
		bound := likeValue(v, c.Value(l.name))
		if l.op != syntax.EQL {
			if err := c.byLetters(v, bound); err != nil {
				return nil, err
			}
		}
		ok, err := compare(l.op, v, bound)
		if err != nil {
			return nil, c.cannotCompare(l.name, v, bound)
		}
		judge(ok, l.word+" "+limitText(c.Value(l.name), bound))
	}
	if pair := c.List("between"); c.Has("between") {
		if len(pair) != 2 {
			return nil, c.Errorf("between", "expected (low, high), got %s", describe(c.Value("between")))
		}
		low, high := likeValue(v, pair[0]), likeValue(v, pair[1])
		if err := c.byLetters(v, low, high); err != nil {
			return nil, err
		}
		over, err := compare(syntax.GE, v, low)
		if err != nil {
			return nil, c.cannotCompare("between", v, low)
		}
		under, err := compare(syntax.LE, v, high)
		if err != nil {
			return nil, c.cannotCompare("between", v, high)
		}
		if ordered, err := compare(syntax.LE, low, high); err != nil || !ordered {
			return nil, c.Errorf("between", "expected (low, high), got (%s, %s)", limitText(pair[0], low), limitText(pair[1], high)).
				WithHint("write the lower limit first")
		}
		judge(over && under, "between "+limitText(pair[0], low)+" and "+limitText(pair[1], high))
	}
	if c.Has("matches") {
		re, err := regexp.Compile(c.String("matches"))
		if err != nil {
			return nil, c.Errorf("matches", "%v", err)
		}
		s, isText := text(v)
		judge(isText && re.MatchString(s), "a match of "+quote(c.String("matches")))
	}
	if !judged {
		ok, isBool := v.(starlark.Bool)
		if !isBool {
			return nil, c.Errorf("value", "expected True or False, or a limit beside it (below, above, at_most, at_least, equals, between, matches), got %s", describe(v))
		}
		spec.OK = bool(ok)
	}
	raw, err := ToJSON(v)
	if err != nil {
		raw, _ = json.Marshal(clip(v.String(), 200)) // for people
	} else {
		spec.Unit = unitOf(v)
	}
	spec.Value = raw
	return starlark.Bool(spec.OK), t.branch.Check(spec)
}

// equalsNone says whether equals = None is meant as a limit: it is written, and there
// is no other. Beside another limit it is what a function hands on that has none.
func (c *Call) equalsNone() bool {
	if !c.Given("equals") || c.Has("equals") || c.Has("between") || c.Has("matches") {
		return false
	}
	for _, l := range limits {
		if c.Has(l.name) {
			return false
		}
	}
	return true
}

// inSeconds gives the value to judge. A number beside a limit that is a duration is
// one of seconds.
func (c *Call) inSeconds() starlark.Value {
	v := c.Value("value")
	seconds, isNumber := number(v)
	if _, is := v.(Duration); is || !isNumber || !(math.Abs(seconds) <= units.MaxDuration.Seconds()) {
		return v
	}
	bounds := c.List("between")
	for _, l := range limits {
		if c.Has(l.name) {
			bounds = append(bounds, c.Value(l.name))
		}
	}
	for _, bound := range bounds {
		if _, is := withUnit(bound).(Duration); is {
			return Duration(math.Round(seconds * float64(time.Second)))
		}
	}
	return v
}

// withUnit reads a limit that is written with a unit: a share ("5%"), a duration
// ("1s") or a size ("400KB"). Anything else it gives as it is.
func withUnit(bound starlark.Value) starlark.Value {
	s, ok := bound.(starlark.String)
	if !ok {
		return bound
	}
	text := strings.TrimSpace(string(s))
	if percent, ok := strings.CutSuffix(text, "%"); ok { // of a ratio: it may be above 100%
		if n, err := strconv.ParseFloat(strings.TrimSpace(percent), 64); err == nil && n-n == 0 {
			return starlark.Float(n / 100)
		}
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return bound // a number in quotes, which "0" would make a duration
	}
	if d, err := units.ParseDuration(text); err == nil {
		return Duration(d)
	}
	if n, err := units.ParseSize(text); err == nil {
		return starlark.MakeInt64(n)
	}
	return bound
}

// likeValue reads a limit the way the value is: beside a duration "800ms" is one, and
// so is 0.8; beside a number "5%" is 0.05.
func likeValue(v, bound starlark.Value) starlark.Value {
	switch v.(type) {
	case Duration:
		if d, ok, err := toDuration(bound); ok && err == nil {
			return Duration(d)
		}
	case starlark.Int, starlark.Float:
		return withUnit(bound)
	}
	return bound
}

// limitText is a limit for people: as it was written where it has a unit.
func limitText(written, bound starlark.Value) string {
	if s, ok := written.(starlark.String); ok {
		if _, same := bound.(starlark.String); !same {
			return clip(strings.TrimSpace(string(s)), 60)
		}
	}
	text := bound.String()
	if f, ok := bound.(starlark.Float); ok && len(text) > 16 { // 1.5 * 1.3 is 1.9500000000000002
		return strconv.FormatFloat(float64(f), 'g', 15, 64)
	}
	return text
}

// byLetters refuses to order two texts that are quantities to whoever wrote them: letter by
// letter "15s" is less than "1s", and "10" than "9".
func (c *Call) byLetters(v starlark.Value, bounds ...starlark.Value) error {
	meant := quantityIn(v)
	if meant == "" {
		return nil
	}
	for _, bound := range bounds {
		if quantityIn(bound) != "" {
			return c.Errorf("value", "%s is text, and would be compared with %s letter by letter", describe(v), describe(bound)).
				WithHint("write %s", meant)
		}
	}
	return nil
}

// quantityIn is how the quantity is written that a text is to people, "" for what is none.
func quantityIn(v starlark.Value) string {
	s, ok := v.(starlark.String)
	if !ok {
		return ""
	}
	switch q := withUnit(s).(type) {
	case Duration:
		return "duration(" + describe(v) + ")"
	case starlark.Int:
		return "size(" + describe(v) + ")"
	case starlark.Float:
		return q.String()
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(string(s)), 64); err == nil {
		return "float(" + describe(v) + ")"
	}
	return ""
}

// cannotCompare is the error for a limit of another sort than the value.
func (c *Call) cannotCompare(limit string, v, bound starlark.Value) error {
	e := c.Errorf(limit, "a value of %s cannot be compared with %s", describe(v), describe(bound))
	switch v.(type) {
	case Duration:
		return e.WithHint(`beside a duration write a duration such as "1s", or a number of seconds`)
	case starlark.Int, starlark.Float:
		return e.WithHint(`beside a number write a number, a share such as "5%%", a size such as "400KB", or a duration such as "1s" for a number of seconds`)
	}
	return e.WithHint("write a limit of the same type as the value")
}

// unitOf is the unit that a value has in the journal: that of a duration, and of a
// list of nothing else.
func unitOf(v starlark.Value) string {
	list := []starlark.Value{v}
	switch v.(type) {
	case *starlark.List, starlark.Tuple:
		list = elements(v)
	}
	for _, e := range list {
		if _, ok := e.(Duration); !ok {
			return ""
		}
	}
	if len(list) == 0 {
		return ""
	}
	return journal.UnitSeconds
}

// compare compares; None is neither below nor above anything, and equal to itself. What
// is not a number is neither, though Starlark has it above all others.
func compare(op syntax.Token, v, bound starlark.Value) (bool, error) {
	if op != syntax.EQL && (v == starlark.None || notANumber(v) || notANumber(bound)) {
		return false, nil
	}
	return starlark.Compare(op, v, bound)
}

func notANumber(v starlark.Value) bool {
	f, ok := v.(starlark.Float)
	return ok && math.IsNaN(float64(f))
}
