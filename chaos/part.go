package chaos

// PartError is an error in one part of a fault: who tells a program what is wrong names the
// part, the words are those of the error within.
type PartError struct {
	// Part is kind, params, probability, match or pulse, as in the JSON form.
	Part string
	err  error
}

func (e *PartError) Error() string { return e.err.Error() }

// Unwrap gives the error within.
func (e *PartError) Unwrap() error { return e.err }

// inPart is err as one of a part; nil stays nil.
func inPart(part string, err error) error {
	if err == nil {
		return nil
	}
	return &PartError{part, err}
}
