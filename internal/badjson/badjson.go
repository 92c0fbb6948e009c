// Package badjson says what is wrong with a JSON text in words of JSON. Those of
// encoding/json tell of the Go types that the text was read into.
//
// What lives here: that, for the two APIs alike. What may not: how an API answers.
package badjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// ErrEmpty is the error of a text that has nothing in it.
var ErrEmpty = errors.New("it is empty; expected a JSON object")

// Plain is an error of encoding/json for whoever wrote the text. Other errors are as they were.
func Plain(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON value is cut off: it ends too early")
	case errors.Is(err, io.EOF):
		return ErrEmpty
	case errors.As(err, &wrong):
		said := fmt.Errorf("expected %s, found %s", expected(wrong.Type), Noun(wrong.Value))
		if wrong.Field != "" {
			said = fmt.Errorf("%s: %w", wrong.Field, said)
		}
		return said
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("there is no key %s", name)
	}
	return err
}

// expected is what a type is read from.
func expected(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number of %d bits, and not below 0", t.Bits())
	}
	return "another value"
}

// Noun is a JSON value in an error, of which encoding/json gives the type.
func Noun(value string) string {
	word, _, _ := strings.Cut(value, " ") // of a number also the digits
	switch word {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + word
}
