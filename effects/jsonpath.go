package effects

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// matchJSON says which of the wanted values a JSON body does not have.
func matchJSON(body []byte, wanted map[string]json.RawMessage) error {
	if len(wanted) == 0 {
		return nil
	}
	got, err := decodeNumbers(body)
	if err != nil {
		return fmt.Errorf("body %q is no JSON: %w", excerpt(body), err)
	}
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		value, err := lookUp(got, path)
		if err != nil {
			return err
		}
		want, err := decodeNumbers(wanted[path])
		if err != nil {
			return fmt.Errorf("the value expected at %s is no JSON: %w", path, err)
		}
		if !sameJSON(value, want) {
			found, err := marshal(value)
			if err != nil {
				return err
			}
			return fmt.Errorf("%s is %s, expected %s", path, excerpt(found), excerpt(wanted[path]))
		}
	}
	return nil
}

// decodeNumbers decodes JSON and keeps the spelling of its numbers.
func decodeNumbers(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// parsePath splits "items[0].name" or, where keys have dots in them, "/items/0/name"
// (a JSON pointer). "" is the whole value.
func parsePath(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(path, "/"); ok {
		keys := strings.Split(rest, "/")
		for i, key := range keys {
			keys[i] = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
		}
		return keys, nil
	}
	flat := strings.ReplaceAll(strings.TrimPrefix(path, "$."), "[", ".")
	keys := strings.Split(strings.TrimPrefix(strings.ReplaceAll(flat, "]", ""), "."), ".")
	if slices.Contains(keys, "") {
		return nil, fmt.Errorf("%q is no path into JSON; write for example \"items[0].name\"", path)
	}
	return keys, nil
}

// lookUp finds the value at a path.
func lookUp(v any, path string) (any, error) {
	keys, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[key]
			if !ok {
				return nil, fmt.Errorf("body has no %s: there is no key %q", path, key)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) {
				return nil, fmt.Errorf("body has no %s: %q is no index of a list of %d", path, key, len(in))
			}
			v = in[i]
		default:
			return nil, fmt.Errorf("body has no %s: %q is asked of a plain value", path, key)
		}
	}
	return v, nil
}

// sameJSON compares decoded values; numbers by value, so 1 and 1.0 are the same.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, sameJSON)
	}
	return a == b
}

// sameNumber compares exactly where both are integers, else as floats. (A fraction
// of arbitrary precision could be made to fill the memory: 1e999999999.)
func sameNumber(a, b json.Number) bool {
	const long = 1000
	if a == b {
		return true
	}
	if len(a) < long && len(b) < long {
		x, ok1 := new(big.Int).SetString(a.String(), 10)
		y, ok2 := new(big.Int).SetString(b.String(), 10)
		if ok1 && ok2 {
			return x.Cmp(y) == 0
		}
	}
	x, err1 := a.Float64()
	y, err2 := b.Float64()
	return err1 == nil && err2 == nil && x == y
}
