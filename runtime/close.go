package runtime

import "errors"

// close ends a scope in the order of LANGUAGE.md: its branches, its faults, its
// steady states, its clean-ups. It turns err, what the body returned, and what
// happened to the scope meanwhile into what the caller of the scope gets.
func (b *Branch) close(s *scope, err error) error {
	for b.scope != s { // inner scopes that a defect left open
		_ = b.close(b.scope, err)
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrCancelled):
		err = ErrCancelled
	case b.cancelled == nil || hasFailed(err): // it failed before anybody stopped it, and stays failed
		err = b.run.failure(b, err)
	}
	b.shield++
	if s.first != nil {
		b.endChildren(s)
	}
	if len(s.held) > 0 {
		b.releaseAll(s)
	}
	err = b.outcome(s, err)
	if len(s.steady) > 0 {
		err = b.settleUnshielded(s, err)
	}
	if len(s.exits) > 0 {
		b.runExits(s, b.howEnded(s, err))
	}
	b.shield--
	b.scope = s.parent
	if s.kind == scopeBranch || s.kind == scopeRun {
		b.scope = s // a branch's own scope stays, for paths in messages
	}
	if b.cancelled == s {
		b.cancelled = nil
	}
	// A cancel from further out that came while this scope was closing.
	if b.cancelled != nil && b.shield == 0 && !hasFailed(err) {
		return ErrCancelled
	}
	return err
}

// settleUnshielded reads the hypotheses of a scope that ends. Its faults are off, so
// a stop may cut that short.
func (b *Branch) settleUnshielded(s *scope, err error) error {
	if b.cancelled == s {
		b.cancelled = nil
	}
	had := s.cause
	s.cause = nil // so that a stop still reaches a scope that was cancelled before
	b.shield--
	trouble := b.settle(s, err)
	b.shield++
	if trouble != nil && !errors.Is(trouble, ErrCancelled) {
		err = join2(err, b.run.failure(b, trouble))
	}
	if s.cause != nil || b.cancelled != nil {
		return b.outcome(s, err)
	}
	s.cause = had
	for _, f := range s.pending { // of readers, which have ended meanwhile
		err = join2(err, f)
	}
	s.pending = nil
	return err
}

// outcome decides between the body's error, the scope's cause, and what failed while
// it went on. What had failed before it was stopped stays failed: otherwise stopping
// a branch would hide its failure.
func (b *Branch) outcome(s *scope, err error) error {
	switch {
	case b.cancelled != nil && b.cancelled != s || s.cause != nil && s.cause.err == nil:
		if !hasFailed(err) {
			err = ErrCancelled
		}
	case s.cause != nil:
		f, _ := err.(*Failure)
		if !hasFailed(err) {
			f = nil
		}
		err = join2(s.cause.err, f)
	}
	for _, f := range s.pending {
		err = join2(err, f)
	}
	s.pending = nil
	if f, ok := err.(*Failure); ok {
		return b.run.failure(b, f)
	}
	return err
}

// howEnded tells a clean-up what happened to its scope.
func (b *Branch) howEnded(s *scope, err error) ExitWhen {
	f, _ := err.(*Failure)
	switch {
	case b.run.end.aborted != nil:
		return ExitAbort
	case err == ErrCancelled, b.cancelled != nil && b.cancelled != s, s.cause != nil && s.cause.err == nil:
		return ExitStop
	case f == nil || f.Class == ClassSkip:
		return ExitSuccess
	}
	return ExitFailure
}

// endChildren ends the branches that still belong to s, and waits for them. Those that read
// its hypotheses end by themselves when the faults are off: see settle.
func (b *Branch) endChildren(s *scope) {
	for child := s.first; child != nil; child = child.next {
		if !child.reads {
			b.run.cancel(child.own, &cause{kind: causeEnded})
		}
	}
	s.closing = true
	for s.kids > s.readers {
		b.park()
	}
}
