package link

import (
	"errors"
	"fmt"
)

// LostError says that a fault went off before it was taken off: the engine restarted,
// somebody took it off, or its lease ran out.
type LostError struct{ Message string }

func (e *LostError) Error() string { return e.Message }

// Lost makes a LostError.
func Lost(format string, args ...any) error { return &LostError{fmt.Sprintf(format, args...)} }

// IsLost reports whether err is a LostError.
func IsLost(err error) bool {
	var e *LostError
	return errors.As(err, &e)
}

// DeniedError is the error of an http.Client that is not permitted to make a request.
type DeniedError struct{ Err error }

func (e *DeniedError) Error() string { return e.Err.Error() }
func (e *DeniedError) Unwrap() error { return e.Err }

// UntouchedError is an error of putting a fault on before anything was sent that could
// have put it on: there is nothing to take off.
type UntouchedError struct{ Err error }

func (e *UntouchedError) Error() string { return e.Err.Error() }
func (e *UntouchedError) Unwrap() error { return e.Err }

// Untouched marks an error; nil stays nil.
func Untouched(err error) error {
	if err == nil {
		return nil
	}
	return &UntouchedError{err}
}

// IsUntouched reports whether err is marked so.
func IsUntouched(err error) bool {
	var e *UntouchedError
	return errors.As(err, &e)
}
