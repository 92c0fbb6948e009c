// Package jsonwrite writes values of which the shape is known, byte for byte as encoding/json
// would. That walks over each by reflection and asks of what its parts have written whether
// it is JSON, which is most of the time that a plan of thousands of faults takes.
package jsonwrite

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// A Writer writes one value. Its caller sees to it that what is opened is closed, and that
// each key has its value.
type Writer struct {
	out []byte
	err error // the first
}

// New makes a Writer with room for so many bytes.
func New(size int) *Writer { return &Writer{out: make([]byte, 0, size)} }

// Bytes is what was written, and the first error.
func (w *Writer) Bytes() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return w.out, nil
}

// Fail notes why there is nothing to write.
func (w *Writer) Fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Open begins an object or a list: '{' or '['.
func (w *Writer) Open(bracket byte) { w.out = append(w.out, bracket) }

// Close ends it: '}' or ']'.
func (w *Writer) Close(bracket byte) { w.out = append(w.out, bracket) }

// Next comes before each value of a list, and writes the comma between two.
func (w *Writer) Next() {
	if n := len(w.out); w.out[n-1] != '{' && w.out[n-1] != '[' {
		w.out = append(w.out, ',')
	}
}

// Key comes before each value of an object. The name has nothing that is to be escaped.
func (w *Writer) Key(name string) {
	w.Next()
	w.out = append(w.out, '"')
	w.out = append(w.out, name...)
	w.out = append(w.out, '"', ':')
}

// Text writes a string.
func (w *Writer) Text(value string) {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || strings.IndexByte("\"\\<>&", c) >= 0 { // may have to be escaped
			w.Any(value)
			return
		}
	}
	w.out = append(w.out, '"')
	w.out = append(w.out, value...)
	w.out = append(w.out, '"')
}

// Int and Uint write a whole number.
func (w *Writer) Int(n int64) { w.out = strconv.AppendInt(w.out, n, 10) }

// Uint is Int.
func (w *Writer) Uint(n uint64) { w.out = strconv.AppendUint(w.out, n, 10) }

// Float writes a number.
func (w *Writer) Float(n float64) {
	if size := math.Abs(n); size == 0 || 1e-6 <= size && size < 1e21 {
		w.out = strconv.AppendFloat(w.out, n, 'f', -1, 64)
		return
	}
	w.Any(n)
}

// Any writes what encoding/json makes of a value.
func (w *Writer) Any(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		w.Fail(err)
	}
	w.out = append(w.out, text...)
}
