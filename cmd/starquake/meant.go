package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// meant says of a wrong word on the command line which flag stands for it, where the parser
// finds none that is written nearly so: --data-dir, or a name without its --name.
func meant(err error) string {
	var wrong *kong.ParseError
	if !errors.As(err, &wrong) || strings.Contains(err.Error(), "did you mean") {
		return ""
	}
	flags := wrong.Context.Flags()
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag --"); ok {
		for _, flag := range flags {
			if lengthens(name, flag.Name) || lengthens(flag.Name, name) {
				return fmt.Sprintf(`, did you mean "--%s"?`, flag.Name)
			}
		}
	}
	if word, ok := strings.CutPrefix(err.Error(), "unexpected argument "); ok {
		for _, flag := range flags {
			if flag.Name == "name" && flag.Required {
				return "; a name is given as a flag: --name " + word
			}
		}
	}
	return ""
}

// lengthens reports whether a flag's name is another one with something behind it: a word, or
// letters where the other one is not too short to mean anything.
func lengthens(long, short string) bool {
	rest, ok := strings.CutPrefix(long, short)
	return ok && (strings.HasPrefix(rest, "-") && len(short) > 2 || len(short) > 3)
}
