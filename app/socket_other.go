//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package app

import "errors"

var errNoSocket = errors.New("runs cannot be controlled from another process on this system")

func isLocked(string) (bool, error)            { return false, errNoSocket }
func shortPath(string) (string, func(), error) { return "", nil, errNoSocket }
