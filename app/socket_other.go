//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package app

import (
	"errors"
	"io"
)

var errNoSocket = errors.New("runs cannot be controlled from another process on this system")

func lockFile(string) (io.Closer, error)       { return nil, errNoSocket }
func isLocked(string) (bool, error)            { return false, errNoSocket }
func shortPath(string) (string, func(), error) { return "", nil, errNoSocket }
