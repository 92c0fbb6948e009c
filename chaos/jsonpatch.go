package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// JSON Patch (RFC 6902) on bodies that others send, so everything is bounded: a patch
// that copies a value into itself doubles it each time.
const (
	maxPatchOps   = 1000
	maxPatchPath  = 4096
	maxPatchParts = 128
	// maxPatchRoom bounds what a patch adds to a document, in bytes or thereabouts.
	maxPatchRoom = 16 << 20
	// maxPatchDepth bounds how deep a copied value is nested: writing one takes stack.
	maxPatchDepth = 1000
)

// patchOp is one operation made ready.
type patchOp struct {
	op         string
	path, from []string
	value      any
}

// parsePatch reads a patch.
func parsePatch(raw json.RawMessage) ([]patchOp, error) {
	var v any
	if err := decodeJSON(raw, &v); err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf(`expected a list of operations such as [{"op": "remove", "path": "/price"}], found %s`, describe(v))
	}
	if len(list) == 0 || len(list) > maxPatchOps {
		return nil, fmt.Errorf("has %d operations; expected 1 to %d", len(list), maxPatchOps)
	}
	ops := make([]patchOp, len(list))
	for i, item := range list {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("operation %d: expected a dict, found %s", i+1, describe(item))
		}
		if err := ops[i].parse(fields); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	return ops, nil
}

func (p *patchOp) parse(fields map[string]any) (err error) {
	var ok bool
	if p.op, ok = fields["op"].(string); !ok {
		return errors.New(`"op" is missing; expected add, remove, replace, move, copy or test`)
	}
	allowed := []string{"op", "path"}
	switch p.op {
	case "add", "replace", "test":
		allowed = append(allowed, "value")
	case "move", "copy":
		allowed = append(allowed, "from")
	case "remove":
	default:
		return fmt.Errorf("%s is unknown; there are add, remove, replace, move, copy, test", describe(p.op))
	}
	for _, name := range sortedKeys(fields) {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("%s has no %s; it has %s", p.op, describe(name), strings.Join(allowed, ", "))
		}
	}
	for _, name := range allowed {
		if _, ok := fields[name]; !ok {
			return fmt.Errorf("%s needs %q", p.op, name)
		}
	}
	if p.path, err = parsePointer("path", fields["path"]); err != nil {
		return err
	}
	if p.op == "move" || p.op == "copy" {
		if p.from, err = parsePointer("from", fields["from"]); err != nil {
			return err
		}
		if p.op == "move" && len(p.from) < len(p.path) && slices.Equal(p.from, p.path[:len(p.from)]) {
			return errors.New("a value cannot be moved into itself")
		}
		return nil
	}
	p.value = fields["value"]
	return nil
}

// parsePointer reads a JSON pointer (RFC 6901): "" is the whole, "/a/0" its parts.
func parsePointer(what string, v any) ([]string, error) {
	text, ok := v.(string)
	if !ok || text != "" && text[0] != '/' || len(text) > maxPatchPath {
		return nil, fmt.Errorf("%q is %s; expected a pointer such as \"/items/0/price\"", what, describe(v))
	}
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > maxPatchParts {
		return nil, fmt.Errorf("%q has %d parts; expected at most %d", what, len(parts), maxPatchParts)
	}
	for i, part := range parts {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(part), "~") {
			return nil, fmt.Errorf("%q is %s: \"~\" is written ~0, \"/\" within a name ~1", what, describe(text))
		}
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts, nil
}

// applyPatch applies all operations, or none and says why.
func applyPatch(ops []patchOp, body []byte) ([]byte, error) {
	var doc any
	if err := decodeJSON(body, &doc); err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	room := maxPatchRoom
	for i := range ops {
		var err error
		if doc, err = ops[i].apply(doc, &room); err != nil {
			return nil, fmt.Errorf("operation %d, %s /%s: %w", i+1, ops[i].op, strings.Join(ops[i].path, "/"), err)
		}
	}
	return json.Marshal(doc)
}

