//go:build race

package server_test

// race says that the program is built as the tests are.
const race = true
