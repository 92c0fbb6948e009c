package files

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// names gives out the names of a program: each once, and none that means something
// already.
type names struct {
	taken map[string]bool
	// last is the number that a name was given last, so that ten thousand steps of one
	// name do not ask ten thousand times.
	last map[string]int
}

func newNames() *names {
	n := &names{taken: map[string]bool{}, last: map[string]int{}}
	for _, group := range []string{keywords, reservedWords, universe, builtinNames, ownNames} {
		for _, name := range strings.Fields(group) {
			n.taken[name] = true
		}
	}
	return n
}

// What a program may not call its own: the words of Starlark and those it reserves, its
// predeclared names, the builtins, and the names that transpiled programs have besides.
const (
	keywords      = "and break continue def elif else for if in lambda load not or pass return while"
	reservedWords = "as assert async await class del except finally from global import is nonlocal raise try with yield"
	universe      = "None True False abs any all bool bytes chr dict dir enumerate fail float getattr hasattr hash int len list max min " +
		"ord print range repr reversed set sorted str tuple type zip"
	builtinNames = "apply_chaos approve attempt burst check dns duration elapsed exec exponential fault fmt grpc guard guards http inconclusive " +
		"json linear log loop math network notify now observe on_exit orchestration parallel param probe profile prometheus " +
		"proxy pulse ramp random record recorded round scenario secret sequence service simulate sine size skip sleep starquake start steady_state step steps " +
		"sum target targets tcp time toxiproxy mockforge traffic wait_until"
	ownNames = "main turn vars status state finish afterwards now_over text"
)

// maxName bounds a name, in characters.
const maxName = 48

// give gives a name made of words that a person wrote, such as a step's name. kind is
// the name where they say nothing.
func (n *names) give(words, kind string) string {
	base := identifier(words)
	switch {
	case base == "":
		base = kind
	case base[0] >= '0' && base[0] <= '9':
		base = kind + "_" + base
	}
	name := base
	if n.taken[name] && n.last[base] == 0 {
		n.last[base] = 1
	}
	for n.taken[name] {
		n.last[base]++
		name = base + "_" + strconv.Itoa(n.last[base])
	}
	n.taken[name] = true
	return name
}

// identifier turns words into a name in snake case; "" where no letter or digit is in
// them. Of other alphabets it keeps the letters.
func identifier(words string) string {
	var b strings.Builder
	gap := false
	for _, r := range words {
		if r >= utf8.RuneSelf && !unicode.IsLetter(r) || r < utf8.RuneSelf && !asciiWord(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
		if b.Len() >= maxName {
			break
		}
	}
	return b.String()
}

func asciiWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