// apply returns doc after the operation; room is how much it may still add.
func (p *patchOp) apply(doc any, room *int) (any, error) {
	switch p.op {
	case "add":
		value, err := clone(p.value, room, 0)
		if err != nil {
			return nil, err
		}
		return edit(doc, p.path, adding(value))
	case "replace":
		value, err := clone(p.value, room, 0)
		if err != nil {
			return nil, err
		}
		return edit(doc, p.path, replacing(value))
	case "remove":
		return edit(doc, p.path, removing)
	case "move":
		value, err := lookup(doc, p.from)
		if err != nil {
			return nil, err
		}
		if doc, err = edit(doc, p.from, removing); err != nil {
			return nil, err
		}
		return edit(doc, p.path, adding(value))
	case "copy":
		value, err := lookup(doc, p.from)
		if err != nil {
			return nil, err
		}
		if value, err = clone(value, room, 0); err != nil {
			return nil, err
		}
		return edit(doc, p.path, adding(value))
	}
	found, err := lookup(doc, p.path)
	if err != nil {
		return nil, err
	}
	if !sameJSON(found, p.value) {
		return nil, errors.New("the test does not hold")
	}
	return doc, nil
}

// lookup returns the value at path.
func lookup(doc any, path []string) (any, error) {
	for _, part := range path {
		switch v := doc.(type) {
		case map[string]any:
			value, ok := v[part]
			if !ok {
				return nil, fmt.Errorf("there is no %s", describe(part))
			}
			doc = value
		case []any:
			i, err := index(part, len(v)-1)
			if err != nil {
				return nil, err
			}
			doc = v[i]
		default:
			return nil, fmt.Errorf("there is no %s in a value without parts", describe(part))
		}
	}
	return doc, nil
}

// index reads a place in a list, at most last.
func index(part string, last int) (int, error) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || i > last || strconv.Itoa(i) != part {
		return 0, fmt.Errorf("%s is no place in a list that goes to %d", describe(part), last)
	}
	return i, nil
}

// change changes the part of parent, a map or a list, and returns the parent. part is
// nil for the whole document, which is then returned in parent's place.
type change func(parent any, part *string) (any, error)

// edit lets do change what path names, and returns the document.
func edit(doc any, path []string, do change) (any, error) {
	if len(path) == 0 {
		return do(doc, nil)
	}
	if len(path) == 1 {
		return do(doc, &path[0])
	}
	inner, err := lookup(doc, path[:1])
	if err != nil {
		return nil, err
	}
	changed, err := edit(inner, path[1:], do)
	if err != nil {
		return nil, err
	}
	return replacing(changed)(doc, &path[0])
}

func adding(value any) change {
	return func(parent any, part *string) (any, error) {
		if part == nil {
			return value, nil
		}
		list, ok := parent.([]any)
		if !ok {
			return setMember(parent, *part, value)
		}
		i := len(list)
		if *part != "-" {
			var err error
			if i, err = index(*part, len(list)); err != nil {
				return nil, err
			}
		}
		return slices.Insert(list, i, value), nil
	}
}

func setMember(parent any, part string, value any) (any, error) {
	m, ok := parent.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("there is no %s in a value without parts", describe(part))
	}
	m[part] = value
	return m, nil
}

func replacing(value any) change {
	return func(parent any, part *string) (any, error) {
		if part == nil {
			return value, nil
		}
		if _, err := lookup(parent, []string{*part}); err != nil {
			return nil, err
		}
		if list, ok := parent.([]any); ok {
			i, _ := index(*part, len(list)-1) // lookup found it
			list[i] = value
			return list, nil
		}
		return setMember(parent, *part, value)
	}
}

func removing(parent any, part *string) (any, error) {
	if part == nil {
		return nil, nil
	}
	if _, err := lookup(parent, []string{*part}); err != nil {
		return nil, err
	}
	if list, ok := parent.([]any); ok {
		i, _ := index(*part, len(list)-1) // lookup found it
		return slices.Delete(list, i, i+1), nil
	}
	delete(parent.(map[string]any), *part)
	return parent, nil
}

// clone copies a value, so that no part of a document is in two places.
func clone(v any, room *int, depth int) (any, error) {
	const each = 16 // about what a value takes without its text
	switch v := v.(type) {
	case string:
		*room -= len(v)
	case json.Number:
		*room -= len(v)
	}
	if *room -= each; *room < 0 {
		return nil, fmt.Errorf("the patch adds more than %d bytes", maxPatchRoom)
	}
	if depth > maxPatchDepth {
		return nil, fmt.Errorf("the value is nested more than %d deep", maxPatchDepth)
	}
	var err error
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			*room -= len(name)
			if out[name], err = clone(value, room, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			if out[i], err = clone(value, room, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// sameJSON compares as RFC 6902 does: numbers by their value.
func sameJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, xerr := a.Float64()
		y, yerr := b.Float64()
		return a == b || xerr == nil && yerr == nil && x == y
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			if other, ok := b[name]; !ok || !sameJSON(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	}
	return reflect.DeepEqual(a, b)
}
