package chaos

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"starquake/units"
)

// readParam turns an argument into the Go type of its parameter.
func readParam(spec *ParamSpec, arg any) (any, error) {
	switch spec.Type {
	case TypeString:
		s, ok := arg.(string)
		if !ok {
			return nil, spec.wants("a string", arg)
		}
		if spec.canonical != nil {
			s = spec.canonical(s)
		}
		return s, nil
	case TypeStrings:
		return readStrings(spec, arg)
	case TypeCodes:
		return readCodes(spec, arg)
	case TypeGRPCCodes:
		return readGRPCCodes(spec, arg)
	case TypeGraphQLCodes:
		return readGraphQLCodes(spec, arg)
	case TypeHeaders:
		return readHeaders(spec, arg)
	case TypeRange:
		return readRange(spec, arg)
	case TypeJSON, TypeProbe:
		return readJSON(spec, arg)
	case TypeArgvs:
		return readArgvs(spec, arg)
	case TypeRequest:
		return readRequest(spec, arg)
	}
	return readValue(spec, arg)
}

// Range returns the bounds of the numbers that may be written for the parameter; ok is
// false where there are none, or where others are read too.
func (spec *ParamSpec) Range() (lo, hi float64, ok bool) {
	number := spec.Type.numeric() || spec.Type == TypeRange || spec.Type == TypeCodes && spec.fromHTTP == nil
	return spec.Min, spec.Max, number && (spec.Min != 0 || spec.Max != 0)
}

// wants is the error for an argument of another type than expected.
func (spec *ParamSpec) wants(expected string, found any) error {
	return fmt.Errorf("parameter %s: expected %s, found %s", spec.Name, expected, describe(found))
}

// describe names a value of unknown type within one line.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		if n := 60; len(v) > n {
			for n > 0 && !utf8.RuneStart(v[n]) {
				n--
			}
			v = v[:n] + "…"
		}
		return strconv.Quote(v)
	case bool, int, int64, uint64, float64, json.Number, time.Duration:
		return fmt.Sprint(v)
	case []any:
		return "a list of " + strconv.Itoa(len(v))
	case map[string]any:
		return "a dict of " + strconv.Itoa(len(v))
	}
	return fmt.Sprintf("a %T", v)
}

// readValue reads a number in the unit of spec.Type, or a ramp of such.
func readValue(spec *ParamSpec, arg any) (Value, error) {
	if v, ok := arg.(Value); ok {
		if v.IsRamp() && !spec.Ramp {
			return Value{}, fmt.Errorf("parameter %s: a ramp is not possible here", spec.Name)
		}
		return v, nil
	}
	if fields, ok := arg.(map[string]any); ok {
		return readRamp(spec, fields)
	}
	n, err := readNumber(spec, arg)
	return Const(n), err
}

func readRamp(spec *ParamSpec, fields map[string]any) (Value, error) {
	ramp, ok := fields["ramp"].(map[string]any)
	if !ok || len(fields) != 1 {
		return Value{}, spec.wants(spec.Type.expected()+` or {"ramp": {"start", "end", "over", "shape"}}`, fields)
	}
	if !spec.Ramp {
		return Value{}, fmt.Errorf("parameter %s: a ramp is not possible here", spec.Name)
	}
	for _, name := range sortedKeys(ramp) {
		if !slices.Contains([]string{"start", "end", "over", "shape"}, name) {
			return Value{}, fmt.Errorf("parameter %s: a ramp has no %q; expected start, end, over and shape", spec.Name, name)
		}
	}
	inRamp := func(part string) *ParamSpec {
		return &ParamSpec{Name: spec.Name + " (" + part + " of the ramp)", Type: spec.Type}
	}
	start, err := readNumber(inRamp("start"), ramp["start"])
	if err != nil {
		return Value{}, err
	}
	end, err := readNumber(inRamp("end"), ramp["end"])
	if err != nil {
		return Value{}, err
	}
	overSpec := inRamp("over")
	overSpec.Type = TypeDuration
	over, err := readNumber(overSpec, ramp["over"])
	if err != nil {
		return Value{}, err
	}
	shape, ok := ramp["shape"].(string)
	if !ok && ramp["shape"] != nil {
		return Value{}, inRamp("shape").wants("a string", ramp["shape"])
	}
	v, err := Ramp(start, end, time.Duration(over), shape)
	if err != nil {
		return Value{}, fmt.Errorf("parameter %s: %w", spec.Name, err)
	}
	return v, nil
}

