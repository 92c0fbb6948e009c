package badjson

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestPlain: what is wrong with a text is said without the words of Go.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   "it is empty; expected a JSON object",
		`{"name": "a"`:                       "the JSON value is cut off: it ends too early",
		`[]`:                                 "expected an object, found a list",
		`{"name": 5}`:                        "name: expected a string, found a number",
		`{"many": {}}`:                       "many: expected a list, found an object",
		`{"is": "yes"}`:                      "is: expected true or false, found a string",
		`{"of": {"n": 1e99}}`:                "of.n: expected a whole number of 64 bits, and not below 0, found a number",
		`{"of": {"n": -1}}`:                  "of.n: expected a whole number of 64 bits, and not below 0, found a number",
		`{"of": {"n": true}}`:                "of.n: expected a whole number of 64 bits, and not below 0, found true or false",
		`{"color": 1}`:                       `there is no key "color"`,
		`{"name": x}`:                        "invalid character 'x' looking for beginning of value",
		`{"map": ["a"]}`:                     "map: expected an object, found a list",
		`{"share": "a"}`:                     "share: expected a number, found a string",
		`{"small": 99999999999999999999999}`: "small: expected a whole number of 64 bits, found a number",
	} {
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.DisallowUnknownFields()
		err := dec.Decode(&struct {
			Name  string         `json:"name"`
			Many  []string       `json:"many"`
			Is    *bool          `json:"is"`
			Map   map[string]any `json:"map"`
			Share float64        `json:"share"`
			Small int            `json:"small"`
			Of    struct {
				N uint64 `json:"n"`
			} `json:"of"`
		}{})
		if err == nil {
			t.Errorf("%s is taken", text)
		} else if got := Plain(err).Error(); got != want {
			t.Errorf("%s: %q, expected %q", text, got, want)
		}
	}
}
