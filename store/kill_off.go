//go:build !crash

package store

// killPoint marks a place at which a crash is tried out: see kill_on.go. In the product
// it is nothing.
func killPoint() {}
