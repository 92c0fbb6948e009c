package files

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"

	"starquake/dsl"
)

// maxWidth is how long a line may be before its brackets are opened.
const maxWidth = 100

// programText writes a program in the layout of dsl.Format, and notes for each place of
// it what it was made of.
type programText struct {
	out       bytes.Buffer
	line, col int // where the next character goes, from 1
	// apart asks for an empty line before the next that is written.
	apart  bool
	origin *dsl.Origin
}

func newProgramText() *programText {
	return &programText{line: 1, col: 1, origin: new(dsl.Origin)}
}

// put writes text that has no line break in it.
func (t *programText) put(text string) {
	t.out.WriteString(text)
	t.col += utf8.RuneCountInString(text)
}

func (t *programText) newline() {
	t.out.WriteByte('\n')
	t.line, t.col = t.line+1, 1
}

// of says what the text from here on is made of.
func (t *programText) of(pos Pos) { t.origin.Mark(t.line, t.col, dsl.Span(pos)) }

// begin begins a line at an indentation.
func (t *programText) begin(indent int) {
	if t.apart && t.line > 1 {
		t.newline()
	}
	t.apart = false
	t.of(Pos{})
	t.put(strings.Repeat(" ", indent))
}

// comment writes a comment of one or more lines.
func (t *programText) comment(indent int, lines []string) {
	for _, line := range lines {
		t.begin(indent)
		t.put(strings.TrimRight("# "+line, " "))
		t.newline()
	}
}

// statements writes a body: functions, and statements with comments, have an empty line
// between them and their neighbours.
func (t *programText) statements(indent int, body []stmt) {
	for i := range body {
		if i > 0 && (len(body[i].comments) > 0 || body[i].isFunction() || body[i-1].isFunction()) {
			t.apart = true
		}
		t.statement(indent, &body[i])
	}
}

func (t *programText) statement(indent int, s *stmt) {
	t.comment(indent, s.comments)
	t.begin(indent)
	tail := 0
	if s.body != nil { // what stands before a ":" stays on one line, however long
		tail = -math.MaxInt32
	}
	t.expr(&s.head, indent, tail, Pos{})
	if s.body != nil {
		t.put(":")
	}
	if s.remark != "" {
		t.put("  # " + s.remark)
	}
	t.newline()
	t.statements(indent+4, s.body)
	t.orElse(indent, s)
	t.apart = t.apart || s.body != nil && len(s.feet) > 0
	t.comment(indent, s.feet)
	t.apart = t.apart || len(s.feet) > 0 // else they would be comments of what follows
}

// orElse writes the other arm of an if. An if that is all of it becomes an elif, whose
// comments go below it: above it there is no place for them.
func (t *programText) orElse(indent int, s *stmt) {
	body := s.orElse
	if len(body) == 0 {
		return
	}
	if inner := body[0]; len(body) == 1 && inner.body != nil && len(inner.head.then) > 0 && inner.head.then[0].text == "if " {
		inner.head.then = append([]expr{atom(inner.head.then[0].pos, "elif ")}, inner.head.then[1:]...)
		first := inner.body[0]
		first.comments = append(inner.comments, first.comments...)
		inner.comments, inner.body = nil, append([]stmt{first}, inner.body[1:]...)
		t.statement(indent, &inner)
		return
	}
	t.begin(indent)
	t.of(s.head.then[0].pos)
	t.put("else:")
	t.newline()
	t.statements(indent+4, body)
}

// expr writes an expression: on one line if it and the tail columns behind it fit, else
// with an item of its brackets on each line. around is what stands around it is made of.
func (t *programText) expr(e *expr, indent, tail int, around Pos) {
	pos := e.pos
	if pos == (Pos{}) {
		pos = around
	}
	t.of(pos)
	t.put(e.text)
	t.items(e, indent, tail, pos)
	for i := range e.then {
		behind := tail
		for j := range e.then[i+1:] {
			behind += e.then[i+1+j].width()
		}
		t.expr(&e.then[i], indent, behind, pos)
		t.of(pos)
	}
}

// items writes the brackets of an expression and what stands in them.
func (t *programText) items(e *expr, indent, tail int, pos Pos) {
	t.put(e.brackets.open())
	if len(e.items) == 0 || t.col-1+e.itemsWidth()+tail <= maxWidth {
		for i := range e.items {
			if i > 0 {
				t.put(", ")
			}
			t.item(&e.items[i], indent, 0, pos)
		}
		t.put(e.brackets.end())
		return
	}
	t.newline()
	for i := range e.items {
		t.put(strings.Repeat(" ", indent+4))
		t.item(&e.items[i], indent+4, len(","), pos)
		t.put(",")
		t.newline()
	}
	t.put(strings.Repeat(" ", indent))
	t.put(e.brackets.end())
}

func (t *programText) item(it *item, indent, tail int, pos Pos) {
	if it.value.pos != (Pos{}) {
		t.of(it.value.pos)
	}
	t.put(it.key)
	t.expr(&it.value, indent, tail, pos)
	t.of(pos)
}
