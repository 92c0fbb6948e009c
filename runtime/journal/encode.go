package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// wire is the JSON form of a record, in the order its fields are written.
type wire struct {
	At    int64           `json:"at"`
	Kind  Kind            `json:"kind"`
	Place string          `json:"place"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// MarshalJSON writes the record as one JSON object without line breaks.
func (r Record) MarshalJSON() ([]byte, error) {
	w := wire{At: int64(r.At), Kind: r.Kind, Place: r.Place.String()}
	if r.Body != nil {
		var buf bytes.Buffer
		enc := json.NewEncoder(&buf)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r.Body); err != nil {
			return nil, fmt.Errorf("encoding a %s record: %w", r.Kind, err)
		}
		w.Body = bytes.TrimRight(buf.Bytes(), "\n")
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote. An unknown kind is an error: a reader
// that skipped a fact would fold to another state.
func (r *Record) UnmarshalJSON(text []byte) error {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	place, err := ParsePlace(w.Place)
	if err != nil {
		return err
	}
	*r = Record{At: time.Duration(w.At), Kind: w.Kind, Place: place}
	newBody, known := Kinds[w.Kind]
	if !known {
		if w.Kind != Timer && w.Kind != EffectStop {
			return fmt.Errorf("unknown record kind %q", w.Kind)
		}
		return nil
	}
	r.Body = newBody()
	if len(w.Body) == 0 {
		return fmt.Errorf("a %s record has no body", w.Kind)
	}
	if err := json.Unmarshal(w.Body, r.Body); err != nil {
		return fmt.Errorf("reading a %s record: %w", w.Kind, err)
	}
	return nil
}

// ParsePlace reads "0.2:7".
func ParsePlace(s string) (Place, error) {
	branch, op, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(op, 10, 32)
	if !ok || err != nil || branch == "" {
		return Place{}, fmt.Errorf("%q is no place of a run; expected for example \"0.2:7\"", s)
	}
	return Place{Branch: branch, Op: uint32(n)}, nil
}
