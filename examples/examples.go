// Package examples embeds the example orchestration that the program itself runs.
//
// What lives here: orchestrations for people to read and to begin with, with their
// tests; README.md lists them. What may not: Go code but the embedding.
package examples

import _ "embed"

// RetryStorm is retry-storm.star, which `starquake demo` runs.
//
//go:embed retry-storm.star
var RetryStorm []byte