// readNumber reads one number in the unit of spec.Type.
func readNumber(spec *ParamSpec, arg any) (float64, error) {
	switch a := arg.(type) {
	case time.Duration:
		if spec.Type == TypeDuration {
			return float64(a), nil
		}
	case string:
		n, err := parseNumber(spec.Type, a)
		if err != nil {
			return 0, fmt.Errorf("parameter %s: %w", spec.Name, err)
		}
		return n, nil
	}
	n, ok := plainNumber(arg)
	if !ok {
		return 0, spec.wants(spec.Type.expected(), arg)
	}
	if spec.Type == TypeDuration {
		d, err := units.Seconds(n)
		if err != nil {
			return 0, fmt.Errorf("parameter %s: %w", spec.Name, err)
		}
		return float64(d), nil
	}
	return n, nil
}

func plainNumber(arg any) (float64, bool) {
	switch a := arg.(type) {
	case int:
		return float64(a), true
	case int64:
		return float64(a), true
	case uint64:
		return float64(a), true
	case float64:
		return a, true
	case json.Number:
		n, err := a.Float64()
		return n, err == nil
	}
	return 0, false
}

// wholeNumber reads an int of at most 31 bits.
func wholeNumber(arg any) (int, bool) {
	n, ok := plainNumber(arg)
	if !ok || n != math.Trunc(n) || math.Abs(n) > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}

func parseNumber(t ParamType, s string) (float64, error) {
	switch t {
	case TypeDuration:
		d, err := units.ParseDuration(s)
		return float64(d), err
	case TypeShare:
		return units.ParseShare(s)
	case TypeSize:
		n, err := units.ParseSize(s)
		return float64(n), err
	case TypeBandwidth:
		return units.ParseBandwidth(s)
	case TypePercent:
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no percentage; write a number from 0 to 100 or for example \"5%%\"", s)
		}
		return n, nil
	}
	return 0, fmt.Errorf("expected a number, found the string %q", s)
}

func readCodes(spec *ParamSpec, arg any) ([]int, error) {
	var items []any
	switch a := arg.(type) {
	case []int:
		return slices.Clone(a), nil
	case []any:
		items = a
	default:
		items = []any{arg}
	}
	codes := make([]int, 0, min(len(items), maxItems+1))
	for _, item := range items {
		code, ok := wholeNumber(item)
		if !ok {
			return nil, spec.wants("a whole number or a list of them", item)
		}
		if spec.fromHTTP != nil && (float64(code) < spec.Min || float64(code) > spec.Max) {
			if own, ok := spec.fromHTTP(code); ok {
				code = own
			}
		}
		if codes = append(codes, code); len(codes) > maxItems {
			break // too many, which validate says
		}
	}
	return codes, nil
}

func readHeaders(spec *ParamSpec, arg any) (map[string]string, error) {
	headers := make(map[string]string)
	switch a := arg.(type) {
	case map[string]string:
		for name, value := range a {
			headers[name] = value
		}
	case map[string]any:
		for name, value := range a {
			text, ok := value.(string)
			if !ok {
				return nil, spec.wants("a string for "+describe(name), value)
			}
			headers[name] = text
		}
	default:
		return nil, spec.wants(spec.Type.expected(), arg)
	}
	return headers, nil
}

func readRange(spec *ParamSpec, arg any) (r [2]Value, err error) {
	if r, ok := arg.([2]Value); ok {
		return r, nil
	}
	items, ok := arg.([]any)
	if !ok || len(items) != 2 {
		return r, spec.wants(spec.Type.expected(), arg)
	}
	bound := ParamSpec{Name: spec.Name, Type: TypeDuration, Ramp: spec.Ramp}
	for i := range r {
		if r[i], err = readValue(&bound, items[i]); err != nil {
			return r, err
		}
	}
	return r, nil
}

// readDefault reads Default, which is a literal; None gives nil.
func (spec *ParamSpec) readDefault() any {
	if spec.Default == "" || spec.Default == "None" {
		return nil
	}
	var literal any
	if err := json.Unmarshal([]byte(spec.Default), &literal); err != nil {
		return nil
	}
	v, err := readParam(spec, literal)
	if err != nil {
		return nil
	}
	return v
}

func (spec *ParamSpec) isDefault(v any) bool {
	d := spec.value
	if n, ok := v.(Value); ok { // as most are
		standard, ok := d.(Value)
		return ok && n == standard
	}
	return d != nil && reflect.DeepEqual(v, d)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
