//go:build !linux

package dsl

import "errors"

func mkfifo(string) error { return errors.ErrUnsupported }
