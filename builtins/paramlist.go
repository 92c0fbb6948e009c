package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// typeOfItems is the type that all items of a parameter's default have, so that those
// given on a command line become the same; "string" where there is none.
func typeOfItems(def starlark.Value) string {
	typ := ""
	for _, item := range elements(def) {
		t := typeOfDefault(item)
		if t == "list" || t == "json" || typ != "" && typ != t {
			return "string"
		}
		typ = t
	}
	return orElse(typ, "string")
}

// paramList reads "a,b", items of a type; nothing is an empty list.
func paramList(items, s string) (starlark.Value, error) {
	var list []starlark.Value
	if strings.TrimSpace(s) == "" {
		return starlark.NewList(nil), nil
	}
	for item := range strings.SplitSeq(s, ",") {
		v, err := paramText(items, "", strings.TrimSpace(item))
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", len(list)+1, err)
		}
		list = append(list, v)
	}
	return starlark.NewList(list), nil
}
