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

// MarshalJSON writes the record as one JSON object without line breaks. It escapes
// no HTML; json.Marshal, which calls it, does so nevertheless. AppendJSON does not.
func (r Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil) }

// AppendJSON appends the record to dst as MarshalJSON writes it.
func (r Record) AppendJSON(dst []byte) ([]byte, error) {
	dst = append(dst, `{"at":`...)
	dst = strconv.AppendInt(dst, int64(r.At), 10)
	dst = append(dst, `,"kind":`...)
	dst = appendString(dst, string(r.Kind))
	dst = append(dst, `,"place":`...)
	if isPath(r.Place.Branch) {
		dst = append(dst, '"')
		dst = append(dst, r.Place.Branch...)
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(r.Place.Op), 10)
		dst = append(dst, '"')
	} else {
		dst = appendString(dst, r.Place.String())
	}
	if r.Body != nil {
		var err error
		if dst, err = appendBody(append(dst, `,"body":`...), r.Body); err != nil {
			return nil, fmt.Errorf("encoding a %s record: %w", r.Kind, err)
		}
	}
	return append(dst, '}'), nil
}

// appendBody writes by hand the bodies of which a run has thousands, which
// encoding/json takes three times as long for, and leaves it the others. What it
// writes by hand is byte for byte what encoding/json would; a test compares them.
func appendBody(dst []byte, body any) ([]byte, error) {
	switch b := body.(type) {
	case *SleepBody:
		if b != nil {
			dst = append(dst, `{"for":`...)
			dst = strconv.AppendInt(dst, int64(b.For), 10)
			dst = appendField(dst, `,"why":`, b.Why)
			return append(dst, '}'), nil
		}
	case *TurnBody:
		if b != nil {
			dst = append(dst, `{"path":`...)
			dst = appendString(dst, b.Path)
			dst = append(dst, `,"turn":`...)
			dst = strconv.AppendInt(dst, int64(b.Turn), 10)
			if b.Late != 0 {
				dst = append(dst, `,"late":`...)
				dst = strconv.AppendInt(dst, int64(b.Late), 10)
			}
			return append(dst, '}'), nil
		}
	case *EffectNoteBody:
		if b != nil {
			dst, err := appendRaw(append(dst, `{"data":`...), b.Data)
			return append(dst, '}'), err
		}
	case *EffectEndBody:
		if b != nil && b.Error == nil && len(b.Data) > 0 {
			dst, err := appendRaw(append(dst, `{"data":`...), b.Data)
			return append(dst, '}'), err
		}
	case *EffectStartBody:
		if b != nil {
			return appendEffectStart(dst, b)
		}
	}
	return appendAny(dst, body)
}

func appendEffectStart(dst []byte, b *EffectStartBody) ([]byte, error) {
	dst = append(dst, `{"kind":`...)
	dst = appendString(dst, b.Kind)
	dst = appendField(dst, `,"path":`, b.Path)
	dst, err := appendRaw(append(dst, `,"args":`...), b.Args)
	if b.Held {
		dst = append(dst, `,"held":true`...)
	}
	if b.Chaos {
		dst = append(dst, `,"chaos":true`...)
	}
	if b.Repeat {
		dst = append(dst, `,"repeat":true`...)
	}
	if b.Within != 0 {
		dst = append(dst, `,"within":`...)
		dst = strconv.AppendInt(dst, int64(b.Within), 10)
	}
	if len(b.Terms) > 0 && err == nil {
		dst, err = appendRaw(append(dst, `,"terms":`...), b.Terms)
	}
	return append(dst, '}'), err
}

// appendField writes a string that is left out when empty.
func appendField(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, name...), value)
}

// appendString writes a JSON string; one that needs no escape is copied.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			dst, _ = appendAny(dst, s) // a string has no way to fail
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// appendRaw writes JSON from elsewhere, checked and without line breaks.
func appendRaw(dst []byte, raw json.RawMessage) ([]byte, error) {
	if raw == nil {
		return append(dst, "null"...), nil
	}
	buf := bytes.NewBuffer(dst)
	err := json.Compact(buf, raw)
	return buf.Bytes(), err
}

func appendAny(dst []byte, v any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
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
	if !ok || err != nil || !isPath(branch) {
		return Place{}, fmt.Errorf("%q is no place of a run; expected for example \"0.2:7\"", s)
	}
	return Place{Branch: branch, Op: uint32(n)}, nil
}

// isPath reports whether s is a branch's path: numbers with dots between them.
func isPath(s string) bool {
	digits := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '.' && digits:
			digits = false
		default:
			return false
		}
	}
	return digits
}
