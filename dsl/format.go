package dsl

import (
	"bytes"
	"fmt"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"
)

// meaningKept are the rewrites of buildifier that Format does: they change how a
// number is written. Those that sort or move code are left out.
var meaningKept = []string{"editoctal", "editfloat"}

// Format lays a script out in the one way, that of buildifier. Comments stay, and
// formatting twice is formatting once. A text that does not parse is refused with
// Diagnostics.
func Format(name string, text []byte) ([]byte, error) {
	m := &Module{Name: name, Text: text}
	before, diags := parse(m, Options{}.maxFile())
	if before == nil {
		return nil, diags
	}
	out, err := layout(name, m.Text)
	if err != nil {
		return nil, err
	}
	// Some layouts settle only at the second try: a line that was broken moves its comment.
	for range 4 {
		again, err := layout(name, out)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(again, out) {
			return out, sameMeaning(name, before, m.Text, out)
		}
		out = again
	}
	return nil, fmt.Errorf("formatting %s: the layout does not settle; please report it with the file", clean(name))
}

func layout(name string, text []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("formatting %s: %v", clean(name), r)
		}
	}()
	file, err := build.ParseDefault(name, text)
	if err != nil {
		return nil, fmt.Errorf("formatting: %w", err)
	}
	return build.FormatWithRewriter(&build.Rewriter{RewriteSet: meaningKept}, file), nil
}

// sameMeaning checks that the formatted text is the same program with the same
// comments: a formatter must not be trusted with either.
func sameMeaning(name string, before *syntax.File, text, formatted []byte) error {
	after, diags := parse(&Module{Name: name, Text: formatted}, 2*Options{}.maxFile())
	if after == nil {
		return fmt.Errorf("formatting %s: the result would not parse: %w", clean(name), diags)
	}
	if was, is := outline(before), outline(after); was != is {
		return fmt.Errorf("formatting %s: the result would be another program; please report it with the file", clean(name))
	}
	if was, is := comments(text), comments(formatted); was != is {
		return fmt.Errorf("formatting %s: %d comments would become %d; move those in odd places to lines of their own", clean(name), was, is)
	}
	return nil
}

// comments counts the comments of a text.
func comments(text []byte) int {
	n := 0
	eachToken(text, 1<<31-1, func(t token) {
		if t.kind == commentToken {
			n++
		}
	})
	return n
}
