package files

import (
	"bytes"
	"regexp"
)

// newerVersion finds the directive of the version that we read.
var newerVersion = regexp.MustCompile(`\A(?:(?:[ \t]*(?:#[^\r\n]*)?|%[A-Z]+[^\r\n]*)(?:\r\n|\r|\n))*?%YAML[ \t]+1\.(2)(?:[ \t\r\n]|\z)`)

// asRead is a text of YAML 1.2 as the library takes it, which knows the directive of 1.1
// only; every place in it stays where it is.
func asRead(text []byte) []byte {
	if !bytes.Contains(text, []byte("%YAML")) { // found out at once, where a head is long
		return text
	}
	at := newerVersion.FindSubmatchIndex(text)
	if at == nil {
		return text
	}
	text = bytes.Clone(text)
	text[at[2]] = '1'
	return text
}
