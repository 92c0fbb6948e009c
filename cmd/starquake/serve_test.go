package main

import "testing"

// TestShown: where a server listens is told as it was asked for, with the port that it got.
func TestShown(t *testing.T) {
	for _, c := range [][3]string{
		{"0.0.0.0:0", "[::]:3000", "0.0.0.0:3000"},
		{"0.0.0.0:3000", "0.0.0.0:3000", "0.0.0.0:3000"},
		{":0", "[::]:3000", "[::]:3000"},
		{"[::]:0", "[::]:3000", "[::]:3000"},
		{"127.0.0.1:0", "127.0.0.1:3000", "127.0.0.1:3000"},
		{"localhost:0", "127.0.0.1:3000", "127.0.0.1:3000"},
	} {
		if got := shown(c[0], c[1]); got != c[2] {
			t.Errorf("asked to listen at %s, and at %s: told as %s, expected %s", c[0], c[1], got, c[2])
		}
	}
}
