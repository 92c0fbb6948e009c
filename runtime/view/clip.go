package view

import (
	"encoding/json"
	"unicode/utf8"
)

// clip cuts a text to MaxText bytes.
func clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	cut := MaxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// clipJSON keeps a value up to MaxText bytes, and of a longer one its beginning
// as a string, so that what it returns is always one JSON value.
func clipJSON(raw json.RawMessage) json.RawMessage {
	if len(raw) <= MaxText {
		return raw
	}
	text, err := json.Marshal(clip(string(raw)))
	if err != nil {
		return nil
	}
	return text
}
