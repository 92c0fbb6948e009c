package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxItems bounds the items of any list in a fault.
const maxItems = 1000

// items returns a list's items, or the one that stands for a list of one.
func items(arg any) []any {
	if list, ok := arg.([]any); ok {
		return list
	}
	return []any{arg}
}

func readStrings(spec *ParamSpec, arg any) ([]string, error) {
	if list, ok := arg.([]string); ok {
		return slices.Clone(list), nil
	}
	out := []string{}
	for _, item := range items(arg) {
		s, ok := item.(string)
		if !ok {
			return nil, spec.wants(spec.Type.expected(), item)
		}
		if out = append(out, s); len(out) > maxItems {
			break // too many, which validate says
		}
	}
	return out, nil
}

// readGRPCCodes reads names, numbers, and HTTP statuses, which are mapped.
func readGRPCCodes(spec *ParamSpec, arg any) ([]int, error) {
	if list, ok := arg.([]int); ok {
		return slices.Clone(list), nil
	}
	var codes []int
	for _, item := range items(arg) {
		code, err := grpcCode(item)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", spec.Name, err)
		}
		if codes = append(codes, code); len(codes) > maxItems {
			break
		}
	}
	return codes, nil
}

// readGraphQLCodes reads names, and HTTP statuses, which are mapped.
func readGraphQLCodes(spec *ParamSpec, arg any) ([]string, error) {
	if list, ok := arg.([]string); ok {
		return slices.Clone(list), nil
	}
	var codes []string
	for _, item := range items(arg) {
		name, ok := item.(string)
		if status, whole := wholeNumber(item); whole {
			if name, ok = GraphQLCode(status); !ok {
				return nil, fmt.Errorf("parameter %s: no code of GraphQL stands for HTTP status %d; write the code as a string", spec.Name, status)
			}
		}
		if !ok {
			return nil, spec.wants(spec.Type.expected(), item)
		}
		if codes = append(codes, name); len(codes) > maxItems {
			break
		}
	}
	return codes, nil
}

// readArgvs reads one command, or a list of them.
func readArgvs(spec *ParamSpec, arg any) ([][]string, error) {
	if list, ok := arg.([][]string); ok {
		out := make([][]string, len(list))
		for i, argv := range list {
			out[i] = slices.Clone(argv)
		}
		return out, nil
	}
	list, ok := arg.([]any)
	if !ok {
		return nil, spec.wants(spec.Type.expected(), arg)
	}
	if len(list) > 0 {
		if _, one := list[0].(string); one {
			list = []any{list}
		}
	}
	out := [][]string{}
	for _, item := range list {
		words, ok := item.([]any)
		if !ok {
			return nil, spec.wants(spec.Type.expected(), item)
		}
		argv, err := readStrings(&ParamSpec{Name: spec.Name, Type: TypeStrings}, words)
		if err != nil {
			return nil, err
		}
		if out = append(out, argv); len(out) > maxItems {
			break
		}
	}
	return out, nil
}

// readJSON reads what JSON can hold, or JSON that is written already.
func readJSON(spec *ParamSpec, arg any) (json.RawMessage, error) {
	raw, err := canonicalJSON(arg)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", spec.Name, err)
	}
	return raw, nil
}

// canonicalJSON writes v, or rewrites a json.RawMessage: keys sorted, no space, the
// digits of numbers as they were. Its result rewrites to itself.
func canonicalJSON(v any) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) > maxText {
			return nil, fmt.Errorf("it has %d bytes as JSON; expected at most %d", len(raw), maxText)
		}
		v = nil
		if err := decodeJSON(raw, &v); err != nil {
			return nil, err
		}
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	return out, nil
}

// decodeJSON reads one value with the digits of its numbers as they are.
func decodeJSON(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("it is no JSON: something follows the value")
	}
	return nil
}

// validateStrings checks a list of strings.
func (spec *ParamSpec) validateStrings(list []string) error {
	if spec.Default == "" && len(list) == 0 || len(list) > maxItems {
		return fmt.Errorf("parameter %s has %d items; expected 1 to %d", spec.Name, len(list), maxItems)
	}
	for _, s := range list {
		if s == "" || len(s) > 1024 || strings.ContainsFunc(s, isControl) {
			return fmt.Errorf("parameter %s has %s; expected 1 to 1024 bytes without control characters", spec.Name, describe(s))
		}
	}
	return nil
}

// validateArgvs checks commands. A NUL would end an argument where none should end.
func (spec *ParamSpec) validateArgvs(list [][]string) error {
	if len(list) == 0 || len(list) > 100 {
		return fmt.Errorf("parameter %s has %d commands; expected 1 to 100", spec.Name, len(list))
	}
	for _, argv := range list {
		if len(argv) == 0 || len(argv) > maxItems || argv[0] == "" {
			return fmt.Errorf("parameter %s: a command has %d arguments; expected the name of a program, and at most %d in all", spec.Name, len(argv), maxItems)
		}
		for _, arg := range argv {
			if len(arg) > 64<<10 || strings.ContainsRune(arg, 0) {
				return fmt.Errorf("parameter %s: the argument %s has a NUL or more than %d bytes", spec.Name, describe(arg), 64<<10)
			}
		}
	}
	return nil
}

func (spec *ParamSpec) validateJSON(raw json.RawMessage) error {
	if len(raw) > maxText {
		return fmt.Errorf("parameter %s has %d bytes as JSON; expected at most %d", spec.Name, len(raw), maxText)
	}
	var v any
	if err := decodeJSON(raw, &v); err != nil {
		return fmt.Errorf("parameter %s: %w", spec.Name, err)
	}
	if spec.Type != TypeProbe {
		return nil
	}
	fields, _ := v.(map[string]any)
	if kind, ok := fields["kind"].(string); !ok || kind == "" {
		return fmt.Errorf(`parameter %s: expected a probe, such as {"kind": "tcp", "addr": "127.0.0.1:6379"}`, spec.Name)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
