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

// UnsentError is the error of a call of which nothing was sent: there was no connection.
type UnsentError struct{ Err error }

func (e *UnsentError) Error() string { return e.Err.Error() }
func (e *UnsentError) Unwrap() error { return e.Err }

// IsUnsent reports whether err is one.
func IsUnsent(err error) bool {
	var e *UnsentError
	return errors.As(err, &e)
}

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
