// Package examples embeds the example orchestrations that the program itself runs.
//
// What lives here: orchestrations for people to read and to begin with, with their
// tests. What may not: Go code but the embedding.
package examples

import _ "embed"

// Quickstart is quickstart.star, which `starquake demo` runs.
//
//go:embed quickstart.star
var Quickstart []byte
