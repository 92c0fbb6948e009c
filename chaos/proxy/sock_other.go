//go:build !linux

package proxy

import (
	"errors"
	"net"
)

var errNoDeafen = errors.New("this system cannot stop listening on an address and keep it; use blackhole or reset")

func deafen(*net.TCPListener) error   { return errNoDeafen }
func undeafen(*net.TCPListener) error { return errNoDeafen }

// canDeafen is nil where a listener can refuse connections and keep its address.
func canDeafen() error { return errNoDeafen }

// untilHangup and hasHungUp say nothing here: a client that leaves while it is held is
// noticed when the hold ends.
func untilHangup(side) bool { return false }
func hasHungUp(side) bool   { return false }

// toldOther would say of a reset that it has been told: here it is the end of what is read.
func toldOther(side) bool { return false }

func listenConfig() net.ListenConfig { return net.ListenConfig{} }
