package dsl

import (
	"cmp"
	"slices"

	"go.starlark.net/syntax"
)

// An Origin says what a module was made of that nobody wrote as Starlark: the file
// that a person wrote, and the place in it for each place of the module. Whatever
// speaks of the module speaks of that file: the checks through locate, and what
// happens at run time because the program is compiled with the file's places.
type Origin struct {
	// Text is the file as the person wrote it.
	Text []byte
	// marks are in the order of the module's text.
	marks []mark
}

// A Span is a stretch of a text: lines and columns are 1-based, columns count
// characters, and the end is just behind the last one. The zero Span is no place.
type Span struct{ Line, Col, EndLine, EndCol int }

// mark says that the module's text from line and col up to the next mark was made of
// a span. A program of ten thousand steps has half a million of them, so they are small.
type mark struct{ line, col, ofLine, ofCol, ofEndLine, ofEndCol int32 }

func newMark(line, col int, of Span) mark {
	return mark{int32(line), int32(col), int32(of.Line), int32(of.Col), int32(of.EndLine), int32(of.EndCol)}
}

func (m mark) of() Span {
	return Span{int(m.ofLine), int(m.ofCol), int(m.ofEndLine), int(m.ofEndCol)}
}

// compare orders marks by their places in the module.
func (m mark) compare(other mark) int {
	if m.line != other.line {
		return cmp.Compare(m.line, other.line)
	}
	return cmp.Compare(m.col, other.col)
}

// Mark says that the module's text from line and col on, up to the next mark, was
// made of a span; the zero Span says that nobody wrote it. Marks are made in the order
// of the text.
func (o *Origin) Mark(line, col int, of Span) {
	m := newMark(line, col, of)
	if n := len(o.marks); n > 0 && o.marks[n-1].compare(m) == 0 {
		o.marks = o.marks[:n-1] // nothing stands between the two
	}
	if n := len(o.marks); n > 0 && o.marks[n-1].of() == of {
		return
	}
	o.marks = append(o.marks, m)
}

// At gives what a place of the module was made of, the zero Span where nobody wrote it.
func (o *Origin) At(line, col int) Span {
	if i := o.index(newMark(line, col, Span{}), -1); i >= 0 {
		return o.marks[i].of()
	}
	return Span{}
}

// index gives the last mark that is not behind a place, -1 if there is none. near is where
// to look first, the answer for a place a little before this one; -1 for nowhere.
func (o *Origin) index(at mark, near int) int {
	const few = 16
	if near >= 0 && o.marks[near].compare(at) <= 0 {
		for i := near; i < near+few; i++ {
			if i+1 == len(o.marks) || o.marks[i+1].compare(at) > 0 {
				return i
			}
		}
	}
	i, found := slices.BinarySearchFunc(o.marks, at, mark.compare)
	if !found {
		i--
	}
	return i
}

// locate puts a place of a module where a person can look it up.
func (m *Module) locate(pos syntax.Position) syntax.Position {
	if m.Origin != nil {
		of := m.Origin.At(int(pos.Line), int(pos.Col))
		pos.Line, pos.Col = int32(of.Line), int32(of.Col)
	}
	return pos
}

// locate does it for a diagnostic and the places that belong to it. One that nobody
// wrote the text of is about the file as a whole.
func (u *Unit) locate(d Diagnostic) Diagnostic {
	if o := u.origin(d.File); o != nil && d.Line > 0 {
		of := o.At(d.Line, d.Col)
		d.Line, d.Col, d.EndLine, d.EndCol = of.Line, of.Col, of.EndLine, of.EndCol
	}
	d.Related = slices.Clone(d.Related)
	for i, n := range d.Related {
		if o := u.origin(n.File); o != nil && n.Line > 0 {
			of := o.At(n.Line, n.Col)
			d.Related[i].Line, d.Related[i].Col = of.Line, of.Col
		}
	}
	return d
}

// locateAll is locate for a list.
func (u *Unit) locateAll(ds Diagnostics) Diagnostics {
	for i, d := range ds {
		ds[i] = u.locate(d)
	}
	return ds
}

// origin gives the origin of a module by its name, nil if it has none.
func (u *Unit) origin(name string) *Origin {
	if m := u.Modules[name]; m != nil {
		return m.Origin
	}
	return nil
}
