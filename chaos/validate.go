package chaos

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// maxText bounds strings in a fault: a body is kept in memory and sent at once.
const maxText = 1 << 20

// validate checks a parameter's value against its row.
func (spec *ParamSpec) validate(value any) error {
	switch v := value.(type) {
	case Value:
		if spec.Type.numeric() {
			return spec.validateValue(v)
		}
	case string:
		if spec.Type == TypeString {
			return spec.validateText(v)
		}
	case []string:
		if spec.Type == TypeStrings || spec.Type == TypeGraphQLCodes {
			return spec.validateStrings(v)
		}
	case []int:
		if spec.Type == TypeCodes || spec.Type == TypeGRPCCodes {
			return spec.validateCodes(v)
		}
	case map[string]string:
		if spec.Type == TypeHeaders {
			return spec.validateHeaders(v)
		}
	case [2]Value:
		if spec.Type == TypeRange {
			return spec.validateRange(v)
		}
	case json.RawMessage:
		if spec.Type == TypeJSON || spec.Type == TypeProbe {
			return spec.validateJSON(v)
		}
	case [][]string:
		if spec.Type == TypeArgvs {
			return spec.validateArgvs(v)
		}
	case HTTPCall:
		if spec.Type == TypeRequest {
			return spec.validateRequest(v)
		}
	}
	return spec.wants(spec.Type.expected(), value)
}

func (spec *ParamSpec) validateValue(v Value) error {
	if v.IsRamp() && !spec.Ramp {
		return fmt.Errorf("parameter %s: a ramp is not possible here", spec.Name)
	}
	if err := v.check(); err != nil {
		return fmt.Errorf("parameter %s: %w", spec.Name, err)
	}
	if spec.Type == TypeInt && (v.Start != math.Trunc(v.Start) || v.End != math.Trunc(v.End)) {
		return fmt.Errorf("parameter %s is %s; expected a whole number", spec.Name, spec.Type.show(v))
	}
	lo, hi := spec.Min, spec.Max
	if lo == 0 && hi == 0 {
		return nil
	}
	for _, n := range []float64{v.Start, v.End} {
		if n < lo || n > hi {
			return fmt.Errorf("parameter %s is %s; expected %s to %s",
				spec.Name, spec.Type.format(n), spec.Type.format(lo), spec.Type.format(hi))
		}
	}
	return nil
}

func (spec *ParamSpec) validateRange(r [2]Value) error {
	for _, v := range r {
		bound := ParamSpec{Name: spec.Name, Type: TypeDuration, Min: spec.Min, Max: spec.Max, Ramp: spec.Ramp}
		if err := bound.validateValue(v); err != nil {
			return err
		}
	}
	if r[0].Start > r[1].Start || r[0].End > r[1].End {
		return fmt.Errorf("parameter %s is %s to %s; expected the smaller one first",
			spec.Name, TypeDuration.show(r[0]), TypeDuration.show(r[1]))
	}
	return nil
}

func (spec *ParamSpec) validateText(s string) error {
	if hi := spec.Max; hi > 0 && (float64(len(s)) < spec.Min || float64(len(s)) > hi) {
		return fmt.Errorf("parameter %s has %d bytes; expected %v to %v", spec.Name, len(s), spec.Min, hi)
	}
	if len(s) > maxText {
		return fmt.Errorf("parameter %s has %d bytes; expected at most %d", spec.Name, len(s), maxText)
	}
	if len(spec.Choices) > 0 && !slices.Contains(spec.Choices, s) {
		return fmt.Errorf("parameter %s is %q; expected one of %s", spec.Name, s, strings.Join(spec.Choices, ", "))
	}
	return nil
}

func (spec *ParamSpec) validateCodes(codes []int) error {
	if len(codes) == 0 || len(codes) > maxItems {
		return fmt.Errorf("parameter %s has %d codes; expected 1 to %d", spec.Name, len(codes), maxItems)
	}
	for _, code := range codes {
		if float64(code) < spec.Min || float64(code) > spec.Max {
			return fmt.Errorf("parameter %s has %d; expected %v to %v", spec.Name, code, spec.Min, spec.Max)
		}
	}
	return nil
}

// validateHeaders refuses what would let a header end its line and begin another.
func (spec *ParamSpec) validateHeaders(headers map[string]string) error {
	for _, name := range sortedKeys(headers) {
		if !isHeaderName(name) {
			return fmt.Errorf("parameter %s: %s is no header name; expected letters, digits and \"-\"", spec.Name, describe(name))
		}
		if value := headers[name]; len(value) > 8192 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("parameter %s: the value of header %s has a control character or more than 8192 bytes", spec.Name, name)
		}
	}
	return nil
}

func isHeaderName(name string) bool {
	return name != "" && len(name) <= 256 && !strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) })
}

// isToken reports whether r may stand in a header name (RFC 9110, 5.6.2).
func isToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// format writes one number of the type for people.
func (t ParamType) format(n float64) string {
	switch t {
	case TypeDuration, TypeRange:
		return units.FormatDuration(time.Duration(n))
	case TypeShare:
		return plain(100*n) + "%"
	case TypePercent:
		return plain(n) + "%"
	case TypeSize:
		return units.FormatSize(int64(n))
	case TypeBandwidth:
		return units.FormatBandwidth(n)
	}
	return plain(n)
}

// show writes a value of the type for people: "500ms", "50ms→800ms over 30s".
func (t ParamType) show(v Value) string {
	if !v.IsRamp() {
		return t.format(v.Start)
	}
	s := t.format(v.Start) + "→" + t.format(v.End) + " over " + units.FormatDuration(v.Over)
	if v.Shape != Linear {
		s += " " + v.shapeText()
	}
	return s
}

// plain writes n with up to ten digits: 100·0.07 is 7, not 7.000000000000001.
func plain(n float64) string { return strconv.FormatFloat(n, 'g', 10, 64) }
