package link

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// NoAnswerError is the error of a call that was not answered.
type NoAnswerError struct {
	// Sent is false where nothing was sent, since there was no connection. Else it may have
	// arrived, and may still do so.
	Sent bool
	Err  error
}

func (e *NoAnswerError) Error() string { return e.Err.Error() }
func (e *NoAnswerError) Unwrap() error { return e.Err }

// IsUnsent reports whether err is of a call of which nothing was sent.
func IsUnsent(err error) bool {
	var e *NoAnswerError
	return errors.As(err, &e) && !e.Sent
}

// IsUnanswered reports whether err is of a call that was sent and that the engine has not
// answered: also where a gateway before it did in its place, and tells that it has not waited.
func IsUnanswered(err error) bool {
	var e *NoAnswerError
	return errors.As(err, &e) && e.Sent || IsStatus(err, http.StatusBadGateway) || IsStatus(err, http.StatusGatewayTimeout)
}

// IsOverdue reports whether err is of a call that is given up since it takes too long, and not
// since it was cut off: whoever has it may be at work on it, for nobody knows how long.
func IsOverdue(err error) bool {
	var e *NoAnswerError
	return errors.As(err, &e) && e.Sent && errors.Is(e.Err, context.DeadlineExceeded) || IsStatus(err, http.StatusGatewayTimeout)
}

// OverdueError is an error of putting a fault on that was asked for, that takes too long, and
// that had not come about when it was waited for: it may go on at any time.
type OverdueError struct {
	Err error
	// Undo takes off what there is of the fault, confirms that, and tells whether it had come
	// about by now, so that nothing more of it can.
	Undo func(ctx context.Context) (came bool, err error)
}

func (e *OverdueError) Error() string { return e.Err.Error() }
func (e *OverdueError) Unwrap() error { return e.Err }

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
